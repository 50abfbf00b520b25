package syntax

import (
	"regexp"
	"time"
)

// selector reads {a="b", c=~"d"}.
func (p *parser) selector() ([]*Matcher, error) {
	if !p.takeOp("{") {
		return nil, p.unexpected(`a stream selector such as {service_name="x"}`)
	}
	matchers := []*Matcher{}
	for !p.takeOp("}") {
		if len(matchers) > 0 {
			if !p.takeOp(",") {
				return nil, p.unexpected(`"," or "}"`)
			}
			if p.takeOp("}") { // a comma at the end is fine
				break
			}
		}
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func (p *parser) matcher() (*Matcher, error) {
	name, err := p.ident(`a label name or "}"`)
	if err != nil {
		return nil, err
	}
	op := p.peek()
	if op.kind != tokOp || (op.text != "=" && op.text != "!=" && op.text != "=~" && op.text != "!~") {
		return nil, p.unexpected(`"=", "!=", "=~" or "!~"`)
	}
	p.i++
	return p.matcherValue(name, MatchOp(op.text))
}

func (p *parser) matcherValue(name string, op MatchOp) (*Matcher, error) {
	at := p.peek().pos
	value, err := p.str("a quoted string")
	if err != nil {
		return nil, err
	}
	m, err := NewMatcher(name, op, value)
	if err != nil {
		return nil, errorAt(at, "%s", err)
	}
	return m, nil
}

// checkedSelector is a selector as a query must have it: not one that every
// stream matches.
func (p *parser) checkedSelector() ([]*Matcher, error) {
	at := p.peek().pos
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	for _, m := range matchers {
		if !m.Matches("") {
			return matchers, nil
		}
	}
	return nil, errorAt(at, "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "+
		"For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will")
}

func (p *parser) logExpr() (*LogExpr, error) {
	m, err := p.checkedSelector()
	if err != nil {
		return nil, err
	}
	e := &LogExpr{Matchers: m}
	for p.atStage() {
		if p.isOp("|") && p.peekAt(1).kind == tokIdent && isWordToken(p.peekAt(1), "unwrap") {
			return nil, errorAt(p.peekAt(1).pos, "syntax error: unwrap belongs inside a range aggregation such as sum_over_time(... | unwrap x [5m])")
		}
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		e.Stages = append(e.Stages, s)
	}
	return e, nil
}

// atStage reports whether a pipeline stage begins here.
func (p *parser) atStage() bool {
	t := p.peek()
	if t.kind != tokOp {
		return false
	}
	switch t.text {
	case "|", "|=", "|~", "|>", "!=", "!~", "!>":
		return true
	}
	return false
}

// logRange is what a range aggregation works on. Its parts may come in several
// orders: the range before or after the pipeline, all of it in parentheses.
type logRange struct {
	log                    *LogExpr
	interval, offset       time.Duration
	hasInterval, hasOffset bool
	unwrap                 *Unwrap
}

func (p *parser) logRange() (*logRange, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	r := &logRange{}
	if p.takeOp("(") {
		inner, err := p.logRange()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(")"); err != nil {
			return nil, err
		}
		r = inner
	} else {
		m, err := p.checkedSelector()
		if err != nil {
			return nil, err
		}
		r.log = &LogExpr{Matchers: m}
	}
	for {
		done, err := p.rangePart(r)
		if err != nil || done {
			return r, err
		}
	}
}

// rangePart reads one part behind the selector; done where none follows.
func (p *parser) rangePart(r *logRange) (done bool, err error) {
	switch {
	case p.isOp("["):
		if r.hasInterval {
			return false, p.unexpected(`")": the range stands there already`)
		}
		r.interval, err = p.interval()
		r.hasInterval = true
		return false, err
	case p.isWord("offset"):
		if r.hasOffset || !r.hasInterval {
			return false, p.unexpected("one range such as [5m] before one offset")
		}
		p.i++
		r.offset, err = p.signedDuration("a duration such as 5m")
		r.hasOffset = true
		return false, err
	case p.isOp("|") && isWordToken(p.peekAt(1), "unwrap") && !isComparisonToken(p.peekAt(2)):
		if r.unwrap != nil {
			return false, errorAt(p.peekAt(1).pos, "syntax error: only one unwrap is possible")
		}
		p.i += 2
		r.unwrap, err = p.unwrap()
		return false, err
	case p.atStage():
		at := p.peek().pos
		s, err := p.stage()
		if err != nil {
			return false, err
		}
		if r.unwrap == nil {
			r.log.Stages = append(r.log.Stages, s)
			return false, nil
		}
		f, ok := s.(*LabelFilterStage)
		if !ok {
			return false, errorAt(at, "syntax error: only label filters may follow unwrap")
		}
		r.unwrap.Filters = append(r.unwrap.Filters, f.Filter)
		return false, nil
	}
	return true, nil
}

// interval reads [5m].
func (p *parser) interval() (time.Duration, error) {
	if err := p.expectOp("["); err != nil {
		return 0, err
	}
	t := p.peek()
	if t.kind != tokDuration || t.dur <= 0 {
		return 0, p.unexpected("a duration above 0 such as 5m")
	}
	p.i++
	return t.dur, p.expectOp("]")
}

func (p *parser) signedDuration(what string) (time.Duration, error) {
	neg := p.takeOp("-")
	t := p.peek()
	if t.kind != tokDuration && (t.kind != tokNumber || t.num != 0) {
		return 0, p.unexpected(what)
	}
	p.i++
	if neg {
		return -t.dur, nil
	}
	return t.dur, nil
}

func (p *parser) unwrap() (*Unwrap, error) {
	name, err := p.ident("a label name, bytes(label), duration(label) or duration_seconds(label)")
	if err != nil {
		return nil, err
	}
	if !p.isOp("(") {
		return &Unwrap{Label: name}, nil
	}
	switch name {
	case "bytes", "duration", "duration_seconds":
	default:
		p.i--
		return nil, p.unexpected("one of bytes, duration, duration_seconds")
	}
	p.i++
	label, err := p.ident("a label name")
	if err != nil {
		return nil, err
	}
	return &Unwrap{Label: label, Conv: name}, p.expectOp(")")
}

func (p *parser) lineFilter() (Stage, error) {
	f := &LineFilter{Op: LineFilterOp(p.take().text)}
	for {
		v, err := p.lineValue(f.Op)
		if err != nil {
			return nil, err
		}
		f.Values = append(f.Values, v)
		if !p.isWord("or") {
			return f, nil
		}
		p.i++
	}
}

func (p *parser) lineValue(op LineFilterOp) (LineValue, error) {
	at := p.peek().pos
	if p.isWord("ip") && isOpToken(p.peekAt(1), "(") {
		if op != LineContains && op != LineNotContain {
			return LineValue{}, p.unexpected("a string: ip() goes with |= and != only")
		}
		text, err := p.ipCall()
		return LineValue{IP: true, Text: text}, err
	}
	text, err := p.str("a quoted string")
	if err != nil {
		return LineValue{}, err
	}
	switch op {
	case LineMatches, LineNotMatch:
		if _, err := regexp.Compile(text); err != nil {
			return LineValue{}, errorAt(at, "compile the line filter: %s", err)
		}
	case LinePattern, LineNotPattern:
		if err := CheckLinePattern(text); err != nil {
			return LineValue{}, errorAt(at, "%s", err)
		}
	}
	return LineValue{Text: text}, nil
}

// ipCall reads ip("...") and checks what it holds.
func (p *parser) ipCall() (string, error) {
	p.i++
	if err := p.expectOp("("); err != nil {
		return "", err
	}
	at := p.peek().pos
	text, err := p.str("a quoted address, range or prefix")
	if err != nil {
		return "", err
	}
	if _, err := ParseIPRange(text); err != nil {
		return "", errorAt(at, "%s", err)
	}
	return text, p.expectOp(")")
}

func isWordToken(t token, word string) bool { return t.kind == tokIdent && equalFold(t.text, word) }

func isOpToken(t token, op string) bool { return t.kind == tokOp && t.text == op }

func isComparisonToken(t token) bool {
	if t.kind != tokOp {
		return false
	}
	switch t.text {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}
