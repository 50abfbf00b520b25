package segment

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry/calls"
)

// Options configure a Writer.
type Options struct {
	// BlockRows and BlockBytes end a block, whichever comes first. Bytes are
	// those of bodies and attributes.
	BlockRows  int
	BlockBytes int64
	Covers     Covers
	// Replaces are the IDs of the segments that it is merged from.
	Replaces []uint64
	// Calls are the rules by which the calls of spans are added up.
	Calls calls.Rules
}

// Info is what was written.
type Info struct {
	Rows     int64
	Min, Max int64 // times
	Bytes    int64 // of the file
}

// Writer writes one segment. Rows come in the order of the codec's kind.
type Writer[T any] struct {
	codec *Codec[T]
	opts  Options
	out   *output

	foot    footer
	rows    []*T
	streams []int64
	bytes   int64
	table   *streamBuilder
	keys    keyList
	ids     idBuilder
	hashes  []uint64 // of the row at hand
	given   tableWriter
	blocks  int
	tokens  tokenBounds // of the block at hand
	raw     chunks      // of the last block
	sums    summer[T]   // nil for a signal without calls
	parts   []callPart  // those that are through, and the one at hand without its bytes
}

// Create begins a segment at path. The caller ends it with Finish or Abort.
func Create[T any](fs vfs.FS, path string, codec *Codec[T], opts Options) (*Writer[T], error) {
	out, err := create(fs, path)
	if err != nil {
		return nil, err
	}
	w := &Writer[T]{codec: codec, opts: opts, out: out, table: newStreamBuilder(), given: tableWriter{table: column.NewTable()}}
	if codec.sums != nil {
		w.sums, w.parts = codec.sums(opts.Calls), []callPart{{}}
	}
	w.foot = footer{signal: codec.Kind.Signal, unit: unitRows, covers: opts.Covers, replaces: opts.Replaces}
	return w, nil
}

// Add appends a row, which must not change until as many others as a block has
// were added, or Finish.
func (w *Writer[T]) Add(r *T) error {
	w.hashes = w.codec.Kind.Hashes(w.hashes[:0], r)
	return w.AddHashed(r, w.hashes)
}

// AddHashed is Add for a row whose IDs' hashes are known already. The writer
// doesn't keep their slice.
func (w *Writer[T]) AddHashed(r *T, hashes []uint64) error {
	if w.sums != nil && w.sums.Repeats(r) {
		if err := w.endPart(); err != nil {
			return err
		}
	}
	k := w.codec.Kind
	t, size := k.Time(r), k.Size(r)
	if w.foot.rows == 0 {
		w.foot.min, w.foot.max = t, t
	}
	w.foot.min, w.foot.max = min(w.foot.min, t), max(w.foot.max, t)
	w.foot.rows++
	w.streams = append(w.streams, int64(w.table.add(k.Stream(r), t, size)))
	w.rows = append(w.rows, r)
	w.bytes += size
	w.ids.unit = append(w.ids.unit, hashes...)
	if w.codec.text != nil {
		w.ids.unit = w.tokens.add(w.ids.unit, w.codec.text(r))
	}
	w.ids.endRow()
	if w.sums != nil {
		w.sums.Add(r, w.blocks-w.parts[len(w.parts)-1].first)
	}
	if len(w.rows) >= w.opts.BlockRows || w.bytes >= w.opts.BlockBytes {
		return w.endBlock()
	}
	return nil
}

func (w *Writer[T]) endBlock() error {
	b := block{rows: len(w.rows), min: w.codec.Kind.Time(w.rows[0]), tokens: w.tokens}
	b.max = b.min
	zones := map[int]byte{}
	for i, r := range w.rows {
		t := w.codec.Kind.Time(r)
		b.min, b.max = min(b.min, t), max(b.max, t)
		s := int(w.streams[i])
		zones[s] = max(zones[s], w.codec.zone(r))
	}
	for _, s := range slices.Sorted(maps.Keys(zones)) {
		b.streams = append(b.streams, blockStream{s, zones[s]})
	}
	w.codec.encode(w.raw.emptied(), w.rows, w.streams, w.given.table)
	for id, raw := range w.raw {
		if len(raw) == 0 {
			continue
		}
		if chunkID(id) == chunkAttrs {
			b.keys = w.keys.places(column.NewCursor(raw).Keys())
		}
		c, err := w.out.chunk(chunkID(id), raw)
		if err != nil {
			return err
		}
		b.chunks = append(b.chunks, c)
	}
	if err := w.given.endBlock(w.out, b, w.codec.alone); err != nil {
		return err
	}
	w.blocks++
	w.rows, w.streams, w.bytes, w.tokens = w.rows[:0], w.streams[:0], 0, tokenBounds{}
	w.ids.endUnit()
	return w.out.flushIfBig()
}

// endPart begins other sums of calls, with a block of its own.
func (w *Writer[T]) endPart() error {
	if len(w.rows) > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if err := w.closeSums(); err != nil {
		return err
	}
	w.sums, w.parts = w.codec.sums(w.opts.Calls), append(w.parts, callPart{first: w.blocks})
	return nil
}

func (w *Writer[T]) closeSums() error {
	b, err := w.sums.Append(nil)
	if err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	w.parts[len(w.parts)-1].bytes = b
	return nil
}

// Finish writes the indexes and makes the file durable, though not yet its
// entry in the directory. On an error the file is gone.
func (w *Writer[T]) Finish() (Info, error) {
	if err := w.finish(); err != nil {
		w.Abort()
		return Info{}, err
	}
	return Info{Rows: w.foot.rows, Min: w.foot.min, Max: w.foot.max, Bytes: w.out.offset}, nil
}

func (w *Writer[T]) finish() error {
	if len(w.rows) > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	w.given.endTable(w.out)
	w.foot.streams = w.out.section(w.table.append(nil))
	w.foot.blocks = w.out.section(append(binary.AppendUvarint(w.keys.append(nil), uint64(w.blocks)), w.given.index...))
	if err := w.ids.write(w.out, &w.foot); err != nil {
		return err
	}
	if w.sums != nil {
		if err := w.closeSums(); err != nil {
			return err
		}
		w.foot.calls = w.out.section(appendCallParts(nil, w.parts))
	}
	return w.out.finish(&w.foot)
}

// Abort removes what was written.
func (w *Writer[T]) Abort() { w.out.abort() }
