package traceqltest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Base is the time that traces in test files count from.
var Base = time.Unix(1_700_000_000, 0)

// Parse reads traces as test files write them:
//
//	trace 1
//	  span a service=front name="GET /" kind=server start=0ms duration=100ms
//	  span b parent=a span.http.status_code=500 resource.region="eu" status=error
//	    event exception at=5ms exception.type="Timeout"
//	    link trace=2 span=x link.kind="follows"
//
// IDs are hexadecimal. A span's service is its resource's service.name; name,
// kind, status, message, start, duration, scope and version are the span's
// own; span.X, resource.X and instrumentation.X are attributes. Values are
// quoted strings, numbers, true, false, or lists of them in brackets.
func Parse(text string) ([]telemetry.Span, error) {
	p := parser{streams: map[telemetry.StreamID]*telemetry.Stream{}}
	for n, line := range strings.Split(text, "\n") {
		words, err := split(line)
		if err == nil && len(words) > 0 {
			err = p.line(words)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", n+1, line, err)
		}
	}
	return p.out, nil
}

type parser struct {
	trace   telemetry.TraceID
	out     []telemetry.Span
	streams map[telemetry.StreamID]*telemetry.Stream
}

func (p *parser) line(words []string) error {
	switch words[0] {
	case "trace":
		id, ok := telemetry.ParseTraceID(words[1])
		if !ok {
			return fmt.Errorf("trace ID %q", words[1])
		}
		p.trace = id
		return nil
	case "span":
		return p.span(words[1:])
	}
	if len(p.out) == 0 {
		return fmt.Errorf("%s before any span", words[0])
	}
	s := &p.out[len(p.out)-1]
	switch words[0] {
	case "event":
		return event(s, words[1:])
	case "link":
		return link(s, words[1:])
	}
	return fmt.Errorf("unknown word %q", words[0])
}

func (p *parser) span(words []string) error {
	id, ok := telemetry.ParseSpanID(words[0])
	if !ok {
		return fmt.Errorf("span ID %q", words[0])
	}
	s := telemetry.Span{TraceID: p.trace, SpanID: id, Start: Base.UnixNano()}
	var res telemetry.Resource
	var scope telemetry.Scope
	var duration time.Duration
	for _, w := range words[1:] {
		key, raw, _ := strings.Cut(w, "=")
		if name, ok := strings.CutPrefix(key, "span."); ok {
			s.Attrs = append(s.Attrs, telemetry.Attr{Key: name, Value: value(raw)})
			continue
		}
		if name, ok := strings.CutPrefix(key, "resource."); ok {
			res.Attrs = append(res.Attrs, telemetry.Attr{Key: name, Value: value(raw)})
			continue
		}
		if name, ok := strings.CutPrefix(key, "instrumentation."); ok {
			scope.Attrs = append(scope.Attrs, telemetry.Attr{Key: name, Value: value(raw)})
			continue
		}
		if err := field(&s, &res, &scope, &duration, key, raw); err != nil {
			return err
		}
	}
	s.End = s.Start + int64(duration)
	stream := telemetry.NewStream(res, scope)
	if known, ok := p.streams[stream.ID]; ok {
		stream = known
	}
	p.streams[stream.ID], s.Stream = stream, stream
	p.out = append(p.out, s)
	return nil
}

func field(s *telemetry.Span, res *telemetry.Resource, scope *telemetry.Scope, duration *time.Duration, key, raw string) (err error) {
	text := value(raw).Text()
	switch key {
	case "service":
		res.Attrs = append(res.Attrs, telemetry.Attr{Key: telemetry.AttrServiceName, Value: telemetry.String(text)})
	case "parent":
		s.ParentID, _ = telemetry.ParseSpanID(text)
	case "name":
		s.Name = text
	case "kind":
		for k := telemetry.SpanKindUnspecified; k <= telemetry.SpanKindConsumer; k++ {
			if k.String() == text {
				s.Kind = k
			}
		}
	case "status":
		for c := telemetry.StatusUnset; c <= telemetry.StatusError; c++ {
			if c.String() == text {
				s.Status = c
			}
		}
	case "message":
		s.StatusMessage = text
	case "scope":
		scope.Name = text
	case "version":
		scope.Version = text
	case "start":
		var d time.Duration
		d, err = time.ParseDuration(text)
		s.Start = Base.UnixNano() + int64(d)
	case "duration":
		*duration, err = time.ParseDuration(text)
	default:
		err = fmt.Errorf("unknown field %q", key)
	}
	return err
}

func event(s *telemetry.Span, words []string) error {
	e := telemetry.Event{Name: words[0], Time: s.Start}
	for _, w := range words[1:] {
		key, raw, _ := strings.Cut(w, "=")
		if key == "at" {
			d, err := time.ParseDuration(raw)
			if err != nil {
				return err
			}
			e.Time = s.Start + int64(d)
			continue
		}
		e.Attrs = append(e.Attrs, telemetry.Attr{Key: key, Value: value(raw)})
	}
	s.Events = append(s.Events, e)
	return nil
}

func link(s *telemetry.Span, words []string) error {
	var l telemetry.Link
	for _, w := range words {
		key, raw, _ := strings.Cut(w, "=")
		switch key {
		case "trace":
			l.TraceID, _ = telemetry.ParseTraceID(raw)
		case "span":
			l.SpanID, _ = telemetry.ParseSpanID(raw)
		default:
			l.Attrs = append(l.Attrs, telemetry.Attr{Key: key, Value: value(raw)})
		}
	}
	s.Links = append(s.Links, l)
	return nil
}

// value reads a value; what is nothing else is a string without quotes.
func value(raw string) telemetry.Value {
	if inner, ok := strings.CutPrefix(raw, "["); ok {
		var list []telemetry.Value
		for _, e := range strings.Split(strings.TrimSuffix(inner, "]"), ",") {
			if e != "" {
				list = append(list, value(e))
			}
		}
		return telemetry.Array(list)
	}
	if s, err := strconv.Unquote(raw); err == nil {
		return telemetry.String(s)
	}
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return telemetry.Int(n)
	}
	if f, err := strconv.ParseFloat(raw, 64); err == nil {
		return telemetry.Double(f)
	}
	if raw == "true" || raw == "false" {
		return telemetry.Bool(raw == "true")
	}
	return telemetry.String(raw)
}

// split cuts a line at spaces outside of quotes; # begins a comment.
func split(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	quoted := false
	flush := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
			word.WriteRune(r)
		case quoted:
			word.WriteRune(r)
		case r == '#':
			flush()
			return out, nil
		case r == ' ' || r == '\t':
			flush()
		default:
			word.WriteRune(r)
		}
	}
	if quoted {
		return nil, fmt.Errorf("quote is not closed")
	}
	flush()
	return out, nil
}
