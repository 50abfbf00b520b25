package traceqltest

import (
	"bytes"
	"context"
	"hash/fnv"
	"iter"
	"slices"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// batchSize is small, so that tests meet the edges of batches.
const batchSize = 3

// Store is a storage.Reader over spans in memory. Fields that a query's
// columns leave out are zero in what it yields, so that a reader that asks for
// too little is found out.
type Store struct {
	Tenant string
	All    []telemetry.Span
	// Scanned counts the spans that were yielded.
	Scanned int
	// Err, if set, ends every read of spans after the first batch.
	Err error
}

// Add keeps more spans.
func (s *Store) Add(spans ...telemetry.Span) { s.All = append(s.All, spans...) }

// Logs yields nothing.
func (s *Store) Logs(context.Context, storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return func(func([]telemetry.Log, error) bool) {}
}

// Tenants lists the one tenant.
func (s *Store) Tenants(context.Context) ([]string, error) { return []string{s.Tenant}, nil }

// Spans yields the spans that q selects, the last added first.
func (s *Store) Spans(ctx context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) {
		var batch []telemetry.Span
		for i := len(s.All) - 1; i >= 0; i-- {
			if !s.selects(&q, &s.All[i]) {
				continue
			}
			batch = append(batch, project(s.All[i], q.Columns))
			if len(batch) < batchSize {
				continue
			}
			if !s.give(ctx, &q, batch, yield) {
				return
			}
			batch = nil
		}
		if len(batch) > 0 {
			s.give(ctx, &q, batch, yield)
		}
	}
}

// SpansVersion is a hash of the spans in the range. A store that fails cannot
// tell.
func (s *Store) SpansVersion(_ context.Context, tenant string, from, to int64) (storage.Version, error) {
	if s.Err != nil || tenant != s.Tenant {
		return storage.Version{}, nil
	}
	h := fnv.New64a()
	n := uint64(1)
	for i := range s.All {
		if at := s.All[i].Start; at >= from && (to == 0 || at < to) {
			_, _ = h.Write(s.All[i].SpanID[:]) // never fails
			n++
		}
	}
	return storage.Version{h.Sum64(), n}, nil
}

func (s *Store) give(ctx context.Context, q *storage.SpanQuery, batch []telemetry.Span, yield func([]telemetry.Span, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(nil, err)
		return false
	}
	s.Scanned += len(batch)
	if q.Stats != nil {
		q.Stats.Rows += int64(len(batch))
		q.Stats.Bytes += 100 * int64(len(batch))
	}
	if !yield(batch, nil) {
		return false
	}
	if s.Err != nil {
		yield(nil, s.Err)
		return false
	}
	return true
}

func (s *Store) selects(q *storage.SpanQuery, sp *telemetry.Span) bool {
	switch {
	case q.Tenant != s.Tenant,
		sp.Start < q.From,
		q.To > 0 && sp.Start >= q.To,
		q.Stream != nil && !q.Stream(sp.Stream),
		sp.Duration() < q.MinDuration,
		!q.Like.Holds(sp),
		len(q.TraceIDs) > 0 && !slices.Contains(q.TraceIDs, sp.TraceID),
		len(q.IDs) > 0 && !carries(sp, q.IDs):
		return false
	}
	return true
}

// carries reports whether a span carries one of the IDs.
func carries(sp *telemetry.Span, ids []string) bool {
	return slices.ContainsFunc(correlation.AppendSpan(nil, sp), func(id correlation.ID) bool {
		return slices.Contains(ids, id.Value)
	})
}

// project zeroes what the columns leave out.
func project(s telemetry.Span, c storage.Columns) telemetry.Span {
	if !c.Has(storage.ColAttrs) {
		s.Attrs = nil
	}
	if !c.Has(storage.ColSpan) {
		s.Kind, s.Status, s.StatusMessage, s.Name = 0, 0, "", ""
	}
	if !c.Has(storage.ColEvents) {
		s.Events, s.Links, s.DroppedEvents, s.DroppedLinks = nil, nil, 0, 0
	}
	if !c.Has(storage.ColRest) {
		s.Flags, s.Dropped, s.TraceState = 0, 0, ""
	}
	return s
}

// Streams lists the streams that have spans in the range.
func (s *Store) Streams(_ context.Context, tenant string, signal telemetry.Signal, from, to int64, _ *storage.ReadStats) ([]storage.StreamInfo, error) {
	found := map[telemetry.StreamID]*storage.StreamInfo{}
	for i := range s.All {
		sp := &s.All[i]
		if tenant != s.Tenant || signal != telemetry.Traces || sp.Start < from || to > 0 && sp.Start >= to {
			continue
		}
		info, ok := found[sp.Stream.ID]
		if !ok {
			info = &storage.StreamInfo{Stream: sp.Stream, First: sp.Start, Last: sp.Start}
			found[sp.Stream.ID] = info
		}
		info.Records++
		info.First, info.Last = min(info.First, sp.Start), max(info.Last, sp.Start)
	}
	out := make([]storage.StreamInfo, 0, len(found))
	for _, info := range found {
		out = append(out, *info)
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int {
		return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:])
	})
	return out, nil
}
