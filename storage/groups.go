package storage

import (
	"context"

	"github.com/clewhq/clew/telemetry"
)

// LogText names a text of log records, as a Condition does: the Field or,
// where that is empty, the text of the first attribute whose key Key accepts
// and whose text is not empty, or else "".
type LogText struct {
	Field LogField
	Key   func(key string) bool // nil for no attribute
}

// Of returns the text of l.
func (t LogText) Of(l *telemetry.Log) (text string) {
	c := Condition{Field: t.Field, Key: t.Key, Accept: func(s string) bool { text = s; return true }}
	c.Holds(l)
	return text
}

// LogGroup is what records are told apart by when they are counted in groups.
type LogGroup struct {
	Stream *telemetry.Stream
	// Bin is the time: see LogCounter.
	Bin int
	// Severity is that of the records, SeverityUnset where they have none.
	Severity telemetry.Severity
	// Texts are those that were asked for, in that order. They may be kept but
	// not changed.
	Texts []string
}

// LogGrouper is what a Reader may also be: it counts log records in groups
// without handing them out.
type LogGrouper interface {
	// CountLogGroups counts the records that q selects, by stream, time,
	// severity and texts. As in a LogCounter Text and Where are exact and To
	// must be set. MinSeverity lets it leave out records below it, but not
	// those without a severity. It calls add, from one goroutine at a time,
	// with every number that is not 0, for a group once or more.
	CountLogGroups(ctx context.Context, q LogQuery, width int64, by []LogText, add func(g LogGroup, n int64)) error
}

// Version names a state of what is stored: what has the same version has not
// changed. The zero Version is none.
type Version [2]uint64

// LogVersioner is what a Reader may also be: it tells whether log records have
// changed since they were read, so that answers can be kept.
type LogVersioner interface {
	// LogsVersion returns the version of a tenant's log records in the range
	// (from <= Time < to, a zero to is no bound). Where two calls during the
	// life of a store return the same version, every read that began between
	// them, and before the second, has seen the same records. The version may
	// change though the records do not. It is zero where the store cannot
	// tell, as where a part of it is damaged.
	LogsVersion(ctx context.Context, tenant string, from, to int64) (Version, error)
}

// SpanVersioner is what a Reader may also be: see LogVersioner. A span is in
// the range where its Start is.
type SpanVersioner interface {
	SpansVersion(ctx context.Context, tenant string, from, to int64) (Version, error)
}
