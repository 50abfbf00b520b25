package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/clewhq/clew/internal/guard"
)

// Guarded is a Bucket whose requests have a timeout each, are made again with
// growing pauses where that may help, and are not made at all while a circuit
// breaker is open. What fails all the same is an UnavailableError, unless it
// is about the object.
type Guarded struct {
	bucket  Bucket
	cfg     Config
	now     func() time.Time
	log     *slog.Logger
	metrics *Metrics
	slots   chan struct{} // one for each request that may be under way
	breaker circuitbreaker.CircuitBreaker[any]
	policy  failsafe.Executor[any]

	mu      sync.Mutex
	lastErr error        // of the last request that failed, nil after one that did not
	held    string       // why an operator keeps the breaker open, "" for nobody does
	average atomic.Int64 // nanoseconds that requests take, moving over about the last eight
}

var _ Bucket = (*Guarded)(nil)

// jitterFactor is how far pauses differ from what they should be, so that many
// that failed together don't come back together.
const jitterFactor = 0.25

func newGuarded(b Bucket, cfg Config, d Deps) *Guarded {
	g := &Guarded{bucket: b, cfg: cfg, now: d.Now, log: d.Logger, metrics: d.Metrics, slots: make(chan struct{}, cfg.Requests)}
	g.breaker = circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return failed(err) || g.unproven(err) }).
		WithFailureThreshold(uint(cfg.BreakerFailures)).
		WithSuccessThreshold(1).
		WithDelay(time.Duration(cfg.BreakerDelay)).
		OnStateChanged(g.changed).
		Build()
	retry := retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return failed(err) }).
		AbortIf(func(_ any, err error) bool {
			return errors.Is(err, ErrRefused) || errors.Is(err, circuitbreaker.ErrOpen)
		}).
		WithMaxAttempts(cfg.Attempts).
		WithBackoff(time.Duration(cfg.Backoff), time.Duration(cfg.MaxBackoff)).
		WithJitterFactor(jitterFactor).
		ReturnLastFailure().
		OnRetry(func(failsafe.ExecutionEvent[any]) { g.metrics.retries.Inc() }).
		Build()
	g.policy = failsafe.With[any](retry, g.breaker)
	g.metrics.breaker.Set(stateClosed)
	return g
}

// failed reports whether an attempt's error is held against the storage.
func failed(err error) bool {
	return err != nil && !aboutObject(err) && !errors.Is(err, errCallerGone)
}

// unproven reports whether a request that should show that the storage is well
// again was given up before it did: the breaker stays open for another while.
func (g *Guarded) unproven(err error) bool {
	return errors.Is(err, errCallerGone) && g.breaker.IsHalfOpen()
}

// errCallerGone is that nobody waits for the outcome any more.
var errCallerGone = errors.New("given up by the caller")

// The values of the metric of the breaker's state.
const (
	stateClosed = iota
	stateHalfOpen
	stateOpen
)

func (g *Guarded) changed(e circuitbreaker.StateChangedEvent) {
	switch e.NewState {
	case circuitbreaker.OpenState:
		g.metrics.breaker.Set(stateOpen)
		g.metrics.opened.Inc()
		g.log.Warn("object storage does not answer as it should: nothing is asked of it for a while",
			"bucket", g.String(), "for", g.cfg.BreakerDelay.String(), "err", g.last())
	case circuitbreaker.HalfOpenState:
		g.metrics.breaker.Set(stateHalfOpen)
		g.log.Info("object storage is tried again", "bucket", g.String())
	default:
		g.metrics.breaker.Set(stateClosed)
		g.log.Info("object storage answers again", "bucket", g.String())
	}
}

func (g *Guarded) last() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lastErr
}

// Name is what object storage is called among what clew calls.
const Name = "objects"

var _ guard.Switch = (*Guarded)(nil)

// Trip implements guard.Switch.
func (g *Guarded) Trip(why string) {
	g.mu.Lock()
	g.held, g.lastErr = why, errors.New(why)
	g.mu.Unlock()
	g.metrics.breaker.Set(stateOpen)
	g.metrics.opened.Inc()
	g.log.Warn("the circuit breaker of object storage was opened by hand", "bucket", g.String(), "why", why)
}

// Reset implements guard.Switch.
func (g *Guarded) Reset() {
	g.mu.Lock()
	g.held, g.lastErr = "", nil
	g.mu.Unlock()
	g.breaker.Close()
	g.metrics.breaker.Set(stateClosed)
	g.log.Info("the circuit breaker of object storage was closed by hand", "bucket", g.String())
}

func (g *Guarded) heldBy() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// Up reports whether requests are made at all: the breaker is not open.
func (g *Guarded) Up() bool { return g.heldBy() == "" && !g.breaker.IsOpen() }

// Health is what is known without asking.
func (g *Guarded) Health() Health {
	h := Health{Name: g.String(), Average: time.Duration(g.average.Load()), Expected: time.Duration(g.cfg.Timeout) / 10}
	h.Breaker, h.Err = g.State(), g.last()
	return h
}

// State implements guard.Switch: closed, open or half_open.
func (g *Guarded) State() string {
	switch state := g.breaker.State(); {
	case state == circuitbreaker.OpenState || g.heldBy() != "":
		return guard.Open
	case state == circuitbreaker.HalfOpenState:
		return guard.HalfOpen
	}
	return guard.Closed
}

// Health is the state of object storage.
type Health struct {
	Name              string
	Average, Expected time.Duration // of a request
	Breaker           string        // closed, open or half_open
	Err               error         // of the last request, nil where it was answered
}

// do makes a request of so many bytes as the policies say.
func (g *Guarded) do(ctx context.Context, op string, bytes int64, request func(context.Context) error) error {
	if why := g.heldBy(); why != "" {
		return g.unavailable(fmt.Errorf("%w: %s", circuitbreaker.ErrOpen, why))
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return g.unavailable(ctx.Err())
	}
	timeout := time.Duration(g.cfg.Timeout)
	timeout += time.Duration(float64(bytes) / float64(g.cfg.SlowestBytesPerSecond) * float64(time.Second))
	err := g.policy.WithContext(ctx).Run(func() error { return g.attempt(ctx, op, timeout, request) })
	switch {
	case err == nil:
		return nil
	case aboutObject(err):
		return fmt.Errorf("%s %s: %w", op, g.String(), err)
	case errors.Is(err, circuitbreaker.ErrOpen):
		err = fmt.Errorf("it is not asked again yet, since: %w", g.orLast(err))
	}
	return g.unavailable(err)
}

func (g *Guarded) orLast(err error) error {
	if last := g.last(); last != nil {
		return last
	}
	return err
}

func (g *Guarded) unavailable(err error) error {
	return &UnavailableError{Bucket: g.String(), Err: err}
}

func (g *Guarded) attempt(ctx context.Context, op string, timeout time.Duration, request func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := g.now()
	err := request(limited)
	took := g.now().Sub(start)
	switch {
	case err == nil || aboutObject(err):
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errCallerGone, ctx.Err())
	case limited.Err() != nil:
		err = fmt.Errorf("%s: no answer within %s: %w", op, timeout, context.DeadlineExceeded)
	default:
		err = fmt.Errorf("%s: %w", op, err)
	}
	old := g.average.Load()
	g.average.Store(old + (int64(took)-old)/8)
	g.metrics.requested(op, took, failed(err))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastErr = nil
	if failed(err) {
		g.lastErr = err
	}
	return err
}

// String implements Bucket.
func (g *Guarded) String() string { return g.bucket.String() }

// Close implements Bucket.
func (g *Guarded) Close() error { return g.bucket.Close() }

// Put implements Bucket.
func (g *Guarded) Put(ctx context.Context, key string, r io.ReaderAt, size int64) error {
	err := g.do(ctx, "put", size, func(ctx context.Context) error { return g.bucket.Put(ctx, key, r, size) })
	if err == nil {
		g.metrics.sent.Add(float64(size))
	}
	return err
}

// Create implements Bucket.
func (g *Guarded) Create(ctx context.Context, key string, data []byte) error {
	return g.do(ctx, "create", int64(len(data)), func(ctx context.Context) error { return g.bucket.Create(ctx, key, data) })
}

// ReadAt implements Bucket.
func (g *Guarded) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	err := g.do(ctx, "get", int64(len(p)), func(ctx context.Context) error { return g.bucket.ReadAt(ctx, key, p, off) })
	if err == nil {
		g.metrics.received.Add(float64(len(p)))
	}
	return err
}

// Get implements Bucket.
func (g *Guarded) Get(ctx context.Context, key string, limit int64) (b []byte, err error) {
	err = g.do(ctx, "get", limit, func(ctx context.Context) error {
		var err error
		b, err = g.bucket.Get(ctx, key, limit)
		return err
	})
	return b, err
}

// Delete implements Bucket.
func (g *Guarded) Delete(ctx context.Context, key string) error {
	return g.do(ctx, "delete", 0, func(ctx context.Context) error { return g.bucket.Delete(ctx, key) })
}

// List implements Bucket. It is made again from its start, so each may be
// called for an object twice.
func (g *Guarded) List(ctx context.Context, prefix string, each func(Info) error) error {
	// A list is many requests: nobody knows how many.
	return g.do(ctx, "list", listBytes, func(ctx context.Context) error { return g.bucket.List(ctx, prefix, each) })
}

// listBytes is what a list counts as for its timeout.
const listBytes = 256 * mib
