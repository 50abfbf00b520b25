package admission

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// InFlight bounds the memory of the requests that are being read, decoded and
// written, so that a crowd of senders waits or is sent away instead of filling
// the memory. A nil one bounds nothing.
type InFlight struct {
	limit int64
	wait  time.Duration
	gauge prometheus.Gauge

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed when some is given back
}

func newInFlight(cfg *Config, gauge prometheus.Gauge) *InFlight {
	return &InFlight{limit: cfg.InFlightBytes, wait: time.Duration(cfg.InFlightWait), gauge: gauge, freed: make(chan struct{})}
}

// InFlight is the bound of all requests of this gate.
func (g *Gate) InFlight() *InFlight { return g.flying }

// DecodedRatio is how much memory a byte of a request takes while it is
// decoded: itself, and its records.
const DecodedRatio = 3

// flightStep is what a request reserves at once at least, and how far what it
// says of its length is believed.
const flightStep = 256 << 10

// Flight is one request's part. It is safe for concurrent use.
type Flight struct {
	of *InFlight
	// The bound's lock guards what follows.
	used, reserved int64
	ended          bool
}

// Begin announces a request; End must be called.
func (f *InFlight) Begin() *Flight { return &Flight{of: f} }

// Expect reserves memory for a request that will use n bytes, as it says.
func (f *Flight) Expect(ctx context.Context, n int64) error {
	return f.wait(ctx, 0, min(max(n, 0), DecodedRatio*flightStep))
}

// Reserve waits for room for n bytes, of which none is used yet. How many were
// needed Settle says.
func (f *Flight) Reserve(ctx context.Context, n int64) error {
	if f.of != nil {
		n = min(n, f.of.limit)
	}
	return f.wait(ctx, 0, n)
}

// Settle counts n bytes as all that the request uses, and gives back what was
// reserved for more.
func (f *Flight) Settle(ctx context.Context, n int64) error {
	if f.of == nil {
		return nil
	}
	f.of.mu.Lock()
	if more := f.reserved - n; more > 0 && !f.ended {
		f.reserved -= more
		f.of.give(more)
	}
	f.of.mu.Unlock()
	return f.Use(ctx, n)
}

// Use counts n bytes more. Where that is over the bound it waits a little for
// others to end, then refuses the request.
func (f *Flight) Use(ctx context.Context, n int64) error { return f.wait(ctx, n, flightStep) }

// wait counts n bytes and reserves what they need, step at least.
func (f *Flight) wait(ctx context.Context, n, step int64) error {
	if f.of == nil {
		return nil
	}
	var timeout <-chan time.Time
	for {
		freed, ok := f.take(n, step)
		if ok {
			return nil
		}
		if timeout == nil {
			timer := time.NewTimer(f.of.wait)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-freed:
		case <-timeout:
			return &overInFlight{limit: f.of.limit, wait: f.of.wait}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take is wait's one attempt. A request that alone is over the limit passes
// when no other holds any: it could never be taken else.
func (f *Flight) take(n, step int64) (freed <-chan struct{}, ok bool) {
	of := f.of
	of.mu.Lock()
	defer of.mu.Unlock()
	more := f.used + n - f.reserved
	if more <= 0 && (n > 0 || f.reserved > 0) || f.ended {
		f.used += n
		return nil, true // an ended one has no reader left
	}
	more = max(more, step)
	if of.used > f.reserved && of.used+more > of.limit {
		return of.freed, false
	}
	f.used += n
	f.reserved += more
	of.add(more)
	return nil, true
}

// End gives back what the request reserved.
func (f *Flight) End() {
	if f.of == nil {
		return
	}
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.ended = true; f.reserved > 0 {
		f.of.give(f.reserved)
	}
	f.reserved, f.used = 0, 0
}

// give is called with the lock held. It wakes those who wait.
func (f *InFlight) give(n int64) {
	f.add(-n)
	close(f.freed)
	f.freed = make(chan struct{})
}

// add is called with the lock held.
func (f *InFlight) add(n int64) {
	f.used += n
	f.gauge.Set(float64(f.used))
}

// overInFlight is a request for which there is no memory.
type overInFlight struct {
	limit int64
	wait  time.Duration
}

func (e *overInFlight) Error() string {
	return fmt.Sprintf("the requests under way fill in_flight_bytes (%d), and none ended within %s; send again later", e.limit, e.wait)
}
