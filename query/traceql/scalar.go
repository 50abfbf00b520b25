package traceql

import (
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
)

// scalarFunc computes a number of a spanset, Nil where there is none, and may
// note it in the spanset's attributes.
type scalarFunc func(t *Trace, s *spanset) syntax.Static

func compileScalarFilter(f *syntax.ScalarFilter) stageFunc {
	l, r := compileScalar(f.L), compileScalar(f.R)
	c := comparer{op: f.Op}
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var out []spanset
		for _, s := range in {
			left := l(t, &s)
			right := r(t, &s)
			if c.compare(left, right) {
				out = append(out, s)
			}
		}
		return out, nil
	}
}

func compileScalar(e syntax.ScalarExpr) scalarFunc {
	switch e := e.(type) {
	case syntax.Literal:
		return func(*Trace, *spanset) syntax.Static { return e.Value }
	case *syntax.ScalarOp:
		l, r := compileScalar(e.L), compileScalar(e.R)
		return func(t *Trace, s *spanset) syntax.Static {
			return syntax.Calculate(e.Op, l(t, s), r(t, s))
		}
	case *syntax.Aggregate:
		return compileAggregate(e)
	}
	return func(*Trace, *spanset) syntax.Static { return syntax.Nil }
}

func compileAggregate(a *syntax.Aggregate) scalarFunc {
	name := a.Source()
	if a.Expr == nil {
		return func(_ *Trace, s *spanset) syntax.Static {
			n := syntax.Int(int64(len(s.spans)))
			*s = s.with(name, n)
			return n
		}
	}
	value := compile(a.Expr)
	return func(t *Trace, s *spanset) syntax.Static {
		out := aggregate(a.Func, t, s.spans, value)
		if !out.IsNil() {
			*s = s.with(name, out)
		}
		return out
	}
}

// aggregate computes min, max, sum or avg over the spans that have a number.
func aggregate(fn string, t *Trace, spans []int32, value evalFunc) syntax.Static {
	out, n := syntax.Nil, 0
	v := view{trace: t}
	for _, i := range spans {
		v.span, v.index = t.Spans[i], i
		x := value(&v)
		if !x.Type.Numeric() {
			continue
		}
		n++
		if n == 1 {
			out = x
			continue
		}
		switch order, _ := x.Compare(out); {
		case fn == "sum" || fn == "avg":
			out = add(out, x)
		case fn == "min" && order < 0, fn == "max" && order > 0:
			out = x
		}
	}
	if fn == "avg" && n > 0 {
		return average(out, n)
	}
	return out
}

// add adds two numbers; a duration stays one.
func add(a, b syntax.Static) syntax.Static {
	if a.Type == syntax.TypeDuration && b.Type == syntax.TypeDuration {
		return syntax.Duration(time.Duration(a.AsInt() + b.AsInt()))
	}
	return syntax.Calculate(syntax.OpAdd, a, b)
}

func average(sum syntax.Static, n int) syntax.Static {
	if sum.Type == syntax.TypeDuration {
		return syntax.Duration(time.Duration(sum.AsInt() / int64(n)))
	}
	return syntax.Float(sum.AsFloat() / float64(n))
}
