package segment

import (
	"fmt"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

type span = telemetry.Span

// Spans is the codec of spans.
var Spans = &Codec[span]{
	Kind:      record.Spans,
	encode:    encodeSpans,
	core:      coreSpans,
	fill:      fillSpans,
	setStream: func(r *span, s *telemetry.Stream) { r.Stream = s },
}

func encodeSpans(rows []*span, streams []int64) (out [chunkCount][]byte) {
	times := make([]int64, len(rows))
	traces := make([]telemetry.TraceID, len(rows))
	ids := make([]telemetry.SpanID, len(rows))
	parents := make([]telemetry.SpanID, len(rows))
	for i, s := range rows {
		times[i], traces[i], ids[i], parents[i] = s.Start, s.TraceID, s.SpanID, s.ParentID
	}
	core := appendCore(streams, times)
	core = column.AppendIDs(core, traces)
	core = column.AppendIDs(core, ids)
	core = column.AppendParents(core, parents, ids, column.Groups(traces))
	out[chunkCore] = ints(core, rows, func(s *span) int64 { return s.End - s.Start })

	b := ints(nil, rows, func(s *span) int64 { return int64(s.Kind) })
	b = ints(b, rows, func(s *span) int64 { return int64(s.Status) })
	b = texts(b, rows, func(s *span) string { return s.StatusMessage })
	out[chunkSpan] = texts(b, rows, func(s *span) string { return s.Name })
	out[chunkAttrs] = attrs(nil, rows, func(s *span) telemetry.Attrs { return s.Attrs })
	out[chunkEvents] = appendLinks(appendEvents(nil, rows), rows)

	rest := ints(nil, rows, func(s *span) int64 { return int64(s.Flags) })
	rest = ints(rest, rows, func(s *span) int64 { return int64(s.Dropped) })
	out[chunkRest] = texts(rest, rows, func(s *span) string { return s.TraceState })
	return out
}

// appendEvents writes how many events each row has, then the columns of all
// events together.
func appendEvents(dst []byte, rows []*span) []byte {
	dst = ints(dst, rows, func(s *span) int64 { return int64(s.DroppedEvents) })
	dst = ints(dst, rows, func(s *span) int64 { return int64(len(s.Events)) })
	var events []*telemetry.Event
	var after []int64
	for _, s := range rows {
		for i := range s.Events {
			events = append(events, &s.Events[i])
			after = append(after, s.Events[i].Time-s.Start)
		}
	}
	dst = column.AppendInts(dst, after)
	dst = texts(dst, events, func(e *telemetry.Event) string { return e.Name })
	dst = ints(dst, events, func(e *telemetry.Event) int64 { return int64(e.Dropped) })
	return attrs(dst, events, func(e *telemetry.Event) telemetry.Attrs { return e.Attrs })
}

func appendLinks(dst []byte, rows []*span) []byte {
	dst = ints(dst, rows, func(s *span) int64 { return int64(s.DroppedLinks) })
	dst = ints(dst, rows, func(s *span) int64 { return int64(len(s.Links)) })
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
	dst = column.AppendIDs(dst, traces)
	dst = column.AppendIDs(dst, ids)
	dst = texts(dst, links, func(l *telemetry.Link) string { return l.TraceState })
	dst = ints(dst, links, func(l *telemetry.Link) int64 { return int64(l.Flags) })
	dst = ints(dst, links, func(l *telemetry.Link) int64 { return int64(l.Dropped) })
	return attrs(dst, links, func(l *telemetry.Link) telemetry.Attrs { return l.Attrs })
}

func coreSpans(c *column.Cursor, times []int64) (func(*span, int), error) {
	n := len(times)
	traces := column.IDs[telemetry.TraceID](c, n)
	ids := column.IDs[telemetry.SpanID](c, n)
	var parents []telemetry.SpanID
	if c.Err() == nil {
		parents = column.Parents(c, ids, column.Groups(traces))
	}
	durations := c.Ints(n)
	if err := ended(c); err != nil {
		return nil, err
	}
	return func(s *span, row int) {
		s.Start, s.End = times[row], times[row]+durations[row]
		s.TraceID, s.SpanID, s.ParentID = traces[row], ids[row], parents[row]
	}, nil
}

func fillSpans(id chunkID, c *column.Cursor, rows []span, sel []int, n int) error {
	switch id {
	case chunkSpan:
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.Kind = telemetry.SpanKind(v) })
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.Status = telemetry.StatusCode(v) })
		fillTexts(c, rows, sel, n, func(s *span, v string) { s.StatusMessage = v })
		fillTexts(c, rows, sel, n, func(s *span, v string) { s.Name = v })
	case chunkAttrs:
		fillAttrs(c, rows, sel, n, func(s *span, a telemetry.Attrs) { s.Attrs = a })
	case chunkEvents:
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.DroppedEvents = uint32(v) })
		fillEvents(c, rows, sel, n)
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.DroppedLinks = uint32(v) })
		fillLinks(c, rows, sel, n)
	case chunkRest:
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.Flags = uint32(v) })
		fillInts(c, rows, sel, n, func(s *span, v int64) { s.Dropped = uint32(v) })
		fillTexts(c, rows, sel, n, func(s *span, v string) { s.TraceState = v })
	default:
		return fmt.Errorf("%w: chunk %d in a block of spans", column.ErrCorrupt, id)
	}
	return ended(c)
}

// maxChildren bounds the events or links of one block when it is read.
const maxChildren = 1 << 24

// starts reads a column of counts and returns where each row's children start,
// and behind them how many there are.
func starts(c *column.Cursor, n int) []int {
	counts := c.Ints(n)
	if c.Err() != nil {
		return nil
	}
	out := make([]int, n+1)
	for i, k := range counts {
		if k < 0 || k > maxChildren || out[i]+int(k) > maxChildren {
			c.Fail("%d events or links in row %d", k, i)
			return nil
		}
		out[i+1] = out[i] + int(k)
	}
	return out
}

func fillEvents(c *column.Cursor, rows []span, sel []int, n int) {
	at := starts(c, n)
	if c.Err() != nil {
		return
	}
	total := at[n]
	after, names := c.Ints(total), c.Strings(total)
	dropped, lists := c.Ints(total), c.Attrs(total)
	if c.Err() != nil || total == 0 {
		return
	}
	for i, row := range sel {
		if at[row] == at[row+1] {
			continue
		}
		events := make([]telemetry.Event, 0, at[row+1]-at[row])
		for j := at[row]; j < at[row+1]; j++ {
			events = append(events, telemetry.Event{
				Time: rows[i].Start + after[j], Name: names[j], Dropped: uint32(dropped[j]), Attrs: lists[j],
			})
		}
		rows[i].Events = events
	}
}

func fillLinks(c *column.Cursor, rows []span, sel []int, n int) {
	at := starts(c, n)
	if c.Err() != nil {
		return
	}
	total := at[n]
	traces := column.IDs[telemetry.TraceID](c, total)
	ids := column.IDs[telemetry.SpanID](c, total)
	states, flags := c.Strings(total), c.Ints(total)
	dropped, lists := c.Ints(total), c.Attrs(total)
	if c.Err() != nil || total == 0 {
		return
	}
	for i, row := range sel {
		if at[row] == at[row+1] {
			continue
		}
		links := make([]telemetry.Link, 0, at[row+1]-at[row])
		for j := at[row]; j < at[row+1]; j++ {
			links = append(links, telemetry.Link{
				TraceID: traces[j], SpanID: ids[j], TraceState: states[j],
				Flags: uint32(flags[j]), Dropped: uint32(dropped[j]), Attrs: lists[j],
			})
		}
		rows[i].Links = links
	}
}
