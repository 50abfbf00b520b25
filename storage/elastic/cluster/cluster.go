package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/outbound"
	"github.com/clewhq/clew/storage"
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
	guard   *guard.Guard[[]byte]
	metrics *metrics
	way     *outbound.Transport
}

// Name is what operators call the cluster in the API of circuit breakers.
const Name = "elasticsearch"

// Request is one call.
type Request struct {
	Method string
	Path   string // with a slash in front, escaped
	Query  url.Values
	Body   []byte
	// Stream, if set, writes the body in place of Body, and Size is about how
	// much that is: a body of many parts is compressed without being put together
	// first. It may be called again.
	Stream func(io.Writer)
	Size   int
	NDJSON bool // the body is lines of JSON
	// Once sends it once: the caller retries by itself, or not at all.
	Once bool
	// Reads: it is part of answering a query: of those only some are under way at
	// once, so that they leave room for what is written.
	Reads bool
}

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
	way, err := outbound.New(cfg.outbound(), deps.Transport)
	if err != nil {
		return nil, err
	}
	es, err := elasticsearch.NewBaseClient(elasticsearch.Config{
		Addresses: cfg.Addresses, DisableRetry: true, Transport: way,
		ConnectionPoolFunc: func(conns []*elastictransport.Connection, _ elastictransport.Selector) elastictransport.ConnectionPool {
			return newPool(conns, time.Duration(cfg.NodeDelay))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the Elasticsearch client: %w", err)
	}
	c := &Client{es: es, cfg: cfg, metrics: m, way: way}
	c.guard = guard.New(guard.Config{
		Name:     Name,
		Failures: cfg.BreakerFailures, Requests: cfg.BreakerRequests, Delay: time.Duration(cfg.BreakerDelay),
		Retries: cfg.Retries, Backoff: time.Duration(cfg.RetryBackoff), BackoffMax: time.Duration(cfg.RetryBackoffMax),
		RetryFor: time.Duration(cfg.RetryFor), RetryBudget: cfg.RetryBudget,
		Concurrency: cfg.QueryConcurrency, Wait: time.Duration(cfg.QueryWait),
	}, guard.Deps{Logger: deps.Logger, Registerer: deps.Registerer}, guard.Outcomes[[]byte]{
		Broken:  func(_ []byte, err error) bool { return broken(err) },
		Passing: func(_ []byte, err error) bool { return Passing(err) },
	})
	limit := timeout.New[[]byte](time.Duration(cfg.RequestTimeout))
	c.once = failsafe.With(c.guard.Breaker(), limit)
	c.retry = failsafe.With(c.guard.Retry(), c.guard.Breaker(), limit)
	return c, nil
}

// Renew prepares other credentials. Once use is called they hold for every
// request that begins.
func (c *Client) Renew(to Credentials) (use func(), err error) { return c.way.Prepare(to.outbound()) }

// Average is how long the last requests took, on average.
func (c *Client) Average() time.Duration { return c.guard.Average() }

// Expected is how long a request may take before it counts as lost.
func (c *Client) Expected() time.Duration { return time.Duration(c.cfg.RequestTimeout) }

// LastError is why the last request failed, "" where it did not.
func (c *Client) LastError() string { return c.guard.LastError() }

// Breaker is the state of the circuit breaker: closed, open or half_open.
func (c *Client) Breaker() string { return c.guard.State() }

// Switch is the circuit breaker, for an operator.
func (c *Client) Switch() guard.Switch { return c.guard }

// closeLimit bounds the wait for the client's own goroutines, which end at once.
const closeLimit = 5 * time.Second

// Close gives idle connections back.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = c.es.Close(ctx) // nothing of it is used any more
	c.way.CloseIdleConnections()
}

// Do sends a request and returns the body of the answer. What the cluster
// refuses is an *Error. Where the cluster is what is missing, not the request
// what is wrong, the error is storage.ErrUnavailable as well.
func (c *Client) Do(ctx context.Context, r Request) ([]byte, error) {
	body, err := c.do(ctx, r)
	if err != nil && ctx.Err() == nil && away(err) {
		return nil, storage.Unavailable(err)
	}
	return body, err
}

func (c *Client) do(ctx context.Context, r Request) ([]byte, error) {
	run := c.retry
	if r.Once {
		run = c.once
	}
	leave, err := c.admit(ctx, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	body, err := run.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[[]byte]) ([]byte, error) {
		body, err := c.try(e.Context(), r)
		if err != nil && ctx.Err() != nil {
			return nil, context.Canceled // the caller's time is over, whose it may have been: the cluster did not fail
		}
		return body, err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.explain(err)
	}
	return body, nil
}

// admit refuses what an operator has stopped, and waits for a place among the
// queries, which leave gives back.
func (c *Client) admit(ctx context.Context, r Request) (leave func(), err error) {
	if err := c.guard.Check(); err != nil {
		return nil, c.explain(err)
	}
	if !r.Reads {
		return func() {}, nil
	}
	leave, err = c.guard.Enter(ctx)
	if errors.Is(err, guard.ErrFull) {
		return nil, fmt.Errorf("requests of queries to Elasticsearch, ask again later, or set storage.elasticsearch.query_concurrency: %w", err)
	}
	return leave, err
}

func (c *Client) try(ctx context.Context, r Request) ([]byte, error) {
	start := time.Now()
	body, err := c.send(ctx, r)
	took := time.Since(start)
	c.metrics.observe(r, err, took)
	c.guard.Took(took)
	if err == nil || Status(err) != 0 && !Passing(err) || ctx.Err() == nil || errors.Is(context.Cause(ctx), timeout.ErrExceeded) {
		problem := ""
		if err != nil && Passing(err) {
			problem = err.Error()
		}
		c.guard.Ended(problem)
	}
	return body, err
}

func (c *Client) send(ctx context.Context, r Request) ([]byte, error) {
	u := r.Path
	if len(r.Query) > 0 {
		u += "?" + r.Query.Encode()
	}
	in, packed := r.body()
	req, err := http.NewRequestWithContext(ctx, r.Method, u, in)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
		if r.NDJSON {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
		if packed {
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	res, err := c.es.Perform(req)
	if err != nil {
		return nil, unreached(err)
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
