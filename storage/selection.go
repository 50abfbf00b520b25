package storage

import "github.com/clewhq/clew/telemetry"

// LogSelection selects log records exactly: those that Query yields and that
// Match, if set, accepts. It is what tools work on that need the records
// themselves, such as an export or a deletion.
type LogSelection struct {
	Query LogQuery
	Match func(*telemetry.Log) bool // not safe for concurrent use
}

// SpanSelection selects spans exactly. See LogSelection.
type SpanSelection struct {
	Query SpanQuery
	Match func(*telemetry.Span) bool // not safe for concurrent use
}

// Selectors turn queries into selections: a store that keeps a query, such as
// that of a deletion, does not know the languages.
type Selectors struct {
	Logs  func(query string) (LogSelection, error)
	Spans func(query string) (SpanSelection, error)
}
