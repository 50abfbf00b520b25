package segment

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
)

// Rows is what a query wants of one block. Take makes records of them.
type Rows[T any] struct {
	r       *Reader[T]
	block   *block
	stats   *storage.ReadStats
	streams column.Ints
	cols    columns[T]
	raws    [chunkCount][]byte
	cursors [chunkCount]*column.Cursor
	all     []int64 // times of all rows of the block
	sel     []int   // the rows' numbers in the block, in the order of Take
	scratch *scratch
}

// Read finds the rows of a part that q wants.
func (r *Reader[T]) Read(q *record.Query[T], p Part) (*Rows[T], error) {
	return r.readIn(q, p, &scratch{})
}

func (r *Reader[T]) readIn(q *record.Query[T], p Part, s *scratch) (*Rows[T], error) {
	b := &r.blocks[p.Block]
	w := &Rows[T]{r: r, block: b, stats: q.Stats, cols: r.codec.columns(), scratch: s}
	if err := w.need(chunkTime); err != nil {
		return nil, err
	}
	if q.Stats != nil {
		q.Stats.Rows += int64(b.rows)
	}
	sel, err := w.selectRows(q, p)
	if err != nil {
		return nil, r.badChunk(b, chunkTime, err)
	}
	if len(sel) > 0 {
		if sel, err = w.cols.filter(q, p, sel, w); err != nil {
			return nil, err
		}
	}
	if err := w.healthy(); err != nil {
		return nil, err
	}
	w.sel = sel
	if q.Match != nil {
		if err := w.match(q); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// raw implements loader.
func (w *Rows[T]) raw(id chunkID) ([]byte, error) {
	if w.raws[id] == nil {
		raw, err := w.r.chunk(w.block, id, w.stats, w.scratch)
		if err != nil {
			return nil, err
		}
		w.raws[id] = raw
	}
	return w.raws[id], nil
}

// need implements loader.
func (w *Rows[T]) need(id chunkID) error {
	if w.cursors[id] != nil {
		return nil
	}
	raw, err := w.raw(id)
	if err != nil {
		return err
	}
	c := column.NewCursor(raw)
	if id == chunkTime {
		times := column.Ints{}
		w.streams, times = c.Ints(w.block.rows), c.Ints(w.block.rows)
		w.all = times.AllIn(w.scratch.times)
	}
	w.cols.parse(id, c, w.block.rows)
	if err := ended(c); err != nil {
		return w.r.badChunk(w.block, id, err)
	}
	w.cursors[id] = c
	return nil
}

// healthy returns the error of a column that turned out wrong when its values
// were looked at.
func (w *Rows[T]) healthy() error {
	for id, c := range w.cursors {
		if c != nil && c.Err() != nil {
			return w.r.badChunk(w.block, chunkID(id), c.Err())
		}
	}
	return nil
}

// selectRows returns the rows of the block in q's range, streams and units.
func (w *Rows[T]) selectRows(q *record.Query[T], p Part) ([]int, error) {
	b := w.block
	wanted, err := w.wantedIn(q)
	if err != nil {
		return nil, err
	}
	inside := b.min >= q.From && (q.To == 0 || b.max < q.To)
	size := b.rows
	if p.units != nil {
		size = len(p.units) * w.r.foot.unit
	}
	sel := w.scratch.sel[:0]
	if cap(sel) < size {
		sel = make([]int, 0, size)
	}
	if p.units == nil && inside && wanted == nil {
		for row := range b.rows {
			sel = append(sel, row)
		}
		return sel, nil
	}
	take := func(from, to int) {
		for row := from; row < to; row++ {
			if (inside || q.InRange(w.all[row])) && (wanted == nil || wanted[w.streams.At(row)]) {
				sel = append(sel, row)
			}
		}
	}
	if p.units == nil {
		take(0, b.rows)
	}
	for _, first := range p.units {
		take(max(int(first), 0), min(int(first)+w.r.foot.unit, b.rows))
	}
	return sel, nil
}

// wantedIn asks the query's predicate for the streams of the block; nil means
// all. It makes sure that the rows' streams are those of the block index.
func (w *Rows[T]) wantedIn(q *record.Query[T]) (map[int64]bool, error) {
	wanted := make(map[int64]bool, len(w.block.streams))
	all := true
	for _, s := range w.block.streams {
		keep := q.Stream == nil || q.Stream(w.r.streams[s.number].Stream)
		wanted[int64(s.number)] = keep
		all = all && keep
	}
	if one, ok := w.streams.Const(); ok {
		if _, known := wanted[one]; !known {
			return nil, unknownStream(0, one)
		}
	} else {
		last := int64(-1)
		for row, s := range w.streams.All() {
			if s == last {
				continue
			}
			if _, known := wanted[s]; !known {
				return nil, unknownStream(row, s)
			}
			last = s
		}
	}
	if all {
		return nil, nil
	}
	return wanted, nil
}

func unknownStream(row int, s int64) error {
	return fmt.Errorf("%w: row %d of stream %d, which the block index does not have", column.ErrCorrupt, row, s)
}

// match keeps the rows that q's exact condition is true of.
func (w *Rows[T]) match(q *record.Query[T]) error {
	rows, err := w.make(w.sel, q.Needs)
	if err != nil {
		return err
	}
	n := 0
	for i := range rows {
		if q.Match(&rows[i]) {
			w.sel[n] = w.sel[i]
			n++
		}
	}
	w.sel = w.sel[:n]
	return nil
}

// CountIn says where what is read from now on is counted.
func (w *Rows[T]) CountIn(stats *storage.ReadStats) { w.stats = stats }

// Len is the number of rows.
func (w *Rows[T]) Len() int { return len(w.sel) }

// Time is the time of row i.
func (w *Rows[T]) Time(i int) int64 { return w.all[w.sel[i]] }

// Take makes records of the rows from to to, with the fields of cols set.
func (w *Rows[T]) Take(from, to int, cols storage.Columns) ([]T, error) {
	sel := w.sel[from:to]
	if slices.IsSorted(sel) {
		return w.make(sel, cols)
	}
	sorted := slices.Clone(sel)
	slices.Sort(sorted)
	rows, err := w.make(sorted, cols)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(sel))
	for i, row := range sel {
		at, _ := slices.BinarySearch(sorted, row)
		out[i] = rows[at]
	}
	return out, nil
}

// make makes records of rows, which ascend.
func (w *Rows[T]) make(sel []int, cols storage.Columns) ([]T, error) {
	rows := make([]T, len(sel))
	if len(rows) == 0 {
		return rows, nil
	}
	for i, row := range sel {
		w.r.codec.set(&rows[i], w.r.streams[w.streams.At(row)].Stream, w.all[row])
	}
	for id := range chunkCount {
		if c := id.column(); c != 0 && c&cols == 0 || w.block.chunk(id) == nil {
			continue
		}
		if err := w.need(id); err != nil {
			return nil, err
		}
		w.cols.fill(id, rows, sel)
	}
	return rows, w.healthy()
}

func (b *block) chunk(id chunkID) *chunk {
	for i := range b.chunks {
		if b.chunks[i].id == id {
			return &b.chunks[i]
		}
	}
	return nil
}

// scratch is memory that reading a block may use. It is used again where
// nothing of the block is kept.
type scratch struct {
	times []int64
	sel   []int
	bytes []byte
}

// room returns n bytes.
func (s *scratch) room(n int64) []byte {
	if free := int64(cap(s.bytes) - len(s.bytes)); free < n {
		return make([]byte, n)
	}
	at := len(s.bytes)
	s.bytes = s.bytes[:at+int(n)]
	return s.bytes[at : at+int(n) : at+int(n)]
}

// readBuffers are for what is read to be decompressed.
var readBuffers = sync.Pool{New: func() any { return new([]byte) }}

// chunk reads and decompresses a chunk of a block.
func (r *Reader[T]) chunk(b *block, id chunkID, stats *storage.ReadStats, s *scratch) ([]byte, error) {
	c := b.chunk(id)
	if c == nil {
		return nil, r.corrupt("block index", r.foot.blocks.offset, fmt.Errorf("block without chunk %d", id))
	}
	if stats != nil {
		stats.Bytes += c.length
	}
	if !c.packed {
		raw, err := r.readChunk(s.room(min(c.length, r.size)), b, c)
		if err == nil && c.length != c.raw {
			err = r.badChunk(b, id, fmt.Errorf("%d bytes, want %d", c.length, c.raw))
		}
		return raw, err
	}
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	if int64(cap(*buf)) < c.length {
		*buf = make([]byte, min(c.length, r.size))
	}
	raw, err := r.readChunk((*buf)[:min(c.length, r.size)], b, c)
	if err != nil {
		return nil, err
	}
	out, err := unpack(raw, *c, s.room(c.raw))
	if err != nil {
		return nil, r.badChunk(b, id, err)
	}
	return out, nil
}

func (r *Reader[T]) readChunk(dst []byte, b *block, c *chunk) ([]byte, error) {
	raw, err := r.readInto(dst, c.place, "chunk", true)
	var bad *CorruptionError
	if errors.As(err, &bad) {
		bad.Part = partName(b, c.id)
	}
	return raw, err
}

func partName(b *block, id chunkID) string {
	return fmt.Sprintf("chunk %d of rows %d to %d", id, b.first, b.first+b.rows-1)
}

func (r *Reader[T]) badChunk(b *block, id chunkID, err error) error {
	offset := r.foot.blocks.offset
	if c := b.chunk(id); c != nil {
		offset = c.offset
	}
	return r.corrupt(partName(b, id), offset, err)
}
