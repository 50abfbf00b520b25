package segment

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/clewhq/clew/storage/local/column"
)

// The ID index. An entry is a hash and a unit of rows that holds an ID of this
// hash. Hashes are evenly spread, so their first bits name a bucket, and a
// bucket needs no search: one small read of the directory finds its place, one
// of the bucket its entries. Of the bits behind, some are kept as its suffix: a
// wrong hit costs reading one unit in vain, and its rows are compared exactly.
const (
	// spareBits are those of a hash that are kept beyond what it takes to
	// number the entries: one look-up in 2^spareBits meets a wrong hit. A flush
	// keeps more, since other segments are joined to it: so many beyond, and at
	// least so many in all.
	spareBits      = 9
	flushSpareBits = 13
	leastFlushBits = 30
	// bucketEntries is how many entries a bucket has at most on average, and
	// half of it at least.
	bucketEntries = 256
	maxIDBits     = 32
	// dirEntry is the bytes of a bucket's end in the directory.
	dirEntry = 5
)

// idShape is how many bits of a hash name its bucket, how many behind them are
// its suffix, and how many bits a unit's number has.
type idShape struct{ bucket, suffix, unit int }

// shapeOf is the shape of an index of so many entries of so many units, with
// so many bits of a hash kept.
func shapeOf(entries int64, kept int, units uint32) idShape {
	s := idShape{bucket: bits.Len64(uint64(entries / bucketEntries)), unit: bits.Len32(units)}
	s.bucket = min(s.bucket, maxIDBits, max(kept-leastSuffix, 0))
	s.suffix = max(min(kept-s.bucket, maxIDBits), 1)
	return s
}

// leastSuffix is how many bits a suffix keeps: with fewer, look-ups would read
// many units in vain.
const leastSuffix = 10

func (s idShape) bucketOf(hash uint64) uint64 { return hash >> (64 - s.bucket) }

func (s idShape) suffixOf(hash uint64) uint64 { return hash << s.bucket >> (64 - s.suffix) }

func (s idShape) valid() bool {
	return s.bucket >= 0 && s.bucket <= maxIDBits && s.suffix > 0 && s.suffix <= maxIDBits && s.unit >= 0 && s.unit <= maxIDBits
}

// buckets is how many there are.
func (s idShape) buckets() int { return 1 << s.bucket }

// idPair is a suffix and a unit, in the order of a bucket.
type idPair uint64

func pairOf(suffix uint64, unit uint32) idPair { return idPair(suffix<<32 | uint64(unit)) }

func (p idPair) suffix() uint64 { return uint64(p >> 32) }
func (p idPair) unit() uint32   { return uint32(p) }

// idBuilder collects the entries of a segment.
type idBuilder struct {
	hashes []uint64
	units  []uint32 // of each hash
	unit   []uint64 // hashes of the unit under way, some more than once
	next   uint32   // its number
	rows   int      // in it
	seen   hashSet
}

// endRow closes a row whose hashes were appended to unit.
func (b *idBuilder) endRow() {
	if b.rows++; b.rows == unitRows {
		b.endUnit()
	}
}

// endUnit begins a new unit, unless the one under way is empty.
func (b *idBuilder) endUnit() {
	if b.rows == 0 {
		return
	}
	b.seen.reset(len(b.unit))
	for _, h := range b.unit {
		if b.seen.add(h) {
			b.hashes, b.units = append(b.hashes, h), append(b.units, b.next)
		}
	}
	b.unit, b.rows = b.unit[:0], 0
	b.next++
}

// hashSet is a set of hashes. A slot is free where it is 0.
type hashSet struct {
	slots []uint64
	shift int  // leaves as many bits as number the slots
	zero  bool // 0 is in the set
}

// spread is a factor that nobody knows: hashes that somebody chose would
// otherwise all belong in one place.
var spread = maphash.String(maphash.MakeSeed(), "spread") | 1

// reset makes the set empty, with room for so many.
func (s *hashSet) reset(most int) {
	n := bits.Len(uint(2*most) | 1)
	if cap(s.slots) < 1<<n {
		s.slots = make([]uint64, 1<<n)
	}
	s.slots, s.shift, s.zero = s.slots[:1<<n], 64-n, false
	clear(s.slots)
}

// add reports whether h was not in the set.
func (s *hashSet) add(h uint64) bool {
	if h == 0 {
		added := !s.zero
		s.zero = true
		return added
	}
	mask := uint64(len(s.slots) - 1)
	for at := h * spread >> s.shift; ; at = (at + 1) & mask {
		switch s.slots[at] {
		case h:
			return false
		case 0:
			s.slots[at] = h
			return true
		}
	}
}

// write appends the index and says in the footer where it is.
func (b *idBuilder) write(out *output, foot *footer) error {
	foot.entries = int64(len(b.hashes))
	foot.ids = shapeOf(foot.entries, max(bits.Len64(uint64(foot.entries))+flushSpareBits, leastFlushBits), b.next)
	w := idWriter{out: out, foot: foot}
	w.begin()
	pairs, ends := b.sorted(foot.ids)
	from := 0
	for _, end := range ends {
		if err := w.bucket(pairs[from:end]); err != nil {
			return err
		}
		from = end
	}
	return w.end()
}

// sorted returns the entries bucket by bucket, and where each bucket ends.
func (b *idBuilder) sorted(shape idShape) (pairs []idPair, ends []int) {
	ends = make([]int, shape.buckets())
	for _, h := range b.hashes {
		ends[shape.bucketOf(h)]++
	}
	at := 0
	for i, n := range ends {
		ends[i] = at
		at += n
	}
	pairs = make([]idPair, len(b.hashes))
	for i, h := range b.hashes {
		n := shape.bucketOf(h)
		pairs[ends[n]] = pairOf(shape.suffixOf(h), b.units[i])
		ends[n]++
	}
	return pairs, ends
}

// idWriter writes buckets one after the other, then their directory.
type idWriter struct {
	out  *output
	foot *footer
	from int64 // where the buckets begin
	n    uint32
	dir  []byte
}

func (w *idWriter) begin() { w.from = w.out.offset }

// bucket writes the next bucket, whose entries it sorts.
func (w *idWriter) bucket(pairs []idPair) error {
	slices.Sort(pairs)
	start := len(w.out.buf)
	w.out.buf = appendBucket(w.out.buf, pairs, w.n, w.foot.ids)
	w.out.placed(start)
	w.n++
	w.dir = appendEnd(w.dir, uint64(w.out.offset-w.from))
	return w.out.flushIfBig()
}

func (w *idWriter) end() error {
	w.foot.buckets = place{offset: w.from, length: w.out.offset - w.from}
	w.foot.idDir = w.out.section(w.dir)
	return w.out.flushIfBig()
}

// appendEnd appends where a bucket ends, endOf reads it.
func appendEnd(dst []byte, end uint64) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(end)), byte(end>>32))
}

func endOf(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) | int64(b[4])<<32 }

// appendBucket writes a bucket: pairs of suffix and unit, which are sorted, and
// a checksum that also covers the bucket's number. A suffix is a difference to
// the one before: its lowest bits, as many as the differences have on average,
// and before them in unary the others.
func appendBucket(dst []byte, pairs []idPair, number uint32, shape idShape) []byte {
	pairs = slices.Compact(pairs) // other hashes of the same suffix
	start, suffixes := len(dst), uint64(0)
	for i, p := range pairs {
		if i == 0 || p.suffix() != pairs[i-1].suffix() {
			suffixes++
		}
	}
	low := bits.Len64(1 << shape.suffix / (suffixes + 1))
	if low > 0 {
		low--
	}
	w := column.BitWriter{Dst: append(binary.AppendUvarint(dst, uint64(len(pairs))), byte(low))}
	next := uint64(0)
	for _, p := range pairs {
		if p.suffix()+1 == next {
			w.Put(1, 1)
		} else {
			delta := p.suffix() - next
			next = p.suffix() + 1
			w.Put(0, 1)
			w.Unary(delta >> low)
			w.Put(delta&(1<<low-1), low)
		}
		w.Put(uint64(p.unit()), shape.unit)
	}
	w.Align()
	return binary.LittleEndian.AppendUint32(w.Dst, bucketChecksum(w.Dst[start:], number))
}

func bucketChecksum(b []byte, number uint32) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], number)
	return checksum(n[:]) ^ checksum(b)
}

// eachPair calls visit for the pairs of a bucket, in order, until it reports
// false.
func eachPair(b []byte, shape idShape, visit func(suffix uint64, unit uint32) bool) error {
	c := column.NewCursor(b)
	n, low := c.Uvarint(), int(c.Byte())
	if low > maxIDBits || n > uint64(8*len(b)) {
		c.Fail("%d pairs with %d bits in %d bytes", n, low, len(b))
	}
	if c.Err() != nil {
		return c.Err()
	}
	r, next := column.BitReader{B: c.Bytes(c.Len())}, uint64(0)
	for range n {
		if r.Get(1) == 0 {
			high, ok := r.Unary()
			if !ok || high > 1<<shape.suffix {
				return fmt.Errorf("%w: suffix of more than %d bits", column.ErrCorrupt, shape.suffix)
			}
			next += (high<<low | r.Get(low)) + 1
		}
		unit := r.Get(shape.unit)
		if r.Past() || next == 0 || next > 1<<shape.suffix {
			return fmt.Errorf("%w: pairs that end early or have suffixes of more than %d bits", column.ErrCorrupt, shape.suffix)
		}
		if !visit(next-1, uint32(unit)) {
			return nil
		}
	}
	return nil
}

// findInBucket appends the units that may hold the hash.
func findInBucket(dst []uint32, b []byte, hash uint64, shape idShape) ([]uint32, error) {
	want := shape.suffixOf(hash)
	err := eachPair(b, shape, func(suffix uint64, unit uint32) bool {
		if suffix == want {
			dst = append(dst, unit)
		}
		return suffix <= want
	})
	return dst, err
}
