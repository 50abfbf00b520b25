package traceql

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/traceql/syntax"
)

// applyStage applies topk, bottomk or a comparison to every point.
func applyStage(set seriesSet, s syntax.SecondStage, n int) seriesSet {
	if s.Func == "" {
		return filterSamples(set, s)
	}
	if len(set) <= s.K {
		return set
	}
	return topK(set, s, n)
}

// filterSamples keeps the samples for which the comparison holds, and the
// series that have any.
func filterSamples(set seriesSet, s syntax.SecondStage) seriesSet {
	holds := func(v float64) bool {
		if math.IsNaN(v) {
			return false
		}
		x, y := syntax.Float(v), syntax.Float(s.Value)
		switch s.Op {
		case syntax.OpEq:
			return v == s.Value
		case syntax.OpNeq:
			return v != s.Value
		}
		return ordered(s.Op, x, y)
	}
	out := seriesSet{}
	for key, x := range set {
		kept := &Series{Labels: x.Labels, Values: slices.Clone(x.Values)}
		for i, v := range kept.Values {
			if !holds(v) {
				kept.Values[i] = math.NaN()
			}
		}
		for _, e := range x.Exemplars {
			if holds(e.Value) {
				kept.Exemplars = append(kept.Exemplars, e)
			}
		}
		if !kept.empty() {
			out[key] = kept
		}
	}
	return out
}

// topK keeps the k greatest or smallest samples of every point. Of equal ones
// topk keeps those whose labels come first, bottomk those whose come last, so
// that the answer is always the same.
func topK(set seriesSet, s syntax.SecondStage, n int) seriesSet {
	type sample struct {
		key, labels string
		value       float64
	}
	text := make(map[string]string, len(set))
	for key, x := range set {
		text[key] = x.PromLabels()
	}
	out := seriesSet{}
	var at []sample
	for i := range n {
		at = at[:0]
		for key, x := range set {
			if i < len(x.Values) && !math.IsNaN(x.Values[i]) {
				at = append(at, sample{key, text[key], x.Values[i]})
			}
		}
		slices.SortFunc(at, func(a, b sample) int {
			order := cmp.Or(cmp.Compare(b.value, a.value), strings.Compare(a.labels, b.labels), strings.Compare(a.key, b.key))
			if s.Func == "bottomk" {
				return -order
			}
			return order
		})
		for _, v := range at[:min(s.K, len(at))] {
			x, ok := out[v.key]
			if !ok {
				x = &Series{Labels: set[v.key].Labels, Values: filled(n, math.NaN()), Exemplars: set[v.key].Exemplars}
				out[v.key] = x
			}
			x.Values[i] = v.value
		}
	}
	return out
}

func calculate(op syntax.Op, a, b float64) float64 {
	switch op {
	case syntax.OpAdd:
		return a + b
	case syntax.OpSub:
		return a - b
	case syntax.OpMul:
		return a * b
	case syntax.OpDiv:
		if b != 0 {
			return a / b
		}
	}
	return math.NaN()
}

// scalarMath applies a constant to every sample and exemplar.
func scalarMath(set seriesSet, e *syntax.MetricsScalar) seriesSet {
	apply := func(v float64) float64 {
		if e.OnLeft {
			return calculate(e.Op, e.Value, v)
		}
		return calculate(e.Op, v, e.Value)
	}
	out := seriesSet{}
	for key, x := range set {
		y := &Series{Labels: x.Labels, Values: make([]float64, len(x.Values)), Exemplars: slices.Clone(x.Exemplars)}
		for i, v := range x.Values {
			y.Values[i] = apply(v)
		}
		for i := range y.Exemplars {
			y.Exemplars[i].Value = apply(y.Exemplars[i].Value)
		}
		out[key] = y
	}
	return out
}

// seriesMath combines series of equal labels. A query without labels combines
// with every series of the other.
func seriesMath(op syntax.Op, l, r seriesSet) seriesSet {
	target := l
	if _, ok := r[""]; !ok {
		target = r
	}
	out := seriesSet{}
	for key := range target {
		a, aOK := match(l, key)
		b, bOK := match(r, key)
		if !aOK || !bOK {
			continue
		}
		x := &Series{Labels: mergeLabels(op, a.Labels, b.Labels), Values: make([]float64, min(len(a.Values), len(b.Values)))}
		for i := range x.Values {
			x.Values[i] = calculate(op, a.Values[i], b.Values[i])
		}
		x.Exemplars = append(slices.Clone(a.Exemplars), b.Exemplars...)
		out[key] = x
	}
	return out
}

func match(set seriesSet, key string) (*Series, bool) {
	if x, ok := set[key]; ok {
		return x, true
	}
	x, ok := set[""]
	return x, ok
}

// mergeLabels joins the labels of both sides; two names become a formula.
func mergeLabels(op syntax.Op, l, r []Attr) []Attr {
	nameOf := func(list []Attr) string {
		for _, a := range list {
			if a.Key == nameLabel {
				return a.Value.Str()
			}
		}
		return ""
	}
	var out []Attr
	if a, b := nameOf(l), nameOf(r); a != "" && b != "" {
		out = append(out, Attr{nameLabel, syntax.String("(" + a + " " + string(op) + " " + b + ")")})
	}
	for _, list := range [][]Attr{l, r} {
		for _, a := range list {
			has := slices.ContainsFunc(out, func(o Attr) bool { return o.Key == a.Key })
			if a.Key != nameLabel && !has {
				out = append(out, a)
			}
		}
	}
	return out
}
