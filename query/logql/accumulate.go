package logql

import (
	"cmp"
	"math"
	"slices"

	"github.com/clewhq/clew/query/logql/syntax"
)

// accumulator collects the samples of one series and gives its value at each
// step. finish is called once, between the last add and the first value.
type accumulator interface {
	// add takes a sample that counts at the steps lo to hi, and returns how
	// many numbers it keeps because of it.
	add(lo, hi int, t int64, v float64) int
	finish()
	value(k int) (float64, bool)
	// size is how many numbers it keeps from the start.
	size() int
}

func newAccumulator(e *syntax.RangeAgg, st steps) accumulator {
	seconds := e.Interval.Seconds()
	switch e.Op {
	case syntax.OpCount, syntax.OpAbsent:
		return &counter{counts: make([]float64, st.n+1)}
	case syntax.OpRate:
		if e.Unwrap == nil {
			return &counter{counts: make([]float64, st.n+1), per: seconds}
		}
		return newWindows(e.Op, st.n, seconds)
	case syntax.OpBytes:
		return &counter{counts: make([]float64, st.n+1), sums: make([]float64, st.n+1)}
	case syntax.OpBytesRate:
		return &counter{counts: make([]float64, st.n+1), sums: make([]float64, st.n+1), per: seconds}
	case syntax.OpQuantileOver, syntax.OpRateCounter:
		return newKeeper(e, st)
	}
	return newWindows(e.Op, st.n, 0)
}

// counter counts records and adds up whole numbers. A sample is noted where it
// begins and where it ends to count; finish adds these up. Whole numbers of
// this size are exact in a float64, so nothing is lost by subtracting.
type counter struct {
	counts, sums []float64 // sums is nil where only records count
	per          float64   // divide by this, 0 for not at all
}

func (c *counter) size() int { return len(c.counts) + len(c.sums) }

func (c *counter) add(lo, hi int, _ int64, v float64) int {
	c.counts[lo]++
	c.counts[hi+1]--
	if c.sums != nil {
		c.sums[lo] += v
		c.sums[hi+1] -= v
	}
	return 0
}

// addCount takes n records that count at the steps lo to hi.
func (c *counter) addCount(lo, hi int, n float64) {
	c.counts[lo] += n
	c.counts[hi+1] -= n
}

func (c *counter) finish() {
	for _, col := range [][]float64{c.counts, c.sums} {
		for i := 1; i < len(col); i++ {
			col[i] += col[i-1]
		}
	}
}

func (c *counter) value(k int) (float64, bool) {
	if c.counts[k] == 0 {
		return 0, false
	}
	v := c.counts[k]
	if c.sums != nil {
		v = c.sums[k]
	}
	if c.per > 0 {
		v /= c.per
	}
	return v, true
}

// window is the state of one step.
type window struct {
	n, a, b float64
	t       int64
}

// sum adds v to a, and what a cannot hold of it to b, so that the order in which
// numbers come does not show in their sum.
func (w *window) sum(v float64) {
	t := w.a + v
	switch {
	case math.IsInf(t, 0) || math.IsNaN(t):
		w.b = 0
	case math.Abs(w.a) >= math.Abs(v):
		w.b += w.a - t + v
	default:
		w.b += v - t + w.a
	}
	w.a = t
}

// windows keeps a state for every step and updates all that a sample counts for.
type windows struct {
	op  string
	per float64
	w   []window
}

func newWindows(op string, n int, per float64) *windows {
	return &windows{op: op, per: per, w: make([]window, n)}
}

func (ws *windows) size() int { return 4 * len(ws.w) }

func (ws *windows) finish() {}

func (ws *windows) add(lo, hi int, t int64, v float64) int { return ws.addMany(lo, hi, t, v, 1) }

// addMany takes n samples of one value. Functions that look at times, or at how
// far values are apart, take them one by one.
func (ws *windows) addMany(lo, hi int, t int64, v float64, n int64) int {
	for k := lo; k <= hi; k++ {
		w := &ws.w[k]
		w.n += float64(n)
		switch ws.op {
		case syntax.OpMinOver:
			if w.n == float64(n) || v < w.a || math.IsNaN(w.a) {
				w.a = v
			}
		case syntax.OpMaxOver:
			if w.n == float64(n) || v > w.a || math.IsNaN(w.a) {
				w.a = v
			}
		case syntax.OpFirstOver:
			if w.n == 1 || t < w.t {
				w.a, w.t = v, t
			}
		case syntax.OpLastOver:
			if w.n == 1 || t >= w.t {
				w.a, w.t = v, t
			}
		case syntax.OpStddevOver, syntax.OpStdvarOver:
			delta := v - w.a
			w.a += delta / w.n
			w.b += delta * (v - w.a)
		default: // sums, averages, rates
			product := v * float64(n)
			w.sum(product)
			if n > 1 && !math.IsInf(product, 0) && !math.IsNaN(product) {
				w.sum(math.FMA(v, float64(n), -product)) // what it lost
			}
		}
	}
	return 0
}

func (ws *windows) value(k int) (float64, bool) {
	w := ws.w[k]
	if w.n == 0 {
		return 0, false
	}
	switch ws.op {
	case syntax.OpAvgOver:
		return (w.a + w.b) / w.n, true
	case syntax.OpSumOver:
		return w.a + w.b, true
	case syntax.OpStddevOver:
		return math.Sqrt(w.b / w.n), true
	case syntax.OpStdvarOver:
		return w.b / w.n, true
	case syntax.OpRate:
		return (w.a + w.b) / ws.per, true
	}
	return w.a, true
}

// keeper keeps every sample, for what cannot be computed one by one.
type keeper struct {
	e       *syntax.RangeAgg
	steps   steps
	samples []timed
	scratch []timed
}

type timed struct {
	t int64
	v float64
	n int64 // how many there are
}

func newKeeper(e *syntax.RangeAgg, st steps) *keeper { return &keeper{e: e, steps: st} }

func (s *keeper) size() int { return 0 }

func (s *keeper) add(lo, hi int, t int64, v float64) int { return s.addMany(lo, hi, t, v, 1) }

func (s *keeper) addMany(_, _ int, t int64, v float64, n int64) int {
	s.samples = append(s.samples, timed{t, v, n})
	return 2
}

func (s *keeper) finish() {
	slices.SortStableFunc(s.samples, func(a, b timed) int {
		switch {
		case a.t < b.t:
			return -1
		case a.t > b.t:
			return 1
		}
		return 0
	})
}

func (s *keeper) value(k int) (float64, bool) {
	end := s.steps.at(k) - int64(s.e.Offset)
	begin := end - int64(s.e.Interval)
	after := func(t int64) int {
		i, _ := slices.BinarySearchFunc(s.samples, t+1, func(x timed, t int64) int {
			if x.t < t {
				return -1
			}
			return 1
		})
		return i
	}
	in := s.samples[after(begin):after(end)]
	if len(in) == 0 {
		return 0, false
	}
	if s.e.Op == syntax.OpRateCounter {
		return counterRate(in, s.e.Interval.Seconds()), true
	}
	s.scratch = append(s.scratch[:0], in...)
	slices.SortFunc(s.scratch, func(a, b timed) int { return cmp.Compare(a.v, b.v) })
	return quantile(s.e.Param, s.scratch), true
}

// quantile interpolates between the two nearest of sorted values.
func quantile(q float64, sorted []timed) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	var total int64
	for _, x := range sorted {
		total += x.n
	}
	rank := q * float64(total-1)
	low := int64(math.Floor(rank))
	weight := rank - math.Floor(rank)
	return valueAt(sorted, low)*(1-weight) + valueAt(sorted, min(low+1, total-1))*weight
}

// valueAt is the value at a place, from 0 on.
func valueAt(sorted []timed, place int64) float64 {
	for _, x := range sorted {
		if place -= x.n; place < 0 {
			return x.v
		}
	}
	return math.NaN() // there are not so many
}

// counterRate is the increase of a counter, resets made good for, per second
// of the range. Like Loki, and unlike Prometheus, it does not guess at what
// was before the first sample and after the last, and is 0 for one sample.
func counterRate(in []timed, seconds float64) float64 {
	if len(in) < 2 {
		return 0
	}
	increase := in[len(in)-1].v - in[0].v
	for i := 1; i < len(in); i++ {
		if in[i].v < in[i-1].v {
			increase += in[i-1].v
		}
	}
	return increase / seconds
}
