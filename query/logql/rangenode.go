package logql

import (
	"runtime"
	"slices"
	"sync"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// rangeNode is a range aggregation whose records have been read: every series
// has its value at every step. The steps are in parts, in order and without
// gaps, each read by itself or kept from an earlier query.
type rangeNode struct {
	parts []part
	at    int // of the part of the last step
	buf   []sample
}

// part is the values at the steps from lo on, up to those of the next part.
type part struct {
	lo     int
	base   int // the step of the query that the values call 0
	series []partSeries
}

type partSeries struct {
	set    *labelSet
	values interface{ value(k int) (float64, bool) }
}

func (n *rangeNode) eval(k int) ([]sample, error) {
	n.buf = n.buf[:0]
	if len(n.parts) == 0 {
		return n.buf, nil
	}
	if k < n.parts[n.at].lo {
		n.at = 0
	}
	for n.at+1 < len(n.parts) && n.parts[n.at+1].lo <= k {
		n.at++
	}
	p := &n.parts[n.at]
	for _, s := range p.series {
		if v, ok := s.values.value(k - p.base); ok {
			n.buf = append(n.buf, sample{s.set, v})
		}
	}
	return n.buf, nil
}

// rangeNode reads the records of a range aggregation, as far as the answer is
// not known from earlier queries.
func (ev *evaluator) rangeNode(e *syntax.RangeAgg, grouping *syntax.Grouping) (node, error) {
	if err := ev.checkInterval(e); err != nil {
		return nil, err
	}
	var parts []part
	var err error
	if c := ev.kept(e, grouping); c != nil {
		parts, err = c.parts()
	} else {
		parts, err = ev.fresh(e, grouping, 0, ev.steps.n)
	}
	if err != nil {
		return nil, err
	}
	if e.Op == syntax.OpAbsent {
		return newAbsent(ev, e, &rangeNode{parts: parts}), nil
	}
	return &rangeNode{parts: parts}, nil
}

// sub is an evaluator of the steps lo to hi alone, for the query q.
func (ev *evaluator) sub(q *query, lo, hi int) *evaluator {
	return &evaluator{q: q, sets: newInterner(), steps: steps{start: ev.steps.at(lo), step: ev.steps.step, n: hi - lo}}
}

// fresh reads what the steps lo to hi need: counts by the store where it can,
// otherwise all records, of a long time in slices that are read at once.
func (ev *evaluator) fresh(e *syntax.RangeAgg, grouping *syntax.Grouping, lo, hi int) ([]part, error) {
	whole := ev.sub(ev.q, lo, hi)
	r, err := whole.newRangeReader(e, grouping)
	if err != nil {
		return nil, err
	}
	pl := r.plan()
	counted, err := r.count(pl)
	if err != nil {
		return nil, err
	}
	if counted {
		return []part{ev.part(r, lo)}, nil
	}
	if n := ev.slices(e, hi-lo); n > 1 {
		return ev.parallel(e, grouping, lo, hi, n)
	}
	if err := r.read(pl); err != nil {
		return nil, err
	}
	return []part{ev.part(r, lo)}, nil
}

// part takes over what a reader has read for the steps from lo on.
func (ev *evaluator) part(r *rangeReader, lo int) part {
	p := part{lo: lo, base: lo}
	for _, s := range r.finish() {
		p.series = append(p.series, partSeries{ev.sets.of(s.set.labels), s.acc})
	}
	return p
}

// How many steps a slice has at least, and how many times longer than the
// range of the aggregation it is: neighbours read that much of it twice.
const (
	sliceSteps  = 16
	sliceRanges = 8
)

// slices returns in how many slices to read n steps.
func (ev *evaluator) slices(e *syntax.RangeAgg, n int) int {
	if usesDistinct(e.Log) {
		return 1 // a line's place among all others counts
	}
	most := ev.q.engine.cfg.ParallelSlices
	if most == 0 {
		most = runtime.GOMAXPROCS(0)
	}
	shortest := max(sliceSteps, int(sliceRanges*int64(e.Interval)/ev.steps.step))
	return max(1, min(most, n/shortest))
}

// parallel reads the steps lo to hi in n slices at once.
func (ev *evaluator) parallel(e *syntax.RangeAgg, grouping *syntax.Grouping, lo, hi, n int) ([]part, error) {
	readers := make([]*rangeReader, n)
	errs := make([]error, n)
	begins := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		from, to := lo+(hi-lo)*i/n, lo+(hi-lo)*(i+1)/n
		begins[i] = from
		wg.Go(func() {
			r, err := ev.sub(ev.q.slice(i), from, to).newRangeReader(e, grouping)
			if err == nil {
				readers[i] = r
				err = r.read(r.plan())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, r := range readers {
		if r != nil {
			ev.q.join(r.ev.q)
		}
	}
	ev.q.explain("  in parallel slices of the time")
	// The error of the earliest slice, whichever was first.
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	var parts []part
	for i, r := range readers {
		parts = append(parts, ev.part(r, begins[i]))
	}
	return parts, ev.q.hold(0)
}

// slice is a query of its own for slice i of this one.
func (q *query) slice(i int) *query {
	s := &query{engine: q.engine, tenant: q.tenant, params: q.params, ctx: q.ctx, points: q.points, before: q.points}
	s.params.Explain = q.params.Explain && i == 0
	return s
}

// join adds what a slice has cost.
func (q *query) join(s *query) {
	q.stats.add(&s.stats)
	q.points += s.points - s.before
	q.plan = append(q.plan, s.plan...)
}

// add adds what another read has touched.
func (s *Stats) add(o *Stats) {
	s.Store.Segments += o.Store.Segments
	s.Store.SegmentsSkipped += o.Store.SegmentsSkipped
	s.Store.Blocks += o.Store.Blocks
	s.Store.BlocksSkipped += o.Store.BlocksSkipped
	s.Store.Rows += o.Store.Rows
	s.Store.Bytes += o.Store.Bytes
	for _, w := range o.Store.Warnings {
		if !slices.Contains(s.Store.Warnings, w) {
			s.Store.Warnings = append(s.Store.Warnings, w)
		}
	}
	s.Plan += o.Plan
	s.Read += o.Read
	s.Process += o.Process
	s.Lines += o.Lines
	s.Bytes += o.Bytes
}

// labelBytes is the memory that labels take, roughly.
func labelBytes(labels []entry.Label) (n int64) {
	for _, l := range labels {
		n += int64(len(l.Name)+len(l.Value)) + 32
	}
	return n
}
