package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is how one dependency is called. What is zero is off.
type Config struct {
	// Name is what operators call it, in the API and in metrics.
	Name string
	// Failures of the last Requests calls open the breaker, for Delay; then one
	// call is let through to try.
	Failures, Requests uint
	Delay              time.Duration
	// Retries follow a call that failed for a passing reason, after pauses that
	// grow from Backoff to BackoffMax, and end when the whole takes RetryFor.
	Retries             int
	Backoff, BackoffMax time.Duration
	RetryFor            time.Duration
	// RetryBudget is which part of the calls under way may be retries.
	RetryBudget float64
	// Concurrency is how many of the calls that Enter may be under way; the next
	// waits up to Wait.
	Concurrency uint
	Wait        time.Duration
}

// Deps is what a Guard needs from outside.
type Deps struct {
	Logger     *slog.Logger          // may be nil
	Registerer prometheus.Registerer // may be nil
}

// Outcomes say what a result means.
type Outcomes[R any] struct {
	// Broken is a failure of the dependency, which the breaker counts.
	Broken func(R, error) bool
	// Passing is a failure that may be gone when the call is made again.
	Passing func(R, error) bool
}

// The states of a breaker, as APIs and metrics spell them.
const (
	Closed   = "closed"
	Open     = "open"
	HalfOpen = "half_open"
)

const (
	// jitter is how much of a pause is left to chance, so that many clients do
	// not come back at the same moment.
	jitter = 0.2
	// minRetries may be under way whatever the budget says.
	minRetries = 3
	// remembered is over how many calls, about, the average time goes.
	remembered = 16
)

// ErrFull is that too many calls were under way for too long.
var ErrFull = errors.New("too many calls are under way")

// IsOpen reports whether a call was not made because the breaker was open.
func IsOpen(err error) bool { return errors.Is(err, circuitbreaker.ErrOpen) }

// Guard is the way to one dependency. It is safe for concurrent use.
type Guard[R any] struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	breaker circuitbreaker.CircuitBreaker[R]
	retry   failsafe.Policy[R]
	calls   bulkhead.Bulkhead[R] // nil where they are not bounded

	average atomic.Int64 // of a call's time, nanoseconds
	mu      sync.Mutex
	lastErr string
	held    string // why an operator has opened the breaker, "" where nobody has
}

// New returns a guard whose breaker is closed.
func New[R any](cfg Config, deps Deps, out Outcomes[R]) *Guard[R] {
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard[R]{cfg: cfg, log: deps.Logger, metrics: newMetrics(deps.Registerer, cfg.Name)}
	g.breaker = circuitbreaker.NewBuilder[R]().
		HandleIf(out.Broken).
		WithFailureThresholdRatio(cfg.Failures, cfg.Requests).
		WithDelay(cfg.Delay).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) { g.changed(name(e.OldState), name(e.NewState)) }).
		Build()
	retry := retrypolicy.NewBuilder[R]().
		HandleIf(func(r R, err error) bool { return out.Passing(r, err) && !IsOpen(err) }).
		WithBackoff(cfg.Backoff, cfg.BackoffMax).
		WithJitterFactor(jitter).
		WithMaxRetries(cfg.Retries).
		OnRetry(func(failsafe.ExecutionEvent[R]) { g.metrics.retries.Inc() }).
		ReturnLastFailure()
	if cfg.RetryFor > 0 {
		retry = retry.WithMaxDuration(cfg.RetryFor)
	}
	if cfg.RetryBudget > 0 {
		retry = retry.WithBudget(budget.NewBuilder().WithMaxRate(cfg.RetryBudget).WithMinConcurrency(minRetries).Build())
	}
	g.retry = retry.Build()
	if cfg.Concurrency > 0 {
		g.calls = bulkhead.New[R](cfg.Concurrency)
	}
	return g
}

// Breaker counts failures and refuses calls while it is open.
func (g *Guard[R]) Breaker() failsafe.Policy[R] { return g.breaker }

// Retry makes a call again; it goes around Breaker, so that each try counts.
func (g *Guard[R]) Retry() failsafe.Policy[R] { return g.retry }

// Check refuses every call while an operator holds the breaker open. It comes
// before the policies.
func (g *Guard[R]) Check() error {
	if why := g.heldBy(); why != "" {
		g.metrics.refused.WithLabelValues(Open).Inc()
		return fmt.Errorf("%w: %s", circuitbreaker.ErrOpen, why)
	}
	return nil
}

// Enter waits for a place among the calls under way. leave gives it back.
func (g *Guard[R]) Enter(ctx context.Context) (leave func(), err error) {
	if g.calls == nil {
		return func() {}, nil
	}
	err = g.calls.AcquirePermitWithMaxWait(ctx, g.cfg.Wait)
	if errors.Is(err, bulkhead.ErrFull) {
		g.metrics.refused.WithLabelValues("full").Inc()
		return nil, fmt.Errorf("%w: %d, and none has ended within %s", ErrFull, g.cfg.Concurrency, g.cfg.Wait)
	}
	if err != nil {
		return nil, err
	}
	return g.calls.ReleasePermit, nil
}

// Took remembers how long a call took.
func (g *Guard[R]) Took(d time.Duration) {
	old := g.average.Load()
	g.average.Store(old + (int64(d)-old)/remembered)
}

// Ended remembers what was wrong with the last call, "" where nothing was.
func (g *Guard[R]) Ended(problem string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastErr = problem
}

// Average is how long the last calls took, on average.
func (g *Guard[R]) Average() time.Duration { return time.Duration(g.average.Load()) }

// LastError is what was wrong with the last call, "" where nothing was.
func (g *Guard[R]) LastError() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lastErr
}
