package lines

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// The names under which JSON and logfmt lines carry what we look for, in
// lower case, in the order in which they count.
var (
	timeKeys    = []string{"@timestamp", "timestamp", "time", "ts", "t", "datetime"}
	levelKeys   = []string{"level", "severity", "log.level", "lvl", "levelname", "loglevel", "severity_text", "priority"}
	serviceKeys = []string{"service.name", "service", "service_name"}
	traceKeys   = []string{"trace_id", "traceid", "trace.id"}
	spanKeys    = []string{"span_id", "spanid", "span.id"}
)

// fieldMap is a structured line's top level, keys in lower case.
type fieldMap map[string]any

func (m fieldMap) first(keys []string) any {
	for _, k := range keys {
		if v, ok := m[k]; ok {
			return v
		}
	}
	return nil
}

func (m fieldMap) text(keys []string) string {
	switch v := m.first(keys).(type) {
	case string:
		return v
	case map[string]any: // ECS nests: {"service":{"name":"x"}}
		s, _ := v["name"].(string)
		return s
	}
	return ""
}

// jsonFields reads a line that is one JSON object.
func jsonFields(s string) (fieldMap, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, false
	}
	var raw map[string]any
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, false
	}
	m := make(fieldMap, len(raw))
	for k, v := range raw {
		m[strings.ToLower(k)] = v
	}
	if log, ok := raw["log"].(map[string]any); ok {
		if level, ok := log["level"].(string); ok {
			m["log.level"] = level
		}
	}
	return m, true
}

// logfmtFields reads a line that begins with key=value.
func logfmtFields(s string) (fieldMap, bool) {
	var m fieldMap
	for s != "" {
		s = strings.TrimLeft(s, " \t")
		end := strings.IndexAny(s, "= \t")
		if end <= 0 || s[end] != '=' {
			if m == nil {
				return nil, false // the first word is no pair: another layout
			}
			_, s, _ = strings.Cut(s, " ")
			continue
		}
		key := s[:end]
		if m == nil && !isKey(key) {
			return nil, false
		}
		var value string
		value, s = logfmtValue(s[end+1:])
		if m == nil {
			m = fieldMap{}
		}
		m[strings.ToLower(key)] = value
	}
	return m, m != nil
}

func isKey(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("_.-@", s[i]) < 0 {
			return false
		}
	}
	return true
}

// logfmtValue cuts a value, quoted or up to the next space, off s.
func logfmtValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:]
		}
	}
	return s[1:], ""
}

// fill takes what m says into f, where f has nothing yet.
func (c clock) fill(f *Fields, m fieldMap) {
	if f.Time.IsZero() {
		f.Time = c.value(m.first(timeKeys))
	}
	if f.Severity == telemetry.SeverityUnset {
		switch v := m.first(levelKeys).(type) {
		case string:
			if sev := telemetry.ParseSeverity(v); sev != telemetry.SeverityUnset {
				f.Severity, f.SeverityText = sev, v
			}
		case float64:
			f.Severity = numericLevel(v)
		}
	}
	if f.Service == "" {
		f.Service = m.text(serviceKeys)
	}
	decodeID(f.TraceID[:], m.text(traceKeys))
	decodeID(f.SpanID[:], m.text(spanKeys))
}

// value reads a field's time: text in any layout, or a number.
func (c clock) value(v any) time.Time {
	switch v := v.(type) {
	case string:
		if t, _, ok := c.at(v); ok {
			return t
		}
	case float64:
		if t := fromNumber(v); v > 0 && c.believable(t) {
			return t
		}
	}
	return time.Time{}
}

// decodeID writes a hex ID of exactly dst's length, and nothing otherwise.
func decodeID(dst []byte, s string) {
	if s = strings.ReplaceAll(s, "-", ""); len(s) != hex.EncodedLen(len(dst)) {
		return
	}
	if b, err := hex.DecodeString(s); err == nil {
		copy(dst, b)
	}
}
