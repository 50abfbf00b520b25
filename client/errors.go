package client

import "fmt"

// The exit codes of the contract.
const (
	ExitFailed   = 1
	ExitUsage    = 2
	ExitNotFound = 3
)

// Error is a failure with the exit code it ends the program with.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode returns the program's exit code.
func (e *Error) ExitCode() int { return e.Code }

func usagef(format string, args ...any) error {
	return &Error{ExitUsage, fmt.Errorf(format, args...)}
}

func notFoundf(format string, args ...any) error {
	return &Error{ExitNotFound, fmt.Errorf(format, args...)}
}

func failedf(format string, args ...any) error {
	return &Error{ExitFailed, fmt.Errorf(format, args...)}
}
