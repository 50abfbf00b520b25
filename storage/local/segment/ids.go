package segment

import (
	"encoding/binary"
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
	suffixBits = 20
	// bucketEntries is how many entries a bucket has on average.
	bucketEntries = 128
	maxIDBits     = 32
	// dirEntry is the bytes of a bucket's end in the directory.
	dirEntry = 8
)

// idShape is how many bits of a hash name its bucket, and how many behind them
// are its suffix.
type idShape struct{ bucket, suffix int }

func (s idShape) bucketOf(hash uint64) uint64 { return hash >> (64 - s.bucket) }

func (s idShape) suffixOf(hash uint64) uint64 { return hash << s.bucket >> (64 - s.suffix) }

func (s idShape) valid() bool {
	return s.bucket >= 0 && s.bucket <= maxIDBits && s.suffix > 0 && s.suffix <= maxIDBits
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
	unit   []uint64 // hashes of the unit under way
	next   uint32   // its number
	rows   int      // in it
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
	slices.Sort(b.unit)
	for i, h := range b.unit {
		if i == 0 || h != b.unit[i-1] {
			b.hashes, b.units = append(b.hashes, h), append(b.units, b.next)
		}
	}
	b.unit, b.rows = b.unit[:0], 0
	b.next++
}

// write appends the index and says in the footer where it is.
func (b *idBuilder) write(out *output, foot *footer) error {
	foot.ids = idShape{min(bits.Len(uint(len(b.hashes)/bucketEntries)), maxIDBits), suffixBits}
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
	w.out.buf = appendBucket(w.out.buf, pairs, w.n)
	w.out.placed(start)
	w.n++
	w.dir = binary.LittleEndian.AppendUint64(w.dir, uint64(w.out.offset-w.from))
	return w.out.flushIfBig()
}

func (w *idWriter) end() error {
	w.foot.buckets = place{offset: w.from, length: w.out.offset - w.from}
	w.foot.idDir = w.out.section(w.dir)
	return w.out.flushIfBig()
}

// appendBucket writes a bucket: pairs of suffix and unit, each as a difference
// to the pair before, and a checksum that also covers the bucket's number.
func appendBucket(dst []byte, pairs []idPair, number uint32) []byte {
	start := len(dst)
	for i, p := range pairs {
		switch {
		case i > 0 && p == pairs[i-1]:
			continue // another hash of the same suffix
		case i > 0 && p.suffix() == pairs[i-1].suffix():
			dst = binary.AppendUvarint(dst, 0)
			dst = binary.AppendUvarint(dst, uint64(p.unit()-pairs[i-1].unit()))
		case i > 0:
			dst = binary.AppendUvarint(dst, p.suffix()-pairs[i-1].suffix())
			dst = binary.AppendUvarint(dst, uint64(p.unit()))
		default:
			// The first pair's suffix may be 0: differences start above it.
			dst = binary.AppendUvarint(dst, p.suffix()+1)
			dst = binary.AppendUvarint(dst, uint64(p.unit()))
		}
	}
	return binary.LittleEndian.AppendUint32(dst, bucketChecksum(dst[start:], number))
}

func bucketChecksum(b []byte, number uint32) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], number)
	return checksum(n[:]) ^ checksum(b)
}

// eachPair calls visit for the pairs of a bucket, in order, until it reports
// false.
func eachPair(b []byte, visit func(suffix uint64, unit uint32) bool) error {
	c := column.NewCursor(b)
	suffix, unit := uint64(0), uint64(0)
	for i := 0; c.Len() > 0 && c.Err() == nil; i++ {
		delta := c.Uvarint()
		switch {
		case i == 0:
			suffix, unit = delta-1, c.Uvarint()
		case delta == 0:
			unit += c.Uvarint()
		default:
			suffix, unit = suffix+delta, c.Uvarint()
		}
		if unit > 1<<32-1 {
			c.Fail("unit %d", unit)
		}
		if c.Err() == nil && !visit(suffix, uint32(unit)) {
			break
		}
	}
	return c.Err()
}

// findInBucket appends the units that may hold the hash.
func findInBucket(dst []uint32, b []byte, hash uint64, shape idShape) ([]uint32, error) {
	want := shape.suffixOf(hash)
	err := eachPair(b, func(suffix uint64, unit uint32) bool {
		if suffix == want {
			dst = append(dst, unit)
		}
		return suffix <= want
	})
	return dst, err
}
