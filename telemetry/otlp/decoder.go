package otlp

import (
	"slices"
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
	d.d.attrs.reset(maxKeptAttrs)
	d.d.values.reset(maxKeptNested)
	d.d.events.reset(maxKeptNested)
	d.d.links.reset(maxKeptNested)
	d.d.streams.bound()
	d.d.begin(nil)
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
	if err := makeRoom(d, &d.logs, raw); err != nil {
		return nil, nil, err
	}
	err := d.d.walk(logPath, func(r reader, s *telemetry.Stream) error {
		d.logs = append(d.logs, telemetry.Log{Stream: s})
		return d.d.log(r, &d.logs[len(d.logs)-1], len(d.logs)-1)
	})
	if err != nil {
		return nil, nil, err
	}
	return &telemetry.LogBatch{Raw: raw, Logs: d.logs}, d.d.problems, nil
}

// Spans reads an ExportTraceServiceRequest as CheckSpans does.
func (d *Decoder) Spans(raw []byte) (*telemetry.SpanBatch, []Problem, error) {
	if err := makeRoom(d, &d.spans, raw); err != nil {
		return nil, nil, err
	}
	err := d.d.walk(spanPath, func(r reader, s *telemetry.Stream) error {
		d.spans = append(d.spans, telemetry.Span{Stream: s})
		return d.d.span(r, &d.spans[len(d.spans)-1], len(d.spans)-1)
	})
	if err != nil {
		return nil, nil, err
	}
	return &telemetry.SpanBatch{Raw: raw, Spans: d.spans}, d.d.problems, nil
}

// makeRoom begins a request and makes room for its records.
func makeRoom[T any](d *Decoder, records *[]T, raw []byte) error {
	d.reset()
	d.d.begin(raw)
	n := d.d.count()
	var zero T
	if err := d.d.charge(n*int(unsafe.Sizeof(zero)), 0); err != nil {
		return err
	}
	*records = slices.Grow(*records, n)
	return nil
}
