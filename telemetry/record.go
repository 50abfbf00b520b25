package telemetry

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

// Attribute keys of OpenTelemetry's semantic conventions that several rooms read.
const (
	AttrServiceName      = "service.name"
	AttrServiceNamespace = "service.namespace"
	AttrServiceInstance  = "service.instance.id"
)

// UnknownService is the name of a resource that carries none, as the
// OpenTelemetry SDKs spell it.
const UnknownService = "unknown_service"

// Signal names a kind of telemetry. The texts are the directory names of the
// local store and the label values of metrics.
type Signal string

// The signals.
const (
	Logs    Signal = "logs"
	Traces  Signal = "traces"
	Metrics Signal = "metrics"
)

// Resource is what produced telemetry.
type Resource struct {
	Attrs     Attrs
	Dropped   uint32
	SchemaURL string
}

// Scope is the instrumentation library that produced telemetry.
type Scope struct {
	Name      string
	Version   string
	Attrs     Attrs
	Dropped   uint32
	SchemaURL string
}

// StreamID identifies a stream by its content: equal resources and scopes
// have equal IDs on every machine and in every version.
type StreamID [16]byte

// Stream is one resource and one scope. Its records share one *Stream.
// It is immutable.
type Stream struct {
	ID       StreamID
	Resource Resource
	Scope    Scope
	// Service is the service's id as the map names it: service.name, or
	// namespace/name where there is a service.namespace.
	Service string
}

// NewStream returns the stream of r and s.
func NewStream(r Resource, s Scope) *Stream {
	return &Stream{ID: streamID(&r, &s), Resource: r, Scope: s, Service: ServiceOf(r.Attrs)}
}

// serviceAttrs are where a service's name is looked for, best first. Behind
// OpenTelemetry's own come the labels that Loki's service discovery knows, for
// streams pushed by agents that know nothing of services.
var serviceAttrs = []string{
	AttrServiceName, "service_name", "service", "app", "application", "name", "app_kubernetes_io_name",
	"container", "container_name", "k8s.container.name", "k8s_container_name", "component", "workload", "job",
}

// ServiceName returns the name of the service that a resource's attributes
// tell of, UnknownService where they do not.
func ServiceName(a Attrs) string {
	for _, key := range serviceAttrs {
		if name := a.Text(key); name != "" {
			return name
		}
	}
	return UnknownService
}

// ServiceOf returns the id of the service that a resource's attributes name:
// its name, behind its namespace where it has one.
func ServiceOf(a Attrs) string {
	name := ServiceName(a)
	if ns := a.Text(AttrServiceNamespace); ns != "" && name != UnknownService {
		return ns + "/" + name
	}
	return name
}

// streamID hashes a canonical text of r and s in which the order of
// attributes does not matter.
func streamID(r *Resource, s *Scope) StreamID {
	buf := make([]byte, 0, 512)
	buf = appendCanonical(buf, r.Attrs, r.Dropped, r.SchemaURL)
	buf = appendString(buf, s.Name)
	buf = appendString(buf, s.Version)
	buf = appendCanonical(buf, s.Attrs, s.Dropped, s.SchemaURL)
	return StreamID(xxh3.Hash128(buf).Bytes())
}

func appendCanonical(buf []byte, attrs Attrs, dropped uint32, schema string) []byte {
	sorted := attrs
	byKey := func(a, b Attr) int { return strings.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(sorted, byKey) {
		sorted = slices.Clone(attrs)
		slices.SortStableFunc(sorted, byKey)
	}
	buf = binary.AppendUvarint(buf, uint64(len(sorted)))
	for _, a := range sorted {
		buf = appendString(buf, a.Key)
		buf = appendValue(buf, a.Value)
	}
	buf = binary.AppendUvarint(buf, uint64(dropped))
	return appendString(buf, schema)
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

func appendValue(buf []byte, v Value) []byte {
	buf = append(buf, byte(v.kind))
	switch v.kind {
	case KindString, KindBytes:
		buf = appendString(buf, v.str)
	case KindBool, KindInt, KindDouble:
		buf = binary.AppendUvarint(buf, v.num)
	case KindArray:
		buf = binary.AppendUvarint(buf, uint64(len(v.List())))
		for _, e := range v.List() {
			buf = appendValue(buf, e)
		}
	case KindMap:
		buf = appendCanonical(buf, v.Map(), 0, "")
	}
	return buf
}

// Log is one log record. Times are nanoseconds since the Unix epoch, UTC.
type Log struct {
	Stream *Stream
	// Time is when it happened. A record that came without one gets its
	// observed time, or else the time it was received, at admission: stored
	// records always have one.
	Time         int64
	Observed     int64 // when it was first seen; 0 = unset
	TraceID      TraceID
	SpanID       SpanID
	Flags        uint32
	Dropped      uint32   // attributes dropped by the sender
	Severity     Severity // 0 = unset
	SeverityText string
	EventName    string
	Body         Value
	Attrs        Attrs
}

// SpanKind is OpenTelemetry's span kind, with its numbers.
type SpanKind uint8

// The span kinds.
const (
	SpanKindUnspecified SpanKind = iota
	SpanKindInternal
	SpanKindServer
	SpanKindClient
	SpanKindProducer
	SpanKindConsumer
)

// String returns the lower-case word TraceQL uses.
func (k SpanKind) String() string {
	words := [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	if int(k) < len(words) {
		return words[k]
	}
	return words[0]
}

// StatusCode is OpenTelemetry's span status, with its numbers.
type StatusCode uint8

// The status codes.
const (
	StatusUnset StatusCode = iota
	StatusOK
	StatusError
)

// String returns the lower-case word TraceQL uses.
func (c StatusCode) String() string {
	words := [...]string{"unset", "ok", "error"}
	if int(c) < len(words) {
		return words[c]
	}
	return words[0]
}

// Event is something that happened during a span.
type Event struct {
	Time    int64
	Name    string
	Attrs   Attrs
	Dropped uint32
}

// Link ties a span to another one.
type Link struct {
	TraceID    TraceID
	SpanID     SpanID
	TraceState string
	Flags      uint32
	Attrs      Attrs
	Dropped    uint32
}

// Span is one span. Times are nanoseconds since the Unix epoch, UTC; End may
// be before Start where a sender's clock jumped.
type Span struct {
	Stream        *Stream
	TraceID       TraceID
	SpanID        SpanID
	ParentID      SpanID // zero for a root
	Start, End    int64
	Flags         uint32
	Kind          SpanKind
	Status        StatusCode
	Dropped       uint32 // attributes
	DroppedEvents uint32
	DroppedLinks  uint32
	Name          string
	TraceState    string
	StatusMessage string
	Attrs         Attrs
	Events        []Event
	Links         []Link
}

// Duration is End minus Start, 0 where the clock went backwards.
func (s *Span) Duration() time.Duration {
	if s.End <= s.Start {
		return 0
	}
	return time.Duration(s.End - s.Start)
}

// DurationClass is the exponent of the smallest power of two that is not below a
// duration in nanoseconds, 0 for one that is not above 1.
func DurationClass(d time.Duration) int { return PowerOfTwo(max(float64(d), 1)) }

// PowerOfTwo is the exponent of the smallest power of two that is not below v.
func PowerOfTwo(v float64) int {
	frac, exp := math.Frexp(v)
	if frac == 0.5 {
		exp--
	}
	return exp
}

// LogBatch is one request of log records. Raw is the OTLP protobuf
// ExportLogsServiceRequest that decodes to exactly Logs, and which their
// strings may point into; it may not be changed once the batch was handed on.
type LogBatch struct {
	Raw  []byte
	Logs []Log
}

// SpanBatch is one request of spans; Raw is an ExportTraceServiceRequest.
// See LogBatch.
type SpanBatch struct {
	Raw   []byte
	Spans []Span
}
