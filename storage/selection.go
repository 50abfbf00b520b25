package storage

import (
	"errors"
	"fmt"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/telemetry"
)

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

// Check returns ErrBadDeletion, with why, for a request to delete that a store
// of these languages refuses.
func (s Selectors) Check(d Deletion) error {
	if err := s.check(d); err != nil {
		return fmt.Errorf("%w: %w", ErrBadDeletion, err)
	}
	return nil
}

func (s Selectors) check(d Deletion) error {
	if err := tenant.Check(d.Tenant); err != nil {
		return err
	}
	if d.To != 0 && d.From >= d.To {
		return errors.New("its time range is empty")
	}
	if d.Query == "" {
		return errors.New("it has no query: say what is to be deleted")
	}
	switch {
	case d.Signal == telemetry.Logs && s.Logs != nil:
		_, err := s.Logs(d.Query)
		return err
	case d.Signal == telemetry.Traces && s.Spans != nil:
		_, err := s.Spans(d.Query)
		return err
	}
	return fmt.Errorf("signal %q: want %s or %s, of a store that knows their languages", d.Signal, telemetry.Logs, telemetry.Traces)
}
