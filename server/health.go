package server

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Dependency is one thing that clew needs, as `GET /api/v1/health` shows it.
type Dependency struct {
	Name           string       `json:"name"`
	Type           string       `json:"type"`
	Status         string       `json:"status"` // ok, degraded or down
	Connected      bool         `json:"connected"`
	ResponseTime   ResponseTime `json:"response_time_ms"`
	CircuitBreaker string       `json:"circuit_breaker"`
	LastError      string       `json:"last_error"`
}

// ResponseTime is in milliseconds.
type ResponseTime struct {
	Average  float64 `json:"average"`
	Expected float64 `json:"expected"`
}

// Health is the answer of `GET /api/v1/health`.
type Health struct {
	Status       string       `json:"status"`
	Version      string       `json:"version"`
	UptimeS      int64        `json:"uptime_s"`
	Dependencies []Dependency `json:"dependencies"`
	Memory       Memory       `json:"memory"`
}

// Memory is the process's own, in bytes.
type Memory struct {
	Average int64 `json:"average_bytes"`
	Current int64 `json:"current_bytes"`
	Limit   int64 `json:"limit_bytes"`
}

// probe looks at one dependency, now.
type probe func(ctx context.Context) Dependency

// health gathers what the server knows of itself. Safe for concurrent use.
type health struct {
	version string
	started time.Time
	probes  func() []probe // as they are now
	log     *slog.Logger

	mu      sync.Mutex
	average float64 // bytes, moving over some minutes

	status map[string]string // of the dependencies, when run looked last
}

// sampleWeight makes the average follow the last few minutes at one sample
// every sampleEvery.
const (
	sampleEvery  = 5 * time.Second
	sampleWeight = 0.05
)

// run samples memory, and logs what changes, until ctx ends.
func (h *health) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		h.sample()
		h.tell(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *health) sample() {
	now := float64(residentBytes())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.average == 0 {
		h.average = now
	}
	h.average += (now - h.average) * sampleWeight
}

// tell logs the dependencies whose status is another than before. Without it
// a full disk would show in answers and metrics only.
func (h *health) tell(ctx context.Context) {
	if h.status == nil {
		h.status = map[string]string{}
	}
	for _, p := range h.probes() {
		d := p(ctx)
		before := h.status[d.Name]
		h.status[d.Name] = d.Status
		switch {
		case d.Status == before || before == "" && d.Status == "ok":
		case d.Status == "ok":
			h.log.Info("a dependency is well again", "dependency", d.Name)
		default:
			h.log.Warn("a dependency is not well", "dependency", d.Name, "status", d.Status, "err", d.LastError)
		}
	}
}

// report asks every dependency. The whole is down where something it cannot
// work without is down, degraded where anything is not ok.
func (h *health) report(ctx context.Context) Health {
	out := Health{Status: "ok", Version: h.version, UptimeS: int64(time.Since(h.started).Seconds()), Dependencies: []Dependency{}}
	for _, p := range h.probes() {
		d := p(ctx)
		out.Dependencies = append(out.Dependencies, d)
		switch {
		case d.Status == "down" && d.Type == "storage":
			out.Status = "down"
		case d.Status != "ok" && out.Status == "ok":
			out.Status = "degraded"
		}
	}
	h.mu.Lock()
	out.Memory = Memory{Average: int64(h.average), Current: residentBytes(), Limit: memoryLimit()}
	h.mu.Unlock()
	return out
}

func (h *health) serve(w http.ResponseWriter, r *http.Request) {
	rep := h.report(r.Context())
	code := http.StatusOK
	if rep.Status == "down" {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, rep)
}

// residentBytes is the process's resident memory, or where the system does not
// tell, what the Go runtime holds.
func residentBytes() int64 {
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
