package zipkin

import (
	"encoding/json"
	"net/netip"
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
		IPv4        string `json:"ipv4,omitempty"`
		IPv6        string `json:"ipv6,omitempty"`
		Port        int64  `json:"port,omitempty"`
	}
	annotated struct {
		Timestamp int64  `json:"timestamp"`
		Value     string `json:"value"`
	}
)

// peerService names what a span called, or who called it.
const peerService = "peer.service"

// remoteKeys are the attributes that name what a span called, the best first.
var remoteKeys = []string{peerService, "service.peer.name", "db.system.name", "db.system", "messaging.system", "server.address", "net.peer.name"}

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
		Timestamp: s.Start / 1000, Tags: tags(s),
	}
	out.endpoints(s)
	// Zipkin has no duration of 0: a span that ended at once took 1 us.
	if d := s.Duration().Microseconds(); d > 0 || s.End >= s.Start && s.End > 0 {
		out.Duration = max(d, 1)
	}
	switch s.Kind {
	case telemetry.SpanKindServer, telemetry.SpanKindClient, telemetry.SpanKindProducer, telemetry.SpanKindConsumer:
		out.Kind = strings.ToUpper(s.Kind.String())
	}
	for i := range s.Events {
		out.Annotations = append(out.Annotations, annotated{s.Events[i].Time / 1000, eventText(&s.Events[i])})
	}
	return out
}

// endpoints sets both ends of a span. The attributes that say nothing else are
// tags no longer: a client reads what it wrote.
func (out *span) endpoints(s *telemetry.Span) {
	local := endpoint{ServiceName: traceql.ServiceName(s.Stream)}
	local.address(s, out.Tags, "network.local.")
	out.LocalEndpoint = &local

	keys := remoteKeys[:1]
	if s.Kind == telemetry.SpanKindClient || s.Kind == telemetry.SpanKindProducer {
		keys = remoteKeys
	}
	var remote endpoint
	for _, key := range keys {
		if remote.ServiceName = s.Attrs.Text(key); remote.ServiceName != "" {
			break
		}
	}
	if remote.ServiceName == s.Attrs.Text(peerService) {
		delete(out.Tags, peerService)
	}
	remote.address(s, out.Tags, "network.peer.")
	if remote != (endpoint{}) {
		out.RemoteEndpoint = &remote
	}
}

// address takes the address and the port from the attributes under a prefix,
// where the address is one of the Internet protocol.
func (e *endpoint) address(s *telemetry.Span, tags map[string]string, prefix string) {
	if text := s.Attrs.Text(prefix + "address"); text != "" {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return // the name of a socket
		}
		if addr.Is4() {
			e.IPv4 = text
		} else {
			e.IPv6 = text
		}
		delete(tags, prefix+"address")
	}
	for _, a := range s.Attrs {
		if a.Key == prefix+"port" && a.Value.Kind() == telemetry.KindInt {
			e.Port = a.Value.Int()
			delete(tags, a.Key)
		}
	}
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
