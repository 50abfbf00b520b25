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
	case "log.level":
		return 2
	case "severity", "SEVERITY", "Severity":
		return 3
	case "SeverityText":
		return 4
	case "lvl", "LVL", "Lvl":
		return 5
	case "severity_text", "Severity_Text", "SEVERITY_TEXT":
		return 6
	case "log_level", "loglevel", "LogLevel", "logLevel":
		return 7
	}
	return 0
}

// levelUnknown is what a record gets whose level cannot be told.
const levelUnknown = "unknown"

// levelScan bounds how much of a line is searched for the word of a level.
const levelScan = 4096

// Level returns the detected level of a record: from its severity, by which
// stores select, else as Loki does from the stream labels that carry levels,
// from such attributes, from its text. A level that is no known word stands as
// it is.
func Level(v *Stream, l *telemetry.Log) string {
	if l.Severity != 0 {
		return l.Severity.String()
	}
	if w, ok := toldLevel(v, l); ok {
		return w
	}
	return levelOfText(l.Body.Text())
}

// toldLevel is the level that labels and attributes tell.
func toldLevel(v *Stream, l *telemetry.Log) (string, bool) {
	if w := detectedAttr(l.Attrs); w != "" {
		return w, true
	}
	if v.level != "" {
		return v.level, true
	}
	if w := levelOfAttrs(l.Attrs); w != "" {
		return w, true
	}
	return levelOf(l.SeverityText), l.SeverityText != ""
}

// severityDerived reports whether a record's severity says no more than the
// level in its labels does, as where the sender had no severities to send.
func severityDerived(v *Stream, l *telemetry.Log) bool {
	if l.SeverityText != "" {
		return false
	}
	w, ok := toldLevel(v, l)
	return ok && telemetry.ParseSeverity(w) == l.Severity
}

// detectedAttr is the level that a sender has detected.
func detectedAttr(attrs telemetry.Attrs) string {
	for i := range attrs {
		if attrs[i].Key == DetectedLevel {
			return levelOf(attrs[i].Value.Text())
		}
	}
	return ""
}

func levelOfAttrs(attrs telemetry.Attrs) string {
	best, word := 0, ""
	for i := range attrs {
		if rank := levelRank(attrs[i].Key); rank > 0 && (best == 0 || rank < best) {
			if w := levelOf(attrs[i].Value.Text()); w != "" {
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
			best, word = rank, levelOf(l.Value)
		}
	}
	return word
}

// levelOf returns the word under which a level is known, or what is no known
// level as it is.
func levelOf(s string) string {
	if w := normalLevel(s); w != "" {
		return w
	}
	return s
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

// levelWords are the words in running text that tell a level.
var levelWords = map[string]string{
	"trace": "trace", "debug": "debug", "info": "info", "warn": "warn", "warning": "warn",
	"error": "error", "err": "error", "fatal": "fatal", "critical": "critical",
}

// What may stand before and behind such a word. A colon before it makes it the
// value of something else.
const (
	beforeLevel = " \t\n[({\"'=|"
	behindLevel = " \t\n[](){}:,!\"'=|"
)

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
		if n := i - start; n < 3 || n > 8 || start > 0 && strings.IndexByte(beforeLevel, line[start-1]) < 0 ||
			i < len(line) && strings.IndexByte(behindLevel, line[i]) < 0 {
			continue
		}
		if w, ok := levelWords[strings.ToLower(line[start:i])]; ok && (w != "trace" || !namesTrace(line[i:])) {
			return w
		}
	}
	return levelUnknown
}

// namesTrace reports whether what follows the word "trace" makes it the name
// of a trace, as in "trace 0af7651916cd43dd" or "trace id".
func namesTrace(rest string) bool {
	token := strings.TrimLeft(rest, " :=\"")
	if end := strings.IndexAny(token, " \t\n,;\"'()[]{}"); end >= 0 {
		token = token[:end]
	}
	return strings.EqualFold(token, "id") || len(token) >= 8 && strings.ContainsAny(token, "0123456789")
}

func isLetter(c byte) bool { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') }
