package storage

import (
	"context"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// SpanGroupQuery asks for spans in groups. Beyond what Query selects only spans
// of Shortest to Longest count, both included.
type SpanGroupQuery struct {
	Query SpanQuery // To must be set
	// Width is how long a bin is in nanoseconds, the first one beginning at
	// Query.From; all is one where it is 0.
	Width             int64
	Shortest, Longest time.Duration
	By                SpanTraits
	// Durations asks for SpanGroup.Durations.
	Durations bool
	// Samples asks for SpanGroup.Sample, as Query.Columns says.
	Samples bool
}

// SpanTraits are what spans are told apart by, beside their stream.
type SpanTraits struct {
	Name, Kind, Status bool
	Root               bool     // whether they have a parent
	Class              bool     // telemetry.DurationClass
	Keys               []string // attributes, by their values
}

// SpanGroup is spans that agree in all that they are told apart by.
type SpanGroup struct {
	// Like resembles each of them: it has their stream and the traits that were
	// asked for. A root has no ParentID, all others have one; the duration is
	// of their class. All else may be missing.
	Like *telemetry.Span
	Bin  int
	N    int64
	// Durations are those of all of them, where they were asked for.
	Durations DurationSums
	// Sample is the one of them that started first, and of several such ones
	// the shortest, where samples were asked for.
	Sample *telemetry.Span
}

// DurationSums are durations added up: their sum is exact as long as a float64
// can be.
type DurationSums struct {
	Least, Most time.Duration
	Sum         float64 // nanoseconds
}

// SpanGrouper is what a Reader may also be: it tells of spans in groups without
// handing them out.
type SpanGrouper interface {
	// SpanGroups calls add, from one goroutine at a time, with every group that
	// has spans, once or more. The numbers are exact.
	SpanGroups(ctx context.Context, q SpanGroupQuery, add func(SpanGroup)) error
}

// GroupOf is the group of a single span.
func (q *SpanGroupQuery) GroupOf(s *telemetry.Span) SpanGroup {
	g := SpanGroup{Like: s, N: 1, Durations: DurationSums{Least: s.Duration(), Most: s.Duration(), Sum: float64(s.Duration())}}
	if q.Width > 0 {
		g.Bin = int((s.Start - q.Query.From) / q.Width)
	}
	if q.Samples {
		g.Sample = s
	}
	return g
}

// Takes reports whether a span that Query selects is of the length asked for.
func (q *SpanGroupQuery) Takes(s *telemetry.Span) bool {
	return s.Duration() >= q.Shortest && s.Duration() <= q.Longest
}
