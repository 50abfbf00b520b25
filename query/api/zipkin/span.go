package zipkin

import (
	"encoding/json"
	"strings"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/telemetry"
)

// Zipkin's JSON of a span, version 2. Times are microseconds.
type (
	span struct {
		TraceID        string            `json:"traceId"`
		ParentID       string            `json:"parentId,omitempty"`
		ID             string            `json:"id"`
		Kind           string            `json:"kind,omitempty"`
		Name           string            `json:"name,omitempty"`
		Timestamp      int64             `json:"timestamp,omitempty"`
		Duration       int64             `json:"duration,omitempty"`
		LocalEndpoint  *endpoint         `json:"localEndpoint,omitempty"`
		RemoteEndpoint *endpoint         `json:"remoteEndpoint,omitempty"`
		Annotations    []annotated       `json:"annotations,omitempty"`
		Tags           map[string]string `json:"tags,omitempty"`
	}
	endpoint struct {
		ServiceName string `json:"serviceName,omitempty"`
	}
	annotated struct {
		Timestamp int64  `json:"timestamp"`
		Value     string `json:"value"`
	}
)

// remoteKeys are the attributes that name what a span called, the best first.
var remoteKeys = []string{"peer.service", "service.peer.name", "db.system.name", "db.system", "messaging.system", "server.address", "net.peer.name"}

func convert(t *traceql.Trace) []span {
	out := make([]span, 0, len(t.Spans))
	for _, s := range t.Spans {
		out = append(out, newSpan(s))
	}
	return out
}

func newSpan(s *telemetry.Span) span {
	out := span{
		TraceID: s.TraceID.String(), ParentID: s.ParentID.String(), ID: s.SpanID.String(), Name: s.Name,
		Timestamp: s.Start / 1000, LocalEndpoint: &endpoint{traceql.ServiceName(s.Stream)}, Tags: tags(s),
	}
	// Zipkin has no duration of 0: a span that ended at once took 1 us.
	if d := s.Duration().Microseconds(); d > 0 || s.End >= s.Start && s.End > 0 {
		out.Duration = max(d, 1)
	}
	switch s.Kind {
	case telemetry.SpanKindServer, telemetry.SpanKindClient, telemetry.SpanKindProducer, telemetry.SpanKindConsumer:
		out.Kind = strings.ToUpper(s.Kind.String())
	}
	if s.Kind == telemetry.SpanKindClient || s.Kind == telemetry.SpanKindProducer {
		for _, key := range remoteKeys {
			if name := s.Attrs.Text(key); name != "" {
				out.RemoteEndpoint = &endpoint{name}
				break
			}
		}
	}
	for i := range s.Events {
		out.Annotations = append(out.Annotations, annotated{s.Events[i].Time / 1000, eventText(&s.Events[i])})
	}
	return out
}

// eventText renders an event as an annotation, its attributes as JSON after
// its name, as OpenTelemetry's mapping says.
func eventText(e *telemetry.Event) string {
	if len(e.Attrs) == 0 {
		return e.Name
	}
	body, err := json.Marshal(map[string]any{e.Name: e.Attrs.Any()})
	if err != nil {
		return e.Name
	}
	return string(body)
}

// tags are the attributes of resource and span and what else Zipkin has no
// fields for, under the names of OpenTelemetry's mapping.
func tags(s *telemetry.Span) map[string]string {
	out := map[string]string{}
	for _, a := range s.Stream.Resource.Attrs {
		if a.Key != telemetry.AttrServiceName {
			out[a.Key] = a.Value.Text()
		}
	}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("otel.scope.name", s.Stream.Scope.Name)
	set("otel.scope.version", s.Stream.Scope.Version)
	set("w3c.tracestate", s.TraceState)
	if s.Status == telemetry.StatusOK || s.Status == telemetry.StatusError {
		set("otel.status_code", strings.ToUpper(s.Status.String()))
	}
	for _, a := range s.Attrs {
		out[a.Key] = a.Value.Text()
	}
	if _, has := out["error"]; s.Status == telemetry.StatusError && !has {
		out["error"] = s.StatusMessage
		if s.StatusMessage == "" {
			out["error"] = "true"
		}
	}
	return out
}
