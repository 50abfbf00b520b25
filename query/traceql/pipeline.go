package traceql

import (
	"errors"
	"slices"

	"github.com/clewhq/clew/query/traceql/syntax"
)

// ErrGroupedSpansets refuses a spanset operator whose side was split by by().
var ErrGroupedSpansets = errors.New("spanset operators cannot work on several spansets of one trace, put coalesce() before them")

// spanset is some spans of a trace, as ascending indexes, with what by() and
// aggregates computed of them.
type spanset struct {
	spans []int32
	attrs []Attr
}

// Attr is a named value in an answer.
type Attr struct {
	Key   string
	Value syntax.Static
}

func (s spanset) with(key string, v syntax.Static) spanset {
	for i, a := range s.attrs {
		if a.Key == key {
			attrs := slices.Clone(s.attrs)
			attrs[i].Value = v
			return spanset{s.spans, attrs}
		}
	}
	return spanset{s.spans, append(slices.Clip(s.attrs), Attr{key, v})}
}

// stageFunc turns the spansets of one trace into others.
type stageFunc func(t *Trace, in []spanset) ([]spanset, error)

// compilePipeline turns a pipeline into one function.
func compilePipeline(p *syntax.Pipeline) stageFunc {
	stages := make([]stageFunc, len(p.Stages))
	for i, s := range p.Stages {
		stages[i] = compileStage(s)
	}
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var err error
		for _, s := range stages {
			if in, err = s(t, in); err != nil || len(in) == 0 {
				return nil, err
			}
		}
		return in, nil
	}
}

// whole is the spanset that a pipeline starts with.
func (t *Trace) whole() []spanset {
	all := make([]int32, len(t.Spans))
	for i := range all {
		all[i] = int32(i)
	}
	return []spanset{{spans: all}}
}

func compileStage(s syntax.Stage) stageFunc {
	switch s := s.(type) {
	case *syntax.Filter:
		return compileFilter(s)
	case *syntax.SpansetOp:
		return compileSpansetOp(s)
	case *syntax.Pipeline:
		return compilePipeline(s)
	case *syntax.ScalarFilter:
		return compileScalarFilter(s)
	case *syntax.Group:
		return compileGroup(s)
	case syntax.Coalesce:
		return coalesce
	}
	return func(_ *Trace, in []spanset) ([]spanset, error) { return in, nil }
}

func compileFilter(f *syntax.Filter) stageFunc {
	match := compile(f.Expr)
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var out []spanset
		for _, s := range in {
			v := view{trace: t}
			spans := pick(s.spans, func(i int32) bool {
				v.span, v.index = t.Spans[i], i
				return match(&v).IsTrue()
			})
			if len(spans) > 0 {
				out = append(out, spanset{spans, s.attrs})
			}
		}
		return out, nil
	}
}

func compileSpansetOp(o *syntax.SpansetOp) stageFunc {
	l, r := compileStage(o.L), compileStage(o.R)
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var out []spanset
		for _, s := range in {
			left, err := l(t, []spanset{s})
			if err != nil {
				return nil, err
			}
			right, err := r(t, []spanset{s})
			if err != nil {
				return nil, err
			}
			spans, err := applySpansetOp(t, o.Op, left, right)
			if err != nil {
				return nil, err
			}
			if len(spans) > 0 {
				out = append(out, spanset{spans, s.attrs})
			}
		}
		return out, nil
	}
}

func applySpansetOp(t *Trace, op syntax.Op, left, right []spanset) ([]int32, error) {
	switch op {
	case syntax.OpAnd:
		if len(left) == 0 || len(right) == 0 {
			return nil, nil
		}
		return union(flatten(left), flatten(right)), nil
	case syntax.OpOr:
		return union(flatten(left), flatten(right)), nil
	}
	if len(left) > 1 || len(right) > 1 {
		return nil, ErrGroupedSpansets
	}
	if len(right) == 0 {
		return nil, nil
	}
	return relate(t, op, flatten(left), right[0].spans), nil
}

// flatten joins the spans of several spansets of one trace.
func flatten(sets []spanset) []int32 {
	switch len(sets) {
	case 0:
		return nil
	case 1:
		return sets[0].spans
	}
	var all []int32
	for _, s := range sets {
		all = append(all, s.spans...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func coalesce(_ *Trace, in []spanset) ([]spanset, error) {
	return []spanset{{spans: flatten(in)}}, nil
}

func compileGroup(g *syntax.Group) stageFunc {
	value, name := compile(g.Expr), g.Source()
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var out []spanset
		for _, s := range in {
			groups := map[string]int{}
			v := view{trace: t}
			for _, i := range s.spans {
				v.span, v.index = t.Spans[i], i
				val := value(&v)
				at, ok := groups[val.Key()]
				if !ok {
					at = len(out)
					groups[val.Key()] = at
					out = append(out, spanset{attrs: s.attrs}.with(name, val))
				}
				out[at].spans = append(out[at].spans, i)
			}
		}
		return out, nil
	}
}
