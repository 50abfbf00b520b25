package correlation

import (
	"github.com/clewhq/clew/telemetry"
	"github.com/zeebo/xxh3"
)

// Kind is what sort of ID a value is.
type Kind string

// The kinds. Joining kinds lead from one record to others on their own; the
// rest are followed only where they were asked for.
const (
	TraceID       Kind = "trace_id"
	SpanID        Kind = "span_id"
	RequestID     Kind = "request_id"
	CorrelationID Kind = "correlation_id"
	TransactionID Kind = "transaction_id"
	MessageID     Kind = "message_id"
	OrderID       Kind = "order_id"
	SessionID     Kind = "session_id"
	UserID        Kind = "user_id"
	Token         Kind = "token" // ID-shaped, of a kind nobody named
)

// Joins reports whether an ID of this kind in a record leads to the other
// records that carry it, without being asked.
func (k Kind) Joins() bool {
	return k == TraceID || k == RequestID || k == CorrelationID
}

// ID is one correlation ID as it stands in a record.
type ID struct {
	Value string // normal form
	Kind  Kind
	// Source is where it stood: "trace context", "attribute request.id",
	// "resource attribute ...", "body", "link", "event exception".
	Source string
}

// Normalize returns the form in which two spellings of the same ID are equal:
// surrounding space and quotes cut; UUIDs and hex IDs in lower case without
// dashes; everything else as it is.
func Normalize(id string) string { return id }

// Hash is the number under which an ID's normal form stands in indexes on
// disk. It never changes.
func Hash(normal string) uint64 { return xxh3.HashString(normal) }

// Tokens calls yield for every ID-shaped token of text, as it is spelled
// there, until yield returns false.
func Tokens(text string, yield func(token string) bool) {}

// KindOf returns the kind of ID that an attribute of this key carries.
func KindOf(attribute string) (Kind, bool) { return "", false }

// AppendLog appends the IDs that l carries, each value once.
func AppendLog(dst []ID, l *telemetry.Log) []ID { return dst }

// AppendSpan appends the IDs that s carries, each value once.
func AppendSpan(dst []ID, s *telemetry.Span) []ID { return dst }

// AppendLogHashes appends the Hash of every ID that l carries, for indexes;
// faster than AppendLog, and the same set. Hashes may repeat.
func AppendLogHashes(dst []uint64, l *telemetry.Log) []uint64 { return dst }

// AppendSpanHashes: see AppendLogHashes.
func AppendSpanHashes(dst []uint64, s *telemetry.Span) []uint64 { return dst }
