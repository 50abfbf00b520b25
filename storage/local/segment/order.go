package segment

import "slices"

// SortByTime puts the rows in order of time. Rows of the same nanosecond stay
// in the order of the file, whatever the direction.
//
// Rows of a stream stand in order already, so this merges the few runs that
// there are.
func (w *Rows[T]) SortByTime(newestFirst bool) {
	n := len(w.sel)
	if newestFirst {
		// Turned round, times become a rising order; equal ones must not turn.
		for i := range w.Times {
			w.Times[i] = -w.Times[i]
		}
		turn(w.Times, w.sel)
	}
	times, sel := make([]int64, n), make([]int, n)
	for ends := runEnds(w.Times); len(ends) > 1; {
		ends = w.mergeRuns(ends, times, sel)
		w.Times, times = times, w.Times
		w.sel, sel = sel, w.sel
	}
	if newestFirst {
		for i := range w.Times {
			w.Times[i] = -w.Times[i]
		}
	}
}

// turn reverses each run of rising times, which the sign has made falling.
func turn(times []int64, sel []int) {
	for i := 0; i < len(times); {
		j := i + 1
		for j < len(times) && times[j] <= times[j-1] {
			j++
		}
		slices.Reverse(times[i:j])
		slices.Reverse(sel[i:j])
		for k := i; k < j; { // back in order where times are equal
			l := k + 1
			for l < j && times[l] == times[k] {
				l++
			}
			slices.Reverse(sel[k:l])
			k = l
		}
		i = j
	}
}

// runEnds returns where each run of rising times ends.
func runEnds(times []int64) (ends []int) {
	for i := 1; i < len(times); i++ {
		if times[i] < times[i-1] {
			ends = append(ends, i)
		}
	}
	return append(ends, len(times))
}

// mergeRuns merges neighbouring runs in pairs and returns the new ends.
func (w *Rows[T]) mergeRuns(ends []int, times []int64, sel []int) []int {
	out := ends[:0]
	start := 0
	for i := 0; i < len(ends); i += 2 {
		mid, end := ends[i], ends[i]
		if i+1 < len(ends) {
			end = ends[i+1]
		}
		a, b := start, mid
		for k := start; k < end; k++ {
			from := a
			if b < end && (a == mid || w.less(b, a)) {
				from = b
				b++
			} else {
				a++
			}
			times[k], sel[k] = w.Times[from], w.sel[from]
		}
		start = end
		out = append(out, end)
	}
	return out
}

// less orders rows by time and, of the same time, by their place in the file.
func (w *Rows[T]) less(i, j int) bool {
	if w.Times[i] != w.Times[j] {
		return w.Times[i] < w.Times[j]
	}
	return w.sel[i] < w.sel[j]
}
