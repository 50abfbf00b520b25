package storage

import (
	"context"

	"github.com/clewhq/clew/telemetry/calls"
)

// CallQuery asks what the spans of a range tell of calls.
type CallQuery struct {
	Tenant string
	// From and To bound Span.Start in Unix nanoseconds: From <= Start < To.
	From, To int64
	// Rules are those by which spans are paired.
	Rules calls.Rules
	// Samples is how many traces are kept of every sum, as far as there are so
	// many.
	Samples int
	// MaxSpans is how many spans may be looked at; what is beyond is missing,
	// and Stats.Warnings says so.
	MaxSpans int
	Stats    *ReadStats // may be nil
	// Look, if set, is shared by the parts of one question: see CallLook.
	Look *CallLook
}

// CallLook ties the queries of one tenant together that are parts of one
// question and are asked one after the other: a store may answer the later ones
// from what it found for the earlier ones, so that all are of one moment and
// nothing is read twice.
type CallLook struct {
	Found any // the store's own
}

// CallReader is what a Reader may also be: it tells of calls without handing
// out the spans that tell of them.
type CallReader interface {
	// Calls adds up what the spans that q selects tell of calls, as
	// calls.Totals.Sum does of all spans of the store. Counts are exact,
	// durations within calls.SketchError.
	Calls(ctx context.Context, q CallQuery) (*calls.Totals, error)
	// CallSteps is Calls by steps of so many minutes, which are a part of an hour.
	CallSteps(ctx context.Context, q CallQuery, minutes int64) (*calls.Steps, error)
}
