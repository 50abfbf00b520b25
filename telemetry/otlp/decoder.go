package otlp

import (
	"sync"
	"unsafe"

	"github.com/clewhq/clew/telemetry"
)

// Bounds of the memory that a Decoder keeps for the next request, in elements:
// those of a few thousand records.
const (
	maxKeptRecords = 8 << 10
	maxKeptAttrs   = 32 << 10
	maxKeptNested  = 4 << 10
)

// Decoder decodes requests one after the other into the same memory. What it
// returned is good until the next one or Release, but for streams and what was
// wrong with records, which may be kept. It is not safe for concurrent use.
type Decoder struct {
	d     decoder
	logs  []telemetry.Log
	spans []telemetry.Span
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// NewDecoder returns a decoder in the memory of one that was released.
func NewDecoder() *Decoder { return decoders.Get().(*Decoder) }

// Release gives the memory of what was decoded to others: none of the records
// may be looked at any more.
func (d *Decoder) Release() {
	d.reset()
	decoders.Put(d)
}

func (d *Decoder) reset() {
	d.logs, d.spans = kept(d.logs), kept(d.spans)
	d.d.resetLists()
	d.d.streams.bound()
	d.d.begin(nil)
}

// resetLists takes the memory of all lists in records back.
func (d *decoder) resetLists() {
	d.attrs.reset(maxKeptAttrs)
	d.values.reset(maxKeptNested)
	d.events.reset(maxKeptNested)
	d.links.reset(maxKeptNested)
}

// kept is the memory of records for the next ones.
func kept[T any](records []T) []T {
	if cap(records) > maxKeptRecords {
		return nil
	}
	return emptied(records)
}

// Logs reads an ExportLogsServiceRequest as CheckLogs does.
func (d *Decoder) Logs(raw []byte) (*telemetry.LogBatch, []Problem, error) {
	begin(d, &d.logs, raw)
	err := d.d.walk(logPath, func(r reader, s *telemetry.Stream) error {
		l, err := next(d, &d.logs, r)
		if err != nil {
			return err
		}
		l.Stream = s
		return d.d.log(r, l, len(d.logs)-1)
	})
	if err != nil {
		return nil, nil, err
	}
	return &telemetry.LogBatch{Raw: raw, Logs: d.logs}, d.d.problems, nil
}

// Spans reads an ExportTraceServiceRequest as CheckSpans does.
func (d *Decoder) Spans(raw []byte) (*telemetry.SpanBatch, []Problem, error) {
	begin(d, &d.spans, raw)
	err := d.d.walk(spanPath, func(r reader, s *telemetry.Stream) error {
		sp, err := next(d, &d.spans, r)
		if err != nil {
			return err
		}
		sp.Stream = s
		return d.d.span(r, sp, len(d.spans)-1)
	})
	if err != nil {
		return nil, nil, err
	}
	return &telemetry.SpanBatch{Raw: raw, Spans: d.spans}, d.d.problems, nil
}

// begin makes ready for a request. Without memory for its records it counts
// them first, so that there is exactly enough.
func begin[T any](d *Decoder, records *[]T, raw []byte) {
	d.reset()
	d.d.begin(raw)
	if cap(*records) == 0 {
		var zero T
		*records = make([]T, 0, min(d.d.count(), d.d.budget/int(unsafe.Sizeof(zero))))
	}
}

// next returns the memory of the next record, which r holds. It is zero.
func next[T any](d *Decoder, records *[]T, r reader) (*T, error) {
	var zero T
	if err := d.d.charge(int(unsafe.Sizeof(zero)), r.pos); err != nil {
		return nil, err
	}
	n := len(*records)
	if n < cap(*records) {
		*records = (*records)[:n+1]
	} else {
		*records = append(*records, zero)
	}
	return &(*records)[n], nil
}
