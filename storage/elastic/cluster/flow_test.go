package cluster

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The window halves when there is too much to do, and comes back.
func TestFlow(t *testing.T) {
	f := NewFlow(4, prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}))
	ctx := context.Background()
	for range 4 {
		if err := f.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Acquire(ended); err == nil {
		t.Error("a fifth got in")
	}
	f.Went(true)
	f.Went(true)
	f.Went(true)
	for range 4 {
		f.Release()
	}
	if err := f.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	if err := f.Acquire(ended); err == nil {
		t.Error("a second got in while one is what is allowed")
	}
	for range 20 {
		f.Went(false)
	}
	for range 3 {
		if err := f.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A place is given back during a rest, and taken again.
func TestFlowRest(t *testing.T) {
	f := NewFlow(1, prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}))
	ctx, cancel := context.WithCancel(context.Background())
	if err := f.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	other := func() error {
		if err := f.Acquire(ctx); err != nil {
			t.Error(err)
		}
		f.Release()
		return nil
	}
	if err := f.Rest(ctx, other); err != nil {
		t.Error(err)
	}
	if f.Rest(ctx, func() error { cancel(); return ctx.Err() }) == nil {
		t.Error("a place though all has ended")
	}
	f.Release()
	if err := f.Acquire(context.Background()); err != nil {
		t.Error(err)
	}
}
