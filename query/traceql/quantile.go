package traceql

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
)

// quantiles makes one series for each quantile of a group. An exemplar goes to
// the quantile whose value at its point is nearest to its own.
func (g *grouped) quantiles(set seriesSet, grp *group) {
	scale := 1.0
	if grp.seconds {
		scale = float64(time.Second)
	}
	series := make([]*Series, len(g.fn.Quantiles))
	for qi, q := range g.fn.Quantiles {
		s := &Series{Values: make([]float64, len(grp.buckets))}
		s.Labels = append(append(s.Labels, grp.labels...), Attr{quantileLabel, syntax.Float(q)})
		for i, b := range grp.buckets {
			if len(b) > 0 {
				s.Values[i] = log2Quantile(q, b) / scale
			}
		}
		series[qi] = s
		set.add(s)
	}
	for i, f := range grp.exemplars {
		nearest := series[0]
		for _, s := range series {
			if math.Abs(s.Values[i]-f.Value) < math.Abs(nearest.Values[i]-f.Value) {
				nearest = s
			}
		}
		nearest.Exemplars = append(nearest.Exemplars, f.Exemplar)
	}
}

// log2Quantile estimates a quantile from counts in power-of-two buckets, whose
// keys are the exponents of their upper bounds. Between two bounds it
// interpolates exponentially; a quantile that uses up a bucket exactly is the
// bucket's bound.
func log2Quantile(q float64, buckets map[int64]int) float64 {
	bounds := slices.SortedFunc(maps.Keys(buckets), cmp.Compare[int64])
	if len(bounds) == 0 {
		return 0
	}
	total := 0
	for _, n := range buckets {
		total += n
	}
	want := max(int(math.Ceil(q*float64(total))), 1)
	seen, at := 0, 0
	for i, b := range bounds {
		at = i
		if seen+buckets[b] > want {
			break
		}
		if seen += buckets[b]; seen == want {
			return math.Ldexp(1, int(b))
		}
	}
	share := float64(want-seen) / float64(buckets[bounds[at]])
	high := float64(bounds[at])
	low := high - 1
	if at > 0 {
		low = float64(bounds[at-1])
	}
	return math.Exp2(low + (high-low)*share)
}

// exactSum adds numbers up without rounding, so that the sum does not depend on
// the order in which spans come. Shewchuk's way: what rounding loses is kept in
// numbers of its own, the smallest first.
type exactSum struct {
	parts   []float64
	special float64 // of infinities
}

func (s *exactSum) add(x float64) {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		s.special += x
		return
	}
	if x == 0 {
		return
	}
	kept := s.parts[:0]
	for _, y := range s.parts {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		sum := x + y
		if lost := y - (sum - x); lost != 0 {
			kept = append(kept, lost)
		}
		x = sum
	}
	if math.IsInf(x, 0) {
		s.special += x
		return
	}
	s.parts = append(kept, x)
}

// value is the float64 nearest to the sum.
func (s *exactSum) value() float64 {
	if s.special != 0 {
		return s.special
	}
	i := len(s.parts) - 1
	if i < 0 {
		return 0
	}
	sum, lost := s.parts[i], 0.0
	for i--; i >= 0 && lost == 0; i-- {
		x := sum
		sum = x + s.parts[i]
		lost = s.parts[i] - (sum - x)
	}
	// Half way between two numbers the next part decides.
	if i >= 0 && lost != 0 && (lost < 0) == (s.parts[i] < 0) {
		if twice := 2 * lost; sum+twice-sum == twice {
			sum += twice
		}
	}
	return sum
}
