package otlp

import (
	"fmt"

	"github.com/clewhq/clew/telemetry"
)

// Decoded records take more memory than their bytes on the wire: an empty one
// is two bytes there. A request may take memoryBase, and memoryRatio for each
// byte it has; real ones stay under a ratio of 10, so only a request made to
// exhaust memory is refused.
const (
	memoryBase  = 1 << 20
	memoryRatio = 16
)

// DecodeLogs reads an ExportLogsServiceRequest. The batch keeps raw and its
// strings point into it, with the bytes they came with, valid UTF-8 or not.
// Records of equal resource and scope share a Stream, which does not point into
// raw. A trace or span ID of a wrong length is left out; CheckLogs tells of it.
func DecodeLogs(raw []byte) (*telemetry.LogBatch, error) {
	b, _, err := CheckLogs(raw)
	return b, err
}

// CheckLogs is DecodeLogs that also tells what was wrong with single records.
func CheckLogs(raw []byte) (*telemetry.LogBatch, []Problem, error) { return new(Decoder).Logs(raw) }

// DecodeSpans reads an ExportTraceServiceRequest; see DecodeLogs.
func DecodeSpans(raw []byte) (*telemetry.SpanBatch, error) {
	b, _, err := CheckSpans(raw)
	return b, err
}

// CheckSpans is DecodeSpans that also tells what was wrong with single spans.
func CheckSpans(raw []byte) (*telemetry.SpanBatch, []Problem, error) { return new(Decoder).Spans(raw) }

// path is what the three levels above a record are called.
type path struct{ resource, scope, record string }

var (
	logPath  = path{"resource_logs", "scope_logs", "log_records"}
	spanPath = path{"resource_spans", "scope_spans", "spans"}
)

// decoder holds what the decoding of one request shares.
type decoder struct {
	raw      []byte
	budget   int // bytes of memory that may still be taken
	attrs    arena[telemetry.Attr]
	values   arena[telemetry.Value]
	events   arena[telemetry.Event]
	links    arena[telemetry.Link]
	streams  streamCache
	problems []Problem
}

// begin makes ready for a request.
func (d *decoder) begin(raw []byte) {
	d.raw, d.budget, d.problems = raw, memoryBase+memoryRatio*len(raw), nil
}

// charge takes n bytes of the budget for what stands at offset.
func (d *decoder) charge(n, offset int) error {
	d.budget -= n
	if d.budget >= 0 {
		return nil
	}
	return &wireError{offset: offset, reason: fmt.Sprintf("so many tiny fields that reading them takes more than "+
		"%d times the request's size in memory; send fewer in one request", memoryRatio)}
}

// count returns how many records the request holds, so that their slice is
// made once. It stops quietly at malformed bytes: walk reports those.
func (d *decoder) count() int {
	n := 0
	_ = eachMessage(reader{buf: d.raw, end: len(d.raw)}, 1, func(rl reader) error {
		return eachMessage(rl, 2, func(sl reader) error {
			return eachMessage(sl, 2, func(reader) error {
				n++
				return nil
			})
		})
	})
	return n
}

// eachMessage calls f for every field num of r and passes over the others.
func eachMessage(r reader, num int, f func(reader) error) error {
	for r.more() {
		n, wire, err := r.field()
		if err != nil {
			return err
		}
		if n != num || wire != wireLen {
			if err := r.skip(wire); err != nil {
				return err
			}
			continue
		}
		sub, err := r.message(wire)
		if err != nil {
			return err
		}
		if err := f(sub); err != nil {
			return err
		}
	}
	return nil
}

// walk calls record for every record with its stream, in the order of the
// wire. Logs and traces share the shape and the field numbers down to there.
func (d *decoder) walk(p path, record func(reader, *telemetry.Stream) error) error {
	r := reader{buf: d.raw, end: len(d.raw)}
	for i := 0; r.more(); {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		if num != 1 {
			if err := r.skip(wire); err != nil {
				return inField(err, nil, num)
			}
			continue
		}
		sub, err := r.message(wire)
		if err == nil {
			err = d.resourceRecords(sub, p, record)
		}
		if err != nil {
			return inElement(err, p.resource, i)
		}
		i++
	}
	return nil
}

// resourceRecords walks one ResourceLogs or ResourceSpans: first for the
// resource, which may stand behind the records, then for the records.
func (d *decoder) resourceRecords(r reader, p path, record func(reader, *telemetry.Stream) error) error {
	res, err := d.resource(r, p)
	if err != nil {
		return err
	}
	i := -1
	return eachMessage(r, 2, func(sub reader) error {
		i++
		return inElement(d.scopeRecords(sub, p, res, record), p.scope, i)
	})
}

func (d *decoder) scopeRecords(r reader, p path, res *telemetry.Resource, record func(reader, *telemetry.Stream) error) error {
	scope, err := d.scope(r, p)
	if err != nil {
		return err
	}
	var s *telemetry.Stream
	i := -1
	return eachMessage(r, 2, func(sub reader) error {
		i++
		if s == nil {
			if s, err = d.stream(res, scope, r.pos); err != nil {
				return err
			}
		}
		return inElement(record(sub, s), p.record, i)
	})
}
