package otlp

import (
	"encoding/binary"
	"math"

	"github.com/clewhq/clew/telemetry"
)

// AppendLogs appends an ExportLogsServiceRequest (which is also a LogsData)
// that holds logs, one ResourceLogs for each run of the same stream.
func AppendLogs(dst []byte, logs []telemetry.Log) []byte {
	for i := 0; i < len(logs); {
		s := logs[i].Stream
		dst = appendStream(dst, s, func(dst []byte) []byte {
			for ; i < len(logs) && sameStream(logs[i].Stream, s); i++ {
				dst = appendMessage(dst, 2, func(dst []byte) []byte { return appendLog(dst, &logs[i]) })
			}
			return dst
		})
	}
	return dst
}

// AppendSpans appends an ExportTraceServiceRequest (which is also a TracesData
// and a Tempo Trace); see AppendLogs. Sub-messages resource, scope and status
// are always written, even empty.
func AppendSpans(dst []byte, spans []telemetry.Span) []byte {
	for i := 0; i < len(spans); {
		s := spans[i].Stream
		dst = appendStream(dst, s, func(dst []byte) []byte {
			for ; i < len(spans) && sameStream(spans[i].Stream, s); i++ {
				dst = appendMessage(dst, 2, func(dst []byte) []byte { return appendSpan(dst, &spans[i]) })
			}
			return dst
		})
	}
	return dst
}

func sameStream(a, b *telemetry.Stream) bool {
	return a == b || a != nil && b != nil && a.ID == b.ID
}

// appendStream appends a ResourceLogs or ResourceSpans of s, with one scope
// that holds what records appends. A nil s is the empty stream.
func appendStream(dst []byte, s *telemetry.Stream, records func([]byte) []byte) []byte {
	if s == nil {
		s = &telemetry.Stream{}
	}
	return appendMessage(dst, 1, func(dst []byte) []byte {
		dst = appendMessage(dst, 1, func(dst []byte) []byte {
			dst = appendAttrs(dst, 1, s.Resource.Attrs)
			return appendUint(dst, 2, uint64(s.Resource.Dropped))
		})
		dst = appendMessage(dst, 2, func(dst []byte) []byte {
			dst = appendMessage(dst, 1, func(dst []byte) []byte { return appendScope(dst, &s.Scope) })
			dst = records(dst)
			return appendText(dst, 3, s.Scope.SchemaURL)
		})
		return appendText(dst, 3, s.Resource.SchemaURL)
	})
}

func appendScope(dst []byte, s *telemetry.Scope) []byte {
	dst = appendText(dst, 1, s.Name)
	dst = appendText(dst, 2, s.Version)
	dst = appendAttrs(dst, 3, s.Attrs)
	return appendUint(dst, 4, uint64(s.Dropped))
}

func appendLog(dst []byte, l *telemetry.Log) []byte {
	dst = appendFixed64(dst, 1, uint64(l.Time))
	dst = appendUint(dst, 2, uint64(l.Severity))
	dst = appendText(dst, 3, l.SeverityText)
	if !l.Body.IsEmpty() {
		dst = appendMessage(dst, 5, func(dst []byte) []byte { return appendValue(dst, l.Body) })
	}
	dst = appendAttrs(dst, 6, l.Attrs)
	dst = appendUint(dst, 7, uint64(l.Dropped))
	dst = appendFixed32(dst, 8, l.Flags)
	if !l.TraceID.IsZero() {
		dst = appendBytes(dst, 9, l.TraceID[:])
	}
	if !l.SpanID.IsZero() {
		dst = appendBytes(dst, 10, l.SpanID[:])
	}
	dst = appendFixed64(dst, 11, uint64(l.Observed))
	return appendText(dst, 12, l.EventName)
}

func appendSpan(dst []byte, s *telemetry.Span) []byte {
	if !s.TraceID.IsZero() {
		dst = appendBytes(dst, 1, s.TraceID[:])
	}
	if !s.SpanID.IsZero() {
		dst = appendBytes(dst, 2, s.SpanID[:])
	}
	dst = appendText(dst, 3, s.TraceState)
	if !s.ParentID.IsZero() {
		dst = appendBytes(dst, 4, s.ParentID[:])
	}
	dst = appendText(dst, 5, s.Name)
	dst = appendUint(dst, 6, uint64(s.Kind))
	dst = appendFixed64(dst, 7, uint64(s.Start))
	dst = appendFixed64(dst, 8, uint64(s.End))
	dst = appendAttrs(dst, 9, s.Attrs)
	dst = appendUint(dst, 10, uint64(s.Dropped))
	for i := range s.Events {
		dst = appendMessage(dst, 11, func(dst []byte) []byte { return appendEvent(dst, &s.Events[i]) })
	}
	dst = appendUint(dst, 12, uint64(s.DroppedEvents))
	for i := range s.Links {
		dst = appendMessage(dst, 13, func(dst []byte) []byte { return appendLink(dst, &s.Links[i]) })
	}
	dst = appendUint(dst, 14, uint64(s.DroppedLinks))
	dst = appendMessage(dst, 15, func(dst []byte) []byte {
		dst = appendText(dst, 2, s.StatusMessage)
		return appendUint(dst, 3, uint64(s.Status))
	})
	return appendFixed32(dst, 16, s.Flags)
}

func appendEvent(dst []byte, e *telemetry.Event) []byte {
	dst = appendFixed64(dst, 1, uint64(e.Time))
	dst = appendText(dst, 2, e.Name)
	dst = appendAttrs(dst, 3, e.Attrs)
	return appendUint(dst, 4, uint64(e.Dropped))
}

func appendLink(dst []byte, l *telemetry.Link) []byte {
	if !l.TraceID.IsZero() {
		dst = appendBytes(dst, 1, l.TraceID[:])
	}
	if !l.SpanID.IsZero() {
		dst = appendBytes(dst, 2, l.SpanID[:])
	}
	dst = appendText(dst, 3, l.TraceState)
	dst = appendAttrs(dst, 4, l.Attrs)
	dst = appendUint(dst, 5, uint64(l.Dropped))
	return appendFixed32(dst, 6, l.Flags)
}

func appendAttrs(dst []byte, num int, attrs telemetry.Attrs) []byte {
	for i := range attrs {
		dst = appendMessage(dst, num, func(dst []byte) []byte {
			dst = appendText(dst, 1, attrs[i].Key)
			return appendMessage(dst, 2, func(dst []byte) []byte { return appendValue(dst, attrs[i].Value) })
		})
	}
	return dst
}

// appendValue appends the fields of an AnyValue. A value that is set is
// written even where it is zero: that tells it from the empty one.
func appendValue(dst []byte, v telemetry.Value) []byte {
	switch v.Kind() {
	case telemetry.KindString:
		dst = binary.AppendUvarint(append(dst, 1<<3|wireLen), uint64(len(v.Str())))
		return append(dst, v.Str()...)
	case telemetry.KindBool:
		b := byte(0)
		if v.Bool() {
			b = 1
		}
		return append(dst, 2<<3|wireVarint, b)
	case telemetry.KindInt:
		return binary.AppendUvarint(append(dst, 3<<3|wireVarint), uint64(v.Int()))
	case telemetry.KindDouble:
		return binary.LittleEndian.AppendUint64(append(dst, 4<<3|wireFixed64), math.Float64bits(v.Double()))
	case telemetry.KindArray:
		return appendMessage(dst, 5, func(dst []byte) []byte {
			for _, e := range v.List() {
				dst = appendMessage(dst, 1, func(dst []byte) []byte { return appendValue(dst, e) })
			}
			return dst
		})
	case telemetry.KindMap:
		return appendMessage(dst, 6, func(dst []byte) []byte { return appendAttrs(dst, 1, v.Map()) })
	case telemetry.KindBytes:
		dst = binary.AppendUvarint(append(dst, 7<<3|wireLen), uint64(len(v.Str())))
		return append(dst, v.Str()...)
	}
	return dst
}
