package segment

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/clewhq/clew/storage/local/column"
)

// joinedIDs is the ID index of a segment that is joined, read from its first
// bucket to its last: so its entries come in the order of their hashes.
type joinedIDs struct {
	shape   idShape
	entries int64
	base    uint32 // the number of its first unit in the new segment
	buckets []byte
	dir     []byte
	path    func(bucket uint64, err error) error // for errors

	n       uint64   // of the bucket at hand
	pending []idPair // of it, those not taken yet
	mem     []idPair
	read    bool // the first bucket was
}

// allIDs reads the ID index whole.
func (r *Reader[T]) allIDs() (joinedIDs, error) {
	dir, err := r.read(r.foot.idDir, "ID directory", true)
	if err != nil {
		return joinedIDs{}, err
	}
	if want := dirEntry * r.foot.ids.buckets(); len(dir) != want {
		return joinedIDs{}, r.corrupt("ID directory", r.foot.idDir.offset, fmt.Errorf("%d bytes, want %d", len(dir), want))
	}
	b, err := r.read(r.foot.buckets, "ID buckets", false)
	return joinedIDs{shape: r.foot.ids, entries: r.foot.entries, buckets: b, dir: dir, path: func(n uint64, err error) error {
		return r.corrupt(bucketName(n), r.foot.buckets.offset, err)
	}}, err
}

// bucket parses bucket n into pending.
func (j *joinedIDs) bucket(n uint64) error {
	from := int64(0)
	if n > 0 {
		from = endOf(j.dir[(n-1)*dirEntry:])
	}
	to := endOf(j.dir[n*dirEntry:])
	if to > int64(len(j.buckets)) || from+4 > to {
		return j.path(n, fmt.Errorf("%w: from %d to %d of %d", column.ErrCorrupt, from, to, len(j.buckets)))
	}
	body, sum := j.buckets[from:to-4], binary.LittleEndian.Uint32(j.buckets[to-4:to])
	if got := bucketChecksum(body, uint32(n)); got != sum {
		return j.path(n, fmt.Errorf("checksum %08x, want %08x", got, sum))
	}
	j.mem = j.mem[:0]
	if err := eachPair(body, j.shape, func(suffix uint64, unit uint32) bool {
		j.mem = append(j.mem, pairOf(suffix, unit+j.base))
		return true
	}); err != nil {
		return j.path(n, err)
	}
	j.n, j.read, j.pending = n, true, j.mem
	return nil
}

// take appends the entries of bucket n of the new index. Buckets are taken in
// order.
func (j *joinedIDs) take(dst []idPair, n uint64, to idShape) ([]idPair, error) {
	// The new index has as many bits of a hash or fewer. Its bucket is several
	// of this one's, or a part of one.
	drop := j.shape.bucket + j.shape.suffix - to.bucket - to.suffix
	first, last := n, n
	if d := j.shape.bucket - to.bucket; d > 0 {
		first, last = n<<d, n<<d+1<<d-1
	} else {
		first, last = n>>-d, n>>-d
	}
	for b := first; b <= last; b++ {
		if !j.read || b != j.n {
			if err := j.bucket(b); err != nil {
				return nil, err
			}
		}
		taken := 0
		for _, p := range j.pending {
			kept := (b<<j.shape.suffix | p.suffix()) >> drop
			if kept>>to.suffix != n {
				break
			}
			dst = append(dst, pairOf(kept&(1<<to.suffix-1), p.unit()))
			taken++
		}
		j.pending = j.pending[taken:]
	}
	return dst, nil
}

// joinedShape is the shape of an index of the entries of several. A bit that
// one of them does not have is not known.
func joinedShape(list []joinedIDs, units uint32) (s idShape, entries int64) {
	known := 2 * maxIDBits
	for i := range list {
		entries += list[i].entries
		known = min(known, list[i].shape.bucket+list[i].shape.suffix)
	}
	return shapeOf(entries, min(bits.Len64(uint64(entries))+spareBits, known), units), entries
}

// joinIDs writes the ID index of all entries.
func joinIDs(out *output, foot *footer, list []joinedIDs, units uint32) error {
	foot.ids, foot.entries = joinedShape(list, units)
	w := idWriter{out: out, foot: foot}
	w.begin()
	var pairs []idPair
	for n := range uint64(foot.ids.buckets()) {
		pairs = pairs[:0]
		for i := range list {
			var err error
			if pairs, err = list[i].take(pairs, n, foot.ids); err != nil {
				return err
			}
		}
		if err := w.bucket(pairs); err != nil {
			return err
		}
	}
	return w.end()
}
