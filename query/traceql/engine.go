package traceql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/lru"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Engine evaluates TraceQL over a store. Between queries it keeps nothing but
// what metrics queries came to, and is safe for concurrent use.
type Engine struct {
	cfg     Config
	reader  storage.Reader
	log     *slog.Logger
	seconds *prometheus.HistogramVec
	spans   *prometheus.CounterVec
	cached  *prometheus.CounterVec
	cache   *resultCache
}

// New returns an engine over r. reg may be nil.
func New(cfg Config, r storage.Reader, log *slog.Logger, reg prometheus.Registerer) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{cfg: cfg, reader: r, log: log, cache: lru.New[*slice](cfg.CacheBytes),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clew_traceql_query_duration_seconds", Help: "How long TraceQL queries took, by kind of query.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"kind"}),
		spans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_traceql_inspected_spans_total", Help: "Spans that TraceQL queries looked at, by kind of query.",
		}, []string{"kind"}),
		cached: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_traceql_cache_slices_total", Help: "Slices of time of metrics queries, by whether their result was known (hit) or read (miss).",
		}, []string{"result"}),
	}
	if reg != nil {
		reg.MustRegister(e.seconds, e.spans, e.cached)
	}
	return e
}

// Config returns the engine's limits.
func (e *Engine) Config() Config { return e.cfg }

// Stats says what a query read.
type Stats struct {
	InspectedSpans, InspectedTraces int64
	InspectedBytes                  int64
	Segments, Blocks                int64
}

// QueryError is the query's own fault: it would fail the same way again.
type QueryError struct{ Err error }

// Error is the message of the error inside.
func (e *QueryError) Error() string { return e.Err.Error() }

// Unwrap returns the error inside.
func (e *QueryError) Unwrap() error { return e.Err }

// errBudget ends a read when the query has read what it may.
var errBudget = errors.New("span budget used up")

// run is one query under way: its budget and what it read.
type run struct {
	e        *Engine
	tenant   string
	kind     string
	start    time.Time
	budget   int64
	stats    Stats
	warnings []string
	warned   int // how often, also of what was told before
	plans    []PlanInfo
	stages   []StageInfo
}

// begin starts a query; the returned context ends with the query's timeout.
func (e *Engine) begin(ctx context.Context, tenant, kind string, budget int64) (context.Context, *run, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(e.cfg.Timeout), fmt.Errorf(
		"the query took longer than query.traceql.timeout = %s, ask for a shorter time range: %w", e.cfg.Timeout, context.DeadlineExceeded))
	return ctx, &run{e: e, tenant: tenant, kind: kind, start: time.Now(), budget: budget}, cancel
}

func (r *run) end() {
	r.e.seconds.WithLabelValues(r.kind).Observe(time.Since(r.start).Seconds())
	r.e.spans.WithLabelValues(r.kind).Add(float64(r.stats.InspectedSpans))
}

func (r *run) warn(format string, args ...any) {
	r.warned++
	if w := fmt.Sprintf(format, args...); !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// scan calls visit for every span of q until visit returns false. It returns
// errBudget when the query has read all the spans it may.
func (r *run) scan(ctx context.Context, q storage.SpanQuery, stage string, visit func(*telemetry.Span) bool) error {
	return r.watch(ctx, stage, func(stats *storage.ReadStats) error {
		q.Stats = stats
		return r.each(ctx, q, visit)
	})
}

// watch notes what a read costs and what it warns of.
func (r *run) watch(ctx context.Context, stage string, do func(*storage.ReadStats) error) error {
	var read storage.ReadStats
	began, before := time.Now(), r.stats.InspectedSpans
	err := do(&read)
	r.note(stage, time.Since(began), r.stats.InspectedSpans-before, &read)
	r.stats.InspectedBytes += read.Bytes
	r.stats.Segments += read.Segments
	r.stats.Blocks += read.Blocks
	for _, w := range read.Warnings {
		r.warn("%s", w)
	}
	switch {
	case errors.Is(err, storage.ErrBudget):
		r.warn("the answer is partial: %v", err)
		return errBudget
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

func (r *run) each(ctx context.Context, q storage.SpanQuery, visit func(*telemetry.Span) bool) error {
	for batch, err := range r.e.reader.Spans(ctx, q) {
		if err != nil {
			return err
		}
		r.stats.InspectedSpans += int64(len(batch))
		for i := range batch {
			if !visit(&batch[i]) {
				return nil
			}
		}
		if r.stats.InspectedSpans > r.budget {
			return errBudget
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// partial turns the end of the budget into a warning.
func (r *run) partial(err error) error {
	if !errors.Is(err, errBudget) {
		return err
	}
	r.warn("the answer is partial: the query read more than query.traceql.max_spans = %d spans, ask for a shorter time range or add conditions", r.budget)
	return nil
}

// streams lists the streams of the tenant's spans in a range.
func (r *run) streams(ctx context.Context, from, to int64) ([]storage.StreamInfo, error) {
	var stats storage.ReadStats
	infos, err := r.e.reader.Streams(ctx, r.tenant, telemetry.Traces, max(from, 0), to, &stats)
	for _, w := range stats.Warnings {
		r.warn("%s", w)
	}
	return infos, err
}

// streamsWithin lists the streams that have a span in a range. What the store
// tells of a stream may be of longer than the range: where it has spans before
// and after, it is looked for one within. Where that takes too much, it counts.
func (r *run) streamsWithin(ctx context.Context, from, to int64) ([]*telemetry.Stream, error) {
	infos, err := r.streams(ctx, from, to)
	if err != nil {
		return nil, err
	}
	var out []*telemetry.Stream
	open := map[telemetry.StreamID]*telemetry.Stream{}
	for _, in := range infos {
		if in.First >= from || to == 0 || in.Last < to {
			out = append(out, in.Stream)
		} else {
			open[in.Stream.ID] = in.Stream
		}
	}
	if len(open) == 0 {
		return out, nil
	}
	q := storage.SpanQuery{Tenant: r.tenant, From: from, To: to, Columns: noColumns, Stream: func(s *telemetry.Stream) bool {
		_, ok := open[s.ID]
		return ok
	}}
	seen := make(map[telemetry.StreamID]struct{}, len(open))
	err = r.scan(ctx, q, "look for streams", func(s *telemetry.Span) bool {
		if _, known := seen[s.Stream.ID]; !known {
			seen[s.Stream.ID] = struct{}{}
			out = append(out, open[s.Stream.ID])
		}
		return len(seen) < len(open)
	})
	if !errors.Is(err, errBudget) {
		return out, err
	}
	for id, s := range open {
		if _, known := seen[id]; !known {
			out = append(out, s)
		}
	}
	return out, nil
}

// extent returns when the first and the last span of the tenant's traces that
// may match started, within [from, to), a zero to being no bound. It reports
// false where there are none.
func (r *run) extent(ctx context.Context, from, to int64, stream func(*telemetry.Stream) bool) (first, last int64, ok bool, err error) {
	infos, err := r.streams(ctx, from, to)
	if err != nil {
		return 0, 0, false, err
	}
	for _, s := range infos {
		if stream != nil && !stream(s.Stream) {
			continue
		}
		if !ok || s.First < first {
			first = s.First
		}
		if !ok || s.Last > last {
			last = s.Last
		}
		ok = true
	}
	first = max(first, from)
	if to > 0 {
		last = min(last, to-1)
	}
	return first, last, ok && first <= last, nil
}

// traces reads traces whole. The spans of one that has more than the limit are
// cut, with a warning. Traces that are not stored are left out.
func (r *run) traces(ctx context.Context, ids []telemetry.TraceID, cols storage.Columns) ([]*Trace, error) {
	byID := make(map[telemetry.TraceID][]*telemetry.Span, len(ids))
	q := storage.SpanQuery{Tenant: r.tenant, TraceIDs: ids, Columns: cols}
	limit := r.e.cfg.MaxSpansPerTrace
	err := r.scan(ctx, q, "read traces", func(s *telemetry.Span) bool {
		if have := byID[s.TraceID]; len(have) < limit {
			byID[s.TraceID] = append(have, s)
		} else {
			r.warn("the answer is partial: trace %s has more than query.traceql.max_spans_per_trace = %d spans", s.TraceID, limit)
		}
		return true
	})
	if err != nil && !errors.Is(err, errBudget) {
		return nil, err
	}
	out := make([]*Trace, 0, len(ids))
	for _, id := range ids {
		if spans := byID[id]; len(spans) > 0 {
			out = append(out, NewTrace(id, spans))
		}
	}
	r.stats.InspectedTraces += int64(len(out))
	return out, err
}

// Trace returns one trace whole, nil where it is not stored.
func (e *Engine) Trace(ctx context.Context, tenant string, id telemetry.TraceID) (*Trace, Stats, []string, error) {
	ctx, r, cancel := e.begin(ctx, tenant, "trace", e.cfg.MaxSpans)
	defer cancel()
	defer r.end()
	ts, err := r.traces(ctx, []telemetry.TraceID{id}, storage.ColAll)
	if err = r.partial(err); err != nil || len(ts) == 0 {
		return nil, r.stats, r.warnings, err
	}
	return ts[0], r.stats, r.warnings, nil
}

// FilterSpans returns the spans of a trace that a query consisting of one span
// filter selects.
func FilterSpans(t *Trace, query string) ([]*telemetry.Span, error) {
	q, err := syntax.Parse(query)
	if err != nil {
		return nil, err
	}
	if q.Pipeline == nil || len(q.Pipeline.Stages) != 1 {
		return nil, &QueryError{errors.New("q must be one span filter { ... }, without pipelines and metrics")}
	}
	if _, ok := q.Pipeline.Stages[0].(*syntax.Filter); !ok {
		return nil, &QueryError{errors.New("q must be one span filter { ... }, without structural operators")}
	}
	sets, err := compilePipeline(q.Pipeline)(t, t.whole())
	if err != nil {
		return nil, &QueryError{err}
	}
	var out []*telemetry.Span
	for _, i := range flatten(sets) {
		out = append(out, t.Spans[i])
	}
	return out, nil
}
