package calls

import (
	"math"
	"math/bits"
	"slices"
)

// A sketch counts durations in bins that grow with them: bins of whole
// nanoseconds below 128, and 64 bins for every doubling above. So a duration is
// known to within 1/128 of itself. The bins are made of whole numbers, so every
// machine finds the same.
const (
	binsLog  = 6
	binsSame = 2 << binsLog
	// Bins is how many there are.
	Bins = (63-binsLog-1)<<binsLog + binsSame
	// SketchError is how far a percentile may be off, as a share of it.
	SketchError = 1.0 / binsSame
)

// BinOf returns the bin of a duration in nanoseconds.
func BinOf(dur int64) int {
	if dur < binsSame {
		return int(max(dur, 0))
	}
	e := bits.Len64(uint64(dur)) - binsLog - 1
	return e<<binsLog + int(dur>>e)
}

// valueOf returns the middle of a bin.
func valueOf(bin int) int64 {
	if bin < binsSame {
		return int64(bin)
	}
	e := bin>>binsLog - 1
	return int64(bin-e<<binsLog)<<e + int64(1)<<e/2
}

// Nearest returns what a sketch takes a duration for.
func Nearest(dur int64) int64 { return valueOf(BinOf(dur)) }

// Durations is a set of durations: exactly those that were added one by one,
// while there are no others, and a sketch of them where some came as a sketch.
type Durations struct {
	exact []int64
	base  int // of counts
	bins  []int64
}

// Add adds a duration.
func (d *Durations) Add(dur int64) {
	if d.bins != nil {
		d.AddBin(BinOf(dur), 1)
		return
	}
	d.exact = append(d.exact, dur)
}

// AddBin adds n durations of a bin, or takes them out again where n is below 0.
func (d *Durations) AddBin(bin int, n int64) {
	if d.bins == nil {
		d.bins = []int64{}
		for _, v := range d.exact {
			d.AddBin(BinOf(v), 1)
		}
		d.exact = nil
	}
	switch {
	case len(d.bins) == 0:
		const room = 2 << binsLog
		d.base = max(bin-room/2, 0)
		d.bins = make([]int64, room)
	case bin < d.base:
		d.bins = append(make([]int64, d.base-bin), d.bins...)
		d.base = bin
	}
	if over := bin - d.base - len(d.bins); over >= 0 {
		d.bins = append(d.bins, make([]int64, over+1)...)
	}
	d.bins[bin-d.base] += n
}

// Merge adds the durations of o.
func (d *Durations) Merge(o *Durations) {
	if o.bins == nil {
		for _, v := range o.exact {
			d.Add(v)
		}
		return
	}
	for i, n := range o.bins {
		if n != 0 {
			d.AddBin(o.base+i, n)
		}
	}
}

// Each tells visit of every duration, as exactly as it is known, and how many
// there are of it.
func (d *Durations) Each(visit func(dur, n int64)) {
	for _, v := range d.exact {
		visit(v, 1)
	}
	for i, n := range d.bins {
		if n != 0 {
			visit(valueOf(d.base+i), n)
		}
	}
}

// Percentiles returns, for each share of 1, the duration that this share of
// them does not exceed, by nearest rank. It is 0 where there are none.
func (d *Durations) Percentiles(shares ...float64) []int64 {
	out := make([]int64, len(shares))
	if d.bins == nil {
		slices.Sort(d.exact)
		for i, q := range shares {
			if n := len(d.exact); n > 0 {
				out[i] = d.exact[rank(q, int64(n))]
			}
		}
		return out
	}
	var total int64
	for _, n := range d.bins {
		total += n
	}
	for i, q := range shares {
		left := rank(q, total)
		for bin, n := range d.bins {
			if left -= n; left < 0 && total > 0 {
				out[i] = valueOf(d.base + bin)
				break
			}
		}
	}
	return out
}

// rank returns the place, from 0 on, of the value of a share of n in order.
func rank(share float64, n int64) int64 {
	return max(int64(math.Ceil(share*float64(n))), 1) - 1
}
