package zipkin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

type endpoint struct {
	ServiceName string `json:"serviceName"`
	IPv4        string `json:"ipv4"`
	IPv6        string `json:"ipv6"`
	Port        int64  `json:"port"`
}

type annotation struct {
	Timestamp int64  `json:"timestamp"` // microseconds
	Value     string `json:"value"`
}

// span is Zipkin's model; times are in microseconds.
type span struct {
	TraceID     string            `json:"traceId"`
	ID          string            `json:"id"`
	ParentID    string            `json:"parentId"`
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	Timestamp   int64             `json:"timestamp"`
	Duration    int64             `json:"duration"`
	Local       *endpoint         `json:"localEndpoint"`
	Remote      *endpoint         `json:"remoteEndpoint"`
	Annotations []annotation      `json:"annotations"`
	Tags        map[string]string `json:"tags"`
	Debug       bool              `json:"debug"`
	Shared      bool              `json:"shared"`
}

// decode reads a list of spans. An ID that is none leaves the span without
// it: admission rejects that span alone. So are rejected the spans that are no
// spans at all, of which bad tells.
func decode(b []byte) (_ []telemetry.Span, bad []error, _ error) {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, nil, fmt.Errorf("at byte %d: %w", syntax.Offset, err)
		}
		return nil, nil, errors.New("want an array of spans")
	}
	in := make([]span, 0, len(list))
	for i, raw := range list {
		var s span
		if err := json.Unmarshal(raw, &s); err != nil {
			bad = append(bad, fmt.Errorf("span %d: %w", i, err))
			continue
		}
		in = append(in, s)
	}
	streams := make(map[string]*telemetry.Stream)
	out := make([]telemetry.Span, len(in))
	for i := range in {
		out[i] = in[i].record()
		service := ""
		if in[i].Local != nil {
			service = in[i].Local.ServiceName
		}
		if streams[service] == nil {
			var attrs telemetry.Attrs
			if service != "" {
				attrs = telemetry.Attrs{text(telemetry.AttrServiceName, service)}
			}
			streams[service] = telemetry.NewStream(telemetry.Resource{Attrs: attrs}, telemetry.Scope{})
		}
		out[i].Stream = streams[service]
	}
	// Spans of one service stand together, so that they share a resource on
	// the wire.
	slices.SortStableFunc(out, func(a, b telemetry.Span) int { return strings.Compare(a.Stream.Service, b.Stream.Service) })
	return out, bad, nil
}

func text(key, value string) telemetry.Attr {
	return telemetry.Attr{Key: key, Value: telemetry.String(value)}
}

// nanos turns microseconds into nanoseconds, stopping at the ends of time.
func nanos(micros int64) int64 {
	return min(max(micros, 0), math.MaxInt64/1000) * 1000
}

var kinds = map[string]telemetry.SpanKind{
	"CLIENT": telemetry.SpanKindClient, "SERVER": telemetry.SpanKindServer,
	"PRODUCER": telemetry.SpanKindProducer, "CONSUMER": telemetry.SpanKindConsumer,
	"": telemetry.SpanKindInternal,
}

// record returns s as OpenTelemetry's model has it, without its stream.
func (s *span) record() telemetry.Span {
	out := telemetry.Span{Name: s.Name, Kind: kinds[strings.ToUpper(s.Kind)], Start: nanos(s.Timestamp)}
	out.TraceID, _ = telemetry.ParseTraceID(s.TraceID)
	out.SpanID, _ = telemetry.ParseSpanID(s.ID)
	out.ParentID, _ = telemetry.ParseSpanID(s.ParentID)
	out.End = out.Start + min(nanos(s.Duration), math.MaxInt64-out.Start)
	keys := make([]string, 0, len(s.Tags))
	for k := range s.Tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out.Attrs = append(out.Attrs, text(k, s.Tags[k]))
	}
	s.status(&out)
	s.endpoints(&out)
	for _, a := range s.Annotations {
		out.Events = append(out.Events, telemetry.Event{Time: nanos(a.Timestamp), Name: a.Value})
	}
	return out
}

// status reads what Zipkin's tags say of success.
func (s *span) status(out *telemetry.Span) {
	switch strings.ToUpper(s.Tags["otel.status_code"]) {
	case "OK":
		out.Status = telemetry.StatusOK
	case "ERROR":
		out.Status, out.StatusMessage = telemetry.StatusError, s.Tags["error"]
	}
	if message, ok := s.Tags["error"]; ok && message != "false" {
		out.Status = telemetry.StatusError
		if message != "true" {
			out.StatusMessage = message
		}
	}
}

// endpoints adds both ends' addresses under OpenTelemetry's names.
func (s *span) endpoints(out *telemetry.Span) {
	add := func(key, value string) {
		if value != "" {
			out.Attrs = append(out.Attrs, text(key, value))
		}
	}
	port := func(key string, p int64) {
		if p > 0 {
			out.Attrs = append(out.Attrs, telemetry.Attr{Key: key, Value: telemetry.Int(p)})
		}
	}
	if l := s.Local; l != nil {
		add("network.local.address", first(l.IPv4, l.IPv6))
		port("network.local.port", l.Port)
	}
	if r := s.Remote; r != nil {
		add("peer.service", r.ServiceName)
		add("network.peer.address", first(r.IPv4, r.IPv6))
		port("network.peer.port", r.Port)
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
