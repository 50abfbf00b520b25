package logql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/prometheus/common/model"
)

// Errors of the engine, by what a caller can do about them.
var (
	// ErrBadQuery is wrapped by errors that only another query can avoid.
	ErrBadQuery = errors.New("bad query")
	// ErrLimit is wrapped by errors of a query that asks for too much.
	ErrLimit = errors.New("query limit reached")
	// ErrTimeout is wrapped by the error of a query that took too long.
	ErrTimeout = errors.New("query timed out")
)

// queryError is an error of its own words that belongs to a kind.
type queryError struct {
	kind error
	msg  string
}

// Error implements error.
func (e *queryError) Error() string { return e.msg }

// Unwrap returns the kind.
func (e *queryError) Unwrap() error { return e.kind }

func badQuery(format string, args ...any) error {
	return &queryError{ErrBadQuery, fmt.Sprintf(format, args...)}
}

func limitError(format string, args ...any) error {
	return &queryError{ErrLimit, fmt.Sprintf(format, args...)}
}

// parseFailed keeps the words of a parse error and marks it as a bad query.
func parseFailed(err error) error {
	var pe *syntax.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("%w%w", silent{ErrBadQuery}, err)
	}
	return badQuery("%s", err)
}

// silent is an error that is there for errors.Is and says nothing.
type silent struct{ error }

// Error implements error.
func (silent) Error() string { return "" }

// Unwrap returns the error that is silent.
func (s silent) Unwrap() error { return s.error }

// readFailed explains an error that ended a read; nil stays nil.
func readFailed(err error, timeout model.Duration) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &queryError{ErrTimeout, fmt.Sprintf("query timed out after %s (timeout): ask for less time or fewer streams", timeout)}
	case errors.Is(err, storage.ErrBudget):
		return &queryError{ErrLimit, err.Error()}
	}
	return err
}

// pipelineError is what a metric query fails with where a stage left an error
// in a record.
func pipelineError(kind string, labels []entry.Label) error {
	return badQuery("pipeline error: '%s' for series: '%s'.\nUse a label filter to intentionally skip this error. (e.g | %s!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g %s=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | %s=\"\" )",
		kind, labelsText(labels), pipeline.ErrorLabel, kind, pipeline.ErrorLabel, pipeline.ErrorLabel)
}

func labelsText(labels []entry.Label) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
