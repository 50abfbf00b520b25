package logql

import (
	"slices"
	"time"

	"github.com/clewhq/clew/query/logql/syntax"
)

// steps are the times at which a metric query is evaluated, in nanoseconds.
type steps struct {
	start, step int64
	n           int
}

func (s steps) at(k int) int64 { return s.start + int64(k)*s.step }

func (s steps) last() int64 { return s.at(s.n - 1) }

// sample is the value of a series at one step.
type sample struct {
	set   *labelSet
	value float64
}

// node is a compiled metric expression. The result of eval is the node's own
// and good until its next eval.
type node interface {
	eval(k int) ([]sample, error)
}

// evaluator compiles and evaluates the expressions of one query.
type evaluator struct {
	q     *query
	steps steps
	sets  *interner
}

// samples answers a metric query.
func (q *query) samples(e syntax.SampleExpr) (*Result, error) {
	st, err := q.steps()
	if err != nil {
		return nil, err
	}
	ev := &evaluator{q: q, steps: st, sets: newInterner()}
	if value, ok, err := ev.scalar(e); ok || err != nil {
		return q.scalarResult(st, value), err
	}
	root, err := ev.compile(e)
	if err != nil {
		return nil, err
	}
	if q.params.Instant {
		return q.vectorResult(e, root, st)
	}
	return q.matrixResult(root, st)
}

func (q *query) steps() (steps, error) {
	p := q.params
	if p.Instant {
		return steps{start: p.End, step: 1, n: 1}, nil
	}
	if err := q.engine.checkRange(p.Start, p.End); err != nil {
		return steps{}, err
	}
	step := int64(p.Step)
	if step > int64(maxSpan) {
		return steps{}, badQuery("the step must not be longer than %s", maxSpan)
	}
	if step <= 0 {
		return steps{}, badQuery("zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	start, end := p.Start, p.End
	if q.engine.cfg.AlignSteps {
		start -= start % step
		if rest := end % step; rest != 0 {
			end += step - rest
		}
	}
	n := (end-start)/step + 1
	if n > int64(q.engine.cfg.MaxSteps) {
		return steps{}, limitError("exceeded maximum resolution of %d points per time series (max_steps). Try increasing the value of the step parameter",
			q.engine.cfg.MaxSteps)
	}
	return steps{start: start, step: step, n: int(n)}, nil
}

func (q *query) scalarResult(st steps, value float64) *Result {
	if q.params.Instant {
		return &Result{Kind: KindScalar, Scalar: Point{millis(st.start), value}}
	}
	s := Series{}
	for k := range st.n {
		s.Points = append(s.Points, Point{millis(st.at(k)), value})
	}
	return &Result{Kind: KindMatrix, Series: []Series{s}}
}

func millis(ns int64) int64 { return ns / int64(time.Millisecond) }

func (q *query) tooManySeries() error {
	return limitError("maximum number of series (%d) reached for a single query (max_series); consider reducing query cardinality by adding more "+
		"specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()", q.engine.cfg.MaxSeries)
}

func (q *query) vectorResult(e syntax.SampleExpr, root node, st steps) (*Result, error) {
	vec, err := root.eval(0)
	if err != nil {
		return nil, err
	}
	if len(vec) > q.engine.cfg.MaxSeries {
		return nil, q.tooManySeries()
	}
	res := &Result{Kind: KindVector, Series: make([]Series, 0, len(vec))}
	for _, s := range vec {
		res.Series = append(res.Series, Series{s.set.labels, []Point{{millis(st.start), s.value}}})
	}
	if !ordersByValue(e) {
		slices.SortFunc(res.Series, func(a, b Series) int { return compareSets(a.Labels, b.Labels) })
	}
	q.stats.Returned = int64(len(res.Series))
	return res, nil
}

// ordersByValue reports whether the query itself says in which order the
// series of a vector come.
func ordersByValue(e syntax.SampleExpr) bool {
	v, ok := e.(*syntax.VectorAgg)
	return ok && (v.Op == syntax.OpSort || v.Op == syntax.OpSortDesc)
}

func (q *query) matrixResult(root node, st steps) (*Result, error) {
	res := &Result{Kind: KindMatrix, Series: []Series{}}
	index := map[*labelSet]int{}
	for k := range st.n {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		vec, err := root.eval(k)
		if err != nil {
			return nil, err
		}
		for _, s := range vec {
			i, ok := index[s.set]
			if !ok {
				i = len(res.Series)
				if i >= q.engine.cfg.MaxSeries {
					return nil, q.tooManySeries()
				}
				index[s.set] = i
				res.Series = append(res.Series, Series{Labels: s.set.labels})
			}
			if err := q.hold(1); err != nil {
				return nil, err
			}
			res.Series[i].Points = append(res.Series[i].Points, Point{millis(st.at(k)), s.value})
		}
	}
	slices.SortFunc(res.Series, func(a, b Series) int { return compareSets(a.Labels, b.Labels) })
	q.stats.Returned = int64(len(res.Series))
	return res, nil
}

// hold counts numbers that the query keeps in memory.
func (q *query) hold(n int) error {
	q.points += n
	if q.points > q.engine.cfg.MaxSamples {
		return limitError("the query holds more than %d numbers in memory (max_samples); aggregate more, or ask for less time or a larger step",
			q.engine.cfg.MaxSamples)
	}
	return nil
}

// scalar computes an expression of numbers alone; ok is false for others.
func (ev *evaluator) scalar(e syntax.SampleExpr) (value float64, ok bool, err error) {
	switch e := e.(type) {
	case *syntax.Literal:
		return e.Value, true, nil
	case *syntax.BinOp:
		left, lok, err := ev.scalar(e.Left)
		if err != nil || !lok {
			return 0, false, err
		}
		right, rok, err := ev.scalar(e.Right)
		if err != nil || !rok {
			return 0, false, err
		}
		value, keep := compute(e.Op, left, right)
		if syntax.IsComparison(e.Op) {
			value = boolValue(keep)
		}
		return value, true, nil
	}
	return 0, false, nil
}

// compile makes the node of an expression; range aggregations read their
// records here.
func (ev *evaluator) compile(e syntax.SampleExpr) (node, error) {
	switch e := e.(type) {
	case *syntax.RangeAgg:
		return ev.rangeNode(e, e.Grouping)
	case *syntax.VectorAgg:
		return ev.vectorNode(e)
	case *syntax.BinOp:
		return ev.binaryNode(e)
	case *syntax.LabelReplace:
		return ev.labelReplaceNode(e)
	case *syntax.VectorLit:
		return constant{{ev.sets.of(nil), e.Value}}, nil
	case *syntax.Literal:
		return constant{{ev.sets.of(nil), e.Value}}, nil
	}
	return nil, badQuery("expression %s cannot be evaluated", e)
}

// constant is a vector that is the same at all times.
type constant []sample

func (c constant) eval(int) ([]sample, error) { return slices.Clone(c), nil }
