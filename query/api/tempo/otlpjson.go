package tempo

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/clewhq/clew/telemetry"
)

var kindNames = [...]string{"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
	"SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"}

var statusNames = [...]string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}

// appendResourceSpans writes a list of ResourceSpans in protobuf's JSON
// mapping, unlike OTLP's own with IDs in base64: what Tempo answers. Spans of
// the same stream must stand together.
func appendResourceSpans(b []byte, spans []telemetry.Span) []byte {
	b = append(b, '[')
	for i := 0; i < len(spans); {
		if i > 0 {
			b = append(b, ',')
		}
		s := spans[i].Stream
		b = append(b, `{"resource":{"attributes":`...)
		b = appendAttrs(b, s.Resource.Attrs)
		b = appendCount(b, "droppedAttributesCount", s.Resource.Dropped)
		b = append(b, `},"scopeSpans":[{"scope":{`...)
		b = appendScope(b, &s.Scope)
		b = append(b, `},"spans":[`...)
		for first := true; i < len(spans) && spans[i].Stream.ID == s.ID; i++ {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendSpan(b, &spans[i])
		}
		b = append(b, ']')
		b = appendText(b, "schemaUrl", s.Scope.SchemaURL)
		b = append(b, `}]`...)
		b = appendText(b, "schemaUrl", s.Resource.SchemaURL)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendScope(b []byte, s *telemetry.Scope) []byte {
	b = appendJSONString(append(b, `"name":`...), s.Name)
	b = appendText(b, "version", s.Version)
	if len(s.Attrs) > 0 {
		b = appendAttrs(append(b, `,"attributes":`...), s.Attrs)
	}
	return appendCount(b, "droppedAttributesCount", s.Dropped)
}

func appendSpan(b []byte, s *telemetry.Span) []byte {
	b = appendBase64(append(b, `{"traceId":`...), s.TraceID[:])
	b = appendBase64(append(b, `,"spanId":`...), s.SpanID[:])
	if !s.ParentID.IsZero() {
		b = appendBase64(append(b, `,"parentSpanId":`...), s.ParentID[:])
	}
	b = appendText(b, "traceState", s.TraceState)
	b = appendCount(b, "flags", s.Flags)
	b = appendJSONString(append(b, `,"name":`...), s.Name)
	b = append(append(b, `,"kind":"`...), nameOf(kindNames[:], int(s.Kind))...)
	b = strconv.AppendUint(append(b, `","startTimeUnixNano":"`...), uint64(s.Start), 10)
	b = strconv.AppendUint(append(b, `","endTimeUnixNano":"`...), uint64(s.End), 10)
	b = append(b, '"')
	if len(s.Attrs) > 0 {
		b = appendAttrs(append(b, `,"attributes":`...), s.Attrs)
	}
	b = appendCount(b, "droppedAttributesCount", s.Dropped)
	b = appendEvents(b, s.Events)
	b = appendCount(b, "droppedEventsCount", s.DroppedEvents)
	b = appendLinks(b, s.Links)
	b = appendCount(b, "droppedLinksCount", s.DroppedLinks)
	b = append(b, `,"status":{`...)
	if s.Status != telemetry.StatusUnset {
		b = append(append(append(b, `"code":"`...), nameOf(statusNames[:], int(s.Status))...), '"')
	}
	if s.StatusMessage != "" {
		if s.Status != telemetry.StatusUnset {
			b = append(b, ',')
		}
		b = appendJSONString(append(b, `"message":`...), s.StatusMessage)
	}
	return append(b, `}}`...)
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return names[0]
}

func appendEvents(b []byte, events []telemetry.Event) []byte {
	if len(events) == 0 {
		return b
	}
	b = append(b, `,"events":[`...)
	for i := range events {
		e := &events[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(append(b, `{"timeUnixNano":"`...), uint64(e.Time), 10)
		b = appendJSONString(append(b, `","name":`...), e.Name)
		if len(e.Attrs) > 0 {
			b = appendAttrs(append(b, `,"attributes":`...), e.Attrs)
		}
		b = append(appendCount(b, "droppedAttributesCount", e.Dropped), '}')
	}
	return append(b, ']')
}

func appendLinks(b []byte, links []telemetry.Link) []byte {
	if len(links) == 0 {
		return b
	}
	b = append(b, `,"links":[`...)
	for i := range links {
		l := &links[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendBase64(append(b, `{"traceId":`...), l.TraceID[:])
		b = appendBase64(append(b, `,"spanId":`...), l.SpanID[:])
		b = appendText(b, "traceState", l.TraceState)
		if len(l.Attrs) > 0 {
			b = appendAttrs(append(b, `,"attributes":`...), l.Attrs)
		}
		b = appendCount(b, "droppedAttributesCount", l.Dropped)
		b = append(appendCount(b, "flags", l.Flags), '}')
	}
	return append(b, ']')
}

func appendAttrs(b []byte, attrs telemetry.Attrs) []byte {
	b = append(b, '[')
	for i, a := range attrs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONString(append(b, `{"key":`...), a.Key)
		b = append(appendAny(append(b, `,"value":`...), a.Value), '}')
	}
	return append(b, ']')
}

// appendText writes a further string field unless it is empty.
func appendText(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), key...), `":`...)
	return appendJSONString(b, value)
}

// appendCount writes a further number field unless it is zero.
func appendCount(b []byte, key string, n uint32) []byte {
	if n == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), key...), `":`...)
	return strconv.AppendUint(b, uint64(n), 10)
}

func appendBase64(b, id []byte) []byte {
	b = append(b, '"')
	return append(base64.StdEncoding.AppendEncode(b, id), '"')
}

func appendJSONString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // cannot happen: a string always encodes
		return append(b, `""`...)
	}
	return append(b, quoted...)
}
