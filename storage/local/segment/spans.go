package segment

import (
	"github.com/clewhq/clew/storage/local/callsum"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

type span = telemetry.Span

// Spans is the codec of spans.
var Spans = &Codec[span]{
	Kind:    record.Spans,
	encode:  encodeSpans,
	alone:   true,
	zone:    func(s *span) byte { return zoneOf(int64(s.Duration())) },
	lowest:  func(q *record.Query[span]) byte { return zoneOf(int64(q.MinDuration)) },
	columns: func() columns[span] { return &spanColumns{} },
	set:     func(r *span, s *telemetry.Stream, time int64) { r.Stream, r.Start = s, time },
	sums:    func(rules calls.Rules) summer[span] { return callsum.NewBuilder(rules) },
}

func encodeSpans(out *chunks, rows []*span, streams []int64, t *column.Table) {
	traces := make([]telemetry.TraceID, len(rows))
	ids := make([]telemetry.SpanID, len(rows))
	parents := make([]telemetry.SpanID, len(rows))
	for i, s := range rows {
		traces[i], ids[i], parents[i] = s.TraceID, s.SpanID, s.ParentID
	}
	times := ints(column.AppendInts(out[chunkTime], streams), t, rows, func(s *span) int64 { return s.Start })
	out[chunkTime] = ints(times, t, rows, func(s *span) int64 { return s.End - s.Start })
	out[chunkIDs] = column.AppendIDs(column.AppendIDs(out[chunkIDs], t, traces), t, ids)
	out[chunkIDs] = column.AppendParents(out[chunkIDs], parents, ids, column.Groups(traces))

	b := ints(out[chunkSpan], t, rows, func(s *span) int64 { return int64(s.Kind) })
	b = ints(b, t, rows, func(s *span) int64 { return int64(s.Status) })
	b = texts(b, t, rows, func(s *span) string { return s.StatusMessage })
	out[chunkSpan] = texts(b, t, rows, func(s *span) string { return s.Name })
	out[chunkAttrs] = attrs(out[chunkAttrs], t, rows, func(s *span) telemetry.Attrs { return s.Attrs })
	out[chunkEvents] = appendLinks(appendEvents(out[chunkEvents], t, rows), t, rows)

	rest := ints(out[chunkRest], t, rows, func(s *span) int64 { return int64(s.Flags) })
	rest = ints(rest, t, rows, func(s *span) int64 { return int64(s.Dropped) })
	out[chunkRest] = texts(rest, t, rows, func(s *span) string { return s.TraceState })
}

// appendEvents writes how many events each row has, then the columns of all
// events together.
func appendEvents(dst []byte, t *column.Table, rows []*span) []byte {
	dst = ints(dst, t, rows, func(s *span) int64 { return int64(s.DroppedEvents) })
	dst = ints(dst, t, rows, func(s *span) int64 { return int64(len(s.Events)) })
	var events []*telemetry.Event
	var after []int64
	for _, s := range rows {
		for i := range s.Events {
			events = append(events, &s.Events[i])
			after = append(after, s.Events[i].Time-s.Start)
		}
	}
	dst = column.AppendInts(dst, after)
	dst = texts(dst, t, events, func(e *telemetry.Event) string { return e.Name })
	dst = ints(dst, t, events, func(e *telemetry.Event) int64 { return int64(e.Dropped) })
	return attrs(dst, t, events, func(e *telemetry.Event) telemetry.Attrs { return e.Attrs })
}

func appendLinks(dst []byte, t *column.Table, rows []*span) []byte {
	dst = ints(dst, t, rows, func(s *span) int64 { return int64(s.DroppedLinks) })
	dst = ints(dst, t, rows, func(s *span) int64 { return int64(len(s.Links)) })
	var links []*telemetry.Link
	var traces []telemetry.TraceID
	var ids []telemetry.SpanID
	for _, s := range rows {
		for i := range s.Links {
			l := &s.Links[i]
			links = append(links, l)
			traces, ids = append(traces, l.TraceID), append(ids, l.SpanID)
		}
	}
	dst = column.AppendIDs(dst, t, traces)
	dst = column.AppendIDs(dst, t, ids)
	dst = texts(dst, t, links, func(l *telemetry.Link) string { return l.TraceState })
	dst = ints(dst, t, links, func(l *telemetry.Link) int64 { return int64(l.Flags) })
	dst = ints(dst, t, links, func(l *telemetry.Link) int64 { return int64(l.Dropped) })
	return attrs(dst, t, links, func(l *telemetry.Link) telemetry.Attrs { return l.Attrs })
}
