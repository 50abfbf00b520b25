package servicemap

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// The metrics that are computed from spans, by the names that Grafana's
// service graph reads.
const (
	metricGraphTotal   = "traces_service_graph_request_total"
	metricGraphFailed  = "traces_service_graph_request_failed_total"
	metricGraphSeconds = "traces_service_graph_request_server_seconds"
	prefixSpanMetrics  = "traces_spanmetrics_"
	metricSpanCalls    = prefixSpanMetrics + "calls_total"
	metricSpanLatency  = prefixSpanMetrics + "latency"
)

// metricNames are the names of all series, sorted.
var metricNames = []string{
	metricGraphFailed, metricGraphSeconds + "_bucket", metricGraphSeconds + "_count", metricGraphSeconds + "_sum", metricGraphTotal,
	metricSpanCalls, metricSpanLatency + "_bucket", metricSpanLatency + "_count", metricSpanLatency + "_sum",
}

// notOurs is a name that only a matcher for anything matches: such a matcher
// does not mean the metrics computed from spans, which cost a read of them.
const notOurs = "\x00"

// MetricsQueryable returns the service graph and span metrics of a tenant,
// computed from the stored spans when they are asked for.
//
// They are counters that stand at zero where a query's range begins (so rates
// and increases are right, raw values say "since then") and grow at aligned
// steps. Spans that came late count where they belong. A nil now is the
// system's clock.
func (e *Engine) MetricsQueryable(tenant string, now func() time.Time) promstorage.Queryable {
	if now == nil {
		now = time.Now
	}
	return promstorage.QueryableFunc(func(mint, maxt int64) (promstorage.Querier, error) {
		step := time.Duration(e.cfg.MetricsStep).Milliseconds()
		maxt = min(maxt, now().UnixMilli())
		mint = max(mint, maxt-time.Duration(e.cfg.MaxMetricsRange).Milliseconds(), 0)
		return &querier{e: e, tenant: tenant, from: mint - mint%step, to: maxt - maxt%step, step: step}, nil
	})
}

// querier answers for the time from..to in milliseconds, both aligned.
type querier struct {
	e              *Engine
	tenant         string
	from, to, step int64
}

// Close implements storage.Querier.
func (q *querier) Close() error { return nil }

// wanted returns the names that ms ask for, none where they may ask for
// anything.
func wanted(ms []*labels.Matcher) []string {
	named := false
	names := slices.Clone(metricNames)
	for _, m := range ms {
		if m.Name == model.MetricNameLabel && !m.Matches(notOurs) {
			named = true
		}
		if m.Name == model.MetricNameLabel {
			names = slices.DeleteFunc(names, func(n string) bool { return !m.Matches(n) })
		}
	}
	if !named {
		return nil
	}
	return names
}

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, _ bool, hints *promstorage.SelectHints, ms ...*labels.Matcher) promstorage.SeriesSet {
	names := wanted(ms)
	if len(names) == 0 || q.to <= q.from {
		return promstorage.EmptySeriesSet()
	}
	series, warnings, err := q.series(ctx, names, ms, q.callSteps(hints, names))
	if err != nil {
		return promstorage.ErrSeriesSet(err)
	}
	slices.SortFunc(series, func(a, b promstorage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &seriesSet{series: series, at: -1, warnings: warnings}
}

// series counts calls, by steps of so many minutes, or in the spans where those
// are 0.
func (q *querier) series(ctx context.Context, names []string, ms []*labels.Matcher, minutes int64) ([]promstorage.Series, annotations.Annotations, error) {
	out := &seriesBuilder{q: q, names: names, matchers: ms}
	count := q.readSpans
	if minutes > 0 {
		count = func(ctx context.Context, _ *seriesBuilder) (*counters, []string, error) { return q.addUp(ctx, minutes) }
	}
	c, read, err := count(ctx, out)
	if err != nil {
		return nil, nil, err
	}
	c.build(out)
	return out.series, annotated(read), out.err
}

// annotated is how PromQL tells what is missing.
func annotated(texts []string) (warnings annotations.Annotations) {
	for _, w := range texts {
		warnings.Add(fmt.Errorf("%w: %s", annotations.PromQLWarning, w))
	}
	return warnings
}

// readSpans counts what the spans tell.
func (q *querier) readSpans(ctx context.Context, out *seriesBuilder) (*counters, []string, error) {
	const milli = int64(time.Millisecond)
	rows, warnings, err := q.e.read(ctx, Query{Tenant: q.tenant, From: q.from * milli, To: q.to * milli}, true)
	if err != nil {
		return nil, nil, err
	}
	return tellRows(rows, q, out.wants(metricSpanCalls, metricSpanLatency)), warnings, nil
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, _ *promstorage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if name == model.MetricNameLabel && len(ms) == 0 {
		return q.names(ctx)
	}
	return q.distinct(ctx, ms, func(ls labels.Labels, add func(string)) {
		if v := ls.Get(name); v != "" {
			add(v)
		}
	})
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, _ *promstorage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.distinct(ctx, ms, func(ls labels.Labels, add func(string)) {
		ls.Range(func(l labels.Label) { add(l.Name) })
	})
}

// names returns the metrics' names where the tenant has spans at all.
func (q *querier) names(ctx context.Context) ([]string, annotations.Annotations, error) {
	const milli = int64(time.Millisecond)
	var stats storage.ReadStats
	streams, err := q.e.reader.Streams(ctx, q.tenant, telemetry.Traces, q.from*milli, q.to*milli, &stats)
	if err != nil {
		return nil, nil, fmt.Errorf("list span streams: %w", err)
	}
	if len(streams) == 0 {
		return nil, annotated(stats.Warnings), nil
	}
	return slices.Clone(metricNames), annotated(stats.Warnings), nil
}

// distinct returns what pick picks from the labels of the series that ms ask
// for, sorted.
func (q *querier) distinct(ctx context.Context, ms []*labels.Matcher, pick func(labels.Labels, func(string))) ([]string, annotations.Annotations, error) {
	names := wanted(ms)
	if len(names) == 0 || q.to <= q.from {
		return nil, nil, nil
	}
	once := &promstorage.SelectHints{Start: q.from, End: q.to, Range: q.to - q.from} // their labels do not move
	series, warnings, err := q.series(ctx, names, ms, q.callSteps(once, names))
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	var out []string
	for _, s := range series {
		pick(s.Labels(), func(v string) {
			if !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		})
	}
	slices.Sort(out)
	return out, warnings, nil
}
