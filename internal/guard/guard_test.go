package guard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var errDown = errors.New("down")

func newGuard(t *testing.T, change func(*Config)) (*Guard[int], *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	var said bytes.Buffer
	reg := prometheus.NewRegistry()
	cfg := Config{
		Name: "it", Failures: 2, Requests: 4, Delay: time.Hour, Retries: 0,
		Backoff: time.Millisecond, BackoffMax: 2 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	failed := func(_ int, err error) bool { return err != nil }
	return New(cfg, Deps{Logger: slog.New(slog.NewTextHandler(&said, nil)), Registerer: reg}, Outcomes[int]{Broken: failed, Passing: failed}), &said, reg
}

// call makes a call that ends with err.
func call(g *Guard[int], err error) (tries int, _ error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	_, got := failsafe.With(g.Retry(), g.Breaker()).Get(func() (int, error) {
		tries++
		g.Ended("")
		if err != nil {
			g.Ended(err.Error())
		}
		return 0, err
	})
	return tries, got
}

func TestBreakerOpensByItself(t *testing.T) {
	g, said, reg := newGuard(t, nil)
	for range 2 {
		if g.State() != Closed {
			t.Fatalf("it is %s too early", g.State())
		}
		if _, err := call(g, errDown); !errors.Is(err, errDown) {
			t.Fatal(err)
		}
	}
	if tries, err := call(g, nil); tries != 0 || !IsOpen(err) || g.State() != Open {
		t.Errorf("an open breaker let a call through: %d, %v", tries, err)
	}
	if s := said.String(); !strings.Contains(s, "to=open") || !strings.Contains(s, "last_error=down") {
		t.Errorf("the change is logged as %s", s)
	}
	g.Reset()
	if tries, err := call(g, nil); tries != 1 || err != nil || g.State() != Closed || g.LastError() != "" {
		t.Errorf("after a reset: %d, %v, %s, %q", tries, err, g.State(), g.LastError())
	}
	want := `# HELP clew_circuit_breaker_changes_total Changes of the circuit breaker, by its new state.
# TYPE clew_circuit_breaker_changes_total counter
clew_circuit_breaker_changes_total{dependency="it",to="closed"} 1
clew_circuit_breaker_changes_total{dependency="it",to="open"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "clew_circuit_breaker_changes_total"); err != nil {
		t.Error(err)
	}
}

// TestHalfOpen: after the delay one call is let through, and decides.
func TestHalfOpen(t *testing.T) {
	g, _, _ := newGuard(t, func(c *Config) { c.Failures, c.Requests, c.Delay = 1, 1, time.Nanosecond })
	for _, c := range []struct {
		err  error
		want string
	}{{errDown, Open}, {errDown, Open}, {nil, Closed}} {
		if _, err := call(g, c.err); !errors.Is(err, c.err) || g.State() != c.want {
			t.Errorf("after %v it is %s, want %s; %v", c.err, g.State(), c.want, err)
		}
	}
}

func TestBreakerIsHeldByHand(t *testing.T) {
	g, said, reg := newGuard(t, nil)
	g.Trip("maintenance")
	for range 10 {
		if tries, err := call(g, nil); tries != 0 || !IsOpen(err) || !strings.Contains(err.Error(), "maintenance") {
			t.Fatalf("it let a call through: %d, %v", tries, err)
		}
	}
	if g.State() != Open || g.LastError() != "maintenance" || !strings.Contains(said.String(), "by hand") {
		t.Errorf("%s, %q, %s", g.State(), g.LastError(), said)
	}
	if n := testutil.ToFloat64(g.metrics.refused.WithLabelValues(Open)); n != 10 {
		t.Errorf("%v calls are counted as refused, want 10", n)
	}
	g.Reset()
	if tries, err := call(g, nil); tries != 1 || err != nil {
		t.Errorf("after a reset: %d, %v", tries, err)
	}
	if n, err := testutil.GatherAndCount(reg, "clew_circuit_breaker_state"); n != 1 || err != nil || testutil.ToFloat64(g.metrics.state) != 0 {
		t.Errorf("its state is %v", testutil.ToFloat64(g.metrics.state))
	}
}

func TestRetries(t *testing.T) {
	g, _, _ := newGuard(t, func(c *Config) { c.Retries, c.Failures, c.Requests = 3, 100, 100 })
	if tries, err := call(g, errDown); tries != 4 || !errors.Is(err, errDown) {
		t.Errorf("%d tries, %v", tries, err)
	}
	if n := testutil.ToFloat64(g.metrics.retries); n != 3 {
		t.Errorf("%v retries are counted", n)
	}
	// An open breaker is told at once.
	g.breaker.Open()
	if tries, err := call(g, errDown); tries != 0 || !IsOpen(err) {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestPlaces(t *testing.T) {
	g, _, _ := newGuard(t, func(c *Config) { c.Concurrency, c.Wait = 2, time.Millisecond })
	var leave []func()
	for range 2 {
		l, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, err := g.Enter(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("a third is let in: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Enter(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone is told %v", err)
	}
	leave[0]()
	if l, err := g.Enter(t.Context()); err != nil {
		t.Error(err)
	} else {
		l()
	}
}

func TestAverage(t *testing.T) {
	g, _, _ := newGuard(t, nil)
	for range 200 {
		g.Took(time.Second)
	}
	if a := g.Average(); a < 990*time.Millisecond || a > time.Second {
		t.Errorf("the average of calls that take 1s is %s", a)
	}
}
