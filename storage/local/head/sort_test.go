package head

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortByTime: rows come in the order of their times, and those of the same
// time in the order in which they were, however far the times are apart.
func TestSortByTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 100, 1000} {
		for _, span := range []int64{1, 7, 1e9, math.MaxInt64} {
			rows := make([]row, n)
			for i := range rows {
				rows[i] = row{time: r.Int64N(span), place: uint32(i)}
			}
			rows[0].time += r.Int64N(2)
			want := slices.Clone(rows)
			slices.SortStableFunc(want, func(a, b row) int {
				if a.time < b.time {
					return -1
				}
				return int(min(a.time-b.time, 1))
			})
			sortByTime(rows)
			if !slices.Equal(rows, want) {
				t.Errorf("%d rows of times up to %d are in another order", n, span)
			}
		}
	}
}
