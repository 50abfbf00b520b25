package entry

import (
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// levelKeys are the attributes and labels that carry a level, in the order in
// which they count.
var levelKeys = []string{
	"level", "LEVEL", "Level", "severity", "SEVERITY", "Severity", "lvl", "LVL", "Lvl", "severity_text", "SeverityText",
	"log_level", "loglevel", "LogLevel", "logLevel",
}

// levelUnknown is what a record gets whose level cannot be told.
const levelUnknown = "unknown"

// levelScan bounds how much of a line is searched for the word of a level.
const levelScan = 512

// Level returns the detected level of a record: from its severity, else from
// its severity text and the attributes and stream labels that carry levels,
// else from its text.
func Level(v *Stream, l *telemetry.Log) string {
	if l.Severity != 0 {
		return l.Severity.String()
	}
	if w := normalLevel(l.SeverityText); w != "" {
		return w
	}
	if w := normalLevel(l.Attrs.Text("detected_level")); w != "" {
		return w
	}
	if len(l.Attrs) > 0 {
		for _, key := range levelKeys {
			for i := range l.Attrs {
				if Name(l.Attrs[i].Key) == key {
					if w := normalLevel(l.Attrs[i].Value.Text()); w != "" {
						return w
					}
				}
			}
		}
	}
	for _, key := range levelKeys {
		if value := v.Get(key); value != "" {
			if w := normalLevel(value); w != "" {
				return w
			}
		}
	}
	return levelOfText(l.Body.Text())
}

// normalLevel returns the word under which a level is known, "" for none.
func normalLevel(s string) string {
	if s == "" {
		return ""
	}
	if strings.EqualFold(s, "critical") || strings.EqualFold(s, "crit") {
		return "critical"
	}
	sev := telemetry.ParseSeverity(s)
	if sev == telemetry.SeverityUnset {
		return ""
	}
	return sev.String()
}

func levelOfText(line string) string {
	if len(line) > levelScan {
		line = line[:levelScan]
	}
	trimmed := strings.TrimLeft(line, " \t")
	if strings.HasPrefix(trimmed, "{") {
		if w := jsonLevel(trimmed); w != "" {
			return w
		}
	} else if strings.Contains(line, "=") {
		if w := logfmtLevel(line); w != "" {
			return w
		}
	}
	return wordLevel(line)
}

// jsonLevel finds "level":"word" without parsing the document.
func jsonLevel(line string) string {
	for _, key := range levelKeys {
		i := strings.Index(line, `"`+key+`"`)
		if i < 0 {
			continue
		}
		rest := strings.TrimLeft(line[i+len(key)+2:], " ")
		if !strings.HasPrefix(rest, ":") {
			continue
		}
		rest = strings.TrimLeft(rest[1:], " ")
		if !strings.HasPrefix(rest, `"`) {
			continue
		}
		value, _, ok := strings.Cut(rest[1:], `"`)
		if w := normalLevel(value); ok && w != "" {
			return w
		}
	}
	return ""
}

func logfmtLevel(line string) string {
	for _, key := range levelKeys {
		for at := 0; ; {
			i := strings.Index(line[at:], key+"=")
			if i < 0 {
				break
			}
			i += at
			at = i + len(key)
			if i > 0 && line[i-1] != ' ' && line[i-1] != '\t' {
				continue
			}
			value := strings.TrimPrefix(line[i+len(key)+1:], `"`)
			if end := strings.IndexAny(value, " \t\""); end >= 0 {
				value = value[:end]
			}
			if w := normalLevel(value); w != "" {
				return w
			}
		}
	}
	return ""
}

// levelWords are the words in running text that tell a level. Words that are
// also common English, such as fine or notice, are left out.
var levelWords = map[string]string{
	"trace": "trace", "debug": "debug", "dbg": "debug", "info": "info", "information": "info",
	"warn": "warn", "warning": "warn", "wrn": "warn", "error": "error", "err": "error", "errors": "error",
	"exception": "error", "fatal": "fatal", "panic": "fatal", "critical": "critical", "crit": "critical",
}

// wordLevel returns the level that the first such word of the line tells.
func wordLevel(line string) string {
	for i := 0; i < len(line); {
		if !isLetter(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && isLetter(line[i]) {
			i++
		}
		if n := i - start; n < 3 || n > 11 {
			continue
		}
		if w, ok := levelWords[strings.ToLower(line[start:i])]; ok {
			return w
		}
	}
	return levelUnknown
}

func isLetter(c byte) bool { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') }
