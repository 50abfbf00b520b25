package local

import (
	"container/heap"
	"sync"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
)

// expandSegment plans a segment and, where an index is asked, those that come
// next: each is a few small reads, which may have to wait for the disk.
func (m *merge[T]) expandSegment(src source[T]) {
	list := []source[T]{src}
	for m.lookup && len(list) < lookupsAtOnce && m.sources.Len() > 0 && m.sources.list[0].isSegment() {
		list = append(list, heap.Pop(&m.sources).(source[T]))
	}
	plans := make([]segmentPlan, len(list))
	var others sync.WaitGroup
	for i := range list[1:] {
		others.Go(func() { plans[1+i] = m.planSegment(list[1+i]) })
	}
	plans[0] = m.planSegment(src)
	others.Wait()
	for i, src := range list {
		if st := m.q.Stats; st != nil {
			st.Blocks += plans[i].stats.Blocks
			st.BlocksSkipped += plans[i].stats.BlocksSkipped
			st.Warnings = append(st.Warnings, plans[i].stats.Warnings...)
		}
		for k := range plans[i].parts {
			p := &plans[i].parts[k]
			heap.Push(&m.sources, source[T]{
				time: m.bound(p.Min, p.Max), rank: src.rank, n: uint64(p.Block), handle: src.handle, part: p,
			})
		}
	}
}

// lookupsAtOnce bounds how many segments are asked at the same time, and how
// many blocks are read.
const lookupsAtOnce = 8

// segmentPlan is what is to be read of a segment.
type segmentPlan struct {
	parts []segment.Part
	stats storage.ReadStats
}

func (m *merge[T]) planSegment(src source[T]) (out segmentPlan) {
	r, err := src.handle.open()
	if err != nil {
		warn(m.s, src.handle, &out.stats, err)
		return out
	}
	q := *m.q
	q.Stats = &out.stats
	parts, skipped := planParts(m.s, src.handle, r, &q, nil)
	out.parts, out.stats.Blocks, out.stats.BlocksSkipped = parts, int64(len(parts)), int64(skipped)
	return out
}

// planParts is the segment's Plan. Where its index is damaged, the blocks need
// not be: then it is all of them. mu, if set, guards the query's statistics.
func planParts[T any](s *Store, h *handle[T], r *segment.Reader[T], q *record.Query[T], mu sync.Locker) ([]segment.Part, int) {
	parts, skipped, err := r.Plan(q)
	if err == nil {
		return parts, skipped
	}
	if mu != nil {
		mu.Lock()
		defer mu.Unlock()
	}
	warn(s, h, q.Stats, err)
	all := *q
	all.Hashes, all.Text = nil, nil
	parts, skipped, _ = r.Plan(&all)
	return parts, skipped
}

// expandParts reads a part and, on the other cores, those that come next: they
// will be wanted soon, unless the reader stops here.
func (m *merge[T]) expandParts(src source[T]) {
	list := []source[T]{src}
	for len(list) < m.width && m.sources.Len() > 0 && m.sources.list[0].isPart() {
		list = append(list, heap.Pop(&m.sources).(source[T]))
	}
	if m.lookup {
		// Those who look for an ID nearly always want all of it.
		m.width = min(2*m.width, max(m.width, lookupsAtOnce))
	}
	read := make([]partRead[T], len(list))
	var others sync.WaitGroup
	for i := range list[1:] {
		others.Go(func() { read[1+i] = m.readPart(list[1+i]) })
	}
	read[0] = m.readPart(list[0])
	others.Wait()
	for i, src := range list {
		if st := m.q.Stats; st != nil {
			st.Rows += read[i].stats.Rows
			st.Bytes += read[i].stats.Bytes
		}
		if read[i].err != nil {
			warn(m.s, src.handle, m.q.Stats, read[i].err)
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

func (m *merge[T]) readPart(src source[T]) (out partRead[T]) {
	r, err := src.handle.open()
	if err != nil {
		return partRead[T]{err: err}
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
		rows: rows.Len(), owner: src.handle, time: rows.Time, free: rows.Release,
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
	times := make([]int64, n)
	for i := range times {
		times[i] = rows.Time(i)
	}
	return &cursor[T]{rows: n, owner: src.handle, batch: batch, upto: n, time: func(i int) int64 { return times[i] }}, nil
}
