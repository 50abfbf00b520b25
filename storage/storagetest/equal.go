package storagetest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clewhq/clew/telemetry"
)

// DiffLog says how two log records differ, "" where they don't.
func DiffLog(a, b *telemetry.Log) string {
	x, y := *a, *b
	x.Stream, y.Stream, x.Body, y.Body, x.Attrs, y.Attrs = nil, nil, telemetry.Value{}, telemetry.Value{}, nil, nil
	type plain struct {
		time, observed int64
		trace          telemetry.TraceID
		span           telemetry.SpanID
		flags, dropped uint32
		severity       telemetry.Severity
		text, event    string
	}
	of := func(l telemetry.Log) plain {
		return plain{l.Time, l.Observed, l.TraceID, l.SpanID, l.Flags, l.Dropped, l.Severity, l.SeverityText, l.EventName}
	}
	switch {
	case of(x) != of(y):
		return fmt.Sprintf("fields %+v, want %+v", of(x), of(y))
	case !a.Body.Equal(b.Body):
		return fmt.Sprintf("body %q, want %q", a.Body.Text(), b.Body.Text())
	case !a.Attrs.Equal(b.Attrs):
		return fmt.Sprintf("attributes %v, want %v", a.Attrs.Any(), b.Attrs.Any())
	}
	return DiffStream(a.Stream, b.Stream)
}

// DiffStream says how two streams differ.
func DiffStream(a, b *telemetry.Stream) string {
	ra, rb, sa, sb := a.Resource, b.Resource, a.Scope, b.Scope
	switch {
	case a.ID != b.ID || a.Service != b.Service:
		return fmt.Sprintf("stream %x of %s, want %x of %s", a.ID, a.Service, b.ID, b.Service)
	case !ra.Attrs.Equal(rb.Attrs) || ra.Dropped != rb.Dropped || ra.SchemaURL != rb.SchemaURL:
		return fmt.Sprintf("resource %+v, want %+v", ra, rb)
	case !sa.Attrs.Equal(sb.Attrs) || sa.Dropped != sb.Dropped || sa.SchemaURL != sb.SchemaURL || sa.Name != sb.Name || sa.Version != sb.Version:
		return fmt.Sprintf("scope %+v, want %+v", sa, sb)
	}
	return ""
}

// DiffSpan says how two spans differ, "" where they don't.
func DiffSpan(a, b *telemetry.Span) string {
	type plain struct {
		trace                    telemetry.TraceID
		span, parent             telemetry.SpanID
		start, end               int64
		flags, dropped           uint32
		kind                     telemetry.SpanKind
		status                   telemetry.StatusCode
		events, links, nEv, nLn  uint32
		name, state, statusWords string
	}
	of := func(s *telemetry.Span) plain {
		return plain{
			s.TraceID, s.SpanID, s.ParentID, s.Start, s.End, s.Flags, s.Dropped, s.Kind, s.Status,
			s.DroppedEvents, s.DroppedLinks, uint32(len(s.Events)), uint32(len(s.Links)), s.Name, s.TraceState, s.StatusMessage,
		}
	}
	if of(a) != of(b) {
		return fmt.Sprintf("fields %+v, want %+v", of(a), of(b))
	}
	if !a.Attrs.Equal(b.Attrs) {
		return fmt.Sprintf("attributes %v, want %v", a.Attrs.Any(), b.Attrs.Any())
	}
	for i := range a.Events {
		x, y := a.Events[i], b.Events[i]
		if x.Time != y.Time || x.Name != y.Name || x.Dropped != y.Dropped || !x.Attrs.Equal(y.Attrs) {
			return fmt.Sprintf("event %+v, want %+v", x, y)
		}
	}
	for i := range a.Links {
		x, y := a.Links[i], b.Links[i]
		if x.TraceID != y.TraceID || x.SpanID != y.SpanID || x.TraceState != y.TraceState ||
			x.Flags != y.Flags || x.Dropped != y.Dropped || !x.Attrs.Equal(y.Attrs) {
			return fmt.Sprintf("link %+v, want %+v", x, y)
		}
	}
	return DiffStream(a.Stream, b.Stream)
}

// DiffLogs compares two sets of records whose times are unique within a set of
// equal records; order does not matter.
func DiffLogs(got, want []telemetry.Log) string {
	return diff(got, want, func(l *telemetry.Log) int64 { return l.Time }, DiffLog)
}

// DiffSpans compares two sets of spans; order does not matter.
func DiffSpans(got, want []telemetry.Span) string {
	return diff(got, want, func(s *telemetry.Span) int64 { return s.Start }, DiffSpan)
}

func diff[T any](got, want []T, time func(*T) int64, one func(a, b *T) string) string {
	byTime := func(list []T) []*T {
		out := make([]*T, len(list))
		for i := range list {
			out[i] = &list[i]
		}
		slices.SortStableFunc(out, func(a, b *T) int { return cmp.Compare(time(a), time(b)) })
		return out
	}
	g, w := byTime(got), byTime(want)
	for i := 0; i < len(g) && i < len(w); i++ {
		switch tg, tw := time(g[i]), time(w[i]); {
		case tg < tw:
			return fmt.Sprintf("the record at %d was not expected, or comes twice (%d records, want %d)", tg, len(g), len(w))
		case tg > tw:
			return fmt.Sprintf("the record at %d is missing (%d records, want %d)", tw, len(g), len(w))
		}
		if d := one(g[i], w[i]); d != "" {
			return fmt.Sprintf("the record at %d: %s", time(w[i]), d)
		}
	}
	if len(g) != len(w) {
		return fmt.Sprintf("%d records, want %d", len(g), len(w))
	}
	return ""
}
