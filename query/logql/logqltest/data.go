package logqltest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// pairs reads key=value key="quoted value" ... up to the end of s.
func pairs(s string) (telemetry.Attrs, error) {
	var out telemetry.Attrs
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("%q: expected key=value", s)
		}
		value, tail, _ := strings.Cut(rest, " ")
		if strings.HasPrefix(rest, `"`) {
			q, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", rest, err)
			}
			tail = rest[len(q):]
			value, _ = strconv.Unquote(q)
		}
		out = append(out, telemetry.Attr{Key: key, Value: telemetry.String(value)})
		s = tail
	}
	return out, nil
}

// parseStream reads the head of a stream; scope is a key of its own.
func parseStream(s string) (*telemetry.Stream, error) {
	attrs, err := pairs(s)
	if err != nil {
		return nil, err
	}
	var r telemetry.Resource
	var scope telemetry.Scope
	for _, a := range attrs {
		if a.Key == "scope" {
			scope.Name = a.Value.Str()
		} else {
			r.Attrs = append(r.Attrs, a)
		}
	}
	return telemetry.NewStream(r, scope), nil
}

// parseRecord reads "1.5 {sev=9 key=value} text".
func parseRecord(st *telemetry.Stream, s string) (telemetry.Log, error) {
	at, rest, _ := strings.Cut(s, " ")
	sec, err := strconv.ParseFloat(at, 64)
	if err != nil {
		return telemetry.Log{}, fmt.Errorf("%q: expected a time in seconds", at)
	}
	l := telemetry.Log{Stream: st, Time: int64(math.Round(sec * 1e9))}
	if strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, `{"`) {
		head, text, ok := strings.Cut(rest[1:], "} ")
		if !ok {
			return l, fmt.Errorf("%q: expected } and the text behind the attributes", rest)
		}
		rest = text
		attrs, err := pairs(head)
		if err != nil {
			return l, err
		}
		for _, a := range attrs {
			if err := setField(&l, a); err != nil {
				return l, err
			}
		}
	}
	rest = strings.ReplaceAll(rest, `\e`, "\x1b")
	l.Body = telemetry.String(rest)
	return l, nil
}

func setField(l *telemetry.Log, a telemetry.Attr) error {
	text, ok := a.Value.Str(), true
	switch a.Key {
	case "sev":
		n, err := strconv.Atoi(text)
		l.Severity, ok = telemetry.Severity(n), err == nil
	case "sevtext":
		l.SeverityText = text
	case "event":
		l.EventName = text
	case "trace_id":
		l.TraceID, ok = telemetry.ParseTraceID(text)
	case "span_id":
		l.SpanID, ok = telemetry.ParseSpanID(text)
	default:
		l.Attrs = append(l.Attrs, a)
	}
	if !ok {
		return fmt.Errorf("%s=%q is wrong", a.Key, text)
	}
	return nil
}
