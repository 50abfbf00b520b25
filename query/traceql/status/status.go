// Package status says which HTTP status belongs to what can go wrong where a
// question over traces is answered, for every API that asks package traceql.
//
// It may import query/traceql, its syntax and the contracts of package storage.
package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// ClientGone is what proxies log for a caller that hung up; nobody reads it.
const ClientGone = 499

// Error is an error with its HTTP status.
type Error struct {
	Code int
	Err  error
}

// Error is the message of the error inside.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error inside.
func (e *Error) Unwrap() error { return e.Err }

// BadRequest is an error of the caller's.
func BadRequest(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// NotFound says that there is nothing, or, where parts of the store did not
// answer, that nobody can say: then asking again later may find it.
func NotFound(what string, missing []string) error {
	if len(missing) == 0 {
		return &Error{http.StatusNotFound, errors.New(what)}
	}
	return &Error{http.StatusServiceUnavailable, fmt.Errorf("%s, but not all that is stored could be read: %s", what, strings.Join(missing, "; "))}
}

// Of maps an error to its HTTP status. What it does not know is the server's
// own fault, 500.
func Of(err error) int {
	var (
		status *Error
		query  *traceql.QueryError
		parse  *syntax.Error
	)
	switch {
	case errors.As(err, &status):
		return status.Code
	case errors.As(err, &query), errors.As(err, &parse):
		return http.StatusBadRequest
	case storage.IsPassing(err): // first: to wait for a connection in vain is a deadline, too
		return http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return ClientGone
	}
	return http.StatusInternalServerError
}

// Report is Of, and logs an error that is the server's own with the API and
// the path or method that met it.
func Report(log *slog.Logger, api, path string, err error) int {
	code := Of(err)
	if code == http.StatusInternalServerError {
		log.Error(api+" request failed", "path", path, "err", err)
	}
	return code
}
