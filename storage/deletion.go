package storage

import (
	"context"
	"errors"

	"github.com/clewhq/clew/telemetry"
)

// Errors of a Deleter.
var (
	// ErrBadDeletion refuses a deletion that cannot be carried out as it was
	// asked for: the caller has to ask for another one.
	ErrBadDeletion = errors.New("the deletion cannot be carried out")
	// ErrNoDeletion says that there is no deletion of that ID to cancel.
	ErrNoDeletion = errors.New("no such deletion is waiting")
)

// Deletion is a request to remove records for good.
type Deletion struct {
	ID     string // made by the store
	Tenant string
	// Signal is telemetry.Logs or telemetry.Traces, Query LogQL for logs and
	// TraceQL for spans. The store forgets the query when it is done.
	Signal telemetry.Signal
	Query  string
	// From and To bound the records' times in Unix nanoseconds: From <= time <
	// To. A zero To is no bound.
	From, To int64
	// Created and Done are Unix nanoseconds; Done is 0 while it is not.
	Created, Done int64
	// Records is how many were removed so far.
	Records int64
	// Err is why the last attempt did not get through; it is tried again.
	Err string
}

// Deleter removes records that a query selects, of those that were
// acknowledged before it was asked to. Where Done is set, no file of the store
// holds anything of them any more.
type Deleter interface {
	// Delete takes a request in. It would survive a power cut when Delete
	// returns, and is carried out in the background.
	Delete(ctx context.Context, d Deletion) (Deletion, error)
	// Deletions lists a tenant's requests: those that wait, and the last ones
	// that are done, oldest first.
	Deletions(ctx context.Context, tenant string) ([]Deletion, error)
	// CancelDeletion forgets a request that is not done. What it has removed
	// already stays removed.
	CancelDeletion(ctx context.Context, tenant, id string) error
}
