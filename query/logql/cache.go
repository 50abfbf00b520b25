package logql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/lru"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
)

// resultCache keeps what range aggregations came to, in slices of time, from
// one query to the next: a dashboard that asks again reads only what is new.
//
// A slice is the values at a few steps, and the version that the store gave of
// the records behind them before they were read. It is used only while the
// store still gives the same version: what comes late, is deleted or merged
// changes it.
type resultCache = lru.Cache[*slice]

// slice is the values at the steps from first on, counted from the epoch.
type slice struct {
	first   int64
	n       int
	version storage.Version
	series  []sliceSeries
}

type sliceSeries struct {
	labels []entry.Label
	values sliceValues
}

// sliceValues are the values of a series at the steps of a slice.
type sliceValues struct {
	values []float64
	has    []bool
}

func (v sliceValues) value(k int) (float64, bool) { return v.values[k], v.has[k] }

// keptRange answers one range aggregation with the help of the cache.
type keptRange struct {
	ev       *evaluator
	e        *syntax.RangeAgg
	grouping *syntax.Grouping
	store    storage.LogVersioner
	prefix   string
	phase    int64 // of the steps, in nanoseconds
	origin   int64 // the query's first step, counted from the epoch
	slots    []slot
}

// slot is a slice of the query's steps, from lo to hi.
type slot struct {
	key     string
	lo, hi  int
	found   *slice
	version storage.Version // where nothing was found
}

// kept returns nil for what cannot be kept.
func (ev *evaluator) kept(e *syntax.RangeAgg, grouping *syntax.Grouping) *keptRange {
	q := ev.q
	store, ok := q.engine.reader.(storage.LogVersioner)
	if !ok || !q.engine.cache.On() || q.params.Instant || ev.steps.start < 0 || !repeatable(e.Log) {
		return nil
	}
	phase := ev.steps.start % ev.steps.step
	by := "-"
	if grouping != nil {
		by = fmt.Sprintf("%t%q", grouping.Without, grouping.Labels)
	}
	return &keptRange{ev: ev, e: e, grouping: grouping, store: store, phase: phase, origin: ev.steps.start / ev.steps.step,
		prefix: fmt.Sprintf("%q %s %s %d %d ", q.tenant, e, by, ev.steps.step, phase)}
}

// repeatable reports whether the same records always give the same answer,
// whatever stands around them.
func repeatable(e *syntax.LogExpr) bool {
	if usesDistinct(e) {
		return false
	}
	// A template may ask for the time of day.
	return !slices.ContainsFunc(e.Stages, func(s syntax.Stage) bool {
		switch s := s.(type) {
		case *syntax.LineFormat:
			return strings.Contains(s.Template, "now")
		case *syntax.LabelFormat:
			return slices.ContainsFunc(s.Ops, func(op syntax.LabelFormatOp) bool { return !op.Rename && strings.Contains(op.Value, "now") })
		}
		return false
	})
}

// version is that of the records behind n steps from first on.
func (c *keptRange) version(ctx context.Context, first int64, n int) (storage.Version, error) {
	step := c.ev.steps.step
	at := evaluator{steps: steps{start: c.phase + first*step, step: step, n: n}}
	from, to := at.span(c.e)
	if to <= 0 {
		return storage.Version{}, nil
	}
	return c.store.LogsVersion(ctx, c.ev.q.tenant, max(from, 0), to)
}

// parts returns the parts of the node: those that are known, and one stretch
// that is read anew and known from then on.
func (c *keptRange) parts() ([]part, error) {
	if err := c.lookUp(); err != nil {
		return nil, err
	}
	missing := func(s slot) bool { return s.found == nil }
	from := slices.IndexFunc(c.slots, missing)
	to := len(c.slots)
	for to > 0 && c.slots[to-1].found != nil {
		to--
	}
	q := c.ev.q
	q.stats.Slices += len(c.slots)
	if from < 0 {
		q.explain("all of " + c.e.String() + " is known from earlier queries")
		return c.known(c.slots), c.count(len(c.slots))
	}
	hits := len(c.slots) - (to - from)
	if hits > 0 {
		q.explain(fmt.Sprintf("%d of %d slices of %s are known from earlier queries", hits, len(c.slots), c.e))
	}
	warned := len(q.stats.Store.Warnings)
	fresh, err := c.ev.fresh(c.e, c.grouping, c.slots[from].lo, c.slots[to-1].hi)
	if err != nil {
		return nil, err
	}
	if len(q.stats.Store.Warnings) == warned { // the answer is whole
		c.keep(c.slots[from:to], fresh)
	}
	return slices.Concat(c.known(c.slots[:from]), fresh, c.known(c.slots[to:])), c.count(hits)
}

func (c *keptRange) count(hits int) error {
	c.ev.q.stats.CachedSlices += hits
	c.ev.q.engine.cached.WithLabelValues("hit").Add(float64(hits))
	c.ev.q.engine.cached.WithLabelValues("miss").Add(float64(len(c.slots) - hits))
	return nil
}

// lookUp finds what is known of the steps.
func (c *keptRange) lookUp() error {
	st := c.ev.steps
	for lo := 0; lo < st.n; {
		number := (c.origin + int64(lo)) / sliceSteps
		hi := int(min(int64(st.n), (number+1)*sliceSteps-c.origin))
		s := slot{key: c.prefix + fmt.Sprint(number), lo: lo, hi: hi}
		if err := c.find(&s); err != nil {
			return err
		}
		c.slots = append(c.slots, s)
		lo = hi
	}
	return nil
}

func (c *keptRange) find(s *slot) error {
	first := c.origin + int64(s.lo)
	ctx := c.ev.q.ctx
	if k, ok := c.ev.q.engine.cache.Get(s.key); ok && k.first <= first && first+int64(s.hi-s.lo) <= k.first+int64(k.n) {
		v, err := c.version(ctx, k.first, k.n)
		if err != nil {
			return err
		}
		if v == k.version {
			s.found = k
			return nil
		}
	}
	var err error
	s.version, err = c.version(ctx, first, s.hi-s.lo)
	return err
}

// known makes parts of what was found.
func (c *keptRange) known(slots []slot) []part {
	var out []part
	for _, s := range slots {
		p := part{lo: s.lo, base: int(s.found.first - c.origin)}
		for _, series := range s.found.series {
			p.series = append(p.series, partSeries{c.ev.sets.of(series.labels), series.values})
		}
		out = append(out, p)
	}
	return out
}

// keep remembers what was read for the slots.
func (c *keptRange) keep(slots []slot, parts []part) {
	n := &rangeNode{parts: parts}
	for _, s := range slots {
		if s.found != nil || s.version == (storage.Version{}) {
			continue
		}
		out := &slice{first: c.origin + int64(s.lo), n: s.hi - s.lo, version: s.version}
		index := map[*labelSet]int{}
		for k := s.lo; k < s.hi; k++ {
			vec, err := n.eval(k)
			if err != nil {
				return
			}
			for _, x := range vec {
				at, ok := index[x.set]
				if !ok {
					at = len(out.series)
					index[x.set] = at
					out.series = append(out.series, sliceSeries{x.set.labels, sliceValues{make([]float64, out.n), make([]bool, out.n)}})
				}
				v := out.series[at].values
				v.values[k-s.lo], v.has[k-s.lo] = x.value, true
			}
		}
		bytes := int64(len(s.key)) + 128
		for _, x := range out.series {
			bytes += labelBytes(x.labels) + int64(9*out.n) + 96
		}
		c.ev.q.engine.cache.Put(s.key, out, bytes)
	}
}
