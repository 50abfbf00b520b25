package storage

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Errors of a store; IsPassing tells which of them end by themselves. Everything
// else that a store returns is internal, and the operator's to look at.
var (
	// ErrDiskFull refuses a write because the disk has no room. Reads go on,
	// and writes do again by themselves once there is room.
	ErrDiskFull = errors.New("no space left on the data disk")
	// ErrOverloaded refuses a write because memory or queue limits are
	// reached. The same request may be sent again a little later.
	ErrOverloaded = errors.New("no room for more at the moment")
	// ErrStuck refuses a write because what keeps this tenant's records takes
	// none at the moment; those of others go on.
	ErrStuck = errors.New("what keeps these records takes none at the moment")
	// ErrUnavailable ends a call because what the store keeps its data in is
	// away or has too much to do. Unavailable marks errors so.
	ErrUnavailable = errors.New("the store is not available")
	// ErrClosed refuses a call because the store is stopping.
	ErrClosed = errors.New("the store is closed")
	// ErrBudget ends a read that went over its row or byte budget.
	ErrBudget = errors.New("the query reads more than its budget allows")
)

// Unavailable marks an error as ErrUnavailable. Its text stays as it is: it says
// what is away, why, and what to do.
func Unavailable(err error) error { return unavailable{err} }

type unavailable struct{ error }

// Unwrap returns the cause and ErrUnavailable.
func (u unavailable) Unwrap() []error { return []error{u.error, ErrUnavailable} }

// IsPassing reports whether err says nothing against the call itself: the same
// one may succeed later. It is what APIs answer with 503.
func IsPassing(err error) bool {
	for _, passing := range []error{ErrUnavailable, ErrOverloaded, ErrDiskFull, ErrStuck, ErrClosed} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// WriteResult tells what became of a batch.
type WriteResult struct {
	// Duplicate is set where a batch of the same tenant, signal and bytes was
	// acknowledged within the deduplication window. It was not stored again.
	Duplicate bool
}

// Writer takes log records and spans in.
//
// WriteLogs and WriteSpans return nil only when the whole batch would survive
// a power cut from then on, and is visible to every read that starts
// afterwards. On an error none of the batch is visible, and the caller must
// assume that it may or may not come back after a restart. A batch whose
// context ends while it waits for the disk may have been stored.
//
// The store keeps the batch's bytes and streams, which may not be changed after
// the call, whatever it returned. The list of records, and the lists in them,
// are the caller's again when the call returns: it may decode the next request
// into their memory. An empty batch is a no-op. Both methods are safe for
// concurrent use; concurrent batches share an fsync.
type Writer interface {
	WriteLogs(ctx context.Context, tenant string, b *telemetry.LogBatch) (WriteResult, error)
	WriteSpans(ctx context.Context, tenant string, b *telemetry.SpanBatch) (WriteResult, error)
}

// Order is the order in which log records come.
type Order uint8

// The orders. Records of the same nanosecond come in the order of their streams'
// IDs, and those of one stream as they arrived, all of it the other way round with
// NewestFirst: so every store has the same records where a reader stops.
const (
	OrderAny Order = iota
	OldestFirst
	NewestFirst
)

// Columns names the fields a reader looks at. A store may leave the others
// zero; Stream, times, trace, span and parent IDs are always there.
type Columns uint16

// The columns. A zero Columns means all.
const (
	ColBody     Columns = 1 << iota // Log.Body
	ColAttrs                        // Attrs
	ColSeverity                     // Severity, SeverityText
	ColSpan                         // Span: Kind, Status, StatusMessage, Name
	ColEvents                       // Span: Events, Links and their dropped counts
	ColRest                         // everything else
	ColAll      = ColBody | ColAttrs | ColSeverity | ColSpan | ColEvents | ColRest
)

// Has reports whether c asks for all of want.
func (c Columns) Has(want Columns) bool { return c == 0 || c&want == want }

// ReadStats counts what a read touched. The store adds to it while the read
// runs; the reader may look at it when the iteration has ended.
type ReadStats struct {
	Segments, SegmentsSkipped int64
	Blocks, BlocksSkipped     int64
	Rows                      int64 // rows decoded
	Bytes                     int64 // bytes read before decompression
	// Warnings say what part of the answer is missing and why. An empty list
	// means the answer is whole.
	Warnings []string
}

// LogField names a field of a log record that is a text.
type LogField uint8

// The fields.
const (
	FieldNone LogField = iota
	FieldSeverityText
	FieldEventName
)

// Condition is on one text of a log record: its Field or, where that is empty,
// the text of the first attribute whose key Key accepts and whose text is not
// empty, or else "". Key and Accept must be pure: the store may ask them once
// for each key or text there is, from any goroutine.
type Condition struct {
	Field  LogField
	Key    func(key string) bool // nil for no attribute
	Accept func(text string) bool
	// Texts, if not nil, are all that Accept takes, the empty text not among them.
	Texts []string
}

// Holds reports whether the condition is true of l.
func (c *Condition) Holds(l *telemetry.Log) bool {
	text := ""
	switch c.Field {
	case FieldSeverityText:
		text = l.SeverityText
	case FieldEventName:
		text = l.EventName
	}
	for i := 0; text == "" && c.Key != nil && i < len(l.Attrs); i++ {
		if c.Key(l.Attrs[i].Key) {
			text = l.Attrs[i].Value.Text()
		}
	}
	return c.Accept(text)
}

// Meets reports whether a log record meets all conditions, and has all literals
// in its body's text.
func Meets(l *telemetry.Log, where []Condition, text []string) bool {
	for i := range where {
		if !where[i].Holds(l) {
			return false
		}
	}
	if len(text) == 0 {
		return true
	}
	body := l.Body.Text()
	return !slices.ContainsFunc(text, func(lit string) bool { return !strings.Contains(body, lit) })
}

// LogQuery selects log records.
type LogQuery struct {
	Tenant string
	// From and To bound Log.Time in Unix nanoseconds: From <= Time < To.
	// A zero To means no bound; From is never negative.
	From, To int64
	// Stream, if set, keeps only the records of streams it returns true for.
	// It must be pure: the store calls it once or more per stream, from any
	// goroutine.
	Stream func(*telemetry.Stream) bool
	// IDs, if not empty, keeps only records that carry at least one of these
	// correlation IDs (see correlation.Normalize), in their trace context,
	// attributes or body. Exact: no false hits, none missing.
	IDs []string
	// Text lists literals that all stand in the body's text, byte for byte.
	// It lets the store skip; it may still return records without them.
	Text []string
	// Where lists conditions that all hold. It lets the store skip as Text does.
	Where []Condition
	// MinSeverity lets the store skip records below it, 0 for none. Records
	// without a severity are always returned.
	MinSeverity telemetry.Severity
	Order       Order
	Columns     Columns
	Stats       *ReadStats // may be nil
}

// SpanQuery selects spans.
type SpanQuery struct {
	Tenant string
	// From and To bound Span.Start in Unix nanoseconds: From <= Start < To.
	// A zero To means no bound.
	From, To int64
	// Stream: see LogQuery.
	Stream func(*telemetry.Stream) bool
	// TraceIDs, if not empty, keeps only the spans of these traces.
	TraceIDs []telemetry.TraceID
	// IDs: see LogQuery; in a span's own, parent's, trace's and links' IDs,
	// its attributes and its events' attributes.
	IDs []string
	// MinDuration keeps only spans at least this long. Exact.
	MinDuration time.Duration
	// Like is what every span wanted has. It lets the store skip; it may still
	// return others.
	Like    SpanLike
	Columns Columns
	Stats   *ReadStats // may be nil
}

// StreamInfo is a stream and what is stored of it. The figures may be of the
// parts of the store (segments, heads) that overlap the range asked for: then
// First or Last is out of the range, and Records and Bytes are upper bounds.
type StreamInfo struct {
	Stream      *telemetry.Stream
	Records     int64
	Bytes       int64 // of bodies and attributes, before compression
	First, Last int64 // Unix nanoseconds
}

// Reader gives log records and spans back.
//
// Batches may be kept but not changed. Iteration ends after the first error,
// which is yielded with a nil batch; it ends with ctx.Err() soon after ctx is
// done. Stopping early releases everything. A read sees every batch that was
// acknowledged before it began, each exactly once, whatever flushes and
// compactions happen meanwhile. All methods are safe for concurrent use.
type Reader interface {
	// Logs yields the records that q selects, in q.Order.
	Logs(ctx context.Context, q LogQuery) iter.Seq2[[]telemetry.Log, error]
	// Spans yields the spans that q selects, in no order; the newest parts of
	// the store come first.
	Spans(ctx context.Context, q SpanQuery) iter.Seq2[[]telemetry.Span, error]
	// Streams lists the streams of a signal that have records in the range
	// (From <= t < To, a zero To is no bound), one entry a stream, in the
	// order of their IDs. What is missing is said in stats, which may be nil.
	// Of spans there may be streams that have some before and after the range
	// only: to leave them out can take a look at all of its spans.
	Streams(ctx context.Context, tenant string, signal telemetry.Signal, from, to int64, stats *ReadStats) ([]StreamInfo, error)
	// Tenants lists the names of all tenants that have data, sorted.
	Tenants(ctx context.Context) ([]string, error)
}

// LogCounter is what a Reader may also be: it counts log records without
// handing them out.
type LogCounter interface {
	// CountLogs counts the records that q selects, by stream and by time: bin
	// i is From + i*width <= Time < From + (i+1)*width. Other than in a
	// Reader, Text and Where are exact, too; MinSeverity is not looked at, and
	// To must be set. A width of 0 or less is one bin. It calls add, from one
	// goroutine, with every number that is not 0, for a stream and bin once or
	// more.
	CountLogs(ctx context.Context, q LogQuery, width int64, add func(s *telemetry.Stream, bin int, n int64)) error
}

// Health is what a store says of itself.
type Health struct {
	Writable bool   // false: writes are refused at the moment
	Err      string // why, and what would help; "" where all is well
	// Damage is what cannot be read of what is stored, as far as it was found;
	// "" for nothing. The rest is served.
	Damage string
	// Fsync is how long the last acknowledgements waited for the disk, on average.
	Fsync time.Duration
}

// Store keeps log records and spans.
type Store interface {
	Writer
	Reader
	Health() Health
	// Close flushes nothing that a restart would not replay anyway; it waits
	// for reads and writes under way.
	Close() error
}
