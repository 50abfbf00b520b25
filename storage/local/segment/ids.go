package segment

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/clewhq/clew/storage/local/column"
)

// The ID index. An entry is a hash and a unit of rows that holds an ID of this
// hash. Hashes are evenly spread, so their first bits name a bucket, and a
// bucket needs no search: one small read of the directory finds its place, one
// of the bucket its entries. Of the bits behind, suffixBits are kept: a wrong
// hit costs reading one unit in vain, and its rows are compared exactly.
const (
	suffixBits = 20
	// bucketEntries is how many entries a bucket has on average.
	bucketEntries = 128
	maxIDBits     = 32
	// dirEntry is the bytes of a bucket's end in the directory.
	dirEntry = 8
)

type idEntry struct {
	hash uint64
	unit uint32
}

// idBuilder collects the entries of a segment.
type idBuilder struct {
	entries []idEntry
	unit    []uint64 // hashes of the unit under way
	units   uint32
	rows    int
}

// endRow closes a row whose hashes were appended to unit.
func (b *idBuilder) endRow() {
	b.rows++
	if b.rows%unitRows == 0 {
		b.endUnit()
	}
}

func (b *idBuilder) endUnit() {
	slices.Sort(b.unit)
	for i, h := range b.unit {
		if i == 0 || h != b.unit[i-1] {
			b.entries = append(b.entries, idEntry{h, b.units})
		}
	}
	b.unit = b.unit[:0]
	b.units++
}

// finish sorts the entries and returns the directory and the buckets.
func (b *idBuilder) finish() (dir, buckets []byte, idBits int) {
	if b.rows%unitRows != 0 {
		b.endUnit()
	}
	idBits = min(bits.Len(uint(len(b.entries)/bucketEntries)), maxIDBits)
	// Only the bits that are kept count: hashes that share them are one entry,
	// whose units must stand in order.
	drop := 64 - idBits - suffixBits
	slices.SortFunc(b.entries, func(x, y idEntry) int {
		if c := cmp.Compare(x.hash>>drop, y.hash>>drop); c != 0 {
			return c
		}
		return cmp.Compare(x.unit, y.unit)
	})
	rest := b.entries
	for n := range 1 << idBits {
		end := 0
		for end < len(rest) && bucketOf(rest[end].hash, idBits) == uint64(n) {
			end++
		}
		buckets = appendBucket(buckets, rest[:end], uint32(n), idBits)
		rest = rest[end:]
		dir = binary.LittleEndian.AppendUint64(dir, uint64(len(buckets)))
	}
	return dir, buckets, idBits
}

func bucketOf(hash uint64, idBits int) uint64 { return hash >> (64 - idBits) }

func suffixOf(hash uint64, idBits int) uint64 { return hash << idBits >> (64 - suffixBits) }

// appendBucket writes a bucket: pairs of suffix and unit, each as a difference
// to the pair before, and a checksum that also covers the bucket's number.
func appendBucket(dst []byte, entries []idEntry, number uint32, idBits int) []byte {
	start := len(dst)
	prev := uint64(0)
	unit := uint64(0)
	for i, e := range entries {
		s := suffixOf(e.hash, idBits)
		switch {
		case i > 0 && s == prev && uint64(e.unit) == unit:
			continue // another hash of the same suffix
		case i > 0 && s == prev:
			dst = binary.AppendUvarint(dst, 0)
			dst = binary.AppendUvarint(dst, uint64(e.unit)-unit)
		default:
			// The first pair's suffix may be 0: differences start above it.
			dst = binary.AppendUvarint(dst, s-prev+first(i))
			dst = binary.AppendUvarint(dst, uint64(e.unit))
		}
		prev, unit = s, uint64(e.unit)
	}
	return binary.LittleEndian.AppendUint32(dst, bucketChecksum(dst[start:], number))
}

func first(i int) uint64 {
	if i == 0 {
		return 1
	}
	return 0
}

func bucketChecksum(b []byte, number uint32) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], number)
	return checksum(n[:]) ^ checksum(b)
}

// findInBucket appends the units that may hold the hash.
func findInBucket(dst []uint32, b []byte, hash uint64, idBits int) ([]uint32, error) {
	c := column.NewCursor(b)
	want := suffixOf(hash, idBits)
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
		if suffix > want {
			break
		}
		if suffix == want && unit <= 1<<32-1 {
			dst = append(dst, uint32(unit))
		}
	}
	return dst, c.Err()
}
