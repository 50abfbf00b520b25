package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/outbound"
	"github.com/clewhq/clew/storage"
)

// caller is the way to the store: authentication, the circuit breaker, and
// retries for reads, of which only some are under way at once. It is safe for
// concurrent use.
type caller struct {
	cfg     Config
	way     *outbound.Transport
	reads   http.RoundTripper // with retries
	writes  http.RoundTripper // without: the drain has its own patience
	guard   *guard.Guard[*http.Response]
	metrics *storeMetrics
}

// Name is what operators call the store in the API of circuit breakers.
const Name = "metrics"

func newCaller(cfg Config, deps Deps, m *storeMetrics) (*caller, error) {
	way, err := outbound.New(cfg.outbound(), nil)
	if err != nil {
		return nil, fmt.Errorf("prepare calls to %s: %w", outbound.Redact(cfg.QueryURL), err)
	}
	c := &caller{cfg: cfg, way: way, metrics: m}
	c.guard = guard.New(guard.Config{
		Name:     Name,
		Failures: cfg.BreakerFailures, Requests: cfg.BreakerRequests, Delay: time.Duration(cfg.BreakerDelay),
		Retries: cfg.Retries, Backoff: time.Duration(cfg.RetryBackoff), BackoffMax: time.Duration(cfg.RetryBackoffMax),
		RetryFor: time.Duration(cfg.RetryFor), RetryBudget: cfg.RetryBudget,
		Concurrency: cfg.QueryConcurrency, Wait: time.Duration(cfg.QueryWait),
	}, guard.Deps{Logger: deps.Logger, Registerer: deps.Registerer}, guard.Outcomes[*http.Response]{Broken: broken, Passing: passing})
	c.reads = admitted{failsafehttp.NewRoundTripper(c, c.guard.Retry(), c.guard.Breaker()), c.guard, true}
	c.writes = admitted{failsafehttp.NewRoundTripper(c, c.guard.Breaker()), c.guard, false}
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

// broken is passing, but for a store that has too much to do: it answers.
func broken(r *http.Response, err error) bool {
	return passing(r, err) && (err != nil || r.StatusCode != http.StatusTooManyRequests)
}

// remedy is what to do about an answer, "" where that is not known.
func remedy(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return " (set storage.metrics.remote.username and password, or authorization)"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return " (correct storage.metrics.remote.query_url and write_url; a Prometheus needs --web.enable-remote-write-receiver)"
	}
	if status >= http.StatusMultipleChoices && status < http.StatusBadRequest {
		return " (redirects are not followed: write into storage.metrics.remote where it leads)"
	}
	return ""
}

// RoundTrip sends a request once and remembers what went wrong.
func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := c.way.RoundTrip(r)
	code := "none"
	if err == nil {
		code = fmt.Sprint(resp.StatusCode)
		resp.Body = &bounded{ReadCloser: resp.Body, left: c.cfg.MaxResponseBytes, most: c.cfg.MaxResponseBytes}
		if taken(resp.StatusCode) && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			_ = resp.Body.Close()
			resp, err = nil, fmt.Errorf("%s is not a metrics store, it answers with a page: correct storage.metrics.remote.query_url and write_url", outbound.Redact(r.URL.String()))
		}
	}
	c.metrics.requests.WithLabelValues(code).Inc()
	took := time.Since(start)
	c.metrics.seconds.Observe(took.Seconds())
	c.guard.Took(took)
	switch {
	case err == nil && resp.StatusCode < http.StatusMultipleChoices:
		c.guard.Ended("")
	case err == nil:
		c.guard.Ended(fmt.Sprintf("%s %s answered %s%s", r.Method, outbound.Redact(r.URL.String()), resp.Status, remedy(resp.StatusCode)))
	case !errors.Is(err, context.Canceled):
		c.guard.Ended(err.Error())
	}
	return resp, err
}

func (c *caller) close() { c.way.CloseIdleConnections() }

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

// admitted is a way that an operator can close.
type admitted struct {
	http.RoundTripper
	guard *guard.Guard[*http.Response]
	reads bool // of which only some are under way at once
}

// RoundTrip implements http.RoundTripper. That no answer came is
// storage.ErrUnavailable.
func (a admitted) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.roundTrip(r)
	if err != nil && r.Context().Err() == nil {
		err = storage.Unavailable(err)
	}
	return res, err
}

func (a admitted) roundTrip(r *http.Request) (*http.Response, error) {
	if err := a.guard.Check(); err != nil {
		return nil, err
	}
	if !a.reads {
		return a.RoundTripper.RoundTrip(r)
	}
	leave, err := a.guard.Enter(r.Context())
	if err != nil {
		return nil, fmt.Errorf("queries of the metrics store, storage.metrics.remote.query_concurrency: %w", err)
	}
	res, err := a.RoundTripper.RoundTrip(r)
	if err != nil {
		leave()
		return res, err
	}
	once := sync.OnceFunc(leave)
	// Who gives a query up may not close what it has read half.
	context.AfterFunc(r.Context(), once)
	res.Body = &leaving{ReadCloser: res.Body, leave: once}
	return res, nil
}

// leaving gives a place back once the answer is read.
type leaving struct {
	io.ReadCloser
	leave func()
}

// Close implements io.Closer.
func (l *leaving) Close() error {
	l.leave()
	return l.ReadCloser.Close()
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
