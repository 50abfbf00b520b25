package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Kind is what the store knows of one kind of record.
type Kind[T any] struct {
	Signal telemetry.Signal
	// Time is the time that ranges and partitions go by.
	Time   func(*T) int64
	Stream func(*T) *telemetry.Stream
	// Compare is the order of rows: by key, then time. That is how a flush
	// writes them, but where ByTime is set the rows of a key are in the place of
	// the first of them in time.
	Compare func(a, b *T) int
	Key     func(*T) Key
	ByTime  bool
	// Pick decodes the record at a place of a request into dst.
	Pick func(p *otlp.Picker, dst *T, raw []byte, place uint32, s *telemetry.Stream) error
	// Hashes appends the hashes of the record's correlation IDs.
	Hashes func(dst []uint64, r *T) []uint64
	// IDs appends the record's correlation IDs themselves.
	IDs func(dst []correlation.ID, r *T) []correlation.ID
	// Verbatim reports whether the text that is searched stands in the request
	// byte for byte; nil where none is searched.
	Verbatim func(*T) bool
	// Size is the bytes of the record's bodies and attributes.
	Size func(*T) int64
}

// Key is 16 bytes that order rows as bytes.Compare does.
type Key struct{ hi, lo uint64 }

func keyOf(b [16]byte) Key {
	return Key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Compare orders keys.
func (k Key) Compare(o Key) int {
	if k.hi != o.hi {
		return cmp.Compare(k.hi, o.hi)
	}
	return cmp.Compare(k.lo, o.lo)
}

// Logs is the kind of log records: sorted by stream, then time.
var Logs = &Kind[telemetry.Log]{
	Signal: telemetry.Logs,
	Time:   func(l *telemetry.Log) int64 { return l.Time },
	Stream: func(l *telemetry.Log) *telemetry.Stream { return l.Stream },
	Compare: func(a, b *telemetry.Log) int {
		if a.Stream != b.Stream {
			if c := bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.Time, b.Time)
	},
	Key:    func(l *telemetry.Log) Key { return keyOf(l.Stream.ID) },
	Pick:   (*otlp.Picker).Log,
	Hashes: correlation.AppendLogHashes,
	IDs:    correlation.AppendLog,
	Verbatim: func(l *telemetry.Log) bool {
		return l.Body.Kind() == telemetry.KindString || l.Body.Kind() == telemetry.KindEmpty
	},
	Size: func(l *telemetry.Log) int64 {
		return valueSize(l.Body) + attrsSize(l.Attrs) + int64(len(l.SeverityText)+len(l.EventName))
	},
}

// Spans is the kind of spans: traces in the order of their first starts, and in
// each its spans by start. So a block is of a short time, which a query by time
// profits from, and so does compression.
var Spans = &Kind[telemetry.Span]{
	Signal: telemetry.Traces, ByTime: true,
	Time:   func(s *telemetry.Span) int64 { return s.Start },
	Stream: func(s *telemetry.Span) *telemetry.Stream { return s.Stream },
	Compare: func(a, b *telemetry.Span) int {
		if c := bytes.Compare(a.TraceID[:], b.TraceID[:]); c != 0 {
			return c
		}
		return cmp.Compare(a.Start, b.Start)
	},
	Key:    func(s *telemetry.Span) Key { return keyOf(s.TraceID) },
	Pick:   (*otlp.Picker).Span,
	Hashes: correlation.AppendSpanHashes,
	IDs:    correlation.AppendSpan,
	Size:   spanSize,
}

func spanSize(s *telemetry.Span) int64 {
	n := attrsSize(s.Attrs) + int64(len(s.Name)+len(s.TraceState)+len(s.StatusMessage))
	for i := range s.Events {
		n += eventOverhead + int64(len(s.Events[i].Name)) + attrsSize(s.Events[i].Attrs)
	}
	for i := range s.Links {
		n += linkOverhead + int64(len(s.Links[i].TraceState)) + attrsSize(s.Links[i].Attrs)
	}
	return n
}

// What an event, a link and an attribute take beside their texts, roughly.
const (
	eventOverhead = 16
	linkOverhead  = 32
	attrOverhead  = 8
)

func attrsSize(attrs telemetry.Attrs) int64 {
	var n int64
	for i := range attrs {
		n += attrOverhead + int64(len(attrs[i].Key)) + valueSize(attrs[i].Value)
	}
	return n
}

func valueSize(v telemetry.Value) int64 {
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		return int64(len(v.Str()))
	case telemetry.KindArray:
		var n int64
		for _, e := range v.List() {
			n += attrOverhead + valueSize(e)
		}
		return n
	case telemetry.KindMap:
		return attrsSize(v.Map())
	}
	return attrOverhead
}

// Day is a partition: whole days since the Unix epoch, UTC.
type Day int32

const dayLength = int64(24 * time.Hour)

// DayOf returns the partition of a time in Unix nanoseconds.
func DayOf(t int64) Day {
	d := t / dayLength
	if t < 0 && t%dayLength != 0 {
		d--
	}
	return Day(d)
}

// End is the first nanosecond behind the partition.
func (d Day) End() int64 { return (int64(d) + 1) * dayLength }

// String returns the partition's name, as 20260131.
func (d Day) String() string {
	return time.Unix(0, 0).UTC().AddDate(0, 0, int(d)).Format("20060102")
}

// Overlaps reports whether [first, last] has a time in the range from <= t <
// to, where a zero to is no bound.
func Overlaps(first, last, from, to int64) bool {
	return last >= from && (to == 0 || first < to)
}
