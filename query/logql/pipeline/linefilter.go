package pipeline

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/clewhq/clew/query/logql/syntax"
)

// lineFilter keeps the lines that any test accepts, or that none does.
type lineFilter struct {
	tests  []func(line string) bool
	negate bool
}

func (f *lineFilter) process(r *Record) bool {
	for _, test := range f.tests {
		if test(r.Line) {
			return !f.negate
		}
	}
	return f.negate
}

func compileLineFilter(s *syntax.LineFilter) (stage, error) {
	f := &lineFilter{negate: s.Op.Negative()}
	for _, v := range s.Values {
		test, err := lineTest(s.Op, v)
		if err != nil {
			return nil, err
		}
		f.tests = append(f.tests, test)
	}
	return f, nil
}

func lineTest(op syntax.LineFilterOp, v syntax.LineValue) (func(string) bool, error) {
	if v.IP {
		rng, err := syntax.ParseIPRange(v.Text)
		if err != nil {
			return nil, err
		}
		return func(line string) bool { return lineHasIP(line, rng) }, nil
	}
	switch op {
	case syntax.LineMatches, syntax.LineNotMatch:
		re, err := regexp.Compile(v.Text)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	case syntax.LinePattern, syntax.LineNotPattern:
		parts, err := syntax.ParsePattern(v.Text)
		if err != nil {
			return nil, err
		}
		return func(line string) bool { return patternMatches(parts, line) }, nil
	}
	return func(line string) bool { return strings.Contains(line, v.Text) }, nil
}

// patternMatches reports whether the whole line has the shape of the pattern.
// Captures stand for one character or more and end at the first place where
// the literal behind them is found.
func patternMatches(parts []syntax.PatternPart, line string) bool {
	if len(parts) == 0 || line == "" {
		return len(parts) == 0 && line == ""
	}
	for i, p := range parts {
		if p.Capture {
			continue
		}
		at := strings.Index(line, p.Text)
		if at < 0 || (i == 0) != (at == 0) {
			return false
		}
		line = line[at+len(p.Text):]
	}
	return parts[len(parts)-1].Capture == (line != "")
}

// lineHasIP reports whether an address that stands in the line is in rng.
func lineHasIP(line string, rng syntax.IPRange) bool {
	for i := 0; i < len(line); {
		if !isIPByte(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && isIPByte(line[i]) {
			i++
		}
		if addrIn(line[start:i], rng) {
			return true
		}
	}
	return false
}

// addrIn tries a run of address characters as it is, and without the port or
// the punctuation that sticks to it.
func addrIn(run string, rng syntax.IPRange) bool {
	if len(run) < 2 {
		return false
	}
	try := func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && rng.Contains(a)
	}
	if try(run) {
		return true
	}
	trimmed := strings.TrimRight(strings.TrimLeft(run, "."), ".:")
	if try(trimmed) || try(strings.TrimLeft(trimmed, ":")) {
		return true
	}
	if host, _, ok := strings.Cut(trimmed, ":"); ok && strings.Contains(host, ".") {
		return try(host)
	}
	return false
}

func isIPByte(c byte) bool {
	return c == '.' || c == ':' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}
