package local

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/telemetry"
)

// merge reads a snapshot in the order of a query, opening as little as it can.
//
// It keeps a heap of sources, by the time of the first row that each may
// yield. A segment at the top is opened and becomes its blocks; a block at the
// top is read and becomes a cursor over its rows; a cursor at the top yields
// rows until another source comes first. So newest-first with a limit reads
// the newest blocks only. Columns that no condition needs are read when a
// block's first row is yielded. Without an order the newest parts still come
// first, but their rows are not merged.
type merge[T any] struct {
	s       *Store
	sig     *signal[T]
	q       *record.Query[T]
	sources sources[T]
	streams map[*telemetry.Stream]bool // what the predicate said, for runs
	lookup  bool                       // the ID indexes are asked
	width   int                        // how many parts are read at once

	out  []T
	size int // of the next batch
}

// source is a segment, a part of one, a run or a cursor.
type source[T any] struct {
	time    int64 // of the first row it may yield
	rank, n uint64
	handle  *handle[T]
	part    *segment.Part
	run     *head.Run[T]
	cursor  *cursor[T]
}

// isSegment reports whether it is a segment that was not planned yet.
func (s *source[T]) isSegment() bool { return s.run == nil && s.part == nil && s.cursor == nil }

// isPart reports whether it is a part that was not read yet.
func (s *source[T]) isPart() bool { return s.part != nil && s.cursor == nil }

// cursor goes through rows in the query's order. It makes records of them some
// at a time, more with every time: most readers stop early.
type cursor[T any] struct {
	rows   int
	next   int
	time   func(i int) int64
	stream func(i int) *telemetry.Stream
	take   func(from, to int) ([]T, error)
	batch  []T // rows up to upto
	upto   int
	size   int
	owner  *handle[T]
	free   func() // gives memory back; nil for nothing to give
}

func (c *cursor[T]) release() {
	if c.free != nil {
		c.free()
		c.free = nil
	}
}

// row returns the next row.
func (c *cursor[T]) row() (*T, error) {
	if c.next == c.upto {
		c.size = min(max(2*c.size, firstBatch), lastBatch)
		to := min(c.next+c.size, c.rows)
		batch, err := c.take(c.next, to)
		if err != nil {
			return nil, err
		}
		c.batch, c.upto = batch, to
	}
	return &c.batch[len(c.batch)-(c.upto-c.next)], nil
}

// runRank puts runs, which are newer, behind all segments among rows of the same
// nanosecond and stream.
const runRank = 1 << 63

func newMerge[T any](s *Store, sig *signal[T], q *record.Query[T]) *merge[T] {
	m := &merge[T]{s: s, sig: sig, q: q, size: firstBatch, streams: map[*telemetry.Stream]bool{}, width: runtime.GOMAXPROCS(0)}
	m.lookup = q.Hashes != nil || slices.ContainsFunc(q.Text, segment.HasID)
	m.sources.newestFirst, m.sources.inOrder = q.Order != storage.OldestFirst, q.Order != storage.OrderAny
	return m
}

// bound is the time that a part with these first and last times starts at.
func (m *merge[T]) bound(first, last int64) int64 {
	if m.sources.newestFirst {
		if m.q.To > 0 {
			last = min(last, m.q.To-1)
		}
		return last
	}
	return max(first, m.q.From)
}

func (m *merge[T]) addRun(r *head.Run[T]) {
	m.sources.list = append(m.sources.list, source[T]{time: m.bound(r.Min, r.Max), rank: runRank | r.Seq, run: r})
}

func (m *merge[T]) addSegment(h *handle[T]) {
	m.sources.list = append(m.sources.list, source[T]{time: m.bound(h.meta.Min, h.meta.Max), rank: h.meta.ID, handle: h})
}

// run yields everything.
func (m *merge[T]) run(ctx context.Context, yield func([]T, error) bool) {
	heap.Init(&m.sources)
	defer m.release()
	for m.sources.Len() > 0 {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		if top := &m.sources.list[0]; top.cursor != nil {
			if !m.emit(ctx, top, yield) {
				return
			}
			continue
		}
		m.expand(ctx, heap.Pop(&m.sources).(source[T]))
	}
	switch err := ctx.Err(); {
	case err != nil: // it may have ended what was read last, which looks like all there is
		yield(nil, err)
	case len(m.out) > 0:
		yield(m.out, nil)
	}
}

// release gives the memory back of what was not read to its end.
func (m *merge[T]) release() {
	for i := range m.sources.list {
		if c := m.sources.list[i].cursor; c != nil {
			c.release()
		}
	}
}

// expand replaces a source by what is in it.
func (m *merge[T]) expand(ctx context.Context, src source[T]) {
	switch {
	case src.run != nil:
		m.push(src, m.runCursor(src.run))
	case src.part != nil:
		m.expandParts(ctx, src)
	default:
		m.expandSegment(ctx, src)
	}
}

// push adds a cursor over what was in src.
func (m *merge[T]) push(src source[T], c *cursor[T]) {
	if c.rows == 0 {
		c.release()
		return
	}
	src.cursor, src.time = c, c.time(0)
	if m.q.Order == storage.OrderAny {
		// It stays at the top until it is through.
		src.time = maxTime
	}
	heap.Push(&m.sources, src)
}

const maxTime = 1<<63 - 1

// emit yields rows of the cursor at the top until another source comes first.
// It reports false where the reader wants no more.
func (m *merge[T]) emit(ctx context.Context, top *source[T], yield func([]T, error) bool) bool {
	c := top.cursor
	rival := m.sources.second()
	for c.next < c.rows && (rival < 0 || m.sources.Less(0, rival)) {
		row, err := c.row()
		if err != nil {
			warn(ctx, m.s, c.owner, m.q.Stats, err)
			c.release()
			heap.Pop(&m.sources)
			return true
		}
		if m.out == nil {
			m.out = make([]T, 0, min(m.size, c.rows-c.next))
		}
		m.out = append(m.out, *row)
		c.next++
		if c.next < c.rows && m.q.Order != storage.OrderAny {
			top.time = c.time(c.next)
		}
		if len(m.out) >= m.size {
			out := m.out
			m.size = min(2*m.size, lastBatch)
			m.out = nil
			if !yield(out, nil) {
				return false
			}
			break // the loop above looks at the context
		}
	}
	if c.next == c.rows {
		c.release()
		heap.Pop(&m.sources)
	} else {
		heap.Fix(&m.sources, 0)
	}
	return true
}

// sources is the heap.
type sources[T any] struct {
	newestFirst bool
	inOrder     bool // of time, and of streams in a nanosecond
	list        []source[T]
}

// Len implements heap.Interface.
func (h *sources[T]) Len() int { return len(h.list) }

// Less implements heap.Interface. Of sources of the same time those that are
// not open yet come first: their rows may have to come before the others'. Rows
// of the same time come by stream and then as they arrived, or the other way
// round, so that the order is the same in whatever parts they are.
func (h *sources[T]) Less(i, j int) bool {
	a, b := &h.list[i], &h.list[j]
	if a.time != b.time {
		return (a.time > b.time) == h.newestFirst
	}
	if (a.cursor == nil) != (b.cursor == nil) {
		return a.cursor == nil
	}
	if !h.inOrder {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.n, b.n)) < 0
	}
	order := 0
	if a.cursor != nil {
		s, t := a.cursor.stream(a.cursor.next), b.cursor.stream(b.cursor.next)
		order = bytes.Compare(s.ID[:], t.ID[:])
	}
	order = cmp.Or(order, cmp.Compare(a.rank, b.rank), cmp.Compare(a.n, b.n))
	return order != 0 && (order > 0) == h.newestFirst
}

// Swap implements heap.Interface.
func (h *sources[T]) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }

// Push implements heap.Interface.
func (h *sources[T]) Push(x any) { h.list = append(h.list, x.(source[T])) }

// Pop implements heap.Interface.
func (h *sources[T]) Pop() any {
	n := len(h.list) - 1
	x := h.list[n]
	h.list[n] = source[T]{}
	h.list = h.list[:n]
	return x
}

// second is the place of the source behind the first, -1 where there is none.
func (h *sources[T]) second() int {
	switch {
	case len(h.list) < 2:
		return -1
	case len(h.list) == 2 || h.Less(1, 2):
		return 1
	}
	return 2
}

// expandSegment plans a segment and, where an index is asked, those that come
// next: each is a few small reads, which may have to wait for the disk.
func (m *merge[T]) expandSegment(ctx context.Context, src source[T]) {
	list := []source[T]{src}
	for m.lookup && len(list) < lookupsInTurn && m.sources.Len() > 0 && m.sources.list[0].isSegment() {
		list = append(list, heap.Pop(&m.sources).(source[T]))
	}
	plans := m.planSegments(ctx, list)
	for i, src := range list {
		if st := m.q.Stats; st != nil {
			st.Blocks += plans[i].stats.Blocks
			st.BlocksSkipped += plans[i].stats.BlocksSkipped
			st.Warnings = append(st.Warnings, plans[i].stats.Warnings...)
		}
		for k := range plans[i].parts {
			p := &plans[i].parts[k]
			heap.Push(&m.sources, source[T]{
				time: m.bound(p.Min, p.Max), rank: plans[i].rank, n: uint64(p.Block), handle: src.handle, part: p,
			})
		}
	}
}

// lookupsAtOnce bounds how many segments are asked at the same time, and how
// many blocks of each are fetched ahead, or of objects read. Each of those who
// ask takes the next of lookupsInTurn: where nothing has to wait for the disk,
// to begin a goroutine for a segment costs more than to ask it.
const (
	lookupsAtOnce = 8
	lookupsInTurn = 16 * lookupsAtOnce
)

// planSegments plans some segments at the same time.
func (m *merge[T]) planSegments(ctx context.Context, list []source[T]) []segmentPlan {
	plans := make([]segmentPlan, len(list))
	inTurn(len(list), lookupsAtOnce, func(i int) { plans[i] = m.planSegment(ctx, list[i]) })
	return plans
}

// inTurn does n things, some at the same time: each of those who do them takes
// the next.
func inTurn(n, atOnce int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			do(int(i))
		}
	}
	var others sync.WaitGroup
	for range min(n, atOnce) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// segmentPlan is what is to be read of a segment.
type segmentPlan struct {
	rank  uint64
	parts []segment.Part
	stats storage.ReadStats
}

func (m *merge[T]) planSegment(ctx context.Context, src source[T]) (out segmentPlan) {
	r, err := src.handle.open(ctx)
	if err != nil {
		warn(ctx, m.s, src.handle, &out.stats, err)
		return out
	}
	out.rank = r.Since(src.rank)
	q := *m.q
	q.Stats = &out.stats
	parts, skipped := planParts(ctx, m.s, src.handle, r, &q, nil)
	out.parts, out.stats.Blocks, out.stats.BlocksSkipped = parts, int64(len(parts)), int64(skipped)
	if m.lookup && !src.handle.remote() {
		// Those who look for an ID nearly always want all of it: the disk shall
		// be at work on it while the first blocks are decoded.
		for _, p := range parts[:min(len(parts), lookupsAtOnce)] {
			r.Prefetch(p)
		}
	}
	return out
}

// planParts is the segment's Plan. Where its index is damaged, the blocks need
// not be: then it is all of them. mu, if set, guards the query's statistics.
func planParts[T any](ctx context.Context, s *Store, h *handle[T], r *segment.Reader[T], q *record.Query[T], mu sync.Locker) ([]segment.Part, int) {
	parts, skipped, err := r.Plan(q)
	if err == nil {
		return parts, skipped
	}
	if mu != nil {
		mu.Lock()
		defer mu.Unlock()
	}
	warn(ctx, s, h, q.Stats, err)
	all := *q
	all.Hashes, all.Text = nil, nil
	parts, skipped, _ = r.Plan(&all)
	return parts, skipped
}

// expandParts reads a part and, on the other cores, those that come next: they
// will be wanted soon, unless the reader stops here.
func (m *merge[T]) expandParts(ctx context.Context, src source[T]) {
	ahead := m.width
	if m.lookup {
		ahead = max(ahead, lookupsAtOnce) // nearly always all of them are wanted
	}
	list := []source[T]{src}
	for len(list) < ahead && m.sources.Len() > 0 && m.sources.list[0].isPart() {
		list = append(list, heap.Pop(&m.sources).(source[T]))
	}
	if src.handle.remote() {
		// Objects answer late, and many at once as soon as one.
		m.width = min(2*m.width, max(m.width, lookupsAtOnce))
	}
	read := make([]partRead[T], len(list))
	inTurn(len(list), m.width, func(i int) { read[i] = m.readPart(ctx, list[i]) })
	for i, src := range list {
		if st := m.q.Stats; st != nil {
			st.Rows += read[i].stats.Rows
			st.Bytes += read[i].stats.Bytes
		}
		if read[i].err != nil {
			warn(ctx, m.s, src.handle, m.q.Stats, read[i].err)
			continue
		}
		m.push(src, read[i].cursor)
	}
}

// partRead is what became of reading a part.
type partRead[T any] struct {
	cursor *cursor[T]
	stats  storage.ReadStats
	err    error
}

func (m *merge[T]) readPart(ctx context.Context, src source[T]) (out partRead[T]) {
	r, err := src.handle.open(ctx)
	if err != nil {
		return partRead[T]{err: err}
	}
	if src.handle.remote() {
		r.Prefetch(*src.part)
	}
	q := *m.q
	q.Stats = &out.stats
	rows, err := r.ReadBorrowed(&q, *src.part)
	if err != nil {
		out.err = err
		return out
	}
	if q.Order != storage.OrderAny {
		rows.SortByTime(m.sources.newestFirst)
	}
	if rows.Len() > firstBatch {
		rows.CountIn(m.q.Stats)
		out.cursor = m.partCursor(src, rows)
		return out
	}
	// Few rows are made here: the other cores do so at the same time.
	out.cursor, out.err = m.smallCursor(src, rows)
	rows.Release()
	return out
}

func (m *merge[T]) partCursor(src source[T], rows *segment.Rows[T]) *cursor[T] {
	return &cursor[T]{
		rows: rows.Len(), owner: src.handle, time: rows.Time, stream: rows.Stream, free: rows.Release,
		take: func(from, to int) ([]T, error) { return rows.Take(from, to, m.q.Columns) },
	}
}

// smallCursor has all its rows already.
func (m *merge[T]) smallCursor(src source[T], rows *segment.Rows[T]) (*cursor[T], error) {
	n := rows.Len()
	batch, err := rows.Take(0, n, m.q.Columns)
	if err != nil {
		return nil, err
	}
	times, streams := make([]int64, n), make([]*telemetry.Stream, n)
	for i := range times {
		times[i], streams[i] = rows.Time(i), rows.Stream(i)
	}
	return &cursor[T]{
		rows: n, owner: src.handle, batch: batch, upto: n,
		time: func(i int) int64 { return times[i] }, stream: func(i int) *telemetry.Stream { return streams[i] },
	}, nil
}
