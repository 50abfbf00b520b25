package traceql

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clewhq/clew/internal/lru"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// resultCache keeps what metrics queries came to, in slices of time, from one
// query to the next: a dashboard that asks again reads only what is new.
//
// A slice is the values at a few points, and the version that the store gave of
// the spans behind them before they were read. It is used only while the store
// still gives the same version: what comes late, is deleted or merged changes
// it.
type resultCache = lru.Cache[*slice]

// slice is the series at n points from first on, counted from the epoch. Nobody
// changes it once it is kept.
type slice struct {
	first   int64
	n       int
	version storage.Version
	set     seriesSet
}

// holds reports whether a slice has the points from first on.
func (s *slice) holds(first int64, n int) bool {
	return s.first <= first && first+int64(n) <= s.first+int64(s.n)
}

// bytes is about what a slice takes.
func (s *slice) bytes() int64 {
	n := int64(128)
	for key, x := range s.set {
		n += int64(len(key)) + int64(8*len(x.Values)) + int64(96*len(x.Labels)) + int64(256*len(x.Exemplars)) + 128
	}
	return n
}

// sliceSteps is how many points a slice of the cache has, but at the edges of a
// query. Fewer are cheaper to read again, more are cheaper to keep.
const sliceSteps = 32

// kept answers one metrics pipeline with the help of the cache.
type kept struct {
	m      *metricsRun
	e      *syntax.MetricsPipeline
	store  storage.SpanVersioner
	prefix string
	slots  []slot
}

// slot is a slice of the query's points, from lo to hi.
type slot struct {
	key     string
	lo, hi  int
	found   *slice
	version storage.Version // where nothing was found
}

// kept returns nil for what cannot be kept: compare() looks at the whole range.
func (m *metricsRun) kept(e *syntax.MetricsPipeline) *kept {
	store, ok := m.e.reader.(storage.SpanVersioner)
	if !ok || !m.e.cache.On() || m.grid.instant || e.Func.Compare != nil || m.grid.start < 0 {
		return nil
	}
	q := syntax.Query{Metrics: e}
	return &kept{m: m, e: e, store: store, prefix: fmt.Sprintf("%q %s %d %d ", m.tenant, q.String(), m.grid.step, m.perPoint)}
}

// origin is the query's first point, counted from the epoch.
func (k *kept) origin() int64 { return k.m.grid.start / k.m.grid.step }

// part is the grid of the points from lo to hi.
func (g *grid) part(lo, hi int) grid {
	out := *g
	out.start, out.end, out.n = g.start+int64(lo)*g.step, g.start+int64(hi)*g.step, hi-lo
	return out
}

// result joins what is known and one stretch that is read anew and known from
// then on.
func (k *kept) result(ctx context.Context, p *plan) (seriesSet, error) {
	if err := k.lookUp(ctx); err != nil {
		return nil, err
	}
	missing := func(s slot) bool { return s.found == nil }
	from, to := slices.IndexFunc(k.slots, missing), len(k.slots)
	for to > 0 && k.slots[to-1].found != nil {
		to--
	}
	j := k.joined()
	if from < 0 {
		from, to = 0, 0
	} else if err := k.read(ctx, p, j, k.slots[from:to]); err != nil {
		return nil, err
	}
	for i, s := range k.slots {
		if i < from || i >= to {
			j.add(s.found.set, int(s.found.first-k.origin()), s.lo, s.hi)
		}
	}
	j.set.thin(k.m.exemplars)
	k.count(len(k.slots) - (to - from))
	return j.set, nil
}

func (k *kept) count(hits int) {
	info := &k.m.plans[len(k.m.plans)-1]
	info.Slices, info.KnownSlices = len(k.slots), hits
	k.m.e.cached.WithLabelValues("hit").Add(float64(hits))
	k.m.e.cached.WithLabelValues("miss").Add(float64(len(k.slots) - hits))
}

// lookUp finds what is known of the points.
func (k *kept) lookUp(ctx context.Context) error {
	n := k.m.grid.n
	for lo := 0; lo < n; {
		number := (k.origin() + int64(lo)) / sliceSteps
		hi := int(min(int64(n), (number+1)*sliceSteps-k.origin()))
		s := slot{key: k.prefix + fmt.Sprint(number), lo: lo, hi: hi}
		if err := k.find(ctx, &s); err != nil {
			return err
		}
		k.slots = append(k.slots, s)
		lo = hi
	}
	return nil
}

func (k *kept) find(ctx context.Context, s *slot) error {
	first, n := k.origin()+int64(s.lo), s.hi-s.lo
	if c, ok := k.m.e.cache.Get(s.key); ok && c.holds(first, n) {
		v, err := k.version(ctx, c.first, c.n)
		if err != nil {
			return err
		}
		if v == c.version {
			s.found = c
			return nil
		}
	}
	var err error
	s.version, err = k.version(ctx, first, n)
	return err
}

// version is that of the spans behind n points from first on.
func (k *kept) version(ctx context.Context, first int64, n int) (storage.Version, error) {
	lo := int(first - k.origin())
	part := k.m.grid.part(lo, lo+n)
	from, to := part.bounds()
	return k.store.SpansVersion(ctx, k.m.tenant, max(from, 0), to)
}

// read computes the points of some slots that follow each other and keeps them,
// unless something is missing.
func (k *kept) read(ctx context.Context, p *plan, j *joined, slots []slot) error {
	lo, hi := slots[0].lo, slots[len(slots)-1].hi
	m := *k.m
	m.grid = k.m.grid.part(lo, hi)
	before := m.warned
	set, err := m.spansOnly(ctx, p, &k.e.Func)
	if err != nil {
		return err
	}
	j.add(set, lo, lo, hi)
	if m.warned > before { // also of what was told before
		return nil
	}
	for _, s := range slots {
		if s.found == nil && s.version != (storage.Version{}) {
			own := joined{grid: k.m.grid.part(s.lo, s.hi), missing: j.missing, set: seriesSet{}, limit: math.MaxInt}
			own.add(set, lo-s.lo, 0, s.hi-s.lo)
			kept := &slice{first: k.origin() + int64(s.lo), n: s.hi - s.lo, version: s.version, set: own.set}
			k.m.e.cache.Put(s.key, kept, int64(len(s.key))+kept.bytes())
		}
	}
	return nil
}

// joined puts series of parts of a grid together.
type joined struct {
	grid    grid
	missing float64 // the value of a point where a series is not
	set     seriesSet
	limit   int    // of series
	full    func() // says that there are more
}

func (k *kept) joined() *joined {
	cfg := &k.m.e.cfg
	j := &joined{grid: k.m.grid, set: seriesSet{}, limit: min(cfg.MaxSeries, cfg.MaxSamples/max(k.m.grid.n, 1)), full: k.m.warnFull}
	switch k.e.Func.Name {
	case "rate", "count_over_time", "histogram_over_time", "quantile_over_time":
	default:
		j.missing = math.NaN()
	}
	return j
}

// add takes the points from lo to hi out of a set whose first point is base.
func (j *joined) add(set seriesSet, base, lo, hi int) {
	for key, x := range set {
		y := j.set[key]
		if y == nil {
			if len(j.set) >= j.limit {
				j.full()
				continue
			}
			y = &Series{Labels: x.Labels, Values: filled(j.grid.n, j.missing)}
			j.set[key] = y
		}
		copy(y.Values[lo:hi], x.Values[lo-base:hi-base])
		for _, e := range x.Exemplars {
			if i := j.grid.index(e.Time); i >= lo && i < hi {
				y.Exemplars = append(y.Exemplars, e)
			}
		}
	}
}
