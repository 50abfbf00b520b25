package client

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/telemetry"
)

// otlpTrace is a trace as Tempo answers it: OTLP in JSON, under one of the
// names its versions use.
type otlpTrace struct {
	Batches       []otlpResource `json:"batches"`
	ResourceSpans []otlpResource `json:"resourceSpans"`
	Trace         *otlpTrace     `json:"trace"`
}

type otlpResource struct {
	Resource struct {
		Attributes []otlpAttr `json:"attributes"`
	} `json:"resource"`
	ScopeSpans []struct {
		Spans []otlpSpan `json:"spans"`
	} `json:"scopeSpans"`
}

type otlpSpan struct {
	TraceID    string     `json:"traceId"`
	SpanID     string     `json:"spanId"`
	ParentID   string     `json:"parentSpanId"`
	Name       string     `json:"name"`
	Start      numeral    `json:"startTimeUnixNano"`
	End        numeral    `json:"endTimeUnixNano"`
	Attributes []otlpAttr `json:"attributes"`
	Status     struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
	Events []struct {
		Time       numeral    `json:"timeUnixNano"`
		Name       string     `json:"name"`
		Attributes []otlpAttr `json:"attributes"`
	} `json:"events"`
}

type otlpAttr struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

// numeral is a 64-bit number, which JSON carries as a string or a number.
type numeral int64

// UnmarshalJSON reads both.
func (n *numeral) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = numeral(v)
	return err
}

// entries returns the spans and events as entries of a timeline.
func (t *otlpTrace) entries() []correlate.Entry {
	if t.Trace != nil {
		return t.Trace.entries()
	}
	var out []correlate.Entry
	for _, r := range append(t.Batches, t.ResourceSpans...) {
		resource := attrsOf(r.Resource.Attributes)
		service := serviceOf(resource)
		for _, scope := range r.ScopeSpans {
			for i := range scope.Spans {
				out = append(out, scope.Spans[i].entries(service, resource)...)
			}
		}
	}
	return out
}

func serviceOf(resource map[string]any) string {
	name, _ := resource[telemetry.AttrServiceName].(string)
	if ns, _ := resource[telemetry.AttrServiceNamespace].(string); ns != "" && name != "" {
		name = ns + "/" + name
	}
	return orElse(name, telemetry.UnknownService)
}

func (s *otlpSpan) entries(service string, resource map[string]any) []correlate.Entry {
	e := correlate.Entry{
		Time: time.Unix(0, int64(s.Start)).UTC(), Type: correlate.TypeSpan, Service: service, Text: s.Name, Status: statusOf(s.Status.Code),
		TraceID: hexID(s.TraceID), SpanID: hexID(s.SpanID), ParentSpanID: hexID(s.ParentID), DurationNS: max(int64(s.End-s.Start), 0),
		Attributes: attrsOf(s.Attributes), Resource: resource,
	}
	if e.Status == "error" {
		e.Severity = "error"
	}
	if s.Status.Message != "" {
		e.Attributes[correlate.AttrStatusMessage] = s.Status.Message
	}
	out := []correlate.Entry{e}
	for _, ev := range s.Events {
		entry := correlate.Entry{Time: time.Unix(0, int64(ev.Time)).UTC(), Type: correlate.TypeEvent, Service: service, Text: ev.Name,
			TraceID: e.TraceID, SpanID: e.SpanID, Attributes: attrsOf(ev.Attributes), Resource: resource}
		if ev.Name == "exception" {
			entry.Severity = "error"
			if m, _ := entry.Attributes["exception.message"].(string); m != "" {
				entry.Text += ": " + m
			}
		}
		out = append(out, entry)
	}
	return out
}

// hexID returns an ID in hex: some servers send IDs as base64, as protobuf's
// own JSON does.
func hexID(id string) string {
	switch len(id) {
	case 0, 16, 32:
		return strings.ToLower(id)
	}
	if b, err := base64.StdEncoding.DecodeString(id); err == nil {
		return hex.EncodeToString(b)
	}
	return id
}

func statusOf(code any) string {
	switch code {
	case float64(2), "STATUS_CODE_ERROR":
		return "error"
	case float64(1), "STATUS_CODE_OK":
		return "ok"
	}
	return "unset"
}

func attrsOf(attrs []otlpAttr) map[string]any {
	out := make(map[string]any, len(attrs))
	for _, a := range attrs {
		for _, v := range a.Value {
			out[a.Key] = v
		}
	}
	return out
}
