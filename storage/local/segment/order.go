package segment

import "slices"

// SortByTime puts the rows in order of time. Rows of the same nanosecond stay
// in the order of the file, whatever the direction.
//
// Rows of a stream stand in order already, so this merges the few runs that
// there are.
func (w *Rows[T]) SortByTime(newestFirst bool) {
	sign := int64(1)
	if newestFirst {
		sign = -1
		w.turn()
	}
	ends := w.runEnds(sign)
	for other := make([]int, len(w.sel)); len(ends) > 1; {
		ends = w.mergeRuns(ends, other, sign)
		w.sel, other = other, w.sel
	}
}

// turn reverses every run of rising times, but not rows of equal ones.
func (w *Rows[T]) turn() {
	for i := 0; i < len(w.sel); {
		j := i + 1
		for j < len(w.sel) && w.Time(j) >= w.Time(j-1) {
			j++
		}
		slices.Reverse(w.sel[i:j])
		for k := i; k < j; {
			l := k + 1
			for l < j && w.Time(l) == w.Time(k) {
				l++
			}
			slices.Reverse(w.sel[k:l])
			k = l
		}
		i = j
	}
}

// runEnds returns where each run in the order of sign ends.
func (w *Rows[T]) runEnds(sign int64) (ends []int) {
	for i := 1; i < len(w.sel); i++ {
		if sign*w.Time(i) < sign*w.Time(i-1) {
			ends = append(ends, i)
		}
	}
	return append(ends, len(w.sel))
}

// mergeRuns merges neighbouring runs in pairs into sel and returns the new ends.
func (w *Rows[T]) mergeRuns(ends, sel []int, sign int64) []int {
	out := ends[:0]
	start := 0
	for i := 0; i < len(ends); i += 2 {
		mid, end := ends[i], ends[i]
		if i+1 < len(ends) {
			end = ends[i+1]
		}
		a, b := start, mid
		for k := start; k < end; k++ {
			if b < end && (a == mid || w.less(b, a, sign)) {
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

// less orders rows by time and, of the same time, by their place in the file.
func (w *Rows[T]) less(i, j int, sign int64) bool {
	if s, t := sign*w.Time(i), sign*w.Time(j); s != t {
		return s < t
	}
	return w.sel[i] < w.sel[j]
}
