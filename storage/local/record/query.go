package record

import (
	"slices"
	"sync"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Query is a storage.LogQuery or storage.SpanQuery in the form that the stages
// look at.
type Query[T any] struct {
	From, To int64
	Stream   func(*telemetry.Stream) bool
	// Hashes, if not nil, are what a row's IDs must hold one of: those of
	// IDs and of trace IDs.
	Hashes []uint64
	// Match is the exact condition on a row beside its time and stream; nil
	// for none. Needs names the columns it looks at.
	Match   func(*T) bool
	Needs   storage.Columns
	Columns storage.Columns
	Order   storage.Order
	// MinSeverity lets blocks of log records be skipped.
	MinSeverity telemetry.Severity
	// Text, Where, Traces and MinDuration are conditions that segments test on
	// their columns. Core is all of them on a row that is in memory; nil where
	// there are none.
	Text        []string
	Where       []storage.Condition
	Traces      map[telemetry.TraceID]bool // nil for all
	MinDuration time.Duration
	Core        func(*T) bool
	Stats       *storage.ReadStats
}

// InRange reports whether a row of this time may be part of the answer.
func (q *Query[T]) InRange(t int64) bool { return t >= q.From && (q.To == 0 || t < q.To) }

// LogQuery translates q.
func LogQuery(q storage.LogQuery) *Query[telemetry.Log] {
	out := &Query[telemetry.Log]{
		From: q.From, To: q.To, Stream: q.Stream, Columns: columns(q.Columns), Order: q.Order,
		MinSeverity: q.MinSeverity, Stats: q.Stats, Text: slices.DeleteFunc(slices.Clone(q.Text), func(s string) bool { return s == "" }),
		Where: q.Where,
	}
	if len(out.Text)+len(out.Where) > 0 {
		out.Core = func(l *telemetry.Log) bool { return storage.Meets(l, out.Where, out.Text) }
	}
	if len(q.IDs) > 0 {
		ids := normalized(q.IDs)
		out.Hashes = hashes(ids)
		out.Match = matchIDs(Logs, ids, out.Hashes)
		out.Needs = storage.ColBody | storage.ColAttrs
	}
	return out
}

// SpanQuery translates q.
func SpanQuery(q storage.SpanQuery) *Query[telemetry.Span] {
	out := &Query[telemetry.Span]{
		From: q.From, To: q.To, Stream: q.Stream, Columns: columns(q.Columns), Stats: q.Stats,
	}
	if len(q.IDs) > 0 {
		ids := normalized(q.IDs)
		out.Hashes = hashes(ids)
		out.Match = matchIDs(Spans, ids, out.Hashes)
		out.Needs = storage.ColAttrs | storage.ColEvents | storage.ColSpan
	}
	if len(q.TraceIDs) == 0 && q.MinDuration <= 0 {
		return out
	}
	wanted := make(map[telemetry.TraceID]bool, len(q.TraceIDs))
	for _, id := range q.TraceIDs {
		wanted[id] = true
	}
	// Both lists may be given. Either narrows; the traces' are fewer rows.
	if len(wanted) > 0 {
		out.Hashes = out.Hashes[:0:0]
		for id := range wanted {
			out.Hashes = append(out.Hashes, correlation.Hash(id.String()))
		}
		slices.Sort(out.Hashes)
	}
	out.MinDuration = q.MinDuration
	if len(wanted) > 0 {
		out.Traces = wanted
	}
	out.Core = func(s *telemetry.Span) bool {
		return (len(wanted) == 0 || wanted[s.TraceID]) && s.Duration() >= q.MinDuration
	}
	return out
}

func columns(c storage.Columns) storage.Columns {
	if c == 0 {
		return storage.ColAll
	}
	return c
}

func normalized(ids []string) map[string]bool {
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[correlation.Normalize(id)] = true
	}
	return out
}

func hashes(ids map[string]bool) []uint64 {
	out := make([]uint64, 0, len(ids))
	for id := range ids {
		out = append(out, correlation.Hash(id))
	}
	slices.Sort(out)
	return out
}

// hashBuffers are for the hashes of one record.
var hashBuffers = sync.Pool{New: func() any { return new([]uint64) }}

// matchIDs compares hashes first, since they cost no memory, and then the IDs
// themselves, since two IDs may share a hash.
func matchIDs[T any](k *Kind[T], ids map[string]bool, wanted []uint64) func(*T) bool {
	return func(r *T) bool {
		buf := hashBuffers.Get().(*[]uint64)
		*buf = k.Hashes((*buf)[:0], r)
		hit := slices.ContainsFunc(*buf, func(h uint64) bool {
			_, ok := slices.BinarySearch(wanted, h)
			return ok
		})
		hashBuffers.Put(buf)
		if !hit {
			return false
		}
		for _, id := range k.IDs(nil, r) {
			if ids[id.Value] {
				return true
			}
		}
		return false
	}
}
