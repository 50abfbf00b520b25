package jaeger

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/telemetry"
)

// Jaeger's JSON of a trace. Times are microseconds.
type (
	trace struct {
		TraceID   string             `json:"traceID"`
		Spans     []span             `json:"spans"`
		Processes map[string]process `json:"processes"`
		Warnings  []string           `json:"warnings"`
	}
	span struct {
		TraceID       string      `json:"traceID"`
		SpanID        string      `json:"spanID"`
		Flags         uint32      `json:"flags,omitempty"`
		OperationName string      `json:"operationName"`
		References    []reference `json:"references"`
		StartTime     int64       `json:"startTime"`
		Duration      int64       `json:"duration"`
		Tags          []keyValue  `json:"tags"`
		Logs          []log       `json:"logs"`
		ProcessID     string      `json:"processID"`
		Warnings      []string    `json:"warnings"`
	}
	reference struct {
		RefType string `json:"refType"`
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
	log struct {
		Timestamp int64      `json:"timestamp"`
		Fields    []keyValue `json:"fields"`
	}
	process struct {
		ServiceName string     `json:"serviceName"`
		Tags        []keyValue `json:"tags"`
	}
)

// Words of Jaeger's tags for OpenTelemetry's span kinds and status codes.
var (
	kindTags   = [...]string{"", "internal", "server", "client", "producer", "consumer"}
	statusTags = [...]string{"", "OK", "ERROR"}
)

func kindTag(k telemetry.SpanKind) string {
	if int(k) < len(kindTags) {
		return kindTags[k]
	}
	return ""
}

// convert renders a trace. A process is made for each resource.
func convert(id telemetry.TraceID, spans []*telemetry.Span) trace {
	out := trace{TraceID: id.String(), Spans: make([]span, 0, len(spans)), Processes: map[string]process{}}
	ids := map[telemetry.StreamID]string{}
	for _, s := range spans {
		pid, ok := ids[s.Stream.ID]
		if !ok {
			pid = "p" + strconv.Itoa(len(ids)+1)
			ids[s.Stream.ID] = pid
			out.Processes[pid] = newProcess(s.Stream)
		}
		out.Spans = append(out.Spans, newSpan(s, pid))
	}
	return out
}

func newProcess(s *telemetry.Stream) process {
	p := process{ServiceName: traceql.ServiceName(s), Tags: []keyValue{}}
	for _, a := range s.Resource.Attrs {
		if a.Key != telemetry.AttrServiceName {
			p.Tags = append(p.Tags, newKeyValue(a.Key, a.Value))
		}
	}
	return p
}

func newSpan(s *telemetry.Span, pid string) span {
	out := span{
		TraceID: s.TraceID.String(), SpanID: s.SpanID.String(), Flags: s.Flags & 0xff, OperationName: s.Name,
		References: []reference{}, StartTime: s.Start / 1000, Duration: s.Duration().Microseconds(),
		Tags: tags(s), Logs: []log{}, ProcessID: pid,
	}
	if !s.ParentID.IsZero() {
		out.References = append(out.References, reference{"CHILD_OF", out.TraceID, s.ParentID.String()})
	}
	for i := range s.Links {
		out.References = append(out.References, reference{"FOLLOWS_FROM", s.Links[i].TraceID.String(), s.Links[i].SpanID.String()})
	}
	for i := range s.Events {
		out.Logs = append(out.Logs, newLog(&s.Events[i]))
	}
	return out
}

// tags are a span's attributes, with what Jaeger has no fields for after them.
func tags(s *telemetry.Span) []keyValue {
	out := make([]keyValue, 0, len(s.Attrs)+4)
	for _, a := range s.Attrs {
		out = append(out, newKeyValue(a.Key, a.Value))
	}
	text := func(key, value string) {
		if _, has := s.Attrs.Get(key); !has && value != "" {
			out = append(out, keyValue{key, "string", value})
		}
	}
	text("span.kind", kindTag(s.Kind))
	if s.Status == telemetry.StatusError || s.Status == telemetry.StatusOK {
		text("otel.status_code", statusTags[s.Status])
	}
	text("otel.status_description", s.StatusMessage)
	if _, has := s.Attrs.Get("error"); !has && s.Status == telemetry.StatusError {
		out = append(out, keyValue{"error", "bool", true})
	}
	text("otel.scope.name", s.Stream.Scope.Name)
	text("otel.scope.version", s.Stream.Scope.Version)
	text("w3c.tracestate", s.TraceState)
	return out
}

func newLog(e *telemetry.Event) log {
	out := log{Timestamp: e.Time / 1000, Fields: []keyValue{}}
	if _, has := e.Attrs.Get("event"); !has && e.Name != "" {
		out.Fields = append(out.Fields, keyValue{"event", "string", e.Name})
	}
	for _, a := range e.Attrs {
		out.Fields = append(out.Fields, newKeyValue(a.Key, a.Value))
	}
	return out
}

func newKeyValue(key string, v telemetry.Value) keyValue {
	switch v.Kind() {
	case telemetry.KindBool:
		return keyValue{key, "bool", v.Bool()}
	case telemetry.KindInt:
		return keyValue{key, "int64", v.Int()}
	case telemetry.KindDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return keyValue{key, "float64", f}
		}
	case telemetry.KindBytes:
		return keyValue{key, "binary", base64.StdEncoding.EncodeToString([]byte(v.Str()))}
	}
	return keyValue{key, "string", v.Text()}
}
