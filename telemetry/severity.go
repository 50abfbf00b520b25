package telemetry

import "strings"

// Severity is OpenTelemetry's severity number: 1-4 trace, 5-8 debug, 9-12
// info, 13-16 warn, 17-20 error, 21-24 fatal; 0 is unset.
type Severity uint8

// The first number of each severity range.
const (
	SeverityUnset Severity = 0
	SeverityTrace Severity = 1
	SeverityDebug Severity = 5
	SeverityInfo  Severity = 9
	SeverityWarn  Severity = 13
	SeverityError Severity = 17
	SeverityFatal Severity = 21
)

// String returns the range's word as Loki's detected_level spells it:
// trace, debug, info, warn, error, fatal, unknown.
func (s Severity) String() string {
	switch {
	case s == 0 || s > 24:
		return "unknown"
	case s < SeverityDebug:
		return "trace"
	case s < SeverityInfo:
		return "debug"
	case s < SeverityWarn:
		return "info"
	case s < SeverityError:
		return "warn"
	case s < SeverityFatal:
		return "error"
	}
	return "fatal"
}

// ParseSeverity reads the words in use for levels, in any case: syslog's,
// Java's, Python's, Go's and one-letter forms. Unknown words are unset.
func ParseSeverity(s string) Severity {
	if len(s) > 16 {
		return SeverityUnset
	}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "trace", "trc", "finest", "verbose", "t":
		return SeverityTrace
	case "debug", "dbg", "fine", "finer", "d", "config":
		return SeverityDebug
	case "info", "inf", "information", "informational", "notice", "i", "n":
		return SeverityInfo
	case "warn", "warning", "wrn", "w":
		return SeverityWarn
	case "error", "err", "eror", "severe", "e":
		return SeverityError
	case "fatal", "ftl", "critical", "crit", "panic", "alert", "emerg", "emergency", "f", "c":
		return SeverityFatal
	}
	return SeverityUnset
}
