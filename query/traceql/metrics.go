package traceql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// MetricsRequest asks for series.
type MetricsRequest struct {
	Tenant string
	Query  *syntax.Query
	// From and To bound the starts of spans in Unix nanoseconds, Step is the
	// distance of the points. An instant query has one point for it all.
	From, To, Step int64
	Instant        bool
	// Now is the present, 0 for after the range. An instant rate is over what
	// has been of the range, and points to come where nothing is are left out.
	Now int64
	// Exemplars is how many exemplars are wanted at most.
	Exemplars int
}

// MetricsResult is the answer of a metrics query.
type MetricsResult struct {
	Series   []Series
	Stats    Stats
	Warnings []string
	Explain  Explain
	grid     grid
}

// Time is the time of a point in Unix nanoseconds.
func (m *MetricsResult) Time(i int) int64 { return m.grid.time(i) }

// Shows reports whether point i of a series belongs into the answer: not where
// there is no value, nor a zero of what is still to come.
func (m *MetricsResult) Shows(i int, v float64) bool {
	return !math.IsNaN(v) && (v != 0 || !m.grid.toCome(i))
}

// DefaultStep is the distance of points for a range where none was asked for:
// about 240 points, at round distances, at least a second apart unless the
// range is shorter than a minute.
func DefaultStep(from, to int64) int64 {
	span := time.Duration(to - from)
	want := span / 240
	if span < time.Minute {
		const fine = 50 * time.Millisecond
		return int64(max(want/fine*fine, fine))
	}
	for _, g := range []time.Duration{time.Hour, 5 * time.Minute, time.Minute, 15 * time.Second, 5 * time.Second, time.Second} {
		if want > g {
			return int64(want / g * g)
		}
	}
	return int64(time.Second)
}

// grid is the points of an answer. Point i counts what started in the step
// that ends at it, the end included.
type grid struct {
	start, end, step int64
	n                int
	instant          bool
	past             int64 // how much of step has been, for rates
	now              int64 // 0 for after the end
}

// newGrid aligns a range to the step and adds one point in front, as Tempo
// does, so that the same query a little later has the same points.
func newGrid(req *MetricsRequest) grid {
	if req.Instant {
		g := grid{start: req.From, end: req.To, step: req.To - req.From, n: 1, instant: true}
		g.past = g.step
		if req.Now > req.From {
			g.past = min(g.step, req.Now-req.From)
		}
		return g
	}
	g := grid{step: req.Step, past: req.Step, now: req.Now, start: req.From - req.From%req.Step, end: req.To}
	if over := req.To % req.Step; over != 0 {
		g.end += req.Step - over
	}
	if g.start >= req.Step {
		g.start -= req.Step
	}
	g.n = int((g.end - g.start) / g.step)
	return g
}

// index returns the point that a time counts for, -1 for none.
func (g *grid) index(t int64) int {
	if g.instant {
		if t < g.start || t > g.end {
			return -1
		}
		return 0
	}
	if t <= g.start || t > g.end {
		return -1
	}
	return int((t - g.start - 1) / g.step)
}

func (g *grid) time(i int) int64 {
	if g.instant {
		return g.end
	}
	return g.start + int64(i+1)*g.step
}

// toCome reports whether the step of point i has not begun.
func (g *grid) toCome(i int) bool { return g.now > 0 && g.time(i)-g.step >= g.now }

// bounds returns the range [from, to) of span starts that count.
func (g *grid) bounds() (from, to int64) {
	if g.instant {
		return g.start, g.end + 1
	}
	return g.start + 1, g.end + 1
}

// ErrNoMetrics refuses a search where a metrics query is expected.
var ErrNoMetrics = errors.New("the query yields traces, expected a metrics function at its end such as | rate()")

// ErrNoSearch refuses a metrics query where a search is expected.
var ErrNoSearch = errors.New("the query yields series, expected a query without metrics functions such as rate()")

// QueryRange computes the series of a metrics query.
func (e *Engine) QueryRange(ctx context.Context, req MetricsRequest) (*MetricsResult, error) {
	if req.Query.Metrics == nil {
		return nil, &QueryError{ErrNoMetrics}
	}
	if err := e.checkRange(&req); err != nil {
		return nil, &QueryError{err}
	}
	ctx, r, cancel := e.begin(ctx, req.Tenant, "metrics", e.cfg.MaxSpans)
	defer cancel()
	defer r.end()
	m := &metricsRun{run: r, grid: newGrid(&req), exemplars: exemplarLimit(&req, e.cfg.MaxExemplars)}
	m.perPoint = perPoint(m.exemplars, m.grid.n)
	set, err := m.eval(ctx, req.Query.Metrics)
	if err != nil {
		return nil, err
	}
	return &MetricsResult{Series: set.sorted(), Stats: r.stats, Warnings: r.warnings, Explain: r.explain(req.Query), grid: m.grid}, nil
}

func (e *Engine) checkRange(req *MetricsRequest) error {
	switch {
	case req.From < 0 || req.To <= req.From:
		return fmt.Errorf("the range is from %d to %d, expected an end after the start", req.From, req.To)
	case !req.Instant && req.Step <= 0:
		return fmt.Errorf("step is %s, expected more than 0", time.Duration(req.Step))
	case !req.Instant && (req.To-req.From)/req.Step > int64(e.cfg.MaxPoints):
		return fmt.Errorf("step %s over a range of %s are more than query.traceql.max_points = %d points, ask for a longer step",
			time.Duration(req.Step), time.Duration(req.To-req.From), e.cfg.MaxPoints)
	}
	return nil
}

// exemplarLimit is how many exemplars an answer has: the hint of the query
// decides, then the request.
func exemplarLimit(req *MetricsRequest, limit int) int {
	n := req.Exemplars
	for _, h := range req.Query.Hints {
		if h.Name != "exemplars" {
			continue
		}
		switch {
		case h.Value.Type == syntax.TypeInt:
			n = int(max(h.Value.AsInt(), 0))
		case h.Value.Type == syntax.TypeBool && !h.Value.IsTrue():
			n = 0
		}
	}
	return min(n, limit)
}

// metricsRun is one metrics query under way.
type metricsRun struct {
	*run
	grid      grid
	exemplars int
	perPoint  int // exemplars, at most, before a trace's others are dropped
}

func (m *metricsRun) eval(ctx context.Context, e syntax.MetricsExpr) (seriesSet, error) {
	switch e := e.(type) {
	case *syntax.MetricsPipeline:
		return m.pipeline(ctx, e)
	case *syntax.MetricsStages:
		set, err := m.eval(ctx, e.X)
		if err != nil {
			return nil, err
		}
		for _, s := range e.Stages {
			set = applyStage(set, s, m.grid.n)
		}
		return set, nil
	case *syntax.MetricsScalar:
		set, err := m.eval(ctx, e.X)
		if err != nil {
			return nil, err
		}
		return scalarMath(set, e), nil
	case *syntax.MetricsMath:
		l, err := m.eval(ctx, e.L)
		if err != nil {
			return nil, err
		}
		r, err := m.eval(ctx, e.R)
		if err != nil {
			return nil, err
		}
		return seriesMath(e.Op, l, r), nil
	}
	return nil, fmt.Errorf("unknown metrics expression %T", e)
}

// pipeline feeds the spans of a pipeline to its function.
func (m *metricsRun) pipeline(ctx context.Context, e *syntax.MetricsPipeline) (seriesSet, error) {
	p := planPipeline(e.Pipeline)
	cols := functionColumns(&e.Func)
	var err error
	whole := !p.exact || functionNeedsTrace(&e.Func, p.need)
	m.plans = append(m.plans, p.info(whole))
	if whole {
		agg := m.aggregator(&e.Func)
		err = m.tracesToo(ctx, &p, e, cols, agg)
		if err = m.partial(err); err != nil {
			return nil, err
		}
		set := agg.result()
		set.thin(m.exemplars)
		return set, nil
	}
	p.columns |= cols
	if k := m.kept(e); k != nil {
		return k.result(ctx, &p)
	}
	set, err := m.spansOnly(ctx, &p, &e.Func)
	if err != nil {
		return nil, err
	}
	set.thin(m.exemplars)
	return set, nil
}

// spansOnly answers by one scan, or has the store count. There may be more
// exemplars than wanted.
func (m *metricsRun) spansOnly(ctx context.Context, p *plan, f *syntax.MetricsFunc) (seriesSet, error) {
	if g := m.inGroups(p, f); g != nil {
		return m.counted(ctx, p, f, g)
	}
	agg := m.aggregator(f)
	from, to := m.grid.bounds()
	v := view{}
	err := m.scan(ctx, p.query(m.tenant, from, to), "scan", func(s *telemetry.Span) bool {
		v.span = s
		if i := m.grid.index(s.Start); i >= 0 && p.match(&v).IsTrue() {
			agg.observe(i, &v)
		}
		return true
	})
	if err = m.partial(err); err != nil {
		return nil, err
	}
	return agg.result(), nil
}

// tracesToo reads every trace that may match and feeds the spans that the
// pipeline leaves of it and that lie in the range.
func (m *metricsRun) tracesToo(ctx context.Context, p *plan, e *syntax.MetricsPipeline, cols storage.Columns, agg aggregator) error {
	window := int64(m.e.cfg.TraceWindow)
	from, to := m.grid.bounds()
	cs, err := m.candidates(ctx, p, from-window, to+window, nil)
	if err != nil && len(cs) == 0 {
		return err
	}
	eval := compilePipeline(e.Pipeline)
	cols |= shownBy(e.Pipeline).columns
	terr := m.wholeTraces(ctx, cs, cols, func(t *Trace) error {
		sets, err := eval(t, t.whole())
		if err != nil {
			return &QueryError{err}
		}
		v := view{trace: t}
		for _, set := range sets {
			for _, i := range set.spans {
				v.span, v.index = t.Spans[i], i
				if at := m.grid.index(v.span.Start); at >= 0 {
					agg.observe(at, &v)
				}
			}
		}
		return nil
	})
	if terr != nil {
		return terr
	}
	return err
}

func functionColumns(f *syntax.MetricsFunc) storage.Columns {
	if f.Compare != nil {
		return storage.ColSpan | storage.ColAttrs | columnsOf(f.Compare.Expr)
	}
	c := noColumns
	if f.HasAttr {
		c |= columnOf(f.Attr)
	}
	for _, a := range f.By {
		c |= columnOf(a)
	}
	return c
}

// functionNeedsTrace reports whether a function looks at more than the spans
// that meet need. compare() counts the roots of traces too, which a root is
// itself.
func functionNeedsTrace(f *syntax.MetricsFunc, need syntax.Expr) bool {
	if f.Compare != nil {
		return !rootsOnly(need) || !isLocal(f.Compare.Expr)
	}
	whole := f.HasAttr && needsTrace(f.Attr)
	for _, a := range f.By {
		whole = whole || needsTrace(a)
	}
	return whole
}

// rootsOnly reports whether only root spans meet a condition.
func rootsOnly(need syntax.Expr) bool {
	return slices.ContainsFunc(conjuncts(need, nil), func(e syntax.Expr) bool {
		if !isRootTest(e) {
			return false
		}
		_, _, op, _ := refAndLiteral(e.(*syntax.Binary))
		return op == syntax.OpLt || op == syntax.OpLte || op == syntax.OpEq
	})
}
