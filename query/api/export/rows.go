package export

import (
	"strings"
	"unicode/utf8"

	"github.com/clewhq/clew/telemetry"
)

// The rows of the files. Attributes are maps of texts: numbers and booleans as
// they are written, bytes in base64, arrays and maps as JSON. What is optional
// is null where the record has none.

type logRow struct {
	Time         int64             `parquet:"time,timestamp(nanosecond)"`
	Observed     int64             `parquet:"observed_time,optional,timestamp(nanosecond)"`
	Service      string            `parquet:"service,dict"`
	Severity     int32             `parquet:"severity_number,optional"`
	SeverityText string            `parquet:"severity_text,optional,dict"`
	EventName    string            `parquet:"event_name,optional,dict"`
	Body         string            `parquet:"body"`
	TraceID      string            `parquet:"trace_id,optional"`
	SpanID       string            `parquet:"span_id,optional"`
	Flags        uint32            `parquet:"flags"`
	Attrs        map[string]string `parquet:"attributes"`
	streamColumns
}

// streamColumns are the same for all records of a stream.
type streamColumns struct {
	Resource     map[string]string `parquet:"resource_attributes"`
	ScopeName    string            `parquet:"scope_name,optional,dict"`
	ScopeVersion string            `parquet:"scope_version,optional,dict"`
	Scope        map[string]string `parquet:"scope_attributes"`
}

type spanRow struct {
	Start      int64             `parquet:"start_time,timestamp(nanosecond)"`
	End        int64             `parquet:"end_time,timestamp(nanosecond)"`
	Duration   int64             `parquet:"duration_ns"`
	Service    string            `parquet:"service,dict"`
	Name       string            `parquet:"name,dict"`
	Kind       string            `parquet:"kind,dict"`
	Status     string            `parquet:"status,dict"`
	Message    string            `parquet:"status_message,optional"`
	TraceID    string            `parquet:"trace_id"`
	SpanID     string            `parquet:"span_id"`
	ParentID   string            `parquet:"parent_span_id,optional"`
	TraceState string            `parquet:"trace_state,optional"`
	Flags      uint32            `parquet:"flags"`
	Attrs      map[string]string `parquet:"attributes"`
	Events     []eventRow        `parquet:"events,list"`
	Links      []linkRow         `parquet:"links,list"`
	streamColumns
}

type eventRow struct {
	Time  int64             `parquet:"time,timestamp(nanosecond)"`
	Name  string            `parquet:"name"`
	Attrs map[string]string `parquet:"attributes"`
}

type linkRow struct {
	TraceID string            `parquet:"trace_id"`
	SpanID  string            `parquet:"span_id"`
	Attrs   map[string]string `parquet:"attributes"`
}

// streams makes the columns of each stream once.
type streams map[*telemetry.Stream]streamColumns

func (s streams) of(st *telemetry.Stream) streamColumns {
	c, ok := s[st]
	if !ok {
		c = streamColumns{
			Resource:  attributes(st.Resource.Attrs),
			ScopeName: text(st.Scope.Name), ScopeVersion: text(st.Scope.Version),
			Scope: attributes(st.Scope.Attrs),
		}
		s[st] = c
	}
	return c
}

func (s streams) log(l *telemetry.Log) logRow {
	r := logRow{
		Time: l.Time, Observed: l.Observed, Service: text(l.Stream.Service),
		Severity: int32(l.Severity), SeverityText: text(l.SeverityText), EventName: text(l.EventName),
		Body: text(l.Body.Text()), Flags: l.Flags, Attrs: attributes(l.Attrs), streamColumns: s.of(l.Stream),
	}
	if !l.TraceID.IsZero() {
		r.TraceID = l.TraceID.String()
	}
	if !l.SpanID.IsZero() {
		r.SpanID = l.SpanID.String()
	}
	return r
}

func (s streams) span(sp *telemetry.Span) spanRow {
	r := spanRow{
		Start: sp.Start, End: sp.End, Duration: int64(sp.Duration()), Service: text(sp.Stream.Service),
		Name: text(sp.Name), Kind: sp.Kind.String(), Status: sp.Status.String(), Message: text(sp.StatusMessage),
		TraceID: sp.TraceID.String(), SpanID: sp.SpanID.String(), TraceState: text(sp.TraceState), Flags: sp.Flags,
		Attrs: attributes(sp.Attrs), streamColumns: s.of(sp.Stream),
	}
	if !sp.ParentID.IsZero() {
		r.ParentID = sp.ParentID.String()
	}
	for i := range sp.Events {
		e := &sp.Events[i]
		r.Events = append(r.Events, eventRow{e.Time, text(e.Name), attributes(e.Attrs)})
	}
	for i := range sp.Links {
		l := &sp.Links[i]
		r.Links = append(r.Links, linkRow{l.TraceID.String(), l.SpanID.String(), attributes(l.Attrs)})
	}
	return r
}

// attributes returns a map of texts; of two attributes of one key the first
// counts, as everywhere.
func attributes(attrs telemetry.Attrs) map[string]string {
	if len(attrs) == 0 {
		return nil
	}
	m := make(map[string]string, len(attrs))
	for i := range attrs {
		key := text(attrs[i].Key)
		if _, there := m[key]; !there {
			m[key] = text(attrs[i].Value.Text())
		}
	}
	return m
}

// text returns s as Parquet's readers accept it.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
