package plan

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/logql/entry"
	logql "github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// delimiters end an ID-shaped token whatever stands behind them.
const delimiters = " \t\"'()[]{}<>,;|"

// wholeID returns an ID that stands in a literal between delimiters, in its
// normal form. An ID at the edge of the literal does not count: in the line
// it may be a part of something longer.
func wholeID(lit string) (id string, ok bool) {
	correlation.Tokens(lit, func(token string) bool {
		at := strings.Index(lit, token)
		end := at + len(token)
		if at < 1 || end >= len(lit) || token == "" {
			return true
		}
		if strings.IndexByte(delimiters, lit[at-1]) < 0 || strings.IndexByte(delimiters, lit[end]) < 0 {
			return true
		}
		id, ok = correlation.Normalize(token), true
		return false
	})
	return id, ok
}

// contextID returns the ID that an equality on trace_id or span_id asks for.
// Attributes that become the same label are in the ID index only where their
// keys are known to carry IDs.
func contextID(m *logql.Matcher) (string, bool) {
	if m.Op != logql.MatchEqual {
		return "", false
	}
	ok := false
	switch m.Name {
	case entry.TraceID:
		_, ok = telemetry.ParseTraceID(m.Value)
		ok = ok && len(m.Value) == 32
	case entry.SpanID:
		_, ok = telemetry.ParseSpanID(m.Value)
		ok = ok && len(m.Value) == 16
	}
	for _, sep := range []string{"_", ".", "-"} {
		if _, known := correlation.KindOf(strings.ReplaceAll(m.Name, "_", sep)); !known {
			ok = false
		}
	}
	return correlation.Normalize(m.Value), ok
}

// severities are the first numbers of the ranges that name a level.
var severities = []telemetry.Severity{
	telemetry.SeverityTrace, telemetry.SeverityDebug, telemetry.SeverityInfo,
	telemetry.SeverityWarn, telemetry.SeverityError, telemetry.SeverityFatal,
}

// lowestSeverity returns the lowest severity whose word the matcher accepts,
// 0 where that leaves nothing out.
func lowestSeverity(m *logql.Matcher) telemetry.Severity {
	for i, sev := range severities {
		if m.Matches(sev.String()) {
			if i == 0 {
				return 0
			}
			return sev
		}
	}
	return 0
}

// requiredLiterals returns texts that stand in everything a regular
// expression matches.
func requiredLiterals(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return appendLiterals(nil, re.Simplify())
}

func appendLiterals(dst []string, re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		// The replacement character also matches bytes that are no text.
		if lit := string(re.Rune); re.Flags&syntax.FoldCase == 0 && !strings.ContainsRune(lit, utf8.RuneError) {
			dst = append(dst, lit)
		}
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			dst = appendLiterals(dst, sub)
		}
	}
	return dst
}
