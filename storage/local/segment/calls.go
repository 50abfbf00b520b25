package segment

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/callsum"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// CallPart is the sums of some of the segment's blocks: all of them, or about
// those that came from one of the segments that it was made of. In it the spans
// of a trace stand together.
type CallPart struct {
	First, End int   // blocks, First <= b < End
	Min, Max   int64 // times of their spans
	Sums       *callsum.Summary
}

// callPart is a CallPart as it stands in the file.
type callPart struct {
	first int
	bytes []byte
}

func appendCallParts(dst []byte, parts []callPart) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(parts)))
	for _, p := range parts {
		dst = binary.AppendUvarint(dst, uint64(p.first))
		dst = binary.AppendUvarint(dst, uint64(len(p.bytes)))
	}
	for _, p := range parts {
		dst = append(dst, p.bytes...)
	}
	return dst
}

// callParts reads the sums as they stand in the file, nil for a signal without.
func (r *Reader[T]) callParts() ([]callPart, error) {
	if r.codec.sums == nil {
		return nil, nil
	}
	b, err := r.read(r.foot.calls, callsPart, true)
	if err != nil {
		return nil, err
	}
	c := column.NewCursor(b)
	parts := make([]callPart, c.Count(2))
	sizes := make([]int, len(parts))
	for i := range parts {
		first, size := c.Uvarint(), c.Uvarint()
		if first >= uint64(max(len(r.blocks), 1)) || (i == 0) != (first == 0) || i > 0 && int(first) <= parts[i-1].first || size > uint64(len(b)) {
			c.Fail("sums from block %d of %d on, of %d bytes", first, len(r.blocks), size)
			break
		}
		parts[i].first, sizes[i] = int(first), int(size)
	}
	for i := range parts {
		parts[i].bytes = c.Bytes(sizes[i])
	}
	if err := ended(c); err != nil {
		return nil, r.BadCalls(err)
	}
	return parts, nil
}

// callsPart is how errors name the sums.
const callsPart = "sums of calls"

// end is the first block behind part i.
func (r *Reader[T]) end(parts []callPart, i int) int {
	if i+1 < len(parts) {
		return parts[i+1].first
	}
	return len(r.blocks)
}

// Calls returns the sums of the segment's calls.
func (r *Reader[T]) Calls() ([]CallPart, error) {
	parts, err := r.callParts()
	if err != nil {
		return nil, err
	}
	out := make([]CallPart, len(parts))
	for i, p := range parts {
		o := &out[i]
		o.First, o.End = p.first, r.end(parts, i)
		if o.Sums, err = callsum.Parse(p.bytes); err != nil {
			return nil, r.BadCalls(err)
		}
		o.Min, o.Max = r.foot.max, r.foot.min
		for _, b := range r.blocks[o.First:o.End] {
			o.Min, o.Max = min(o.Min, b.min), max(o.Max, b.max)
		}
	}
	return out, nil
}

// BadCalls returns the error of sums that turned out wrong when they were read.
func (r *Reader[T]) BadCalls(err error) error {
	return r.corrupt(callsPart, r.foot.calls.offset, err)
}

// callCheck makes the sums of calls anew, of rows that are read block by block.
type callCheck[T any] struct {
	r     *Reader[T]
	parts []callPart
	at    int // part
	sums  summer[T]
	bad   func(error)
	off   bool // nothing is to be compared
}

func (r *Reader[T]) checkCalls(bad func(error)) *callCheck[T] {
	parts, err := r.callParts()
	if err != nil {
		bad(err)
	}
	return &callCheck[T]{r: r, parts: parts, at: -1, bad: bad, off: len(parts) == 0}
}

// block takes the rows of the next block in; nil where they cannot be read.
func (c *callCheck[T]) block(n int, rows []T) {
	if c.at+1 < len(c.parts) && c.parts[c.at+1].first == n {
		c.end()
		c.at++
		c.begin()
	}
	if c.off = c.off || rows == nil; c.off {
		return
	}
	for i := range rows {
		c.sums.Add(&rows[i], n-c.parts[c.at].first)
	}
}

func (c *callCheck[T]) begin() {
	s, err := callsum.Parse(c.parts[c.at].bytes)
	if c.off = err != nil; err != nil {
		c.bad(c.r.BadCalls(err))
		return
	}
	c.sums = c.r.codec.sums(s.Rules)
}

// end compares the sums of a part that is through.
func (c *callCheck[T]) end() {
	if c.off || c.at < 0 {
		return
	}
	want, err := c.sums.Append(nil)
	if err == nil {
		err = callsum.Equal(c.parts[c.at].bytes, want)
	}
	if err != nil {
		c.bad(c.r.BadCalls(err))
	}
}

// TraceQuery selects whole traces of a segment.
type TraceQuery struct {
	// First and End are the blocks that are looked at, First <= b < End: those of
	// a CallPart.
	First, End int
	// Blocks are those in which the first spans of the wanted traces stand,
	// ascending.
	Blocks []int
	// Wanted reports whether a trace is wanted whatever its spans.
	Wanted func(hash uint32) bool
	// In reports whether a trace is wanted for a span that starts at a time, and
	// InBlock whether a block of these times may have such spans; nil where there
	// are none.
	In      func(start int64) bool
	InBlock func(from, to int64) bool
	Stats   *storage.ReadStats // may be nil
}

// traceBlock is a block whose rows are being chosen.
type traceBlock struct {
	number int
	rows   *Rows[span]
	traces []telemetry.TraceID
	keep   []bool
}

// mark keeps the rows of the first or the last trace of a block.
func (b *traceBlock) mark(last bool) {
	i, step := 0, 1
	if last {
		i, step = len(b.traces)-1, -1
	}
	for id := b.traces[i]; i >= 0 && i < len(b.traces) && b.traces[i] == id; i += step {
		b.keep[i] = true
	}
}

// first and last are the block's first and last trace.
func (b *traceBlock) first() telemetry.TraceID { return b.traces[0] }
func (b *traceBlock) last() telemetry.TraceID  { return b.traces[len(b.traces)-1] }

// Traces yields the spans of whole traces, some at a time, with what calls are
// told from. A block that cannot be read is told to bad, and left out.
func Traces(ctx context.Context, r *Reader[span], q TraceQuery, bad func(error), yield func([]telemetry.Span)) error {
	blocks := q.Blocks
	if q.In != nil {
		blocks = slices.Clone(blocks)
		for b := q.First; b < q.End; b++ {
			if q.InBlock(r.blocks[b].min, r.blocks[b].max) {
				blocks = append(blocks, b)
			}
		}
		slices.Sort(blocks)
		blocks = slices.Compact(blocks)
	}
	var held []*traceBlock // those through which the trace goes on that the last one ends with
	flush := func() {
		for _, b := range held {
			if err := b.take(yield); err != nil {
				bad(err)
			}
		}
		held = held[:0]
	}
	for i := 0; i < len(blocks); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := chooseTraces(r, blocks[i], &q)
		if err != nil {
			bad(err)
			flush()
			continue
		}
		if !join(held, b) {
			flush()
			held = before(r, b, &q, bad)
		} else if b.first() != b.last() {
			flush()
		}
		held = append(held, b)
		// A trace that the block ends with may go on in the next one.
		if next := b.number + 1; b.keep[len(b.keep)-1] && next < q.End && (i+1 == len(blocks) || blocks[i+1] != next) {
			blocks = slices.Insert(slices.Clone(blocks), i+1, next)
		}
	}
	flush()
	return ctx.Err()
}

// before returns the blocks in which the trace stands that b begins with, where
// it is wanted.
func before(r *Reader[span], b *traceBlock, q *TraceQuery, bad func(error)) (out []*traceBlock) {
	for n := b.number - 1; b.keep[0] && n >= q.First; n-- {
		p, err := chooseTraces(r, n, &TraceQuery{Stats: q.Stats})
		if err != nil {
			bad(err)
			return out
		}
		if p.last() != b.first() {
			return out
		}
		p.mark(true)
		out = slices.Insert(out, 0, p)
		if p.first() != p.last() {
			return out
		}
	}
	return out
}

// join keeps the rows of a trace that goes on from the held blocks to b in all
// of them, where it is wanted in one. It reports false where none goes on.
func join(held []*traceBlock, b *traceBlock) bool {
	if len(held) == 0 {
		return false
	}
	last := held[len(held)-1]
	if b.number != last.number+1 || b.first() != last.last() {
		return false
	}
	switch {
	case last.keep[len(last.keep)-1]:
		b.mark(false)
	case b.keep[0]:
		for _, h := range held {
			h.mark(true)
		}
	}
	return true
}

// chooseTraces finds the rows of wanted traces in a block.
func chooseTraces(r *Reader[span], block int, q *TraceQuery) (*traceBlock, error) {
	if block < 0 || block >= len(r.blocks) {
		return nil, r.BadCalls(fmt.Errorf("block %d of %d", block, len(r.blocks)))
	}
	w, err := r.readIn(&record.Query[span]{From: -1 << 63, Stats: q.Stats}, Part{Block: block}, &scratch{})
	if err == nil {
		err = w.need(chunkIDs)
	}
	if err != nil {
		return nil, err
	}
	times := w.times.All()
	out := &traceBlock{number: block, rows: w, traces: w.cols.(*spanColumns).traces.All(), keep: make([]bool, w.block.rows)}
	if err := w.healthy(); err != nil {
		return nil, err
	}
	for i := 0; i < len(out.keep); {
		end := i + 1
		for end < len(out.keep) && out.traces[end] == out.traces[i] {
			end++
		}
		keep := q.Wanted != nil && q.Wanted(calls.TraceHash(out.traces[i]))
		for j := i; !keep && q.In != nil && j < end; j++ {
			keep = q.In(times[j])
		}
		for ; i < end; i++ {
			out.keep[i] = keep
		}
	}
	return out, nil
}

// take makes records of the rows that are kept.
func (b *traceBlock) take(yield func([]telemetry.Span)) error {
	var sel []int
	for i, keep := range b.keep {
		if keep {
			sel = append(sel, i)
		}
	}
	if len(sel) == 0 {
		return nil
	}
	rows, err := b.rows.make(sel, storage.ColSpan|storage.ColAttrs|storage.ColRest)
	if err != nil {
		return err
	}
	yield(rows)
	return nil
}
