package segment

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// Rows is what a query wants of one block. Take makes records of them.
type Rows[T any] struct {
	r       *Reader[T]
	block   *block
	number  int // of the block
	stats   *storage.ReadStats
	streams column.Ints
	times   column.Ints
	cols    columns[T]
	raws    [chunkCount][]byte
	cursors [chunkCount]*column.Cursor
	pool    column.Pool
	sel     []int // the rows' numbers in the block, in the order of Take
	scratch *scratch
	whole   []byte // all chunks as they stand in the file from wholeAt on; nil for one by one
	wholeAt int64
}

// Read finds the rows of a part that q wants. The memory of the block lives as
// long as any record of it does.
func (r *Reader[T]) Read(q *record.Query[T], p Part) (*Rows[T], error) {
	return r.readIn(q, p, &scratch{})
}

// ReadBorrowed is Read in memory that Release gives back. The records are
// copies and stay good; Rows does not.
func (r *Reader[T]) ReadBorrowed(q *record.Query[T], p Part) (*Rows[T], error) {
	s := keepers.Get().(*scratch)
	rows, err := r.readIn(q, p, s)
	if err != nil {
		s.giveBack(&keepers)
		return nil, err
	}
	return rows, nil
}

// Release gives the memory back that ReadBorrowed took.
func (w *Rows[T]) Release() {
	if w.scratch.mem.Keep {
		w.scratch.giveBack(&keepers)
	}
	*w = Rows[T]{}
}

// readIn is Read in the memory of s, which loses what it held.
func (r *Reader[T]) readIn(q *record.Query[T], p Part, s *scratch) (*Rows[T], error) {
	s.mem.Reset()
	b := &r.blocks[p.Block]
	w := &Rows[T]{r: r, block: b, number: p.Block, stats: q.Stats, cols: r.codec.columns(), scratch: s}
	w.pool.Fetch = w.fetchIDs
	if p.units != nil {
		w.readWhole()
	}
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

// readWhole reads all chunks at once: one who looks an ID up nearly always
// needs them all. Where that fails each is read when it is needed.
func (w *Rows[T]) readWhole() {
	const most = 4 << 20
	from, length, ok := w.block.extent()
	if !ok || length > most {
		return
	}
	b, err := w.r.readInto(w.scratch.mem.Bytes(int(length)), place{offset: from, length: length}, "block", false)
	if err == nil {
		w.whole, w.wholeAt = b, from
	}
}

// raw implements loader.
func (w *Rows[T]) raw(id chunkID) ([]byte, error) {
	if w.raws[id] == nil {
		raw, err := w.chunk(id)
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
	c := column.CursorIn(raw, &w.scratch.mem).In(&w.pool)
	if id == chunkTime {
		w.streams, w.times = c.Ints(w.block.rows), c.Ints(w.block.rows)
	}
	if id == chunkBody {
		c.Timed(&w.times)
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
	if err := w.pool.Err(); err != nil {
		return err
	}
	for id, c := range w.cursors {
		if c != nil && c.Err() != nil {
			return w.r.badChunk(w.block, chunkID(id), c.Err())
		}
	}
	return nil
}

// selectRows returns the rows of the block in q's range, streams and units. It
// makes sure that the streams of the rows it looks at are those of the block
// index.
func (w *Rows[T]) selectRows(q *record.Query[T], p Part) ([]int, error) {
	b := w.block
	table := w.wantedStreams(q)
	inside := b.min >= q.From && (q.To == 0 || b.max < q.To)
	size := b.rows
	if p.units != nil {
		size = len(p.units) * w.r.foot.unit
	}
	sel := w.scratch.selection(size)
	if p.units != nil {
		for _, first := range p.units {
			for row := max(int(first), 0); row < min(int(first)+w.r.foot.unit, b.rows); row++ {
				wants, ok := table.wants(w.streams.At(row))
				if !ok {
					return nil, unknownStream(row, w.streams.At(row))
				}
				if wants && (inside || q.InRange(w.times.At(row))) {
					sel = append(sel, row)
				}
			}
		}
		return sel, nil
	}
	if !inside {
		w.times.All() // every one is looked at
	}
	if one, ok := w.streams.Const(); ok {
		if wants, known := table.wants(one); !known || !wants {
			return nil, ifUnknown(known, 0, one)
		}
		for row := range b.rows {
			if inside || q.InRange(w.times.At(row)) {
				sel = append(sel, row)
			}
		}
		return sel, nil
	}
	for row, s := range w.streams.All() {
		wants, ok := table.wants(s)
		if !ok {
			return nil, unknownStream(row, s)
		}
		if wants && (inside || q.InRange(w.times.At(row))) {
			sel = append(sel, row)
		}
	}
	return sel, nil
}

// streamTable says of each stream of a segment whether a query wants it, or
// that the block does not have it.
type streamTable []byte

const (
	streamUnknown = iota
	streamUnwanted
	streamWanted
)

func (t streamTable) wants(stream int64) (wants, ok bool) {
	if uint64(stream) >= uint64(len(t)) {
		return false, false
	}
	return t[stream] == streamWanted, t[stream] != streamUnknown
}

// wantedStreams asks the query's predicate for the streams of the block.
func (w *Rows[T]) wantedStreams(q *record.Query[T]) streamTable {
	table := streamTable(w.scratch.mem.Bytes(len(w.r.streams)))
	clear(table)
	for _, s := range w.block.streams {
		table[s.number] = streamUnwanted
		if q.Stream == nil || q.Stream(w.r.streams[s.number].Stream) {
			table[s.number] = streamWanted
		}
	}
	return table
}

func ifUnknown(known bool, row int, s int64) error {
	if known {
		return nil
	}
	return unknownStream(row, s)
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
func (w *Rows[T]) Time(i int) int64 { return w.times.At(w.sel[i]) }

// Stream is the stream of row i.
func (w *Rows[T]) Stream(i int) *telemetry.Stream { return w.r.streams[w.streams.At(w.sel[i])].Stream }

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
	reorder(rows, sorted, sel)
	return rows, nil
}

// reorder brings rows from the order of one list of their numbers, which
// ascends, into that of another.
func reorder[T any](rows []T, sorted, want []int) {
	from := make([]int, len(want)) // where the row for each place stands
	for i, row := range want {
		from[i], _ = slices.BinarySearch(sorted, row)
	}
	// Every round of places that take from each other needs one row set aside.
	for i := range from {
		first := rows[i]
		at := i
		for from[at] != i {
			next := from[at]
			rows[at], from[at] = rows[next], at
			at = next
		}
		rows[at], from[at] = first, at
	}
}

// make makes records of rows, which ascend.
func (w *Rows[T]) make(sel []int, cols storage.Columns) ([]T, error) {
	rows := make([]T, len(sel))
	if len(rows) == 0 {
		return rows, nil
	}
	for i, row := range sel {
		w.r.codec.set(&rows[i], w.r.streams[w.streams.At(row)].Stream, w.times.At(row))
	}
	for id := range chunkPool {
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

// scratch is memory that a block is read in. It is used again where nothing of
// the block is kept.
type scratch struct {
	mem column.Memory
	sel []int
}

// scratches and keepers hold what blocks of usual size need: keepers for those
// whose records outlive them.
var (
	scratches = sync.Pool{New: func() any { return &scratch{} }}
	keepers   = sync.Pool{New: func() any { return &scratch{mem: column.Memory{Keep: true}} }}
)

// giveBack puts s, whose memory nobody uses any more, into its pool.
func (s *scratch) giveBack(pool *sync.Pool) {
	s.mem.Reset()
	pool.Put(s)
}

// selection returns an empty list with room for n rows.
func (s *scratch) selection(n int) []int {
	if cap(s.sel) < n {
		s.sel = make([]int, 0, n)
	}
	return s.sel[:0]
}

// readBuffers are for what is read to be decompressed.
var readBuffers = sync.Pool{New: func() any { return new([]byte) }}

// chunk reads and decompresses a chunk of the block.
func (w *Rows[T]) chunk(id chunkID) ([]byte, error) {
	r, b, mem := w.r, w.block, &w.scratch.mem
	c := b.chunk(id)
	if c == nil {
		return nil, r.corrupt("block index", r.foot.blocks.offset, fmt.Errorf("block without chunk %d", id))
	}
	if w.stats != nil {
		w.stats.Bytes += c.length
	}
	if at := c.offset - w.wholeAt; w.whole != nil && at >= 0 && at+c.length <= int64(len(w.whole)) {
		return w.chunkOfWhole(c)
	}
	if !c.packed {
		raw, err := r.readChunk(mem.Bytes(int(min(c.length, r.size))), b, c)
		if err != nil {
			return nil, err
		}
		return r.plainChunk(raw, b, c)
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
	return r.unpackChunk(raw, b, c, mem)
}

// chunkOfWhole takes a chunk out of what was read of the block at once.
func (w *Rows[T]) chunkOfWhole(c *chunk) ([]byte, error) {
	raw := w.whole[c.offset-w.wholeAt:][:c.length:c.length]
	if got := checksum(raw); got != c.crc {
		return nil, w.r.corrupt(partName(w.block, c.id), c.offset, fmt.Errorf("checksum %08x, want %08x", got, c.crc))
	}
	if !c.packed {
		return w.r.plainChunk(raw, w.block, c)
	}
	return w.r.unpackChunk(raw, w.block, c, &w.scratch.mem)
}

func (r *Reader[T]) plainChunk(raw []byte, b *block, c *chunk) ([]byte, error) {
	if c.length != c.raw {
		return nil, r.badChunk(b, c.id, fmt.Errorf("%d bytes, want %d", c.length, c.raw))
	}
	return raw, nil
}

func (r *Reader[T]) unpackChunk(raw []byte, b *block, c *chunk, mem *column.Memory) ([]byte, error) {
	out, err := unpack(raw, *c, mem.Bytes(int(c.raw)))
	if err != nil {
		return nil, r.badChunk(b, c.id, err)
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
