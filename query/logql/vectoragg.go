package logql

import (
	"math"
	"slices"

	"github.com/clewhq/clew/query/logql/syntax"
)

// additive maps a range aggregation to the vector aggregation that may be
// done together with it: the sum of counts is the count of all.
var additive = map[string]string{
	syntax.OpCount: syntax.OpSum, syntax.OpRate: syntax.OpSum, syntax.OpBytes: syntax.OpSum,
	syntax.OpBytesRate: syntax.OpSum, syntax.OpSumOver: syntax.OpSum,
	syntax.OpMinOver: syntax.OpMin, syntax.OpMaxOver: syntax.OpMax,
}

// vectorNode is an aggregation over series.
type vectorNode struct {
	ev     *evaluator
	e      *syntax.VectorAgg
	inner  node
	groups map[*labelSet]*labelSet
	buf    []sample
	index  map[*labelSet]*group
	order  []*group
}

// group is what one result is made of.
type group struct {
	set     *labelSet
	n, a, b float64
	members []sample
}

func (ev *evaluator) vectorNode(e *syntax.VectorAgg) (node, error) {
	if r, ok := e.Inner.(*syntax.RangeAgg); ok && additive[r.Op] == e.Op && r.Grouping == nil {
		g := e.Grouping
		if g == nil {
			g = &syntax.Grouping{}
		}
		return ev.rangeNode(r, g)
	}
	var inner node
	value, isNumber, err := ev.scalar(e.Inner)
	switch {
	case err != nil:
		return nil, err
	case isNumber:
		inner = constant{{ev.sets.of(nil), value}}
	default:
		if inner, err = ev.compile(e.Inner); err != nil {
			return nil, err
		}
	}
	return &vectorNode{ev: ev, e: e, inner: inner, groups: map[*labelSet]*labelSet{}, index: map[*labelSet]*group{}}, nil
}

// groupOf returns the labels of the group that a series belongs to.
func (n *vectorNode) groupOf(s *labelSet) *labelSet {
	if g, ok := n.groups[s]; ok {
		return g
	}
	var g *labelSet
	switch {
	case n.e.Grouping == nil:
		g = n.ev.sets.of(nil)
	default:
		g = n.ev.sets.pick(s, n.e.Grouping.Labels, !n.e.Grouping.Without)
	}
	n.groups[s] = g
	return g
}

func (n *vectorNode) eval(k int) ([]sample, error) {
	vec, err := n.inner.eval(k)
	if err != nil {
		return nil, err
	}
	if n.e.Op == syntax.OpSort || n.e.Op == syntax.OpSortDesc {
		sortSamples(vec, n.e.Op == syntax.OpSortDesc)
		return vec, nil
	}
	clear(n.index)
	n.order = n.order[:0]
	for _, s := range vec {
		set := n.groupOf(s.set)
		g, ok := n.index[set]
		if !ok {
			g = &group{set: set}
			n.index[set] = g
			n.order = append(n.order, g)
		}
		n.addTo(g, s)
	}
	n.buf = n.buf[:0]
	for _, g := range n.order {
		n.buf = n.appendResult(n.buf, g)
	}
	return n.buf, nil
}

func (n *vectorNode) addTo(g *group, s sample) {
	g.n++
	switch n.e.Op {
	case syntax.OpTopK, syntax.OpBottomK, syntax.OpApproxTopK:
		g.members = append(g.members, s)
	case syntax.OpMin:
		if g.n == 1 || s.value < g.a || math.IsNaN(g.a) {
			g.a = s.value
		}
	case syntax.OpMax:
		if g.n == 1 || s.value > g.a || math.IsNaN(g.a) {
			g.a = s.value
		}
	case syntax.OpStddev, syntax.OpStdvar:
		if g.n == 1 { // alone it deviates by nothing, even where it is no number
			g.a = s.value
			return
		}
		delta := s.value - g.a
		g.a += delta / g.n
		g.b += delta * (s.value - g.a)
	default:
		g.a += s.value
	}
}

func (n *vectorNode) appendResult(dst []sample, g *group) []sample {
	v := g.a
	switch n.e.Op {
	case syntax.OpTopK, syntax.OpApproxTopK:
		sortSamples(g.members, true)
		return append(dst, g.members[:min(n.e.Param, len(g.members))]...)
	case syntax.OpBottomK:
		sortSamples(g.members, false)
		return append(dst, g.members[:min(n.e.Param, len(g.members))]...)
	case syntax.OpAvg:
		v = g.a / g.n
	case syntax.OpCountVec:
		v = g.n
	case syntax.OpStddev:
		v = math.Sqrt(g.b / g.n)
	case syntax.OpStdvar:
		v = g.b / g.n
	}
	return append(dst, sample{g.set, v})
}

// sortSamples sorts by value, NaN last, and by labels among equals so that the
// order does not depend on how the store answered.
func sortSamples(s []sample, desc bool) {
	slices.SortFunc(s, func(a, b sample) int {
		an, bn := math.IsNaN(a.value), math.IsNaN(b.value)
		switch {
		case an && !bn:
			return 1
		case bn && !an:
			return -1
		case a.value == b.value || an:
			return compareSets(a.set.labels, b.set.labels)
		case (a.value < b.value) != desc:
			return -1
		}
		return 1
	})
}
