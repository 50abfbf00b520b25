package admission

import (
	"fmt"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// verdict is why a record is rejected; the zero verdict admits it.
type verdict struct{ reason, detail string }

func (v verdict) bad() bool { return v.reason != "" }

// checker checks the records of one batch.
type checker struct {
	cfg            *Config
	oldest, newest int64 // Unix nanoseconds
	stream         *telemetry.Stream
	streamVerdict  verdict
}

func (g *Gate) checker(maxAge time.Duration) *checker {
	now := g.now()
	c := &checker{cfg: &g.cfg, newest: now.Add(time.Duration(g.cfg.MaxFuture)).UnixNano()}
	if maxAge > 0 {
		c.oldest = now.Add(-maxAge).UnixNano()
	}
	return c
}

func at(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }

func (c *checker) time(t int64) verdict {
	switch {
	case t > c.newest || t < 0:
		return verdict{TooFarInFuture, fmt.Sprintf("time %s is more than %s ahead of the server's clock", at(t), c.cfg.MaxFuture)}
	case t < c.oldest:
		return verdict{TooOld, fmt.Sprintf("time %s is before %s, the oldest that is kept", at(t), at(c.oldest))}
	}
	return verdict{}
}

// ofStream checks what the records of a stream share, once per run of them.
func (c *checker) ofStream(s *telemetry.Stream) verdict {
	if s == c.stream {
		return c.streamVerdict
	}
	c.stream, c.streamVerdict = s, verdict{}
	n, what := len(s.Resource.Attrs), "resource"
	if len(s.Scope.Attrs) > n {
		n, what = len(s.Scope.Attrs), "scope"
	}
	size := attrsSize(s.Resource.Attrs) + attrsSize(s.Scope.Attrs)
	switch {
	case n > c.cfg.MaxAttributes:
		c.streamVerdict = verdict{TooManyAttributes, fmt.Sprintf("the %s has %d attributes, at most %d are allowed", what, n, c.cfg.MaxAttributes)}
	case size > c.cfg.MaxRecordBytes:
		c.streamVerdict = verdict{RecordTooLarge, fmt.Sprintf("resource and scope have %d bytes, at most %d are allowed", size, c.cfg.MaxRecordBytes)}
	}
	return c.streamVerdict
}

func (c *checker) size(attrs, bytes int) verdict {
	switch {
	case attrs > c.cfg.MaxAttributes:
		return verdict{TooManyAttributes, fmt.Sprintf("%d attributes, at most %d are allowed", attrs, c.cfg.MaxAttributes)}
	case bytes > c.cfg.MaxRecordBytes:
		return verdict{RecordTooLarge, fmt.Sprintf("%d bytes, at most %d are allowed", bytes, c.cfg.MaxRecordBytes)}
	}
	return verdict{}
}

func (c *checker) log(l *telemetry.Log) verdict {
	if v := c.ofStream(l.Stream); v.bad() {
		return v
	}
	if v := c.time(l.Time); v.bad() {
		return v
	}
	return c.size(len(l.Attrs), valueSize(l.Body)+attrsSize(l.Attrs)+len(l.SeverityText)+len(l.EventName))
}

func (c *checker) span(s *telemetry.Span) verdict {
	switch {
	case s.TraceID.IsZero():
		return verdict{InvalidTraceID, fmt.Sprintf("span %q has no trace ID of 16 bytes that are not all zero", clip(s.Name))}
	case s.SpanID.IsZero():
		return verdict{InvalidSpanID, fmt.Sprintf("span %q has no span ID of 8 bytes that are not all zero", clip(s.Name))}
	case s.Start == 0:
		return verdict{MissingTime, fmt.Sprintf("span %q has no start time", clip(s.Name))}
	}
	if v := c.ofStream(s.Stream); v.bad() {
		return v
	}
	if v := c.time(s.Start); v.bad() {
		return v
	}
	bytes := len(s.Name) + len(s.TraceState) + len(s.StatusMessage) + attrsSize(s.Attrs)
	for i := range s.Events {
		bytes += recordOverhead + len(s.Events[i].Name) + attrsSize(s.Events[i].Attrs)
	}
	for i := range s.Links {
		bytes += recordOverhead + len(s.Links[i].TraceState) + attrsSize(s.Links[i].Attrs)
	}
	return c.size(len(s.Attrs), bytes)
}

// recordOverhead is what an event or a link takes beside its texts.
const recordOverhead = 32

// clip shortens a sender's text for an error message.
func clip(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

func attrsSize(a telemetry.Attrs) int {
	n := 0
	for i := range a {
		n += len(a[i].Key) + valueSize(a[i].Value)
	}
	return n
}

// valueSize is about the bytes a value takes on the wire.
func valueSize(v telemetry.Value) int {
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		return len(v.Str())
	case telemetry.KindArray:
		n := 2
		for _, e := range v.List() {
			n += 2 + valueSize(e)
		}
		return n
	case telemetry.KindMap:
		return 2 + attrsSize(v.Map())
	}
	return 8
}
