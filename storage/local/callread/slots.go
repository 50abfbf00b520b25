package callread

import "math/bits"

// slots are bits that hashes are marked in, some to a bit.
type slots struct {
	bits  []uint64
	shift uint
}

// newSlots returns slots for n hashes, about 32 for each.
func newSlots(n int) *slots {
	const perHash, most = 5, 29
	size := min(max(bits.Len(uint(n))+perHash, 6), most)
	return &slots{bits: make([]uint64, 1<<(size-6)), shift: uint(32 - size)}
}

func (s *slots) has(h uint32) bool { i := h >> s.shift; return s.bits[i>>6]&(1<<(i&63)) != 0 }
func (s *slots) add(h uint32)      { i := h >> s.shift; s.bits[i>>6] |= 1 << (i & 63) }

// hashSet is a set of hashes that is asked for many others.
type hashSet struct {
	slots *slots
	all   map[uint32]struct{}
}

func newHashSet(list []uint32) *hashSet {
	s := &hashSet{slots: newSlots(len(list)), all: make(map[uint32]struct{}, len(list))}
	for _, h := range list {
		s.slots.add(h)
		s.all[h] = struct{}{}
	}
	return s
}

func (s *hashSet) has(h uint32) bool {
	if !s.slots.has(h) {
		return false
	}
	_, ok := s.all[h]
	return ok
}
