package server

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/clewhq/clew/server/config"
)

// TestTuneMemory: the configuration's limits reach the runtime, unless the
// environment has its own.
func TestTuneMemory(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) })
	now := func() (int64, int) {
		p := debug.SetGCPercent(100)
		return debug.SetMemoryLimit(math.MaxInt64), p
	}
	debug.SetMemoryLimit(math.MaxInt64)
	cfg := config.Server{GCPercent: 40, MemoryLimitBytes: 1000 << 20}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	tuneMemory(cfg, config.BackendLocal)
	if limit, percent := now(); limit != 900<<20 || percent != 40 {
		t.Errorf("limit %d, percent %d", limit, percent)
	}
	cfg.GCPercent = 0
	for backend, want := range map[string]int{config.BackendLocal: localGCPercent, config.BackendElasticsearch: otherGCPercent} {
		tuneMemory(cfg, backend)
		if _, percent := now(); percent != want {
			t.Errorf("with records in %s: percent %d, want %d", backend, percent, want)
		}
	}
	t.Setenv("GOGC", "100")
	t.Setenv("GOMEMLIMIT", "1GiB")
	tuneMemory(cfg, config.BackendLocal)
	if limit, percent := now(); limit != math.MaxInt64 || percent != 100 {
		t.Errorf("with an environment of its own: limit %d, percent %d", limit, percent)
	}
	if memoryLimit() <= 0 {
		t.Error("this machine has no memory")
	}
}
