package pipeline

import (
	"regexp"
	"strings"

	"github.com/clewhq/clew/query/logql/syntax"
)

// regexpParser makes labels of named groups. A line that does not match stays.
type regexpParser struct {
	re    *regexp.Regexp
	names []string
}

func newRegexp(s *syntax.Regexp) (stage, error) {
	re, err := regexp.Compile(s.Regexp)
	if err != nil {
		return nil, err
	}
	return &regexpParser{re: re, names: re.SubexpNames()}, nil
}

func (p *regexpParser) process(r *Record) bool {
	at := p.re.FindStringSubmatchIndex(r.Line)
	for i, name := range p.names {
		if name == "" || at == nil {
			continue
		}
		value := ""
		if at[2*i] >= 0 {
			value = r.Line[at[2*i]:at[2*i+1]]
		}
		r.Labels.Extract(name, value)
	}
	return true
}

// patternParser makes labels of the captures of a pattern.
type patternParser struct{ parts []syntax.PatternPart }

func newPattern(s *syntax.Pattern) (stage, error) {
	parts, err := syntax.ParsePattern(s.Pattern)
	return &patternParser{parts}, err
}

func (p *patternParser) process(r *Record) bool {
	rest := r.Line
	if rest == "" {
		return true
	}
	parts := p.parts
	if !parts[0].Capture {
		// A literal in front anchors the pattern at the start of the line.
		if !strings.HasPrefix(rest, parts[0].Text) {
			return true
		}
		rest, parts = rest[len(parts[0].Text):], parts[1:]
	}
	for i := 0; i < len(parts); i += 2 {
		value, found := rest, false
		if i+1 < len(parts) {
			var tail string
			if value, tail, found = strings.Cut(rest, parts[i+1].Text); found {
				rest = tail
			}
		}
		if parts[i].Text != "" {
			r.Labels.Extract(parts[i].Text, value)
		}
		if !found {
			// The literal is missing: the capture took the rest of the line.
			return true
		}
	}
	return true
}
