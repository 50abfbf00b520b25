package head

import (
	"cmp"
	"math/bits"
	"slices"
)

// sortByTime sorts rows by time; those of the same time stay as they are.
func sortByTime(rows []row) {
	compare := func(a, b row) int { return cmp.Compare(a.time, b.time) }
	if slices.IsSortedFunc(rows, compare) {
		return
	}
	low, high := rows[0].time, rows[0].time
	for i := range rows {
		low, high = min(low, rows[i].time), max(high, rows[i].time)
	}
	places := bits.Len(uint(len(rows)))
	if bits.Len64(uint64(high-low))+places > 64 {
		slices.SortStableFunc(rows, compare)
		return
	}
	// Times of a request are near each other: a time and a place fit one number,
	// and numbers are sorted much faster than rows.
	scratch := numbers.Get().(*[]uint64)
	defer numbers.Put(scratch)
	keys := (*scratch)[:0]
	for i := range rows {
		keys = append(keys, uint64(rows[i].time-low)<<places|uint64(i))
	}
	*scratch = keys
	slices.Sort(keys)
	for i := range keys {
		keys[i] &= 1<<places - 1
	}
	reorder(rows, keys)
}

// reorder puts at each place the row from the place that from says. It uses
// from up.
func reorder(rows []row, from []uint64) {
	for start := range rows {
		if from[start] == uint64(start) {
			continue
		}
		// Each row goes to the place of the one before it, around the circle.
		first, to := rows[start], uint64(start)
		for from[to] != uint64(start) {
			next := from[to]
			rows[to], from[to] = rows[next], to
			to = next
		}
		rows[to], from[to] = first, to
	}
}
