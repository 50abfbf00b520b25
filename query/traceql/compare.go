package traceql

import (
	"cmp"
	"slices"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// comparison is compare(): for every attribute and value it counts the spans
// inside the selection and outside it, the baseline.
type comparison struct {
	m        *metricsRun
	fn       *syntax.MetricsFunc
	selected evalFunc
	sides    [2]map[string]*attrCounts // baseline, selection; by attribute
	full     bool
	samples  int
}

// attrCounts is one attribute on one side.
type attrCounts struct {
	total  []float64
	values map[string]*valueCounts
}

type valueCounts struct {
	value  syntax.Static
	counts []float64
	sum    float64
}

func newComparison(m *metricsRun, f *syntax.MetricsFunc) *comparison {
	return &comparison{m: m, fn: f, selected: compile(f.Compare.Expr),
		sides: [2]map[string]*attrCounts{{}, {}}}
}

func (c *comparison) observe(i int, v *view) {
	side := c.sides[0]
	t := v.span.Start
	inWindow := c.fn.Start == 0 || t > c.fn.Start && t <= c.fn.End
	if inWindow && c.selected(v).IsTrue() {
		side = c.sides[1]
	}
	for _, in := range []syntax.Intrinsic{syntax.Name, syntax.SpanKind, syntax.StatusCode, syntax.StatusMessage,
		syntax.InstrumentationName, syntax.InstrumentationVersion} {
		if val := v.intrinsic(in); val.Type != syntax.TypeString || val.Str() != "" {
			c.count(side, i, syntax.Attribute{Intrinsic: in}, val)
		}
	}
	for _, in := range []syntax.Intrinsic{syntax.RootName, syntax.RootServiceName, syntax.ChildCount} {
		if val := v.intrinsic(in); !val.IsNil() {
			c.count(side, i, syntax.Attribute{Intrinsic: in}, val)
		}
	}
	c.countAll(side, i, syntax.ScopeResource, v.span.Stream.Resource.Attrs)
	c.countAll(side, i, syntax.ScopeSpan, v.span.Attrs)
	c.countAll(side, i, syntax.ScopeInstrumentation, v.span.Stream.Scope.Attrs)
}

func (c *comparison) countAll(side map[string]*attrCounts, i int, scope syntax.Scope, attrs telemetry.Attrs) {
	for _, a := range attrs {
		if val := toStatic(a.Value); !val.IsNil() {
			c.count(side, i, syntax.Attribute{Scope: scope, Name: a.Key}, val)
		}
	}
}

func (c *comparison) count(side map[string]*attrCounts, i int, a syntax.Attribute, val syntax.Static) {
	name := a.String()
	attr, ok := side[name]
	if !ok {
		if !c.room() {
			return
		}
		attr = &attrCounts{total: make([]float64, c.m.grid.n), values: map[string]*valueCounts{}}
		side[name] = attr
	}
	attr.total[i]++
	key := val.Key()
	vc, ok := attr.values[key]
	if !ok {
		if !c.room() {
			return
		}
		vc = &valueCounts{value: val, counts: make([]float64, c.m.grid.n)}
		attr.values[key] = vc
	}
	vc.counts[i]++
	vc.sum++
}

// room reports whether one more series may be kept.
func (c *comparison) room() bool {
	if c.full {
		return false
	}
	if c.samples += c.m.grid.n; c.samples > c.m.e.cfg.MaxSamples {
		c.full = true
		c.m.warn("the answer is partial: compare() met more values than query.traceql.max_samples = %d samples hold, ask for a longer step", c.m.e.cfg.MaxSamples)
	}
	return !c.full
}

func (c *comparison) result() seriesSet {
	set := seriesSet{}
	for i, kind := range []string{"baseline", "selection"} {
		for name, attr := range c.sides[i] {
			set.add(&Series{Labels: []Attr{{metaLabel, syntax.String(kind + "_total")}, {name, syntax.Nil}}, Values: attr.total})
			for _, vc := range attr.top(c.fn.TopN) {
				set.add(&Series{Labels: []Attr{{metaLabel, syntax.String(kind)}, {name, vc.value}}, Values: vc.counts})
			}
		}
	}
	return set
}

// top returns the n values that most spans have.
func (a *attrCounts) top(n int) []*valueCounts {
	all := make([]*valueCounts, 0, len(a.values))
	for _, v := range a.values {
		all = append(all, v)
	}
	slices.SortFunc(all, func(x, y *valueCounts) int {
		return cmp.Or(cmp.Compare(y.sum, x.sum), compareStatics(x.value, y.value))
	})
	return all[:min(n, len(all))]
}
