package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/prometheus/client_golang/prometheus"
)

// Deps is what a Client needs from outside.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	// Transport, if set, carries the requests: a proxy for faults, a recorder.
	Transport http.RoundTripper
}

// Client calls one cluster. It is safe for concurrent use.
type Client struct {
	es      *elasticsearch.BaseClient
	cfg     Config
	retry   failsafe.Executor[[]byte]
	once    failsafe.Executor[[]byte]
	queries bulkhead.Bulkhead[[]byte]
	breaker circuitbreaker.CircuitBreaker[[]byte]
	log     *slog.Logger
	metrics *metrics
	closer  func()

	average atomic.Int64 // of a request's time, nanoseconds
	mu      sync.Mutex
	lastErr string
	held    string // why an operator has opened the breaker, "" where nobody has
}

// Request is one call.
type Request struct {
	Method string
	Path   string // with a slash in front, escaped
	Query  url.Values
	Body   []byte
	NDJSON bool // the body is lines of JSON
	// Once sends it once: the caller retries by itself, or not at all.
	Once bool
	// Reads: it is part of answering a query: of those only some are under way at
	// once, so that they leave room for what is written.
	Reads bool
}

var errProduct = errors.New("not Elasticsearch")

// New returns a client. It calls nothing yet.
func New(cfg Config, deps Deps) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	es, closer, err := newClient(cfg, deps)
	if err != nil {
		return nil, err
	}
	c := &Client{es: es, cfg: cfg, metrics: m, closer: closer, log: deps.Logger}
	c.queries = bulkhead.New[[]byte](cfg.QueryConcurrency)
	c.breaker = c.newBreaker()
	limit := timeout.New[[]byte](time.Duration(cfg.RequestTimeout))
	c.once = failsafe.With[[]byte](c.breaker, limit)
	// The pause doubles with each try; a part of it is left to chance, so that
	// many clients do not come back at the same moment.
	retry := retrypolicy.NewBuilder[[]byte]().
		HandleIf(func(_ []byte, err error) bool { return retryable(err) }).
		WithBackoff(time.Duration(cfg.RetryBackoff), time.Duration(cfg.RetryBackoffMax)).
		WithJitterFactor(retryJitter).
		WithMaxRetries(cfg.Retries).
		WithMaxDuration(time.Duration(cfg.RetryFor)).
		WithBudget(budget.NewBuilder().WithMaxRate(cfg.RetryBudget).WithMinConcurrency(minRetries).Build()).
		OnRetry(func(failsafe.ExecutionEvent[[]byte]) { m.retries.Inc() }).
		ReturnLastFailure().
		Build()
	c.retry = failsafe.With[[]byte](retry, c.breaker, limit)
	return c, nil
}

const (
	// retryJitter is how much of a pause is left to chance.
	retryJitter = 0.2
	// minRetries may be under way whatever the budget says.
	minRetries = 3
	// idleConnections to each node are kept for the next request.
	idleConnections = 16
)

func newClient(cfg Config, deps Deps) (*elasticsearch.BaseClient, func(), error) {
	conf := elasticsearch.Config{
		Addresses: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, APIKey: cfg.APIKey,
		DisableRetry: true, CompressRequestBody: true, CompressRequestBodyLevel: 1, PoolCompressor: true,
		Transport: deps.Transport,
	}
	closer := func() {}
	if conf.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = idleConnections
		conf.Transport, closer = t, t.CloseIdleConnections
	}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, nil, fmt.Errorf("read ca_file: %w", err)
		}
		conf.CACert = pem
	}
	es, err := elasticsearch.NewBaseClient(conf)
	if err != nil {
		return nil, nil, fmt.Errorf("make the Elasticsearch client: %w", err)
	}
	return es, closer, nil
}

// Average is how long the last requests took, on average.
func (c *Client) Average() time.Duration { return time.Duration(c.average.Load()) }

// Expected is how long a request may take before it counts as lost.
func (c *Client) Expected() time.Duration { return time.Duration(c.cfg.RequestTimeout) }

// LastError is why the last request failed, "" where it did not.
func (c *Client) LastError() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr
}

// closeLimit bounds the wait for the client's own goroutines, which end at once.
const closeLimit = 5 * time.Second

// Close gives idle connections back.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = c.es.Close(ctx) // nothing of it is used any more
	c.closer()
}

// Do sends a request and returns the body of the answer. What the cluster
// refuses is an *Error.
func (c *Client) Do(ctx context.Context, r Request) ([]byte, error) {
	run := c.retry
	if r.Once {
		run = c.once
	}
	if err := c.admit(ctx, r); err != nil {
		return nil, err
	}
	if r.Reads {
		defer c.queries.ReleasePermit()
	}
	body, err := run.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[[]byte]) ([]byte, error) {
		return c.try(e.Context(), r)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, explain(err)
	}
	return body, nil
}

// admit refuses what an operator has stopped, and waits for a place among the
// queries.
func (c *Client) admit(ctx context.Context, r Request) error {
	if why := c.heldBy(); why != "" {
		return explain(fmt.Errorf("%w: %s", circuitbreaker.ErrOpen, why))
	}
	if !r.Reads {
		return nil
	}
	err := c.queries.AcquirePermitWithMaxWait(ctx, time.Duration(c.cfg.QueryWait))
	if errors.Is(err, bulkhead.ErrFull) {
		c.metrics.full.Inc()
		return fmt.Errorf("%d requests of queries to Elasticsearch are under way, and none has ended within %s: ask again later, or set storage.elasticsearch.query_concurrency: %w",
			c.cfg.QueryConcurrency, c.cfg.QueryWait, err)
	}
	return err
}

func (c *Client) try(ctx context.Context, r Request) ([]byte, error) {
	start := time.Now()
	body, err := c.send(ctx, r)
	took := time.Since(start)
	c.metrics.observe(r, err, took)
	old := c.average.Load() // remembers about the last sixteen
	c.average.Store(old + (int64(took)-old)/16)
	if err == nil || Status(err) != 0 && !Passing(err) || ctx.Err() == nil || errors.Is(context.Cause(ctx), timeout.ErrExceeded) {
		c.mu.Lock()
		c.lastErr = ""
		if err != nil && Passing(err) {
			c.lastErr = err.Error()
		}
		c.mu.Unlock()
	}
	return body, err
}

func (c *Client) send(ctx context.Context, r Request) ([]byte, error) {
	u := r.Path
	if len(r.Query) > 0 {
		u += "?" + r.Query.Encode()
	}
	var in io.Reader
	if r.Body != nil {
		in = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u, in)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
		if r.NDJSON {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	res, err := c.es.Perform(req)
	if err != nil {
		if strings.Contains(err.Error(), "unknown product") {
			return nil, fmt.Errorf("%w: %w", errProduct, err)
		}
		return nil, fmt.Errorf("call elasticsearch: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read elasticsearch's answer: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, parseError(r.Method, r.Path, res.StatusCode, body)
	}
	return body, nil
}
