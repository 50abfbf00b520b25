package otlp

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/clewhq/clew/telemetry"
)

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
	c := completers.Get().(*completer)
	defer c.giveBack()
	c.raw, c.add = raw, add
	r := reader{buf: raw, end: len(raw)}
	if err := c.level(&r, 0); err != nil {
		return nil, err
	}
	c.copyTo(len(raw))
	return bytes.Clone(c.out), nil
}

// completer counts the records of a request while it copies it.
type completer struct {
	raw   []byte
	add   func(i int) *LogContext
	next  int
	out   []byte
	from  int // what of raw is not in out yet
	extra []byte
}

var completers = sync.Pool{New: func() any { return new(completer) }}

// maxKeptRequest is how big a buffer is kept for the next request.
const maxKeptRequest = 4 << 20

func (c *completer) giveBack() {
	out := c.out[:0]
	if cap(out) > maxKeptRequest {
		out = nil
	}
	*c = completer{out: out, extra: c.extra[:0]}
	completers.Put(c)
}

// copyTo copies what is left of raw up to an offset.
func (c *completer) copyTo(end int) {
	c.out = append(c.out, c.raw[c.from:end]...)
	c.from = end
}

// The way from a request to its log records: the fields that lead on.
var logLevels = [...]int{1, 2, 2}

// level copies a message depth levels below the request.
func (c *completer) level(r *reader, depth int) error {
	for r.more() {
		start := r.pos
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		if num != logLevels[depth] || wire != wireLen {
			if err := r.skip(wire); err != nil {
				return err
			}
			continue
		}
		sub, err := r.message(wire)
		if err != nil {
			return err
		}
		if depth == len(logLevels)-1 {
			c.record(start, sub)
		} else if err := c.message(start, num, sub, depth); err != nil {
			return err
		}
	}
	return nil
}

// lengthSize is how many bytes a length takes that is not known beforehand:
// the ones in front of the last may add nothing, but say that others follow.
const lengthSize = 5

// message copies the message sub, whose field starts at start.
func (c *completer) message(start, num int, sub reader, depth int) error {
	c.copyTo(start)
	c.out = appendTag(c.out, num, wireLen)
	at := len(c.out)
	c.out = append(c.out, make([]byte, lengthSize)...)
	c.from = sub.pos
	if err := c.level(&sub, depth+1); err != nil {
		return err
	}
	c.copyTo(sub.end)
	n := len(c.out) - at - lengthSize
	for i := range lengthSize {
		c.out[at+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	c.out[at+lengthSize-1] &^= 0x80
	return nil
}

// record copies one log record, whose field starts at start, and what is added
// to it. One that stays as it is waits until something else is copied.
func (c *completer) record(start int, sub reader) {
	l := c.add(c.next)
	c.next++
	if l == nil {
		return
	}
	c.extra = appendAttrs(c.extra[:0], 6, l.Attrs)
	if !l.TraceID.IsZero() {
		c.extra = appendBytes(c.extra, 9, l.TraceID[:])
	}
	if !l.SpanID.IsZero() {
		c.extra = appendBytes(c.extra, 10, l.SpanID[:])
	}
	c.copyTo(start)
	c.out = appendTag(c.out, logLevels[len(logLevels)-1], wireLen)
	c.out = binary.AppendUvarint(c.out, uint64(sub.end-sub.pos+len(c.extra)))
	c.from = sub.pos
	c.copyTo(sub.end)
	c.out = append(c.out, c.extra...)
}
