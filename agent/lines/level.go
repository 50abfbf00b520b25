package lines

import (
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// levelSearchMax is how far behind its time a line's level is looked for.
// Further on it would be a word of the message.
const levelSearchMax = 128

// findLevel returns the first word of the front of s that stands there as a
// level: in capitals, or set off as one ("[error]", "level=warn", "error:").
func findLevel(s string) (telemetry.Severity, string) {
	if len(s) > levelSearchMax {
		s = s[:levelSearchMax]
	}
	for i := 0; i < len(s); {
		if !isAlpha(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && isAlpha(s[i]) {
			i++
		}
		word := s[start:i]
		sev := levelWord(word)
		if sev != telemetry.SeverityUnset && standsOut(s, start, i) {
			return sev, word
		}
	}
	return telemetry.SeverityUnset, ""
}

// levelWord is ParseSeverity without the one-letter forms and the words that
// mean something else in most lines.
func levelWord(word string) telemetry.Severity {
	if len(word) < len("inf") {
		return telemetry.SeverityUnset
	}
	switch strings.ToLower(word) {
	case "config", "fine", "alert", "panic":
		if word != strings.ToUpper(word) {
			return telemetry.SeverityUnset
		}
	case "log": // PostgreSQL's
		if word == "LOG" {
			return telemetry.SeverityInfo
		}
	}
	return telemetry.ParseSeverity(word)
}

func standsOut(s string, start, end int) bool {
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = s[start-1]
	}
	if end < len(s) {
		after = s[end]
	}
	if isDigit(before) || isDigit(after) || before == '_' || after == '_' || before == '/' || after == '.' {
		return false // a part of a name
	}
	word := s[start:end]
	if word == strings.ToUpper(word) {
		return before != '-' && after != '-'
	}
	switch {
	case strings.IndexByte(`[<(|"=`, before) >= 0 && strings.IndexByte("]>)|\" ,", after) >= 0:
		return true
	case before == ':' && after == ']': // Apache's [core:error]
		return true
	case after == ':' && (before == ' ' || start == 0):
		return true
	}
	return false
}

// syslogSeverity maps the low three bits of a syslog priority.
func syslogSeverity(priority int) telemetry.Severity {
	return [8]telemetry.Severity{
		telemetry.SeverityFatal, telemetry.SeverityError + 2, telemetry.SeverityError + 1, telemetry.SeverityError,
		telemetry.SeverityWarn, telemetry.SeverityInfo + 1, telemetry.SeverityInfo, telemetry.SeverityDebug,
	}[priority&7]
}

var syslogNames = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// numericLevel reads the numbers of bunyan and pino (10 to 60) and of GELF
// (syslog's 0 to 7).
func numericLevel(n float64) telemetry.Severity {
	const step = 10
	switch {
	case n < 0 || n > 60:
		return telemetry.SeverityUnset
	case n < 8:
		return syslogSeverity(int(n))
	case n < step:
		return telemetry.SeverityUnset
	}
	return [6]telemetry.Severity{
		telemetry.SeverityTrace, telemetry.SeverityDebug, telemetry.SeverityInfo,
		telemetry.SeverityWarn, telemetry.SeverityError, telemetry.SeverityFatal,
	}[int(n)/step-1]
}
