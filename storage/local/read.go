package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/callread"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
	"github.com/clewhq/clew/telemetry/otlp"
)

var _ storage.CallReader = (*Store)(nil)

// Logs implements storage.Reader.
func (s *Store) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return func(yield func([]telemetry.Log, error) bool) {
		read(ctx, s, s.logs, q.Tenant, record.LogQuery(q), yield)
	}
}

// Spans implements storage.Reader.
func (s *Store) Spans(ctx context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) {
		read(ctx, s, s.spans, q.Tenant, record.SpanQuery(q), yield)
	}
}

// Calls implements storage.CallReader.
func (s *Store) Calls(ctx context.Context, q storage.CallQuery) (*calls.Totals, error) {
	steps, err := s.CallSteps(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	return steps.Range, nil
}

// CallSteps implements storage.CallReader: it adds up the sums of the segments,
// and reads the spans of the heads and of what has no sums by the rules and the
// steps asked for.
func (s *Store) CallSteps(ctx context.Context, q storage.CallQuery, minutes int64) (*calls.Steps, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	sq := record.Query[telemetry.Span]{Columns: callread.Columns, Stats: q.Stats}
	sq.From, sq.To = callread.Near(q)
	v := snapshot(s, s.spans, q.Tenant, sq.From, sq.To)
	defer v.release()
	q.Stats.Segments += int64(len(v.handles))
	q.Stats.SegmentsSkipped += int64(v.skipped)
	out, m := callread.New(q, minutes), newMerge(s, s.spans, &sq)
	for _, run := range v.runs {
		m.addRun(run)
	}
	for _, h := range v.handles {
		ok, err := s.addCalls(ctx, out, h, q.Stats)
		if err != nil && ctx.Err() == nil {
			s.damaged(fileSegment, err) // its spans may be good, and then nothing is missing
		}
		if !ok {
			m.addSegment(h)
		}
	}
	m.run(ctx, func(batch []telemetry.Span, failed error) bool {
		err = failed
		return failed == nil && out.Add(batch)
	})
	if err != nil {
		return nil, err
	}
	return out.Done(ctx)
}

func (s *Store) addCalls(ctx context.Context, to *callread.Read, h *handle[telemetry.Span], stats *storage.ReadStats) (bool, error) {
	r, err := h.open(ctx)
	if err != nil {
		return false, err
	}
	return to.AddSegment(callread.Source{Reader: r, Missing: func(err error) { warn(ctx, s, h, stats, err) }})
}

// read answers one query out of one snapshot.
func read[T any](ctx context.Context, s *Store, sig *signal[T], tenant string, q *record.Query[T], yield func([]T, error) bool) {
	leave, err := s.enter()
	if err != nil {
		yield(nil, err)
		return
	}
	defer leave()
	v := snapshot(s, sig, tenant, q.From, q.To)
	defer v.release()
	m := newMerge(s, sig, q)
	for _, r := range v.runs {
		m.addRun(r)
	}
	for _, h := range v.handles {
		m.addSegment(h)
	}
	if q.Stats != nil {
		q.Stats.Segments += int64(len(v.handles))
		q.Stats.SegmentsSkipped += int64(v.skipped)
	}
	m.run(ctx, yield)
}

// warn notes that a part of a segment is missing in the answer. Where the query
// has ended there is none: it may be all that is wrong, and other damage the
// next query finds.
func warn[T any](ctx context.Context, s *Store, h *handle[T], stats *storage.ReadStats, err error) {
	if ctx.Err() != nil {
		return
	}
	if away(err) {
		missing(s, h, stats, err)
		return
	}
	h.spoilt.Store(true)
	s.damaged(fileSegment, err)
	if text := "records are missing: " + err.Error(); stats != nil && !slices.Contains(stats.Warnings, text) {
		stats.Warnings = append(stats.Warnings, text)
	}
}

// missing is warn where nothing is damaged: object storage cannot be asked. It
// says so once for each day.
func missing[T any](s *Store, h *handle[T], stats *storage.ReadStats, err error) {
	var u *object.UnavailableError
	if errors.As(err, &u) {
		err = u
	}
	text := fmt.Sprintf("records of %s are missing: %v", h.meta.Day, err)
	s.deps.Logger.Debug("a query goes without what is in object storage", "segment", h.path, "err", err)
	if stats != nil && !slices.Contains(stats.Warnings, text) {
		stats.Warnings = append(stats.Warnings, text)
	}
}

// Sizes of the batches that a read yields: small at first, since many readers
// want few, then growing.
const (
	firstBatch = 64
	lastBatch  = 512
)

// runCursor selects the rows of a run. Its rows are in order of time.
func (m *merge[T]) runCursor(r *head.Run[T]) *cursor[T] {
	rows := &runRows[T]{m: m, run: r}
	sel := m.selectRows(r)
	if m.sources.inOrder {
		byStream(r, sel)
	}
	if m.sources.newestFirst {
		slices.Reverse(sel)
	}
	if m.q.Stats != nil {
		m.q.Stats.Rows += int64(len(sel))
	}
	return &cursor[T]{
		rows: len(sel),
		time: func(i int) int64 { return r.Time(sel[i]) }, stream: func(i int) *telemetry.Stream { return r.Stream(sel[i]) },
		take: func(from, to int) ([]T, error) { return rows.take(sel[from:to]), nil },
	}
}

// byStream puts rows of the same nanosecond, which stand as they arrived, in
// order of their streams.
func byStream[T any](r *head.Run[T], sel []int) {
	for i, j := 0, 0; i < len(sel); i = j {
		for j = i + 1; j < len(sel) && r.Time(sel[j]) == r.Time(sel[i]); j++ {
		}
		if j > i+1 {
			slices.SortStableFunc(sel[i:j], func(a, b int) int {
				s, t := r.Stream(a), r.Stream(b)
				return bytes.Compare(s.ID[:], t.ID[:])
			})
		}
	}
}

// selectRows returns the rows of a run that the query selects, in order.
func (m *merge[T]) selectRows(r *head.Run[T]) (sel []int) {
	q := m.q
	rows := &runRows[T]{m: m, run: r}
	exact := q.Core != nil || q.Match != nil
	mayHold := r.MayHold(q.Text)
	take := func(i int) {
		if !q.InRange(r.Time(i)) || !m.wants(r.Stream(i)) || mayHold != nil && !mayHold(i) {
			return
		}
		if exact {
			row := rows.one(i)
			if q.Core != nil && !q.Core(row) || q.Match != nil && !q.Match(row) {
				return
			}
		}
		sel = append(sel, i)
	}
	if q.Hashes != nil {
		for _, i := range r.Find(q.Hashes) {
			take(i)
		}
		return sel
	}
	for i := r.From(q.From); i < r.Len() && q.InRange(r.Time(i)); i++ {
		take(i)
	}
	return sel
}

// runRows decodes the rows of a run.
type runRows[T any] struct {
	m      *merge[T]
	run    *head.Run[T]
	picker otlp.Picker
	last   T
}

// one decodes a row; it is good until the next.
func (d *runRows[T]) one(i int) *T {
	var zero T
	d.last = zero
	d.decode(&d.last, i)
	return &d.last
}

func (d *runRows[T]) take(sel []int) []T {
	out := make([]T, len(sel))
	for i, row := range sel {
		d.decode(&out[i], row)
	}
	return out
}

func (d *runRows[T]) decode(dst *T, row int) {
	if err := d.run.Decode(&d.picker, dst, row); err != nil {
		d.m.s.damaged(fileHead, err)
	}
}

// wants asks the query's predicate once a stream.
func (m *merge[T]) wants(s *telemetry.Stream) bool {
	if m.q.Stream == nil {
		return true
	}
	w, asked := m.streams[s]
	if !asked {
		w = m.q.Stream(s)
		m.streams[s] = w
	}
	return w
}
