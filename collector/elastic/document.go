package elastic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// resourcePrefixes are the parts of the Elastic Common Schema that describe
// what sent a document, not what happened.
var resourcePrefixes = []string{"service.", "host.", "agent.", "container.", "orchestrator.", "cloud.", "kubernetes.", "ecs."}

// maxDepth bounds how deep objects may be nested.
const maxDepth = 32

// document returns a document as a log record: the message is the body,
// well-known fields become the record's own, the others attributes with
// dotted names.
func document(index string, source []byte) (telemetry.Log, error) {
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return telemetry.Log{}, fmt.Errorf("the document is not a JSON object: %w", err)
	}
	var flat telemetry.Attrs
	if err := flatten(&flat, "", fields, 0); err != nil {
		return telemetry.Log{}, err
	}
	slices.SortFunc(flat, func(a, b telemetry.Attr) int { return strings.Compare(a.Key, b.Key) })
	var l telemetry.Log
	var resource telemetry.Attrs
	for _, a := range flat {
		used, err := field(&l, a)
		switch {
		case err != nil:
			return telemetry.Log{}, err
		case used:
		case isResource(a.Key):
			resource = append(resource, a)
		default:
			l.Attrs = append(l.Attrs, a)
		}
	}
	if index != "" {
		resource = append(resource, telemetry.Attr{Key: "elasticsearch.index", Value: telemetry.String(index)})
	}
	l.Stream = telemetry.NewStream(telemetry.Resource{Attrs: resource}, telemetry.Scope{})
	return l, nil
}

func isResource(key string) bool {
	return slices.ContainsFunc(resourcePrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// field sets the record's own field that a means, and reports whether a said
// no more than that.
func field(l *telemetry.Log, a telemetry.Attr) (used bool, err error) {
	value := a.Value.Text()
	switch a.Key {
	case "@timestamp":
		l.Time, err = parseTime(value)
		return true, err
	case "message":
		l.Body = a.Value
		return true, nil
	case "log.level", "level":
		l.Severity = telemetry.ParseSeverity(value)
		if a.Key == "log.level" {
			l.SeverityText = value
		}
		return a.Key == "log.level", nil
	case "trace.id", "trace_id":
		l.TraceID, _ = telemetry.ParseTraceID(value)
		return l.TraceID.String() == value, nil
	case "span.id", "span_id":
		l.SpanID, _ = telemetry.ParseSpanID(value)
		return l.SpanID.String() == value, nil
	}
	return false, nil
}

// parseTime reads RFC 3339, also without a zone (UTC), and Unix milliseconds.
func parseTime(s string) (int64, error) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return min(max(ms, 0), math.MaxInt64/1_000_000) * 1_000_000, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("@timestamp %q: want RFC 3339 or Unix milliseconds", s)
}

// flatten appends the leaves of an object under their dotted names.
func flatten(dst *telemetry.Attrs, prefix string, fields map[string]any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("field %s is nested more than %d deep", prefix, maxDepth)
	}
	for k, v := range fields {
		name := k
		if prefix != "" {
			name = prefix + "." + k
		}
		if sub, ok := v.(map[string]any); ok {
			if err := flatten(dst, name, sub, depth+1); err != nil {
				return err
			}
			continue
		}
		if v == nil {
			continue
		}
		value, err := toValue(v, depth)
		if err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		*dst = append(*dst, telemetry.Attr{Key: name, Value: value})
	}
	return nil
}

var errTooDeep = errors.New("nested too deep")

func toValue(v any, depth int) (telemetry.Value, error) {
	if depth > maxDepth {
		return telemetry.Value{}, errTooDeep
	}
	switch v := v.(type) {
	case string:
		return telemetry.String(v), nil
	case bool:
		return telemetry.Bool(v), nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return telemetry.Int(i), nil
		}
		f, err := v.Float64()
		return telemetry.Double(f), err
	case []any:
		list := make([]telemetry.Value, 0, len(v))
		for _, e := range v {
			value, err := toValue(e, depth+1)
			if err != nil {
				return telemetry.Value{}, err
			}
			list = append(list, value)
		}
		return telemetry.Array(list), nil
	case map[string]any:
		var kvs telemetry.Attrs
		for k, e := range v {
			value, err := toValue(e, depth+1)
			if err != nil {
				return telemetry.Value{}, err
			}
			kvs = append(kvs, telemetry.Attr{Key: k, Value: value})
		}
		slices.SortFunc(kvs, func(a, b telemetry.Attr) int { return strings.Compare(a.Key, b.Key) })
		return telemetry.Map(kvs), nil
	}
	return telemetry.Value{}, nil
}
