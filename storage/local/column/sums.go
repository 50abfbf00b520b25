package column

import (
	"encoding/binary"
	"sort"
)

// sums are the sums of the first numbers of a list of lengths, which tell where
// strings begin and end. Going forward it counts on from where it was; one who
// goes back and forth makes it count all of them at once.
type sums struct {
	mem  *Memory
	lens Ints
	at   int // how many are in sum
	sum  int
	back int // how often it went back
	ends []int64
}

// maxBack is how often sums go back before they are all worked out.
const maxBack = 4

// sums makes sums of lengths, none of which may be negative and all of which
// together are most at most.
func (c *Cursor) sums(lens Ints, most int) (s sums, total int) {
	s = sums{mem: c.mem, lens: lens}
	if l, ok := lens.Const(); ok {
		if l < 0 || lens.n > 0 && l > int64(most/lens.n) {
			c.Fail("%d strings of %d bytes where %d are left", lens.n, l, most)
			return s, 0
		}
		return s, int(l) * lens.n
	}
	if lens.mode == intsPlanes && lens.w == 1 && lens.base >= 0 && lens.base < 1<<32 {
		// None is too long for the sum to overflow.
		if total = sumBytes(lens.planes) + lens.n*int(lens.base); total > most {
			c.Fail("strings of %d bytes where %d are left", total, most)
			return s, 0
		}
		return s, total
	}
	for _, l := range s.lens.All() {
		if l < 0 || l > int64(most-total) {
			c.Fail("string of %d bytes where %d are left", l, most-total)
			return s, 0
		}
		total += int(l)
	}
	return s, total
}

// sumBytes adds bytes up, eight at a time.
func sumBytes(b []byte) (sum int) {
	const even = 0x00ff00ff00ff00ff
	for ; len(b) >= 8; b = b[8:] {
		u := binary.LittleEndian.Uint64(b)
		pairs := u&even + u>>8&even // four sums of up to 510
		sum += int(pairs * 0x0001000100010001 >> 48)
	}
	for _, c := range b {
		sum += int(c)
	}
	return sum
}

// bounds returns the sums before and behind the i-th length.
func (s *sums) bounds(i int) (from, to int) {
	if l, ok := s.lens.Const(); ok {
		return i * int(l), (i + 1) * int(l)
	}
	if s.ends == nil && i < s.at {
		if s.back++; s.back > maxBack {
			s.count()
		}
		s.at, s.sum = 0, 0
	}
	if s.ends != nil {
		if i > 0 {
			from = int(s.ends[i-1])
		}
		return from, int(s.ends[i])
	}
	s.forward(i)
	return s.sum, s.sum + int(s.lens.At(i))
}

// forward goes on to the i-th length.
func (s *sums) forward(i int) {
	if s.lens.mode == intsPlanes && s.lens.w == 1 {
		s.sum += sumBytes(s.lens.planes[s.at:i]) + (i-s.at)*int(s.lens.base)
		s.at = i
		return
	}
	for _, l := range s.lens.All()[s.at:i] {
		s.sum += int(l)
	}
	s.at = i
}

// count works all of them out.
func (s *sums) count() {
	s.ends = s.mem.int64s(s.lens.n)
	sum := int64(0)
	for i, l := range s.lens.All() {
		sum += l
		s.ends[i] = sum
	}
}

// rowAt returns the length that the place i is in.
func (s *sums) rowAt(i int) int {
	if l, ok := s.lens.Const(); ok {
		return i / int(l)
	}
	if s.ends == nil {
		s.count()
	}
	return sort.Search(len(s.ends), func(k int) bool { return s.ends[k] > int64(i) })
}
