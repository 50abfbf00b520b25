package syntax

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

const stageWords = "a stage (json, logfmt, pattern, regexp, unpack, line_format, label_format, decolorize, drop, keep, distinct) or a label filter"

// stage reads one stage, its leading operator included.
func (p *parser) stage() (Stage, error) {
	if !p.isOp("|") {
		return p.lineFilter()
	}
	p.i++
	t := p.peek()
	// A stage's name in front of a comparison is a label of that name, but a
	// stage that may stand alone goes before a line filter.
	if t.kind == tokIdent && (!isComparisonToken(p.peekAt(1)) || standsAlone(t.text) && isLineFilter(p.peekAt(1))) {
		if s, ok, err := p.namedStage(strings.ToLower(t.text)); ok {
			return s, err
		}
	}
	if t.kind != tokIdent && !p.isOp("(") {
		return nil, p.unexpected(stageWords)
	}
	f, err := p.filterOr()
	if err != nil {
		return nil, err
	}
	return &LabelFilterStage{Filter: f}, nil
}

// standsAlone reports whether a stage of this name needs nothing behind it.
func standsAlone(name string) bool {
	switch strings.ToLower(name) {
	case "json", "logfmt", "unpack", "decolorize":
		return true
	}
	return false
}

// isLineFilter reports whether an operator compares labels as well as lines.
func isLineFilter(t token) bool { return isOpToken(t, "!=") || isOpToken(t, "!~") }

// namedStage reads the stage of this name; ok is false where there is none.
func (p *parser) namedStage(name string) (s Stage, ok bool, err error) {
	start := p.i
	p.i++
	switch name {
	case "json":
		var ex []Extraction
		ex, err = p.extractions(false)
		s = &JSON{Extract: ex}
	case "logfmt":
		s, err = p.logfmt()
	case "pattern", "regexp":
		s, err = p.textParser(name)
	case "unpack":
		s = &Unpack{}
	case "decolorize":
		s = &Decolorize{}
	case "line_format":
		var text string
		text, err = p.str("a template in quotes")
		s = &LineFormat{Template: text}
	case "label_format":
		s, err = p.labelFormat()
	case "drop", "keep":
		s, err = p.keep(name == "drop")
	case "distinct":
		s, err = p.distinct()
	default:
		p.i = start
		return nil, false, nil
	}
	return s, true, err
}

func (p *parser) logfmt() (Stage, error) {
	l := &Logfmt{}
	for p.peek().kind == tokFlag {
		switch t := p.peek(); t.text {
		case "--strict":
			l.Strict = true
		case "--keep-empty":
			l.KeepEmpty = true
		default:
			return nil, p.unexpected("--strict or --keep-empty")
		}
		p.i++
	}
	ex, err := p.extractions(true)
	l.Extract = ex
	return l, err
}

// extractions reads a="path", b.
func (p *parser) extractions(logfmt bool) ([]Extraction, error) {
	var out []Extraction
	for p.peek().kind == tokIdent && !p.isWord("offset") {
		x := Extraction{Label: p.take().text}
		x.Path = x.Label
		if p.takeOp("=") {
			at := p.peek().pos
			path, err := p.str("an expression in quotes")
			if err != nil {
				return nil, err
			}
			if err := checkPath(path, logfmt); err != nil {
				return nil, errorAt(at, "%s", err)
			}
			x.Path = path
		}
		out = append(out, x)
		if !p.takeOp(",") {
			return out, nil
		}
		if p.peek().kind != tokIdent {
			return nil, p.unexpected("a label name")
		}
	}
	return out, nil
}

func checkPath(path string, logfmt bool) error {
	if logfmt {
		if path == "" || strings.ContainsAny(path, " =\"") {
			return fmt.Errorf("cannot parse expression [%s]: expected the name of a logfmt key", path)
		}
		return nil
	}
	_, err := ParseJSONPath(path)
	return err
}

func (p *parser) textParser(name string) (Stage, error) {
	at := p.peek().pos
	text, err := p.str("a " + name + " in quotes")
	if err != nil {
		return nil, err
	}
	if name == "pattern" {
		if err := checkParserPattern(text); err != nil {
			return nil, errorAt(at, "%s", err)
		}
		return &Pattern{Pattern: text}, nil
	}
	if err := checkNamedGroups(text); err != nil {
		return nil, errorAt(at, "%s", err)
	}
	return &Regexp{Regexp: text}, nil
}

func checkNamedGroups(text string) error {
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return fmt.Errorf("compile the regular expression: %w", err)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return fmt.Errorf("compile the regular expression: %w", err)
	}
	seen := map[string]bool{}
	for _, n := range re.SubexpNames() {
		if n == "" {
			continue
		}
		if seen[n] {
			return fmt.Errorf("duplicate extracted label name '%s'", n)
		}
		seen[n] = true
	}
	if len(seen) == 0 {
		return fmt.Errorf("at least one named capture such as (?P<name>re) must be supplied")
	}
	return nil
}

func (p *parser) labelFormat() (Stage, error) {
	f := &LabelFormat{}
	seen := map[string]bool{}
	for {
		at := p.peek().pos
		dst, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		if dst == "__error__" {
			return nil, errorAt(at, "__error__ cannot be formatted")
		}
		if seen[dst] {
			return nil, errorAt(at, "multiple label name '%s' not allowed in a single format operation", dst)
		}
		seen[dst] = true
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		op := LabelFormatOp{Dst: dst}
		switch t := p.peek(); t.kind {
		case tokIdent:
			op.Rename, op.Value = true, t.text
		case tokString:
			op.Value = t.text
		default:
			return nil, p.unexpected("a template in quotes or a label name")
		}
		p.i++
		f.Ops = append(f.Ops, op)
		if !p.takeOp(",") {
			return f, nil
		}
	}
}

func (p *parser) keep(drop bool) (Stage, error) {
	k := &Keep{Drop: drop}
	for {
		name, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		l := KeepLabel{Name: name}
		if t := p.peek(); t.kind == tokOp {
			switch t.text {
			case "=", "=~", "!=", "!~":
				// "| drop a != `x`" is a matcher, as in Loki's grammar.
				p.i++
				if l.Matcher, err = p.matcherValue(name, MatchOp(t.text)); err != nil {
					return nil, err
				}
			}
		}
		k.Labels = append(k.Labels, l)
		if !p.takeOp(",") {
			return k, nil
		}
	}
}

func (p *parser) distinct() (Stage, error) {
	d := &Distinct{}
	for {
		name, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		d.Labels = append(d.Labels, name)
		if !p.takeOp(",") {
			return d, nil
		}
	}
}
