package document

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// The words of OpenTelemetry for kinds and statuses, as Kibana shows them.
var (
	kinds    = []string{"Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"}
	statuses = []string{"Unset", "Ok", "Error"}
)

// Kind is the kind of a span whose document has this word.
func Kind(word string) telemetry.SpanKind { return telemetry.SpanKind(number(kinds, word)) }

// Status is the status of a span whose document has this word.
func Status(word string) telemetry.StatusCode { return telemetry.StatusCode(number(statuses, word)) }

// KindWord is the word that a document has for a kind, "" for one that
// OpenTelemetry does not know.
func KindWord(k telemetry.SpanKind) string { return wordOf(kinds, int(k)) }

// StatusWord is the word that a document has for a status; see KindWord.
func StatusWord(c telemetry.StatusCode) string { return wordOf(statuses, int(c)) }

func wordOf(words []string, n int) string {
	if n < 0 || n >= len(words) {
		return ""
	}
	return words[n]
}

// number is that of a word of a list, 0 where it is not of it.
func number(words []string, word string) int { return max(slices.Index(words, word), 0) }

// span writes the document of a span.
func (e *encoder) span(s *telemetry.Span, o Order) {
	e.raw("{")
	e.time("@timestamp", s.Start)
	e.key("duration")
	e.scalar(telemetry.Int(s.End - s.Start))
	e.hex("trace_id", s.TraceID[:])
	e.hex("span_id", s.SpanID[:])
	e.hex("parent_span_id", s.ParentID[:])
	e.str("trace_state", s.TraceState)
	e.str("name", s.Name)
	e.word("kind", kinds, int(s.Kind))
	e.key("status")
	e.raw("{")
	e.word("code", statuses, int(s.Status))
	e.str("message", s.StatusMessage)
	e.raw("}")
	e.num("flags", int64(s.Flags))
	e.num("dropped_attributes_count", int64(s.Dropped))
	e.num("dropped_events_count", int64(s.DroppedEvents))
	e.num("dropped_links_count", int64(s.DroppedLinks))
	e.attrs("attributes", s.Attrs)
	e.events(s.Events)
	e.links(s.Links)
	e.origin(s.Stream)
	size := attrsSize(s.Attrs) + int64(len(s.Name)+len(s.StatusMessage))
	for i := range s.Events {
		size += int64(len(s.Events[i].Name)) + attrsSize(s.Events[i].Attrs)
	}
	e.ids = correlation.AppendSpan(e.ids[:0], s)
	e.own(s.Stream, o, max(size, 1), false)
	e.num("class", int64(telemetry.DurationClass(s.Duration())))
	if s.ParentID.IsZero() {
		e.key("root")
		e.raw("true")
	}
	e.odd(s.Attrs, oddValue)
	e.end(func() []byte { return otlp.AppendSpans(nil, []telemetry.Span{*s}) })
}

// ValueOf is the value of an attribute whose field has this text, in a span that
// does not name it among its odd keys.
func ValueOf(text string) telemetry.Value {
	if text == "true" || text == "false" {
		return telemetry.Bool(text == "true")
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return telemetry.Int(n)
	}
	return telemetry.String(text)
}

// oddValue reports whether a field's text does not tell the value and its type.
func oddValue(v telemetry.Value) bool {
	switch v.Kind() {
	case telemetry.KindEmpty, telemetry.KindBool, telemetry.KindInt:
		return false
	case telemetry.KindString:
		s := v.Str()
		return s != "" && (s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == 't' || s[0] == 'f') && ValueOf(s).Kind() != telemetry.KindString
	}
	return true
}

func (e *encoder) word(key string, words []string, n int) {
	if n >= len(words) {
		e.exact = false
		n = 0
	}
	e.str(key, words[n])
}

// objects writes a list of objects, unless it is empty.
func (e *encoder) objects(key string, n int, each func(i int)) {
	if n == 0 {
		return
	}
	e.key(key)
	e.raw("[")
	for i := range n {
		if i > 0 {
			e.raw(",")
		}
		e.raw("{")
		each(i)
		e.raw("}")
	}
	e.raw("]")
}

func (e *encoder) events(events []telemetry.Event) {
	e.objects("events", len(events), func(i int) {
		ev := &events[i]
		e.time("timestamp", ev.Time)
		e.str("name", ev.Name)
		e.num("dropped_attributes_count", int64(ev.Dropped))
		e.attrs("attributes", ev.Attrs)
	})
}

func (e *encoder) links(links []telemetry.Link) {
	e.objects("links", len(links), func(i int) {
		ln := &links[i]
		e.hex("trace_id", ln.TraceID[:])
		e.hex("span_id", ln.SpanID[:])
		e.str("trace_state", ln.TraceState)
		e.num("flags", int64(ln.Flags))
		e.num("dropped_attributes_count", int64(ln.Dropped))
		e.attrs("attributes", ln.Attrs)
	})
}

var spanFields = map[storage.Columns][]string{
	0:                 {"@timestamp", "duration", "trace_id", "span_id", "parent_span_id", "clew.stream", "clew.raw"},
	storage.ColAttrs:  {"attributes"},
	storage.ColSpan:   {"name", "kind", "status"},
	storage.ColEvents: {"events", "links", "dropped_events_count", "dropped_links_count"},
	storage.ColRest:   {"flags", "trace_state", "dropped_attributes_count"},
}

// SpanFields lists the fields that a read of these columns needs.
func SpanFields(c storage.Columns) []string { return fields(spanFields, c) }

// ParseSpan reads a document's _source; st is its stream.
func ParseSpan(src *fastjson.Value, st *telemetry.Stream) (telemetry.Span, error) {
	if raw := src.GetStringBytes("clew", "raw"); len(raw) > 0 {
		b, err := decodeRaw(raw)
		if err != nil {
			return telemetry.Span{}, err
		}
		batch, err := otlp.DecodeSpans(b)
		if err == nil && len(batch.Spans) != 1 {
			err = fmt.Errorf("%d spans, want 1", len(batch.Spans))
		}
		if err != nil {
			return telemetry.Span{}, fmt.Errorf("read clew.raw: %w", err)
		}
		batch.Spans[0].Stream = st
		return batch.Spans[0], nil
	}
	d := decoder{src: src}
	s := telemetry.Span{
		Stream: st, Start: d.time("@timestamp"), TraceState: d.text("trace_state"), Name: d.text("name"),
		Kind: Kind(d.text("kind")), Status: Status(d.text("status", "code")),
		StatusMessage: d.text("status", "message"), Flags: uint32(src.GetUint64("flags")),
		Dropped:       uint32(src.GetUint64("dropped_attributes_count")),
		DroppedEvents: uint32(src.GetUint64("dropped_events_count")), DroppedLinks: uint32(src.GetUint64("dropped_links_count")),
		Attrs: d.attrs("attributes"),
	}
	s.End = s.Start + src.GetInt64("duration")
	s.TraceID, s.SpanID, s.ParentID = d.traceID("trace_id"), d.spanID("span_id"), d.spanID("parent_span_id")
	for _, v := range src.GetArray("events") {
		ed := decoder{src: v}
		s.Events = append(s.Events, telemetry.Event{
			Time: ed.time("timestamp"), Name: ed.text("name"),
			Dropped: uint32(v.GetUint64("dropped_attributes_count")), Attrs: ed.attrs("attributes"),
		})
		d.fail(ed.err)
	}
	for _, v := range src.GetArray("links") {
		ld := decoder{src: v}
		s.Links = append(s.Links, telemetry.Link{
			TraceID: ld.traceID("trace_id"), SpanID: ld.spanID("span_id"), TraceState: ld.text("trace_state"),
			Flags: uint32(v.GetUint64("flags")), Dropped: uint32(v.GetUint64("dropped_attributes_count")), Attrs: ld.attrs("attributes"),
		})
		d.fail(ld.err)
	}
	return s, d.err
}
