package admission

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc/codes"
)

func testInFlight(limit int64, wait time.Duration) *InFlight {
	cfg := DefaultConfig()
	cfg.InFlightBytes, cfg.InFlightWait = limit, model.Duration(wait)
	return newInFlight(&cfg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}))
}

// TestInFlight: requests share the bound; one more is refused, and taken when
// another has ended.
func TestInFlight(t *testing.T) {
	ctx := context.Background()
	f := testInFlight(4*flightStep, 0)
	a, b, c := f.Begin(), f.Begin(), f.Begin()
	for _, x := range []*Flight{a, b} {
		if err := x.Use(ctx, 2*flightStep); err != nil {
			t.Fatal(err)
		}
	}
	var crowd *overInFlight
	if err := c.Use(ctx, 1); !errors.As(err, &crowd) {
		t.Fatalf("over the bound: %v", err)
	}
	r := (&Gate{cfg: DefaultConfig()}).Refuse(c.Expect(ctx, 1))
	if r.HTTP != http.StatusTooManyRequests || r.GRPC != codes.ResourceExhausted || r.RetryAfter <= 0 || r.Reason != "in_flight" {
		t.Errorf("refused as %+v", r)
	}
	a.End()
	a.End()
	if err := c.Use(ctx, flightStep); err != nil {
		t.Errorf("after another has ended: %v", err)
	}
	b.End()
	c.End()
	if f.used != 0 {
		t.Errorf("%d bytes are held by nobody", f.used)
	}
}

// TestInFlightWaits until another has ended, or its own caller gives up.
func TestInFlightWaits(t *testing.T) {
	f := testInFlight(flightStep, time.Minute)
	a, b := f.Begin(), f.Begin()
	if err := a.Expect(context.Background(), 10); err != nil {
		t.Fatal(err)
	}
	if err := a.Use(context.Background(), flightStep); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Use(ctx, flightStep); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Use(context.Background(), flightStep) }()
	a.End()
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.End()
}

// TestInFlightTakesTheBiggest: a request over the bound passes alone, in as
// many pieces as it comes.
func TestInFlightTakesTheBiggest(t *testing.T) {
	f := testInFlight(100, 0)
	a := f.Begin()
	for range 10 {
		if err := a.Use(context.Background(), flightStep); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Begin().Use(context.Background(), 1); err == nil {
		t.Error("another one beside it")
	}
	a.End()
	var none *InFlight
	x := none.Begin()
	if err := errors.Join(x.Expect(context.Background(), 1<<60), x.Use(context.Background(), 1<<60)); err != nil {
		t.Error(err)
	}
	x.End()
}

// TestInFlightSettles: what was reserved for more than came is given back, and
// less than what came is made up for.
func TestInFlightSettles(t *testing.T) {
	ctx := context.Background()
	f := testInFlight(8*flightStep, 0)
	a, b := f.Begin(), f.Begin()
	if err := a.Reserve(ctx, 6*flightStep); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(ctx, 6*flightStep); err == nil {
		t.Error("two that together are over the bound have room")
	}
	if err := a.Settle(ctx, flightStep); err != nil || f.used != flightStep {
		t.Errorf("%d bytes in flight, want what came: %v", f.used, err)
	}
	if err := b.Reserve(ctx, flightStep); err != nil {
		t.Error(err)
	}
	if err := b.Settle(ctx, 5*flightStep); err != nil || f.used < 6*flightStep {
		t.Errorf("%d bytes in flight where six steps are used: %v", f.used, err)
	}
	if err := b.Settle(ctx, 9*flightStep); err == nil {
		t.Error("more than the bound beside another one")
	}
	a.End()
	b.End()
	if f.used != 0 {
		t.Errorf("%d bytes are held by nobody", f.used)
	}
	whole := f.Begin()
	if err := whole.Reserve(ctx, 100*flightStep); err != nil || f.used != 8*flightStep {
		t.Errorf("one that is expected to be over the bound reserves %d: %v", f.used, err)
	}
	whole.End()
	var none *InFlight
	if x := none.Begin(); errors.Join(x.Reserve(ctx, 1<<60), x.Settle(ctx, 1<<60)) != nil {
		t.Error("where nothing is bounded there is room")
	}
}
