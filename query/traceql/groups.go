package traceql

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// spanGroups is a metrics pipeline that a store answers by counting spans in
// groups: its condition and its function look at nothing but what groups have
// in common.
type spanGroups struct {
	store storage.SpanGrouper
	query storage.SpanGroupQuery
	match evalFunc // what lengths do not tell of the condition
}

// inGroups returns nil where the spans themselves must be read.
func (m *metricsRun) inGroups(p *plan, f *syntax.MetricsFunc) *spanGroups {
	store, ok := m.e.reader.(storage.SpanGrouper)
	if !ok || f.Compare != nil {
		return nil
	}
	g := &spanGroups{store: store, query: storage.SpanGroupQuery{Longest: math.MaxInt64}}
	rest := syntax.Expr(always)
	for _, c := range conjuncts(p.need, nil) {
		if !g.length(c) {
			rest = and(rest, c)
		}
	}
	if !g.lookAt(rest) || f.HasAttr && !g.measure(f) {
		return nil
	}
	for _, a := range f.By {
		if !g.trait(a) {
			return nil
		}
	}
	g.match = compile(rest)
	return g
}

// length takes a bound of the duration out of the condition. It reports false
// for any other condition.
func (g *spanGroups) length(e syntax.Expr) bool {
	b, ok := e.(*syntax.Binary)
	if !ok {
		return false
	}
	ref, lit, op, ok := refAndLiteral(b)
	if !ok || !ref.Is(syntax.SpanDuration) || lit.Type != syntax.TypeDuration {
		return false
	}
	d := time.Duration(lit.AsInt())
	least, most := time.Duration(0), time.Duration(math.MaxInt64)
	switch {
	case op == syntax.OpGte, op == syntax.OpEq:
		least = d
	case op == syntax.OpGt && d < math.MaxInt64:
		least = d + 1
	case op != syntax.OpLt && op != syntax.OpLte:
		return false
	}
	switch op {
	case syntax.OpLte, syntax.OpEq:
		most = d
	case syntax.OpLt:
		most = d - 1
	}
	g.query.Shortest, g.query.Longest = max(g.query.Shortest, least), min(g.query.Longest, most)
	return true
}

// lookAt asks for what a condition reads. It reports false where groups do not
// have it.
func (g *spanGroups) lookAt(e syntax.Expr) bool {
	ok := true
	syntax.Walk(e, func(a syntax.Attribute) {
		if a.Is(syntax.NestedSetParent) {
			g.query.By.Root = true // as the plan has it, only being a root decides
			return
		}
		ok = ok && g.trait(a)
	})
	return ok
}

// measure asks for what a function adds up.
func (g *spanGroups) measure(f *syntax.MetricsFunc) bool {
	if !f.Attr.Is(syntax.SpanDuration) {
		return g.trait(f.Attr)
	}
	switch f.Name {
	case "quantile_over_time", "histogram_over_time":
		g.query.By.Class = true
	default:
		g.query.Durations = true
	}
	return true
}

// trait asks for an attribute. It reports false where groups do not have it.
func (g *spanGroups) trait(a syntax.Attribute) bool {
	by := &g.query.By
	switch {
	case a.Parent:
		return false
	case a.Is(syntax.Name):
		by.Name = true
	case a.Is(syntax.SpanKind):
		by.Kind = true
	case a.Is(syntax.StatusCode):
		by.Status = true
	case a.Is(syntax.InstrumentationName), a.Is(syntax.InstrumentationVersion):
	case a.Intrinsic != syntax.NotIntrinsic:
		return false
	case a.Scope == syntax.ScopeSpan, a.Scope == syntax.ScopeAny:
		if !slices.Contains(by.Keys, a.Name) {
			by.Keys = append(by.Keys, a.Name)
		}
	case a.Scope != syntax.ScopeResource && a.Scope != syntax.ScopeInstrumentation:
		return false
	}
	return true
}

// counted answers by groups.
func (m *metricsRun) counted(ctx context.Context, p *plan, f *syntax.MetricsFunc, g *spanGroups) (seriesSet, error) {
	agg := m.grouped(f)
	from, to := m.grid.bounds()
	q := g.query
	q.Query = p.query(m.tenant, from, to)
	q.Samples = m.exemplars > 0 && !m.grid.instant
	if !m.grid.instant {
		q.Width = m.grid.step
	}
	v := view{}
	err := m.watch(ctx, "count in groups", func(stats *storage.ReadStats) error {
		q.Query.Stats = stats
		return g.store.SpanGroups(ctx, q, func(sg storage.SpanGroup) {
			m.stats.InspectedSpans += sg.N
			v.span = sg.Like
			if g.match(&v).IsTrue() {
				agg.observeGroup(&v, sg)
			}
		})
	})
	if err = m.partial(err); err != nil {
		return nil, err
	}
	return agg.result(), nil
}
