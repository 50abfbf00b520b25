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
// the quantile whose value over the whole range is nearest to its own.
func (g *grouped) quantiles(set seriesSet, grp *group) {
	scale := 1.0
	if grp.seconds {
		scale = float64(time.Second)
	}
	total := map[int64]int{}
	for _, b := range grp.buckets {
		for k, n := range b {
			total[k] += n
		}
	}
	series := make([]*Series, len(g.fn.Quantiles))
	overall := make([]float64, len(series))
	for qi, q := range g.fn.Quantiles {
		overall[qi] = log2Quantile(q, total) / scale
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
	for _, e := range grp.exemplars {
		nearest := 0
		for i := range overall {
			if math.Abs(overall[i]-e.Value) < math.Abs(overall[nearest]-e.Value) {
				nearest = i
			}
		}
		series[nearest].Exemplars = append(series[nearest].Exemplars, e)
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
