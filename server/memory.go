package server

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/clewhq/clew/server/config"
)

// softLimit is how much of the memory limit the Go runtime may fill: beside it
// stand the program itself and what the runtime does not count.
const softLimit = 0.9

// What memory may grow by before it is collected, in percent: half of what the
// embedded store keeps is much; of what else is in use, Go's own default is
// little, and half the work.
const (
	localGCPercent = 50
	otherGCPercent = 100
)

// tuneMemory tells the runtime how much memory the process may take where
// records are in this backend. What the environment says stands.
func tuneMemory(cfg config.Server, backend string) {
	percent := cfg.GCPercent
	switch {
	case percent > 0:
	case backend == config.BackendLocal:
		percent = localGCPercent
	default:
		percent = otherGCPercent
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := cfg.MemoryLimitBytes
	if limit == 0 {
		limit = memoryLimit()
	}
	if limit > 0 {
		debug.SetMemoryLimit(int64(float64(limit) * softLimit))
	}
}

// memoryLimit is the runtime's limit where one is set, else the control
// group's, else the machine's memory; 0 where none can be read.
func memoryLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
			return n
		}
	}
	if runtime.GOOS != "linux" {
		return 0
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
