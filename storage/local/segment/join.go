package segment

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/column"
)

// Joining puts the blocks of several segments into one, behind each other and
// byte for byte, under one stream table, block index and ID index. It costs a
// tenth of merging their rows, and blocks that are full already have nothing to
// gain from being taken apart: those of another segment are of another time.

// Whole reports whether the blocks of the segments are about as full as opts
// lets them be, on average, so that joining them wastes nothing.
func Whole[T any](inputs []*Reader[T], opts Options) bool {
	var rows, bytes, blocks int64
	for _, r := range inputs {
		rows += r.foot.rows
		blocks += int64(len(r.blocks))
		for i := range r.streams {
			bytes += r.streams[i].Bytes
		}
	}
	return wholePart*rows >= blocks*int64(opts.BlockRows) || wholePart*bytes >= blocks*opts.BlockBytes
}

// wholePart is the part of a full block that counts as one. The last block of
// every segment is cut short.
const wholePart = 3

// Join writes one segment out of several. pace is told of the bytes that were
// read.
func Join[T any](ctx context.Context, fs vfs.FS, path string, codec *Codec[T], inputs []*Reader[T], opts Options, pace func(context.Context, int64) error) (Info, error) {
	out, err := create(fs, path)
	if err != nil {
		return Info{}, err
	}
	j := joiner[T]{out: out, table: newStreamBuilder(), pace: pace}
	j.foot = footer{
		signal: codec.Kind.Signal, unit: unitRows, covers: opts.Covers, replaces: opts.Replaces,
		min: inputs[0].foot.min, max: inputs[0].foot.max,
	}
	if err := j.join(ctx, inputs); err != nil {
		out.abort()
		return Info{}, err
	}
	return Info{Rows: j.foot.rows, Min: j.foot.min, Max: j.foot.max, Bytes: out.offset}, nil
}

// joiner is a join under way.
type joiner[T any] struct {
	out    *output
	foot   footer
	table  *streamBuilder
	keys   keyList
	given  tableWriter
	blocks int
	next   int // number of the first row of the next block
	ids    []joinedIDs
	calls  []callPart
	buf    []byte
	pace   func(context.Context, int64) error
}

func (j *joiner[T]) join(ctx context.Context, inputs []*Reader[T]) error {
	for _, r := range inputs {
		if r.foot.unit != unitRows {
			return r.corrupt("footer", 0, fmt.Errorf("units of %d rows, want %d", r.foot.unit, unitRows))
		}
		if err := j.add(ctx, r); err != nil {
			return err
		}
	}
	j.given.endTable(j.out)
	j.foot.streams = j.out.section(j.table.append(nil))
	j.foot.blocks = j.out.section(append(binary.AppendUvarint(j.keys.append(nil), uint64(j.blocks)), j.given.index...))
	if err := joinIDs(j.out, &j.foot, j.ids, uint32(j.next/unitRows)); err != nil {
		return err
	}
	if len(j.calls) > 0 {
		j.foot.calls = j.out.section(appendCallParts(nil, j.calls))
	}
	return j.out.finish(&j.foot)
}

// add copies the blocks of a segment and reads its ID index.
func (j *joiner[T]) add(ctx context.Context, r *Reader[T]) error {
	j.foot.min, j.foot.max = min(j.foot.min, r.foot.min), max(j.foot.max, r.foot.max)
	j.foot.rows += r.foot.rows
	numbers := make([]int, len(r.streams))
	for i := range r.streams {
		numbers[i] = j.table.join(&r.streams[i])
	}
	keys := j.keys.numbers(r.keys)
	parts, err := r.callParts()
	if err != nil {
		return err
	}
	for _, p := range parts {
		p.first += j.blocks
		j.calls = append(j.calls, p)
	}
	base := j.next
	for i := range r.blocks {
		b := &r.blocks[i]
		if err := j.block(r, b, numbers, keys); err != nil {
			return err
		}
		j.next = base + b.first + (b.rows+unitRows-1)/unitRows*unitRows
		if err := j.pace(ctx, b.size()); err != nil {
			return err
		}
	}
	ids, err := r.allIDs()
	if err != nil {
		return err
	}
	ids.base = uint32(base / unitRows)
	j.ids = append(j.ids, ids)
	return j.pace(ctx, r.foot.buckets.length)
}

// block copies a block and makes its entry in the index.
func (j *joiner[T]) block(r *Reader[T], b *block, numbers, keys []int) error {
	if b.back == 0 {
		j.given.endTable(j.out)
	}
	out := block{rows: b.rows, min: b.min, max: b.max, tokens: b.tokens, given: b.given}
	same := true
	for _, s := range b.streams {
		same = same && numbers[s.number] == s.number
		out.streams = append(out.streams, blockStream{numbers[s.number], s.zone})
	}
	slices.SortFunc(out.streams, func(x, y blockStream) int { return x.number - y.number })
	for _, k := range b.keys {
		out.keys = append(out.keys, keys[k])
	}
	slices.Sort(out.keys)
	ids := j.given.ids
	for i := range b.chunks {
		if c := &b.chunks[i]; c.id == chunkGiven {
			given, err := r.readChunk(nil, b, c)
			if err != nil {
				return err
			}
			ids = append(ids, given...)
			continue
		}
		c, err := j.copyChunk(r, b, &b.chunks[i], numbers, same)
		if err != nil {
			return err
		}
		out.chunks = append(out.chunks, c)
	}
	j.given.hold(out, ids)
	j.blocks++
	return j.out.flushIfBig()
}

// copyChunk copies a chunk as it is. Where its segment numbers streams
// otherwise, the chunk that has the rows' streams is written anew.
func (j *joiner[T]) copyChunk(r *Reader[T], b *block, c *chunk, numbers []int, same bool) (chunk, error) {
	if c.id == chunkTime && !same {
		rows := Rows[T]{r: r, block: b, scratch: &scratch{}}
		raw, err := rows.chunk(c.id)
		if err != nil {
			return chunk{}, err
		}
		in := column.NewCursor(raw)
		streams := in.Ints(b.rows)
		if in.Err() != nil {
			return chunk{}, r.badChunk(b, c.id, in.Err())
		}
		renumbered := make([]int64, b.rows)
		for i, s := range streams.All() {
			if s < 0 || s >= int64(len(numbers)) {
				return chunk{}, r.badChunk(b, c.id, unknownStream(i, s))
			}
			renumbered[i] = int64(numbers[s])
		}
		j.buf = append(column.AppendInts(j.buf[:0], renumbered), in.Bytes(in.Len())...)
		return j.out.chunk(c.id, j.buf)
	}
	if int64(cap(j.buf)) < c.length {
		j.buf = make([]byte, min(c.length, r.size))
	}
	raw, err := r.readChunk(j.buf[:min(c.length, int64(cap(j.buf)))], b, c)
	if err != nil {
		return chunk{}, err
	}
	return chunk{place: j.out.section(raw), id: c.id, raw: c.raw, packed: c.packed}, nil
}

// size is the bytes of a block's chunks.
func (b *block) size() (n int64) {
	for i := range b.chunks {
		n += b.chunks[i].length
	}
	return n
}
