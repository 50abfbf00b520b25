package otlp

import "github.com/clewhq/clew/telemetry"

// LogContext is what CompleteLogs adds to a log record.
type LogContext struct {
	TraceID telemetry.TraceID
	SpanID  telemetry.SpanID
	Attrs   telemetry.Attrs
}

// CompleteLogs returns the request raw with the trace context and attributes
// that add tells put into its records; nil leaves a record as it is. Records
// are counted from 0 in the order of the wire, as DecodeLogs has them. Every
// other byte stays what it was, so that the result decodes to the same records
// with the additions behind their own fields.
func CompleteLogs(raw []byte, add func(i int) *LogContext) ([]byte, error) {
	c := completer{add: add}
	dst := make([]byte, 0, len(raw)+len(raw)/4)
	return c.level(dst, reader{buf: raw, end: len(raw)}, 0)
}

// completer counts the records of a request while it copies it.
type completer struct {
	add  func(i int) *LogContext
	next int
}

// The way from a request to its log records: the fields that lead on.
var logLevels = [...]int{1, 2, 2}

// level copies a message depth levels below the request.
func (c *completer) level(dst []byte, r reader, depth int) ([]byte, error) {
	for r.more() {
		start := r.pos
		num, wire, err := r.field()
		if err != nil {
			return nil, err
		}
		if num != logLevels[depth] || wire != wireLen {
			if err := r.skip(wire); err != nil {
				return nil, err
			}
			dst = append(dst, r.buf[start:r.pos]...)
			continue
		}
		sub, err := r.message(wire)
		if err != nil {
			return nil, err
		}
		dst = appendMessage(dst, num, func(dst []byte) []byte {
			if depth == len(logLevels)-1 {
				return c.record(dst, sub)
			}
			deeper, failed := c.level(dst, sub, depth+1)
			if failed != nil {
				err = failed
				return dst
			}
			return deeper
		})
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// record copies one log record and what is added to it.
func (c *completer) record(dst []byte, r reader) []byte {
	dst = append(dst, r.buf[r.pos:r.end]...)
	l := c.add(c.next)
	c.next++
	if l == nil {
		return dst
	}
	dst = appendAttrs(dst, 6, l.Attrs)
	if !l.TraceID.IsZero() {
		dst = appendBytes(dst, 9, l.TraceID[:])
	}
	if !l.SpanID.IsZero() {
		dst = appendBytes(dst, 10, l.SpanID[:])
	}
	return dst
}
