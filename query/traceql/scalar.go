package traceql

import (
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
)

// scalars computes the numbers that one scalar filter compares, of one spanset.
type scalars struct {
	trace *Trace
	// set is the spanset, with what aggregates noted in its attributes.
	set spanset
	// piped collects the spans that pipelines of their own left, and whole is
	// set where an aggregate looked at all spans of the spanset.
	piped []int32
	whole bool
	err   error
}

// scalarFunc computes a number of a spanset, Nil where there is none.
type scalarFunc func(s *scalars) syntax.Static

// compileScalarFilter keeps the spansets for which a comparison holds. Of those
// whose numbers come from pipelines of their own, ({ } | count()), it keeps the
// spans that these pipelines left.
func compileScalarFilter(f *syntax.ScalarFilter) stageFunc {
	l, r := compileScalar(f.L), compileScalar(f.R)
	c := comparer{op: f.Op}
	piped := len(scalarPipelines(f)) > 0
	return func(t *Trace, in []spanset) ([]spanset, error) {
		var out []spanset
		for _, set := range in {
			s := &scalars{trace: t, set: set}
			left := l(s)
			right := r(s)
			if s.err != nil {
				return nil, s.err
			}
			if !c.compare(left, right) {
				continue
			}
			if piped && !s.whole {
				s.set.spans = s.piped
			}
			if len(s.set.spans) > 0 {
				out = append(out, s.set)
			}
		}
		return out, nil
	}
}

func compileScalar(e syntax.ScalarExpr) scalarFunc {
	switch e := e.(type) {
	case syntax.Literal:
		return func(*scalars) syntax.Static { return e.Value }
	case *syntax.ScalarOp:
		l, r := compileScalar(e.L), compileScalar(e.R)
		return func(s *scalars) syntax.Static {
			return syntax.Calculate(e.Op, l(s), r(s))
		}
	case *syntax.ScalarPipeline:
		return compileScalarPipeline(e)
	case *syntax.Aggregate:
		return compileAggregate(e)
	}
	return func(*scalars) syntax.Static { return syntax.Nil }
}

// compileScalarPipeline computes a number of what a pipeline leaves of the
// spanset. Where it leaves nothing the count is 0, and other numbers are Nil.
func compileScalarPipeline(e *syntax.ScalarPipeline) scalarFunc {
	pipeline, scalar := compilePipeline(e.Pipeline), compileScalar(e.Scalar)
	return func(s *scalars) syntax.Static {
		sets, err := pipeline(s.trace, []spanset{{spans: s.set.spans}})
		if err == nil && len(sets) > 1 {
			err = ErrGroupedSpansets
		}
		if err != nil {
			s.err = err
			return syntax.Nil
		}
		inner := &scalars{trace: s.trace}
		if len(sets) == 1 {
			inner.set = sets[0]
		}
		out := scalar(inner)
		if s.err == nil {
			s.err = inner.err
		}
		s.piped = union(s.piped, inner.set.spans)
		return out
	}
}

// scalarPipelines lists the pipelines of their own that a filter compares.
func scalarPipelines(f *syntax.ScalarFilter) []*syntax.ScalarPipeline {
	var out []*syntax.ScalarPipeline
	var walk func(e syntax.ScalarExpr)
	walk = func(e syntax.ScalarExpr) {
		switch e := e.(type) {
		case *syntax.ScalarPipeline:
			out = append(out, e)
		case *syntax.ScalarOp:
			walk(e.L)
			walk(e.R)
		}
	}
	walk(f.L)
	walk(f.R)
	return out
}

func compileAggregate(a *syntax.Aggregate) scalarFunc {
	name := a.Source()
	if a.Expr == nil {
		return func(s *scalars) syntax.Static {
			n := syntax.Int(int64(len(s.set.spans)))
			s.note(name, n)
			return n
		}
	}
	value := compile(a.Expr)
	return func(s *scalars) syntax.Static {
		out := aggregate(a.Func, s.trace, s.set.spans, value)
		s.note(name, out)
		return out
	}
}

// note writes what an aggregate computed into the spanset's attributes.
func (s *scalars) note(name string, v syntax.Static) {
	s.whole = true
	if !v.IsNil() {
		s.set = s.set.with(name, v)
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
