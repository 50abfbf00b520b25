package correlate

import (
	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// timeline makes the entries of all records, in no order.
func (g *gather) timeline(skew *skews) []Entry {
	resources := map[*telemetry.Stream]map[string]any{}
	resource := func(s *telemetry.Stream) map[string]any {
		if s == nil {
			return map[string]any{}
		}
		r, ok := resources[s]
		if !ok {
			r = s.Resource.Attrs.Any()
			resources[s] = r
		}
		return r
	}
	out := make([]Entry, 0, len(g.spans)+len(g.logs))
	for i := range g.spans {
		s := &g.spans[i]
		at := len(out)
		out = append(out, spanEntry(s, resource(s.Stream)))
		for j := range s.Events {
			out = append(out, eventEntry(s, &s.Events[j], resource(s.Stream)))
		}
		if offset := skew.of(s); offset != 0 {
			for j := range out[at:] {
				out[at+j].ClockOffsetNS = offset
			}
		}
	}
	whole := g.wholeTraces()
	for i := range g.logs {
		l := &g.logs[i]
		e := logEntry(l, resource(l.Stream))
		if t := whole[[8]byte(l.TraceID[8:])]; isHalf(l) && !t.IsZero() {
			e.TraceID = t.String()
		}
		if len(skew.offset) > 0 {
			e.ClockOffsetNS = skew.offset[clockOf(l.Stream)]
		}
		out = append(out, e)
	}
	return out
}

// wholeTraces are the story's traces of 128 bits by their lower half, which is
// what Datadog's logs call them.
func (g *gather) wholeTraces() map[[8]byte]telemetry.TraceID {
	out := map[[8]byte]telemetry.TraceID{}
	for i := range g.spans {
		if t := g.spans[i].TraceID; [8]byte(t[:8]) != [8]byte{} {
			out[[8]byte(t[8:])] = t
		}
	}
	return out
}

// isHalf reports whether a record was joined by its text to a trace of which
// that tells 64 bits.
func isHalf(l *telemetry.Log) bool {
	return !l.TraceID.IsZero() && [8]byte(l.TraceID[:8]) == [8]byte{} && l.Attrs.Text(correlation.AttrJoined) != ""
}

// AttrStatusMessage is the attribute under which a span's status message
// stands, as OpenTelemetry's exporters to other systems name it.
const AttrStatusMessage = "otel.status_description"

func spanEntry(s *telemetry.Span, resource map[string]any) Entry {
	e := Entry{
		Time: at(s.Start), Type: TypeSpan, Service: service(s.Stream), Text: s.Name, TraceID: s.TraceID.String(), SpanID: s.SpanID.String(),
		ParentSpanID: s.ParentID.String(), DurationNS: int64(s.Duration()), Status: s.Status.String(), Attributes: s.Attrs.Any(), Resource: resource,
	}
	if s.Status == telemetry.StatusError {
		e.Severity = telemetry.SeverityError.String()
	}
	if s.StatusMessage != "" {
		e.Attributes[AttrStatusMessage] = s.StatusMessage
	}
	return e
}

func eventEntry(s *telemetry.Span, ev *telemetry.Event, resource map[string]any) Entry {
	e := Entry{
		Time: at(ev.Time), Type: TypeEvent, Service: service(s.Stream), Text: ev.Name, TraceID: s.TraceID.String(), SpanID: s.SpanID.String(),
		ParentSpanID: s.ParentID.String(), Attributes: ev.Attrs.Any(), Resource: resource,
	}
	if ev.Name == "exception" {
		e.Severity = telemetry.SeverityError.String()
		for _, key := range []string{"exception.type", "exception.message"} {
			if text := ev.Attrs.Text(key); text != "" {
				e.Text += ": " + text
			}
		}
	}
	return e
}

func logEntry(l *telemetry.Log, resource map[string]any) Entry {
	e := Entry{
		Time: at(l.Time), Type: TypeLog, Service: service(l.Stream), Severity: severityOf(l), Text: bodyText(l.Body), TraceID: l.TraceID.String(),
		SpanID: l.SpanID.String(), Attributes: l.Attrs.Any(), Resource: resource,
	}
	if l.TraceID.IsZero() {
		e.TraceID, e.SpanID = contextOf(l)
	}
	return e
}

// contextOf returns the trace context that a line without one names in its
// attributes or its text, "" where it names none or several.
func contextOf(l *telemetry.Log) (trace, span string) {
	traces, spans := 0, 0
	for _, id := range correlation.AppendLog(nil, l) {
		switch id.Kind {
		case correlation.TraceID:
			if t, ok := telemetry.ParseTraceID(id.Value); ok {
				trace = t.String()
				traces++
			}
		case correlation.SpanID:
			if s, ok := telemetry.ParseSpanID(id.Value); ok {
				span = s.String()
				spans++
			}
		}
	}
	if traces != 1 {
		return "", ""
	}
	if spans != 1 {
		span = ""
	}
	return trace, span
}

// severityOf returns one word for how bad l is, "" where it does not say.
func severityOf(l *telemetry.Log) string {
	sev := l.Severity
	if sev == 0 {
		sev = telemetry.ParseSeverity(l.SeverityText)
	}
	if sev == 0 {
		return l.SeverityText
	}
	return sev.String()
}

// bodyText is what a body says: bytes that are text are shown as such.
func bodyText(v telemetry.Value) string {
	if text, ok := v.AsText(); ok {
		return text
	}
	return v.Text()
}
