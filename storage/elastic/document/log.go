package document

import (
	"fmt"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// log writes the document of a log record.
func (e *encoder) log(l *telemetry.Log, o Order) {
	e.raw("{")
	e.time("@timestamp", l.Time)
	if l.Observed != 0 {
		e.time("observed_timestamp", l.Observed)
	}
	e.hex("trace_id", l.TraceID[:])
	e.hex("span_id", l.SpanID[:])
	e.num("flags", int64(l.Flags))
	e.num("severity_number", int64(l.Severity))
	e.str("severity_text", l.SeverityText)
	e.str("event_name", l.EventName)
	e.num("dropped_attributes_count", int64(l.Dropped))
	body := l.Body.Text()
	if !l.Body.IsEmpty() {
		e.exact = e.exact && l.Body.Kind() == telemetry.KindString
		e.key("body")
		e.raw(`{"text":`)
		e.text(body)
		e.raw("}")
	}
	e.attrs("attributes", l.Attrs)
	e.origin(l.Stream)
	size := valueSize(l.Body) + attrsSize(l.Attrs)
	e.ids = correlation.AppendLog(e.ids[:0], l)
	e.own(l.Stream, o, size, hasLongWord(body))
	e.odd(l.Attrs, oddText)
	e.end(func() []byte { return otlp.AppendLogs(nil, []telemetry.Log{*l}) })
}

// logFields are what is fetched of a document for each column, and always.
var logFields = map[storage.Columns][]string{
	0:                   {"@timestamp", "trace_id", "span_id", "clew.stream", "clew.raw"},
	storage.ColBody:     {"body"},
	storage.ColAttrs:    {"attributes"},
	storage.ColSeverity: {"severity_number", "severity_text"},
	storage.ColRest:     {"observed_timestamp", "flags", "event_name", "dropped_attributes_count"},
}

// LogFields lists the fields that a read of these columns needs.
func LogFields(c storage.Columns) []string { return fields(logFields, c) }

func fields(of map[storage.Columns][]string, c storage.Columns) []string {
	out := append([]string(nil), of[0]...)
	for col, list := range of {
		if col != 0 && c.Has(col) {
			out = append(out, list...)
		}
	}
	slices.Sort(out)
	return out
}

// ParseLog reads a document's _source; s is its stream.
func ParseLog(src *fastjson.Value, s *telemetry.Stream) (telemetry.Log, error) {
	if raw := src.GetStringBytes("clew", "raw"); len(raw) > 0 {
		b, err := decodeRaw(raw)
		if err != nil {
			return telemetry.Log{}, err
		}
		batch, err := otlp.DecodeLogs(b)
		if err == nil && len(batch.Logs) != 1 {
			err = fmt.Errorf("%d records, want 1", len(batch.Logs))
		}
		if err != nil {
			return telemetry.Log{}, fmt.Errorf("read clew.raw: %w", err)
		}
		batch.Logs[0].Stream = s
		return batch.Logs[0], nil
	}
	d := decoder{src: src}
	l := telemetry.Log{
		Stream: s, Time: d.time("@timestamp"), Observed: d.time("observed_timestamp"),
		Flags: uint32(src.GetUint64("flags")), Dropped: uint32(src.GetUint64("dropped_attributes_count")),
		Severity: telemetry.Severity(src.GetUint("severity_number")), SeverityText: d.text("severity_text"),
		EventName: d.text("event_name"), Attrs: d.attrs("attributes"),
	}
	l.TraceID, l.SpanID = d.traceID("trace_id"), d.spanID("span_id")
	if body := src.Get("body", "text"); body != nil {
		l.Body = telemetry.String(string(body.GetStringBytes()))
	}
	return l, d.err
}
