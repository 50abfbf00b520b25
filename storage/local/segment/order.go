package segment

import (
	"bytes"
	"slices"
)

// SortByTime puts the rows in order of time, those of the same nanosecond by
// the IDs of their streams, and those of one stream as they stand in the file.
// Newest first is the other way round.
//
// Rows of a stream stand in order already, so this merges the few runs that
// there are.
func (w *Rows[T]) SortByTime(newestFirst bool) {
	ends := w.runEnds()
	for other := make([]int, len(w.sel)); len(ends) > 1; {
		ends = w.mergeRuns(ends, other)
		w.sel, other = other, w.sel
	}
	if newestFirst {
		slices.Reverse(w.sel)
	}
}

// runEnds returns where each run of rows that are in order ends.
func (w *Rows[T]) runEnds() (ends []int) {
	for i := 1; i < len(w.sel); i++ {
		if w.less(i, i-1) {
			ends = append(ends, i)
		}
	}
	return append(ends, len(w.sel))
}

// mergeRuns merges neighbouring runs in pairs into sel and returns the new ends.
func (w *Rows[T]) mergeRuns(ends, sel []int) []int {
	out := ends[:0]
	start := 0
	for i := 0; i < len(ends); i += 2 {
		mid, end := ends[i], ends[i]
		if i+1 < len(ends) {
			end = ends[i+1]
		}
		a, b := start, mid
		for k := start; k < end; k++ {
			if b < end && (a == mid || w.less(b, a)) {
				sel[k] = w.sel[b]
				b++
			} else {
				sel[k] = w.sel[a]
				a++
			}
		}
		start = end
		out = append(out, end)
	}
	return out
}

func (w *Rows[T]) less(i, j int) bool {
	if s, t := w.Time(i), w.Time(j); s != t {
		return s < t
	}
	if s, t := w.streams.At(w.sel[i]), w.streams.At(w.sel[j]); s != t {
		return bytes.Compare(w.r.streams[s].Stream.ID[:], w.r.streams[t].Stream.ID[:]) < 0
	}
	return w.sel[i] < w.sel[j]
}
