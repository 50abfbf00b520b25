package entry

import (
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// levelRank tells the attributes and labels that carry a level, in the order
// in which they count; 0 is none of them.
func levelRank(key string) int {
	switch key {
	case "level", "LEVEL", "Level":
		return 1
	case "severity", "SEVERITY", "Severity":
		return 2
	case "lvl", "LVL", "Lvl":
		return 3
	case "severity_text", "SeverityText":
		return 4
	case "log_level", "loglevel", "LogLevel", "logLevel":
		return 5
	}
	return 0
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
	if w := levelOfAttrs(l.Attrs); w != "" {
		return w
	}
	if v.level != "" {
		return v.level
	}
	return levelOfText(l.Body.Text())
}

func levelOfAttrs(attrs telemetry.Attrs) string {
	best, word := 0, ""
	for i := range attrs {
		key := Name(attrs[i].Key)
		if key == DetectedLevel {
			if w := normalLevel(attrs[i].Value.Text()); w != "" {
				return w
			}
		}
		if rank := levelRank(key); rank > 0 && (best == 0 || rank < best) {
			if w := normalLevel(attrs[i].Value.Text()); w != "" {
				best, word = rank, w
			}
		}
	}
	return word
}

// levelOfLabels is levelOfAttrs for the labels of a stream.
func levelOfLabels(labels []Label) string {
	best, word := 0, ""
	for _, l := range labels {
		if rank := levelRank(l.Name); rank > 0 && (best == 0 || rank < best) {
			if w := normalLevel(l.Value); w != "" {
				best, word = rank, w
			}
		}
	}
	return word
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

// jsonLevel finds the first "level":"word" without parsing the document.
func jsonLevel(line string) string {
	for {
		at := strings.IndexByte(line, '"')
		if at < 0 {
			return ""
		}
		key, rest, ok := strings.Cut(line[at+1:], `"`)
		if !ok {
			return ""
		}
		line = rest
		if levelRank(key) == 0 {
			continue
		}
		rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), ":")
		if !ok {
			continue
		}
		rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), `"`)
		if !ok {
			continue
		}
		value, tail, ok := strings.Cut(rest, `"`)
		if w := normalLevel(value); ok && w != "" {
			return w
		}
		line = tail
	}
}

// logfmtLevel finds the first level=word.
func logfmtLevel(line string) string {
	for at := 0; ; at++ {
		i := strings.IndexByte(line[at:], '=')
		if i < 0 {
			return ""
		}
		at += i
		start := strings.LastIndexAny(line[:at], " \t") + 1
		if levelRank(line[start:at]) == 0 {
			continue
		}
		value := strings.TrimPrefix(line[at+1:], `"`)
		if end := strings.IndexAny(value, " \t\""); end >= 0 {
			value = value[:end]
		}
		if w := normalLevel(value); w != "" {
			return w
		}
	}
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
