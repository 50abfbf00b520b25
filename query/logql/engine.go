package logql

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/clewhq/clew/internal/lru"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/prometheus/client_golang/prometheus"
)

// Engine answers queries. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	reader storage.Reader
	log    *slog.Logger
	now    func() time.Time
	views  viewCache
	cache  *resultCache

	seconds *prometheus.HistogramVec
	rows    prometheus.Counter
	cached  *prometheus.CounterVec
}

// New returns an engine that reads from r. The logger and the registerer may be nil.
func New(cfg Config, r storage.Reader, log *slog.Logger, reg prometheus.Registerer) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{cfg: cfg, reader: r, log: log, now: time.Now,
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "clew_logql_query_duration_seconds",
			Help:    "How long LogQL queries took, by kind of query and outcome.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"kind", "outcome"}),
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_logql_rows_read_total",
			Help: "Log records that LogQL queries looked at.",
		}),
		cached: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_logql_cache_slices_total",
			Help: "Slices of the time of LogQL metric queries, by outcome: hit where the answer was kept from an earlier query, or miss.",
		}, []string{"outcome"}),
	}
	e.cache = lru.New[*slice](cfg.CacheBytes)
	if reg != nil {
		reg.MustRegister(e.seconds, e.rows, e.cached)
	}
	return e
}

// Config returns the engine's limits.
func (e *Engine) Config() Config { return e.cfg }

// Reader returns the store that the engine reads from.
func (e *Engine) Reader() storage.Reader { return e.reader }

// Query parses and answers a query. Errors of the query itself wrap
// ErrBadQuery, ErrLimit or ErrTimeout; anything else is the store's.
func (e *Engine) Query(ctx context.Context, tenant, query string, p Params) (*Result, error) {
	expr, err := e.Parse(query)
	if err != nil {
		return nil, err
	}
	return e.Eval(ctx, tenant, expr, p)
}

// Parse parses a query and checks its length.
func (e *Engine) Parse(query string) (syntax.Expr, error) {
	if len(query) > e.cfg.MaxQueryLength {
		return nil, limitError("the query has %d bytes, over the limit of %d (max_query_length_bytes)", len(query), e.cfg.MaxQueryLength)
	}
	expr, err := syntax.Parse(query)
	if err != nil {
		return nil, parseFailed(err)
	}
	return expr, nil
}

// Eval answers a parsed query.
func (e *Engine) Eval(ctx context.Context, tenant string, expr syntax.Expr, p Params) (*Result, error) {
	began := e.now()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.cfg.Timeout))
	defer cancel()
	q := &query{engine: e, tenant: tenant, params: p, ctx: ctx}
	kind := "metric"
	var res *Result
	var err error
	switch expr := expr.(type) {
	case *syntax.LogExpr:
		kind = "log"
		res, err = q.logs(expr)
	case syntax.SampleExpr:
		res, err = q.samples(expr)
	}
	elapsed := e.now().Sub(began)
	outcome := "ok"
	if err != nil {
		outcome = "error"
		err = readFailed(err, e.cfg.Timeout)
	}
	e.seconds.WithLabelValues(kind, outcome).Observe(elapsed.Seconds())
	e.rows.Add(float64(q.stats.Lines))
	if err != nil {
		return nil, err
	}
	q.stats.Elapsed = elapsed
	res.Stats, res.Plan = q.stats, q.plan
	for _, w := range q.stats.Store.Warnings {
		if !slices.Contains(res.Warnings, w) {
			res.Warnings = append(res.Warnings, w)
		}
	}
	e.log.Debug("query", "kind", kind, "tenant", tenant, "query", expr.String(), "rows", q.stats.Lines, "elapsed", elapsed)
	return res, nil
}

func (e *Engine) limits() pipeline.Limits {
	return pipeline.Limits{TemplateBytes: e.cfg.TemplateBytes, DistinctValues: e.cfg.DistinctValues}
}

// checkRange refuses a time range that is empty the wrong way round or too long.
func (e *Engine) checkRange(start, end int64) error {
	if start > end {
		return badQuery("the start time is after the end time: start must not be after end")
	}
	if most := time.Duration(e.cfg.MaxQueryRange); most > 0 && time.Duration(end-start) > most {
		return limitError("the query time range exceeds the limit (query length: %s, limit: %s, max_query_range)",
			time.Duration(end-start), e.cfg.MaxQueryRange)
	}
	return nil
}
