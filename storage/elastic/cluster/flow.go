package cluster

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Flow bounds the bulk requests under way. The bound halves when Elasticsearch
// says that it has too much to do, and grows by one with every window of
// requests that went well.
type Flow struct {
	most  float64
	gauge prometheus.Gauge

	mu     sync.Mutex
	window float64
	used   int
	freed  chan struct{} // closed when one has ended
}

// NewFlow returns one of at most so many at once, and shows the bound in gauge.
func NewFlow(most int, gauge prometheus.Gauge) *Flow {
	f := &Flow{most: float64(most), window: float64(most), gauge: gauge, freed: make(chan struct{})}
	gauge.Set(f.window)
	return f
}

// Acquire waits for a place.
func (f *Flow) Acquire(ctx context.Context) error {
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

// Release gives the place back.
func (f *Flow) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used--
	f.wake()
}

// Rest gives the place back, lets rest pass, and takes a place again. Where it
// fails it has taken one that is too many, for the caller to release.
func (f *Flow) Rest(ctx context.Context, rest func() error) error {
	f.Release()
	err := rest()
	if err == nil {
		err = f.Acquire(ctx)
	}
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.used++
	}
	return err
}

func (f *Flow) wake() {
	close(f.freed)
	f.freed = make(chan struct{})
}

// Went tells how a request went.
func (f *Flow) Went(overloaded bool) {
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
