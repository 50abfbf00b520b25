package column

import (
	"hash/maphash"
	"math/bits"
)

// dictionary returns the distinct strings of vals in the order in which they
// come, and which of them each is; nil where too many are distinct to be worth
// it.
func dictionary(t *Table, vals []string) (dict []string, refs []int64) {
	if len(vals) < 2 {
		return nil, nil
	}
	limit := len(vals)/2 + 1
	dict, refs = t.Texts(limit)[:0], t.Ints(len(vals))
	index := &t.scratch.index
	index.reset(limit + 1)
	for i, s := range vals {
		// Runs are common: blocks are sorted by stream.
		if i > 0 && s == vals[i-1] {
			refs[i] = refs[i-1]
			continue
		}
		ref, known := index.number(dict, s)
		if !known {
			if len(dict) == limit || i == len(vals)/sampled && tooMany(len(dict), i) {
				return nil, nil
			}
			dict = append(dict, s)
		}
		refs[i] = int64(ref)
	}
	return dict, refs
}

// sampled is the part of all strings that tells of most columns, such as those
// of bodies, that no dictionary is worth it.
const sampled = 8

// tooMany reports whether so many distinct ones of the first n strings are too
// many. Where strings are drawn at random, n of sampled*n that give 15 of 16
// distinct ones give more than a half in all.
func tooMany(distinct, n int) bool { return n >= 32 && distinct > n-n/16 }

// textIndex numbers distinct strings as they come. A slot is the upper half of
// a string's hash and the string's number plus one; it is 0 where it is free.
type textIndex struct {
	slots []uint64
	used  int
}

// textSeed is one for all: the hash of a string leaves no trace in a column.
var textSeed = maphash.MakeSeed()

// reset forgets all strings and has room for so many.
func (x *textIndex) reset(most int) {
	size := 1 << bits.Len(uint(2*most))
	if cap(x.slots) < size {
		x.slots = make([]uint64, size)
	}
	x.slots = x.slots[:size]
	clear(x.slots)
	x.used = 0
}

// number returns the number of s, which is among dict where it is known, and
// otherwise the next one.
func (x *textIndex) number(dict []string, s string) (n int, known bool) {
	hash := maphash.String(textSeed, s) >> 32
	mask := len(x.slots) - 1
	at := int(hash) & mask
	for ; x.slots[at] != 0; at = (at + 1) & mask {
		slot := x.slots[at]
		if n := int(uint32(slot)) - 1; slot>>32 == hash && dict[n] == s {
			return n, true
		}
	}
	x.used++
	x.slots[at] = hash<<32 | uint64(x.used)
	return x.used - 1, false
}
