package correlation

import (
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

// Hash is the number under which an ID's normal form stands in indexes on
// disk. It never changes.
func Hash(normal string) uint64 { return xxh3.HashString(normal) }

// hashBytes is Hash of a normal form that was built in a buffer.
func hashBytes(normal []byte) uint64 { return xxh3.Hash(normal) }
