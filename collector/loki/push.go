package loki

import (
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// entry is one line of a stream.
type entry struct {
	time     int64 // Unix nanoseconds
	line     string
	metadata telemetry.Attrs
}

// stream is a pushed stream, or what is wrong with it.
type stream struct {
	labels  telemetry.Attrs
	entries []entry
	err     error
}

// logs turns the good streams of a push into records.
func logs(streams []stream) []telemetry.Log {
	n := 0
	for i := range streams {
		n += len(streams[i].entries)
	}
	out := make([]telemetry.Log, 0, n)
	for i := range streams {
		if streams[i].err != nil {
			continue
		}
		s := telemetry.NewStream(telemetry.Resource{Attrs: streams[i].labels}, telemetry.Scope{})
		var shared telemetry.Log
		describe(&shared, streams[i].labels)
		for _, e := range streams[i].entries {
			l := shared
			l.Stream, l.Time, l.Body = s, e.time, telemetry.String(e.line)
			l.Attrs = describe(&l, e.metadata)
			out = append(out, l)
		}
	}
	return out
}

// describe sets the record's own fields from labels or metadata that mean
// them, and returns the attributes to keep. A trace_id or span_id that is
// spelled as the record's own field would be is not kept beside it.
func describe(l *telemetry.Log, attrs telemetry.Attrs) telemetry.Attrs {
	dropped := 0
	for i := range attrs {
		value := attrs[i].Value.Str()
		switch strings.ToLower(attrs[i].Key) {
		case "trace_id", "traceid":
			if id, ok := telemetry.ParseTraceID(value); ok && (len(value) == 32 || len(value) == 16) {
				l.TraceID = id
			}
		case "span_id", "spanid":
			if id, ok := telemetry.ParseSpanID(value); ok && len(value) == 16 {
				l.SpanID = id
			}
		case "level", "detected_level", "severity", "lvl", "loglevel":
			if s := telemetry.ParseSeverity(value); s != telemetry.SeverityUnset {
				l.Severity = s
			}
		}
		if isField(l, attrs[i].Key, value) {
			dropped++
		}
	}
	if dropped == 0 {
		return attrs
	}
	kept := make(telemetry.Attrs, 0, len(attrs)-dropped)
	for _, a := range attrs {
		if !isField(l, a.Key, a.Value.Str()) {
			kept = append(kept, a)
		}
	}
	return kept
}

// isField tells whether a pair says what a field of l says under that name.
func isField(l *telemetry.Log, key, value string) bool {
	return value != "" && (key == "trace_id" && value == l.TraceID.String() || key == "span_id" && value == l.SpanID.String())
}
