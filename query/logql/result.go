package logql

import (
	"time"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/storage"
)

// Direction is the order of log lines in an answer.
type Direction uint8

// The directions.
const (
	Backward Direction = iota // newest first
	Forward                   // oldest first
)

// String returns the word of Loki's API.
func (d Direction) String() string {
	if d == Forward {
		return "forward"
	}
	return "backward"
}

// Params are what a query is asked with. Times are Unix nanoseconds.
type Params struct {
	// Start and End bound a log query: Start <= time < End. A metric query is
	// evaluated at Start and every Step until End; an instant query at End.
	Start, End int64
	// Instant evaluates a metric query once, at End.
	Instant bool
	Step    time.Duration
	// Interval thins a log query out: a line is left out if it is less than
	// this away from the one before it in its stream.
	Interval  time.Duration
	Direction Direction
	Limit     int // of log lines
	// Explain asks for the plan in words.
	Explain bool
}

// Kind is the shape of an answer; the texts are Loki's.
type Kind string

// The shapes.
const (
	KindStreams Kind = "streams"
	KindMatrix  Kind = "matrix"
	KindVector  Kind = "vector"
	KindScalar  Kind = "scalar"
)

// Row is one log line of an answer.
type Row struct {
	Time   int64
	Line   string
	Labels []pipeline.Label // sorted by name
}

// Point is a number at a time in milliseconds.
type Point struct {
	Time  int64
	Value float64
}

// Series is a label set and its points; exactly one in a vector.
type Series struct {
	Labels []entry.Label // sorted by name
	Points []Point
}

// Stats tell what a query cost.
type Stats struct {
	Store    storage.ReadStats
	Lines    int64 // records looked at
	Bytes    int64 // of their lines
	Returned int64 // lines or series in the answer
	Elapsed  time.Duration
	// Plan, Read and Process are the parts of it that planning, waiting for the
	// store and working on records took; of slices that ran at once the sum.
	Plan, Read, Process time.Duration
	// Slices is in how many parts of its time a metric query was looked up in
	// the cache, CachedSlices how many were there.
	Slices, CachedSlices int
}

// Result is the answer to a query.
type Result struct {
	Kind   Kind
	Rows   []Row    // streams, in the order of the direction
	Series []Series // matrix, vector
	Scalar Point
	Stats  Stats
	// Warnings say what is missing from the answer; none where it is whole.
	Warnings []string
	// Plan says in words what was asked of the store, if Params.Explain.
	Plan []string
}
