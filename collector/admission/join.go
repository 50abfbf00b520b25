package admission

import (
	"fmt"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// joiner gives the log records of a batch the trace context that stands in
// their own attributes or text, where they came without one.
type joiner struct {
	on      bool
	records int
	found   int
	added   []*otlp.LogContext // by record, nil before the first one

	key   string          // of the last one in a body
	attrs telemetry.Attrs // that say so
}

// log completes the i-th record of the batch.
func (j *joiner) log(i int, l *telemetry.Log) {
	if !j.on || !l.TraceID.IsZero() {
		return
	}
	c, ok := correlation.FindContext(l)
	if !ok {
		return
	}
	add := &otlp.LogContext{TraceID: c.TraceID}
	if l.SpanID.IsZero() {
		add.SpanID = c.SpanID
		l.SpanID = c.SpanID
	}
	l.TraceID = c.TraceID
	if c.InBody { // what stands in an attribute needs no other one to say so
		add.Attrs = j.source(c)
		l.Attrs = append(l.Attrs[:len(l.Attrs):len(l.Attrs)], add.Attrs...) // the array behind is shared
	}
	if j.added == nil {
		j.added = make([]*otlp.LogContext, j.records)
	}
	j.added[i] = add
	j.found++
}

// source returns the attribute that says where a context stood. Records of one
// batch mostly have it at the same place.
func (j *joiner) source(c correlation.Context) telemetry.Attrs {
	if j.attrs == nil || j.key != c.Key {
		j.key, j.attrs = c.Key, telemetry.Attrs{{Key: correlation.AttrJoined, Value: telemetry.String(c.Source())}}
	}
	return j.attrs
}

// complete returns b, whose records were completed, with bytes that say the
// same.
func (j *joiner) complete(b *telemetry.LogBatch) (*telemetry.LogBatch, error) {
	if j.added == nil {
		return b, nil
	}
	raw, err := otlp.CompleteLogs(b.Raw, func(i int) *otlp.LogContext { return j.added[i] })
	if err != nil {
		return nil, fmt.Errorf("put trace contexts into the request: %w", err)
	}
	b.Raw = raw
	return b, nil
}
