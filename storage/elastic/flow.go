package elastic

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// flow bounds the bulk requests under way. The bound halves when Elasticsearch
// says that it has too much to do, and grows by one with every window of
// requests that went well.
type flow struct {
	most  float64
	gauge prometheus.Gauge

	mu     sync.Mutex
	window float64
	used   int
	freed  chan struct{} // closed when one has ended
}

func newFlow(most int, gauge prometheus.Gauge) *flow {
	f := &flow{most: float64(most), window: float64(most), gauge: gauge, freed: make(chan struct{})}
	gauge.Set(f.window)
	return f
}

// acquire waits for a place.
func (f *flow) acquire(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.used < int(f.window) {
			f.used++
			f.mu.Unlock()
			return nil
		}
		freed := f.freed
		f.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives the place back.
func (f *flow) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used--
	f.wake()
}

func (f *flow) wake() {
	close(f.freed)
	f.freed = make(chan struct{})
}

// went tells how a request went.
func (f *flow) went(overloaded bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if overloaded {
		f.window = max(1, f.window/2)
	} else {
		f.window = min(f.most, f.window+1/f.window)
		f.wake()
	}
	f.gauge.Set(f.window)
}
