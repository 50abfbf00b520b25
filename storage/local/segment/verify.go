package segment

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
)

// Verify reads everything, compares every checksum, and the indexes with what
// the blocks hold. It calls bad for every part that is wrong and goes on.
func (r *Reader[T]) Verify(bad func(error)) {
	var want [headerSize]byte
	copy(want[:], Magic[:])
	binary.LittleEndian.PutUint32(want[8:], Version)
	if head, err := r.read(place{length: headerSize}, "header", false); err != nil || [headerSize]byte(head) != want {
		bad(r.corrupt("header", 0, fmt.Errorf("%x, want %x", head, want)))
	}
	q := &record.Query[T]{From: -1 << 63, Columns: storage.ColAll}
	sums := r.checkCalls(bad)
	for i := range r.blocks {
		rows, err := r.verifyBlock(q, i)
		if err != nil {
			bad(err)
		}
		sums.block(i, rows)
	}
	sums.end()
	dir, err := r.read(r.foot.idDir, "ID directory", true)
	if err != nil {
		bad(err)
		return
	}
	if want := dirEntry * r.foot.ids.buckets(); len(dir) != want {
		bad(r.corrupt("ID directory", r.foot.idDir.offset, fmt.Errorf("%d bytes, want %d", len(dir), want)))
		return
	}
	for n := range r.foot.ids.buckets() {
		if err := r.verifyBucket(uint64(n)); err != nil {
			bad(err)
		}
	}
}

// verifyBlock returns the rows of a block where nothing is wrong with it.
func (r *Reader[T]) verifyBlock(q *record.Query[T], i int) ([]T, error) {
	b := &r.blocks[i]
	found, err := r.Read(q, Part{Block: i})
	if err != nil {
		return nil, err
	}
	rows, err := found.Take(0, found.Len(), storage.ColAll)
	if err != nil {
		return nil, err
	}
	k := r.codec.Kind
	var hashes []uint64
	for j := range rows {
		row := &rows[j]
		if t := k.Time(row); t < b.min || t > b.max {
			return nil, r.badChunk(b, chunkTime, fmt.Errorf("row %d is at %d, the block index says %d to %d", b.first+j, t, b.min, b.max))
		}
		hashes = k.Hashes(hashes[:0], row)
		if err := r.verifyIndexed(b.first+j, hashes); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// verifyIndexed looks for the row's first ID in the ID index; one look-up a
// row finds an index that belongs to other data.
func (r *Reader[T]) verifyIndexed(row int, hashes []uint64) error {
	if len(hashes) == 0 || row%r.foot.unit != 0 {
		return nil
	}
	n := r.foot.ids.bucketOf(hashes[0])
	b, err := r.bucket(n)
	if err != nil {
		return nil // it is reported once, with the buckets
	}
	units, err := findInBucket(nil, b, hashes[0], r.foot.ids)
	if err != nil {
		return nil
	}
	for _, u := range units {
		if int(u) == row/r.foot.unit {
			return nil
		}
	}
	return r.corrupt(bucketName(n), r.foot.buckets.offset, fmt.Errorf("an ID of row %d is not in it", row))
}

func (r *Reader[T]) verifyBucket(n uint64) error {
	b, err := r.bucket(n)
	if err != nil {
		return err
	}
	if err := eachPair(b, r.foot.ids, func(uint64, uint32) bool { return true }); err != nil {
		return r.corrupt(bucketName(n), r.foot.buckets.offset, errors.New("its entries cannot be read"))
	}
	return nil
}
