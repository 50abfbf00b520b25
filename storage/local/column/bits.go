package column

import "math/bits"

// Numbers that are near each other but random below, as times and counters are,
// are written in groups with as many bits each as the group needs: compression
// gains nothing on them, and loses its grip on what stands beside them.

const (
	// groupRows is how many numbers a group has: as many as a unit of the ID
	// index, so that a look-up decodes one.
	groupRows = 64
	// fewBits are those that compression can be expected to do well by itself.
	fewBits = 9
	// ownTable is how many bytes of one kind shape the table with which
	// compression codes them.
	ownTable = 1024
)

// group is what all of its numbers have in common: in groups of values the
// least of them, in groups of differences the first value and the least
// difference.
type group struct {
	base, step int64
	bits       int
}

// grouping is a way to write numbers in groups.
type grouping struct {
	delta  bool
	groups []group
	size   int // bits of all numbers
}

// groupsOf returns the better of the two ways; ok is false where some numbers
// are too far apart.
func groupsOf(vals []int64) (best grouping, ok bool) {
	n := (len(vals) + groupRows - 1) / groupRows
	plain, delta := grouping{groups: make([]group, 0, n)}, grouping{delta: true, groups: make([]group, 0, n)}
	longest, longestDelta := 0, 0
	for from := 0; from < len(vals); from += groupRows {
		part := vals[from:min(from+groupRows, len(vals))]
		low, high := part[0], part[0]
		least, most := int64(0), int64(0)
		for i, v := range part[1:] {
			d := v - part[i]
			if i == 0 {
				least, most = d, d
			}
			low, high, least, most = min(low, v), max(high, v), min(least, d), max(most, d)
		}
		p := group{base: low, bits: bits.Len64(uint64(high - low))}
		d := group{base: part[0], step: least, bits: bits.Len64(uint64(most - least))}
		plain.groups, delta.groups = append(plain.groups, p), append(delta.groups, d)
		plain.size += p.bits * len(part)
		delta.size += d.bits * (len(part) - 1)
		longest = max(longest, p.bits)
		longestDelta = max(longestDelta, d.bits)
	}
	// Values can be read one by one, differences not.
	if longestDelta <= maxBits && (longest > maxBits || delta.size+delta.size/16 < plain.size) {
		return delta, true
	}
	return plain, longest <= maxBits
}

// worth reports whether the grouping is shorter than compression would make
// vals otherwise, of which s is.
func (g *grouping) worth(s *intStats, vals []int64) bool {
	if g.size < fewBits*len(vals) || !isRandom(vals, g.delta) {
		return false
	}
	planes := 8 * len(vals) * min(s.plain, s.delta)
	if g.size > planes {
		return false
	}
	// Of planes there remains what entropy coding leaves of values that differ
	// in length (of few less, which have one table with all that stands around),
	// or the bytes in which neighbours differ, unless there is more before them
	// than compression looks through.
	length, differ := 0, 0
	for i, v := range vals {
		length += bits.Len64(uint64(v - s.min))
		if i > 0 {
			differ += width(zigzag(v-vals[i-1])>>1) * 8
		}
	}
	length += len(vals) + len(vals)/4
	if len(vals) < ownTable {
		length += 2 * len(vals)
	}
	return g.size <= length && (g.size <= differ+differ/16 || g.size+8*len(vals) <= planes)
}

// isRandom reports whether the low bytes, of the values or their differences,
// look as if there was nothing to be found in them.
func isRandom(vals []int64, delta bool) bool {
	var seen [4]uint64
	prev := int64(0)
	for _, v := range vals {
		d := v
		if delta {
			d -= prev
			prev = v
		}
		seen[d>>6&3] |= 1 << (d & 63)
	}
	distinct := 0
	for _, s := range seen {
		distinct += bits.OnesCount64(s)
	}
	// Of 128 random bytes about 100 are distinct, of 512 about 220.
	switch n := len(vals); {
	case n >= 512:
		return distinct > 180
	case n >= 128:
		return distinct > 80
	default:
		return distinct > n/2
	}
}

// append writes vals.
func (g *grouping) append(dst []byte, vals []int64) []byte {
	mode, bases, steps, widths := byte(intsGroups), make([]int64, len(g.groups)), make([]int64, len(g.groups)), make([]int64, len(g.groups))
	for i, p := range g.groups {
		bases[i], steps[i], widths[i] = p.base, p.step, int64(p.bits)
	}
	if g.delta {
		mode = intsGroupsDelta
	}
	dst = appendUngrouped(append(dst, mode), bases)
	if g.delta {
		dst = appendUngrouped(dst, steps)
	}
	dst = appendUngrouped(dst, widths)
	w := BitWriter{Dst: dst}
	for k, p := range g.groups {
		part := vals[k*groupRows : min((k+1)*groupRows, len(vals))]
		if g.delta {
			for i := 1; i < len(part); i++ {
				w.Put(uint64(part[i]-part[i-1]-p.step), p.bits)
			}
		} else {
			for _, v := range part {
				w.Put(uint64(v-p.base), p.bits)
			}
		}
		w.Align()
	}
	return w.Dst
}

// appendUngrouped writes what a grouping is made of.
func appendUngrouped(dst []byte, vals []int64) []byte { return measureInts(vals).append(dst, vals) }

// packed are groups that are being read.
type packed struct {
	delta  bool
	groups []packedGroup
	bits   []byte
}

type packedGroup struct {
	group
	from int // where its numbers stand in bits
}

// packed reads n numbers in groups.
func (c *Cursor) packed(n int, delta bool) *packed {
	k := (n + groupRows - 1) / groupRows
	bases := c.plainInts(k)
	var steps Ints
	if delta {
		steps = c.plainInts(k)
	}
	widths := c.plainInts(k)
	if c.err != nil {
		return nil
	}
	p := &packed{delta: delta, groups: make([]packedGroup, k)}
	total := 0
	for i := range p.groups {
		width := widths.At(i)
		if width < 0 || width > maxBits {
			c.Fail("numbers of %d bits", width)
			return nil
		}
		held := min(groupRows, n-i*groupRows)
		g := &p.groups[i]
		g.base, g.bits, g.from = bases.At(i), int(width), total
		if delta {
			g.step = steps.At(i)
			held--
		}
		total += (held*g.bits + 7) / 8
	}
	p.bits = c.Bytes(total)
	return p
}

// number returns the i-th number of a group.
func (p *packed) number(g *packedGroup, i int) int64 {
	if g.bits == 0 {
		return 0
	}
	return int64(bitsAt(p.bits, 8*g.from+i*g.bits) & (1<<g.bits - 1))
}

// at returns value i.
func (p *packed) at(i int) int64 {
	g := &p.groups[i/groupRows]
	if !p.delta {
		return g.base + p.number(g, i%groupRows)
	}
	v := g.base
	for k := range i % groupRows {
		v += g.step + p.number(g, k)
	}
	return v
}

// decode sets out to all values.
func (p *packed) decode(out []int64) {
	for k := range p.groups {
		g := &p.groups[k]
		part := out[k*groupRows : min((k+1)*groupRows, len(out))]
		v := g.base
		for i := range part {
			switch {
			case !p.delta:
				part[i] = g.base + p.number(g, i)
			default:
				part[i] = v
				if i+1 < len(part) {
					v += g.step + p.number(g, i)
				}
			}
		}
	}
}
