package workload

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Workload is the shop's telemetry of one seed and window. It is immutable
// and safe for concurrent use.
type Workload struct {
	cfg      Config
	requests int
	start    int64 // of the window, Unix nanoseconds
	slot     int64 // the time from one request to the next
}

// New returns the workload that cfg describes.
func New(cfg Config) (*Workload, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read workload settings: %w", err)
	}
	w := &Workload{cfg: cfg, requests: cfg.Requests, start: cfg.End.Add(-cfg.Window).UnixNano()}
	if cfg.Spans > 0 {
		w.requests = requestsForSpans(cfg)
	}
	if cfg.Logs/w.requests >= maxLogsPerRequest {
		return nil, fmt.Errorf("read workload settings: %d logs for %d requests: at most %d a request", cfg.Logs, w.requests, maxLogsPerRequest)
	}
	w.slot = max(int64(cfg.Window-storyMargin)/int64(w.requests), 1)
	return w, nil
}

// requestsForSpans counts the requests it takes to reach cfg.Spans. Times do
// not matter to the count, so any slot will do.
func requestsForSpans(cfg Config) int {
	probe := &Workload{cfg: cfg, requests: 1, slot: int64(time.Second)}
	probe.cfg.Logs = 0
	spans, n := 0, 0
	for spans < cfg.Spans {
		spans += len(probe.Story(n).Spans)
		n++
	}
	return n
}

// Config returns the settings, with Requests as it came out.
func (w *Workload) Config() Config {
	cfg := w.cfg
	cfg.Requests = w.requests
	return cfg
}

// Requests returns how many stories there are.
func (w *Workload) Requests() int { return w.requests }

// Start is the beginning of the window.
func (w *Workload) Start() time.Time { return time.Unix(0, w.start) }

// End is the end of the window.
func (w *Workload) End() time.Time { return w.cfg.End }

// InstanceID is the service.instance.id of a service in this workload. It
// tells the series of one seed from those of another.
func (w *Workload) InstanceID(service int) string {
	return newUUID(w.rng(saltInstance, uint64(service)))
}

// Run is the value of attribute loadtest.run, which marks everything that
// belongs to this seed.
func (w *Workload) Run() string { return fmt.Sprintf("seed-%d", w.cfg.Seed) }

// Resource returns the resource attributes of a service.
func (w *Workload) Resource(service int) []Attr {
	s := Services[service]
	pod := fmt.Sprintf("%s-%08x", s.Name, uint32(w.rng(saltPod, uint64(service)).Uint64()))
	return []Attr{
		{"service.name", s.Name},
		{"service.version", s.Version},
		{"service.instance.id", w.InstanceID(service)},
		{"deployment.environment.name", "production"},
		{"host.name", fmt.Sprintf("node-%d", service%3+1)},
		{"k8s.namespace.name", "shop"},
		{"k8s.pod.name", pod},
		{"telemetry.sdk.language", s.Language},
		{"telemetry.sdk.name", "opentelemetry"},
		{"loadtest.run", w.Run()},
	}
}

// The salts keep the random numbers of different things apart.
const (
	saltStory = iota + 1
	saltSession
	saltInstance
	saltPod
	saltBackground
	saltGauge
	saltLines
)

// rng returns the random numbers of one thing of this seed.
func (w *Workload) rng(salt, index uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(w.cfg.Seed+salt<<56), mix(index+salt)))
}

// mix spreads neighbouring numbers over the whole range (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// newUUID returns a version 4 UUID.
func newUUID(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

// newULID returns 26 characters as a ULID has them.
func newULID(r *rand.Rand) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	out := []byte("01")
	for len(out) < 26 {
		out = append(out, alphabet[r.IntN(len(alphabet))])
	}
	return string(out)
}
