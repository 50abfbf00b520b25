package segment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
)

// Rows is what a query wants of one block. Their always present fields are
// set; Load sets the others.
type Rows[T any] struct {
	// Rows are in the order of the file. Load changes them in place.
	Rows   []T
	r      *Reader[T]
	block  *block
	sel    []int // their numbers in the block
	loaded storage.Columns
	stats  *storage.ReadStats
}

// Read reads the rows of a part that q wants. It loads further columns only
// where q's condition needs them.
func (r *Reader[T]) Read(q *record.Query[T], p Part) (*Rows[T], error) {
	b := &r.blocks[p.Block]
	out := &Rows[T]{r: r, block: b, stats: q.Stats}
	raw, err := r.chunk(b, chunkCore, q.Stats)
	if err != nil {
		return nil, err
	}
	c := column.NewCursor(raw)
	streams, times := c.Ints(b.rows), c.Ints(b.rows)
	if c.Err() != nil {
		return nil, r.badChunk(b, chunkCore, c.Err())
	}
	if out.sel, err = r.selectRows(q, p, streams, times); err != nil {
		return nil, r.badChunk(b, chunkCore, err)
	}
	if q.Stats != nil {
		q.Stats.Rows += int64(b.rows)
	}
	if len(out.sel) == 0 {
		return out, nil
	}
	set, err := r.codec.core(c, times)
	if err != nil {
		return nil, r.badChunk(b, chunkCore, err)
	}
	out.Rows = make([]T, len(out.sel))
	for i, row := range out.sel {
		set(&out.Rows[i], row)
		r.codec.setStream(&out.Rows[i], r.streams[streams[row]].Stream)
	}
	if q.Core != nil {
		out.keep(q.Core)
	}
	if q.Match != nil && len(out.sel) > 0 {
		if err := out.Load(q.Needs); err != nil {
			return nil, err
		}
		out.keep(q.Match)
	}
	return out, nil
}

// selectRows returns the rows of the block in q's range, streams and units.
func (r *Reader[T]) selectRows(q *record.Query[T], p Part, streams, times []int64) ([]int, error) {
	wanted := r.wantedIn(q, &r.blocks[p.Block])
	sel := make([]int, 0, min(len(times), 1024))
	take := func(from, to int) error {
		for row := from; row < to; row++ {
			if s := streams[row]; s < 0 || s >= int64(len(r.streams)) {
				return fmt.Errorf("%w: stream %d of %d", column.ErrCorrupt, s, len(r.streams))
			}
			if q.InRange(times[row]) && (wanted == nil || wanted[int(streams[row])]) {
				sel = append(sel, row)
			}
		}
		return nil
	}
	if p.units == nil {
		return sel, take(0, len(times))
	}
	for _, first := range p.units {
		if err := take(max(int(first), 0), min(int(first)+r.foot.unit, len(times))); err != nil {
			return nil, err
		}
	}
	return sel, nil
}

// wantedIn asks the query's predicate for the streams of one block.
func (r *Reader[T]) wantedIn(q *record.Query[T], b *block) map[int]bool {
	if q.Stream == nil {
		return nil
	}
	out := make(map[int]bool, len(b.streams))
	all := true
	for _, s := range b.streams {
		out[s] = q.Stream(r.streams[s].Stream)
		all = all && out[s]
	}
	if all {
		return nil
	}
	return out
}

// keep drops the rows that the condition is not true for.
func (w *Rows[T]) keep(cond func(*T) bool) {
	n := 0
	for i := range w.Rows {
		if !cond(&w.Rows[i]) {
			continue
		}
		if n != i {
			w.Rows[n], w.sel[n] = w.Rows[i], w.sel[i]
		}
		n++
	}
	clear(w.Rows[n:])
	w.Rows, w.sel = w.Rows[:n], w.sel[:n]
}

// Load sets the fields of the columns.
func (w *Rows[T]) Load(cols storage.Columns) error {
	if len(w.Rows) == 0 {
		return nil
	}
	for id := chunkSeverity; id < chunkCount; id++ {
		if id.column()&cols == 0 || id.column()&w.loaded != 0 || !w.block.has(id) {
			continue
		}
		raw, err := w.r.chunk(w.block, id, w.stats)
		if err != nil {
			return err
		}
		if err := w.r.codec.fill(id, column.NewCursor(raw), w.Rows, w.sel, w.block.rows); err != nil {
			return w.r.badChunk(w.block, id, err)
		}
		w.loaded |= id.column()
	}
	return nil
}

// SortByTime puts the rows in order of time. Rows of the same nanosecond stay
// in the order of the file, whatever the direction.
func (w *Rows[T]) SortByTime(newestFirst bool) {
	k := w.r.codec.Kind
	type ref struct {
		time int64
		i    int
	}
	refs := make([]ref, len(w.Rows))
	for i := range w.Rows {
		refs[i] = ref{k.Time(&w.Rows[i]), i}
	}
	slices.SortFunc(refs, func(a, b ref) int {
		c := cmp.Compare(a.time, b.time)
		if newestFirst {
			c = -c
		}
		if c == 0 {
			c = cmp.Compare(a.i, b.i)
		}
		return c
	})
	rows, sel := make([]T, len(refs)), make([]int, len(refs))
	for i, r := range refs {
		rows[i], sel[i] = w.Rows[r.i], w.sel[r.i]
	}
	w.Rows, w.sel = rows, sel
}

func (b *block) has(id chunkID) bool { return b.chunk(id) != nil }

func (b *block) chunk(id chunkID) *chunk {
	for i := range b.chunks {
		if b.chunks[i].id == id {
			return &b.chunks[i]
		}
	}
	return nil
}

// chunk reads and decompresses a chunk of a block.
func (r *Reader[T]) chunk(b *block, id chunkID, stats *storage.ReadStats) ([]byte, error) {
	c := b.chunk(id)
	if c == nil {
		return nil, r.corrupt("block index", r.foot.blocks.offset, fmt.Errorf("block without chunk %d", id))
	}
	raw, err := r.read(c.place, "chunk", true)
	if err != nil {
		var bad *CorruptionError
		if errors.As(err, &bad) {
			bad.Part = partName(b, id)
		}
		return nil, err
	}
	if stats != nil {
		stats.Bytes += c.length
	}
	out, err := unpack(raw, *c)
	if err != nil {
		return nil, r.badChunk(b, id, err)
	}
	return out, nil
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
