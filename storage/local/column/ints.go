package column

import (
	"encoding/binary"
	"math/bits"
)

// How a column of integers is written.
const (
	intsConst       = iota // one value for all
	intsPlanes             // the least value, and bytes of the differences to it
	intsDelta              // the first value, and bytes of the differences to the one before
	intsRuns               // the runs' values and lengths, both columns of integers
	intsGroups             // groups of values, see bits.go
	intsGroupsDelta        // groups of differences
)

// A list of numbers of w bytes each is written in planes: the lowest bytes of
// all of them, then the second lowest, and so on. The high planes hardly ever
// change, which compresses well, and every number can be read on its own.

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// width is how many bytes a number takes.
func width(u uint64) int { return (bits.Len64(u) + 7) / 8 }

// AppendInts appends vals in the smallest of the encodings. The number of
// values is not written: the reader knows it.
func AppendInts(dst []byte, vals []int64) []byte {
	if len(vals) == 0 {
		return append(dst, intsConst, 0)
	}
	s := measureInts(vals)
	if s.runs > 1 && s.runs*(s.plain+2) <= len(vals)*min(s.plain, s.delta)/2 {
		return appendRuns(append(dst, intsRuns), vals, s.runs)
	}
	if len(vals) >= groupRows/2 && min(s.plain, s.delta) > 1 {
		if g, ok := groupsOf(vals); ok && g.worth(&s, vals) {
			return g.append(dst, vals)
		}
	}
	return s.append(dst, vals)
}

// append writes vals, which s is of, as anything but runs and groups.
func (s intStats) append(dst []byte, vals []int64) []byte {
	n := len(vals)
	switch {
	case s.runs == 1:
		return binary.AppendUvarint(append(dst, intsConst), zigzag(vals[0]))
	case s.delta < s.plain:
		dst = binary.AppendUvarint(append(dst, intsDelta), zigzag(vals[0]))
		return appendPlanes(append(dst, byte(s.delta)), n-1, s.delta, func(i int) uint64 { return zigzag(vals[i+1] - vals[i]) })
	}
	dst = binary.AppendUvarint(append(dst, intsPlanes), zigzag(s.min))
	return appendPlanes(append(dst, byte(s.plain)), n, s.plain, func(i int) uint64 { return uint64(vals[i] - s.min) })
}

// intStats is what the choice of an encoding depends on.
type intStats struct {
	min          int64
	runs         int
	plain, delta int // bytes a value
}

func measureInts(vals []int64) intStats {
	s := intStats{min: vals[0], runs: 1}
	top, all := vals[0], uint64(0)
	for i := 1; i < len(vals); i++ {
		v := vals[i]
		s.min, top = min(s.min, v), max(top, v)
		if d := v - vals[i-1]; d != 0 {
			s.runs++
			all |= zigzag(d)
		}
	}
	s.plain, s.delta = width(uint64(top-s.min)), width(all)
	return s
}

func appendPlanes(dst []byte, n, w int, get func(int) uint64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, n*w)...)
	out := dst[start:]
	for i := range n {
		u := get(i)
		for p := i; p < len(out); p += n {
			out[p] = byte(u)
			u >>= 8
		}
	}
	return dst
}

func appendRuns(dst []byte, vals []int64, runs int) []byte {
	values, lengths := make([]int64, 0, runs), make([]int64, 0, runs)
	for i := 0; i < len(vals); {
		j := i + 1
		for j < len(vals) && vals[j] == vals[i] {
			j++
		}
		values, lengths = append(values, vals[i]), append(lengths, int64(j-i))
		i = j
	}
	dst = binary.AppendUvarint(dst, uint64(runs))
	dst = measureInts(values).append(dst, values)
	return measureInts(lengths).append(dst, lengths)
}

// Ints is a column of integers that is being read. It is not safe for
// concurrent use: what cannot be read by place is decoded when first needed.
type Ints struct {
	mode   byte
	n, w   int
	base   int64
	planes []byte
	runs   []run
	packed *packed
	asked  int // how often a packed one was
	all    []int64
	mem    *Memory
}

// run is a value that stands in all places up to end.
type run struct {
	value int64
	end   int
}

// Ints reads n integers.
func (c *Cursor) Ints(n int) (v Ints) {
	v.n, v.mode, v.mem = n, c.Byte(), c.mem
	switch v.mode {
	case intsConst:
		v.base = c.Varint()
	case intsPlanes, intsDelta:
		v.base, v.w = c.Varint(), int(c.Byte())
		if v.w > 8 {
			c.Fail("integers of %d bytes", v.w)
			break
		}
		held := n
		if v.mode == intsDelta {
			held = max(n-1, 0)
		}
		v.planes = c.Bytes(held * v.w)
	case intsRuns:
		v.runs = c.runs(n)
	case intsGroups, intsGroupsDelta:
		v.packed = c.packed(n, v.mode == intsGroupsDelta)
	default:
		c.Fail("integer encoding %d is unknown", v.mode)
	}
	if c.err != nil {
		// Reads that come before the error is seen get zeroes.
		return Ints{n: n}
	}
	return v
}

func (c *Cursor) runs(n int) []run {
	k := c.Count(0)
	if k > n {
		c.Fail("%d runs of %d values", k, n)
		return nil
	}
	values, lengths := c.plainInts(k), c.plainInts(k)
	if c.err != nil {
		return nil
	}
	out := make([]run, k)
	end := 0
	for i := range out {
		l := lengths.At(i)
		if l <= 0 || l > int64(n-end) {
			c.Fail("run of %d values where %d are left", l, n-end)
			return nil
		}
		end += int(l)
		out[i] = run{values.At(i), end}
	}
	if end != n {
		c.Fail("runs of %d values, want %d", end, n)
		return nil
	}
	return out
}

// manyAsked is the part of packed differences from which on all are decoded.
const manyAsked = 16

// plainInts reads integers that are no runs and no groups, which could nest
// without end.
func (c *Cursor) plainInts(n int) Ints {
	if len(c.b) > 0 && c.b[0] > intsDelta {
		c.Fail("runs or groups inside such")
	}
	return c.Ints(n)
}

// Len is the number of values.
func (v *Ints) Len() int { return v.n }

// Const returns the value that all have, if they do by their encoding.
func (v *Ints) Const() (int64, bool) { return v.base, v.mode == intsConst }

// At returns value i, which must be one of the column's.
func (v *Ints) At(i int) int64 {
	switch {
	case v.all != nil:
		return v.all[i]
	case v.mode == intsConst:
		return v.base
	case v.mode == intsDelta || v.mode == intsRuns:
		return v.All()[i]
	case v.packed != nil:
		// One who wants many of them is better off with all.
		if v.asked++; v.mode == intsGroupsDelta && v.asked > v.n/manyAsked {
			return v.All()[i]
		}
		return v.packed.at(i)
	}
	return v.base + int64(gather(v.planes, i, v.n))
}

func gather(planes []byte, i, n int) (u uint64) {
	for shift := 0; i < len(planes); i += n {
		u |= uint64(planes[i]) << shift
		shift += 8
	}
	return u
}

// All returns all values. The list must not be changed.
func (v *Ints) All() []int64 {
	if v.all == nil && v.n > 0 {
		v.all = v.mem.int64s(v.n)
		v.decode(v.all)
	}
	return v.all
}

// small returns all values as bytes, nil where some may not fit in one.
func (v *Ints) small() []byte {
	const top = 255
	switch {
	case v.mode == intsPlanes && v.w == 1 && v.base == 0:
		return v.planes
	case v.mode == intsConst && v.base >= 0 && v.base <= top:
		out := v.mem.Bytes(v.n)
		fill(out, byte(v.base))
		return out
	case v.mode == intsRuns:
		out := v.mem.Bytes(v.n)
		at := 0
		for _, r := range v.runs {
			if r.value < 0 || r.value > top {
				return nil
			}
			fill(out[at:r.end], byte(r.value))
			at = r.end
		}
		return out
	}
	return nil
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func (v *Ints) decode(out []int64) {
	switch v.mode {
	case intsDelta:
		if v.n > 1 {
			joinPlanes(out[1:], v.planes)
		}
		prev := v.base
		out[0] = prev
		for i := 1; i < len(out); i++ {
			prev += unzigzag(uint64(out[i]))
			out[i] = prev
		}
	case intsPlanes:
		joinPlanes(out, v.planes)
		for i := range out {
			out[i] += v.base
		}
	case intsGroups, intsGroupsDelta:
		v.packed.decode(out)
	case intsRuns:
		at := 0
		for _, r := range v.runs {
			for ; at < r.end; at++ {
				out[at] = r.value
			}
		}
	default:
		for i := range out {
			out[i] = v.base
		}
	}
}

// joinPlanes puts the numbers together, up to four planes at a time.
func joinPlanes(out []int64, planes []byte) {
	n := len(out)
	if len(planes) < 4*n {
		clear(out)
	}
	shift := 0
	for ; n > 0 && len(planes) >= 4*n; shift += 32 {
		a, b, c, d := planes[:n], planes[n:2*n], planes[2*n:3*n], planes[3*n:4*n]
		if shift == 0 {
			for i := range out {
				out[i] = int64(uint64(a[i]) | uint64(b[i])<<8 | uint64(c[i])<<16 | uint64(d[i])<<24)
			}
		} else {
			for i := range out {
				out[i] |= int64((uint64(a[i]) | uint64(b[i])<<8 | uint64(c[i])<<16 | uint64(d[i])<<24) << shift)
			}
		}
		planes = planes[4*n:]
	}
	for ; n > 0 && len(planes) >= 2*n; shift += 16 {
		low, high := planes[:n], planes[n:2*n]
		for i := range out {
			out[i] |= int64((uint64(low[i]) | uint64(high[i])<<8) << shift)
		}
		planes = planes[2*n:]
	}
	if len(planes) >= n {
		for i, b := range planes[:n] {
			out[i] |= int64(uint64(b) << shift)
		}
	}
}

// eachRun calls visit for the runs that the encoding tells, and reports
// whether it tells any.
func (v *Ints) eachRun(visit func(value int64, from, to int)) bool {
	switch {
	case v.mode == intsConst:
		visit(v.base, 0, v.n)
	case v.mode == intsRuns:
		from := 0
		for _, r := range v.runs {
			visit(r.value, from, r.end)
			from = r.end
		}
	default:
		return false
	}
	return true
}
