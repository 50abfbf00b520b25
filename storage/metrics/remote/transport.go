package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	promconfig "github.com/prometheus/common/config"
)

// retryJitter is how much of a pause is left to chance.
const retryJitter = 0.2

// caller is the way to the store: authentication, the circuit breaker, and
// retries for reads. It is safe for concurrent use.
type caller struct {
	cfg     Config
	plain   http.RoundTripper
	reads   http.RoundTripper // with retries
	writes  http.RoundTripper // without: the drain has its own patience
	breaker circuitbreaker.CircuitBreaker[*http.Response]
	metrics *storeMetrics

	average atomic.Int64 // of a request's time, nanoseconds
	mu      sync.Mutex
	lastErr string
}

func newCaller(cfg Config, log *slog.Logger, m *storeMetrics) (*caller, error) {
	auth := promconfig.HTTPClientConfig{FollowRedirects: true, EnableHTTP2: true, TLSConfig: promconfig.TLSConfig{CAFile: cfg.CAFile}}
	if cfg.Username != "" {
		auth.BasicAuth = &promconfig.BasicAuth{Username: cfg.Username, Password: promconfig.Secret(cfg.Password)}
	}
	plain, err := promconfig.NewRoundTripperFromConfig(auth, "clew_remote")
	if err != nil {
		return nil, fmt.Errorf("prepare calls to %s: %w", redact(cfg.QueryURL), err)
	}
	c := &caller{cfg: cfg, plain: plain, metrics: m}
	c.breaker = circuitbreaker.NewBuilder[*http.Response]().
		HandleIf(func(r *http.Response, err error) bool { return passing(r, err) }).
		WithFailureThresholdRatio(cfg.BreakerFailures, cfg.BreakerRequests).
		WithDelay(time.Duration(cfg.BreakerDelay)).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) { c.breakerChanged(log, e) }).
		Build()
	retry := retrypolicy.NewBuilder[*http.Response]().
		HandleIf(func(r *http.Response, err error) bool {
			return passing(r, err) && !errors.Is(err, circuitbreaker.ErrOpen)
		}).
		WithBackoff(time.Duration(cfg.RetryBackoff), time.Duration(cfg.RetryBackoffMax)).
		WithJitterFactor(retryJitter).
		WithMaxRetries(cfg.Retries).
		OnRetry(func(failsafe.ExecutionEvent[*http.Response]) { m.retries.Inc() }).
		ReturnLastFailure().
		Build()
	c.reads = failsafehttp.NewRoundTripper(c, retry, c.breaker)
	c.writes = failsafehttp.NewRoundTripper(c, c.breaker)
	return c, nil
}

// passing reports whether the same request may succeed later.
func passing(r *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled)
	}
	return r.StatusCode >= http.StatusInternalServerError && r.StatusCode != http.StatusNotImplemented ||
		r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusRequestTimeout
}

func (c *caller) breakerChanged(log *slog.Logger, e circuitbreaker.StateChangedEvent) {
	to := stateName(e.NewState)
	c.metrics.breaker.WithLabelValues(to).Inc()
	level := slog.LevelInfo
	if e.NewState == circuitbreaker.OpenState {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "the circuit breaker of the metrics store changed",
		"from", stateName(e.OldState), "to", to, "last_error", c.lastError())
}

func stateName(s circuitbreaker.State) string {
	switch s {
	case circuitbreaker.OpenState:
		return "open"
	case circuitbreaker.HalfOpenState:
		return "half_open"
	}
	return "closed"
}

// RoundTrip sends a request once and remembers what went wrong.
func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cfg.Authorization != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", c.cfg.Authorization)
	}
	start := time.Now()
	resp, err := c.plain.RoundTrip(r)
	code := "none"
	if err == nil {
		code = fmt.Sprint(resp.StatusCode)
		resp.Body = &bounded{ReadCloser: resp.Body, left: c.cfg.MaxResponseBytes, most: c.cfg.MaxResponseBytes}
	}
	c.metrics.requests.WithLabelValues(code).Inc()
	took := time.Since(start)
	c.metrics.seconds.Observe(took.Seconds())
	old := c.average.Load() // remembers about the last sixteen
	c.average.Store(old + (int64(took)-old)/16)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil && resp.StatusCode < http.StatusMultipleChoices:
		c.lastErr = ""
	case err == nil:
		c.lastErr = fmt.Sprintf("%s %s answered %s", r.Method, r.URL.Path, resp.Status)
	case !errors.Is(err, context.Canceled):
		c.lastErr = err.Error()
	}
	return resp, err
}

func (c *caller) lastError() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr
}

func (c *caller) close() {
	if t, ok := c.plain.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// bounded ends an answer that is too large with an error.
type bounded struct {
	io.ReadCloser
	left, most int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the metrics store's answer is larger than max_response_bytes = %d: ask for less", b.most)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// withHeader adds a header to every request.
type withHeader struct {
	http.RoundTripper
	name, value string
}

// RoundTrip implements http.RoundTripper.
func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return h.RoundTripper.RoundTrip(r)
}

// as returns the way for a tenant's requests.
func (c *caller) as(tenant string, way http.RoundTripper) http.RoundTripper {
	if c.cfg.TenantHeader == "" {
		return way
	}
	return withHeader{way, c.cfg.TenantHeader, tenant}
}
