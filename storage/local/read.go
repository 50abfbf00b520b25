package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

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

// warn notes that a part of a segment is missing in the answer.
func warn[T any](s *Store, h *handle[T], stats *storage.ReadStats, err error) {
	if away(err) {
		missing(s, h, stats, err)
		return
	}
	h.spoilt.Store(true)
	s.damaged(fileSegment, err)
	if stats != nil {
		stats.Warnings = append(stats.Warnings, "records are missing: "+err.Error())
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
	lastBatch  = 2048
)
