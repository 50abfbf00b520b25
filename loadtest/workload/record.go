package workload

import "encoding/hex"

// TraceID is a trace's ID.
type TraceID [16]byte

// SpanID is a span's ID; zero means none.
type SpanID [8]byte

// String returns the ID in hex.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// IsZero reports whether there is no ID.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// String returns the ID in hex.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// IsZero reports whether there is no ID.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// Attr is an attribute; Value is a string, an int64, a float64 or a bool.
type Attr struct {
	Key   string
	Value any
}

// Kind is a span's kind, with OpenTelemetry's numbers.
type Kind int32

// The span kinds that occur.
const (
	Internal Kind = iota + 1
	Server
	Client
	Producer
	Consumer
)

// Severity is a log record's severity, with OpenTelemetry's numbers.
type Severity int32

// The severities that occur.
const (
	Debug Severity = 5
	Info  Severity = 9
	Warn  Severity = 13
	Error Severity = 17
)

// String returns the level as services write it.
func (s Severity) String() string {
	switch s {
	case Debug:
		return "DEBUG"
	case Warn:
		return "WARN"
	case Error:
		return "ERROR"
	default:
		return "INFO"
	}
}

// Event is an event of a span.
type Event struct {
	Time  int64
	Name  string
	Attrs []Attr
}

// Link ties a span to another one.
type Link struct {
	Trace TraceID
	Span  SpanID
}

// Span is a span; times are nanoseconds since the Unix epoch.
type Span struct {
	Trace      TraceID
	ID, Parent SpanID
	Service    int // index into Services
	Name       string
	Kind       Kind
	Start, End int64
	Failed     bool
	Status     string // status message where it failed
	Attrs      []Attr
	Events     []Event
	Links      []Link
}

// logSeqStride is the distance between the log numbers of two requests.
const logSeqStride = 10000

// Log is a log record.
type Log struct {
	// Seq numbers every record: request times 10000 plus its place in it.
	// It travels as attribute loadtest.seq.
	Seq     int64
	Service int // index into Services; for a real line, see Source
	// Source is the name of the system that a real line is of, and Host one
	// of its hosts. Source is "" for what the shop's services write.
	Source   string
	Host     int
	Time     int64
	Trace    TraceID // zero where the service knows no trace context
	Told     TraceID // what a record without one names in its text
	Span     SpanID
	Severity Severity
	Body     string
	Attrs    []Attr
}

// Context is the trace that the record belongs to: the one that it carries,
// or the one that its text tells.
func (l *Log) Context() TraceID {
	if l.Trace.IsZero() {
		return l.Told
	}
	return l.Trace
}

// ServiceName is the name of who wrote the record.
func (l *Log) ServiceName() string {
	if l.Source != "" {
		return l.Source
	}
	return Services[l.Service].Name
}

// Call is one call over an edge of the map.
type Call struct {
	Source, Target string
	Protocol       Protocol
	Failed         bool
}

// Story is everything that one customer request caused.
type Story struct {
	Index     int
	Scenario  string
	RequestID string
	SessionID string
	UserID    string
	OrderID   string    // "" where nothing was ordered
	Traces    []TraceID // the request's own, and the one that shipping began
	Spans     []Span
	// Logs are the records that carry an ID of this request.
	Logs []Log
	// Background are records that services wrote meanwhile for reasons of
	// their own. They carry no ID.
	Background []Log
	Calls      []Call
}
