package head

import (
	"math/bits"
	"slices"
)

// filter tells of most hashes that they are not in a run, by looking at one
// word. Its size is about filterBits for each hash, of which filterProbes are
// set, all in the same word.
type filter []uint64

const (
	filterBits   = 12
	filterProbes = 3
)

func newFilter(hashes []uint64) filter {
	words := 1 << bits.Len(uint(len(hashes)*filterBits/64))
	f := make(filter, words)
	for _, h := range hashes {
		i, m := f.place(h)
		f[i] |= m
	}
	return f
}

// place returns the word of a hash, and its bits in it.
func (f filter) place(h uint64) (word int, mask uint64) {
	for p := range filterProbes {
		mask |= 1 << (h >> (6 * p) & 63)
	}
	return int(h >> 32 & uint64(len(f)-1)), mask
}

// pick returns those of the hashes that may be in the run.
func (f filter) pick(hashes []uint64) []uint64 {
	var out []uint64
	for _, h := range hashes {
		if i, m := f.place(h); f[i]&m == m {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}
