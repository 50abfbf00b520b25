package syntax

import "strings"

// maxDepth bounds how deep parentheses and operators nest, so that no query
// can exhaust the stack.
const maxDepth = 128

// maxOperations bounds how many binary operations a query holds, for the same
// reason: a + b + c nests to the left.
const maxOperations = 1000

type parser struct {
	toks       []token
	i          int
	depth      int
	operations int
}

// Parse reads a query. The error is a *ParseError.
func Parse(query string) (Expr, error) {
	p, err := newParser(query)
	if err != nil {
		return nil, err
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return e, nil
}

// ParseLog reads a log query: a selector and its pipeline.
func ParseLog(query string) (*LogExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	log, ok := e.(*LogExpr)
	if !ok {
		return nil, errorAt(Pos{1, 1}, "expected a log query such as {service_name=\"x\"} |= \"y\", got a metric query")
	}
	return log, nil
}

// ParseSample reads a metric query.
func ParseSample(query string) (SampleExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	s, ok := e.(SampleExpr)
	if !ok {
		return nil, errorAt(Pos{1, 1}, "expected a metric query such as rate({service_name=\"x\"}[5m]), got a log query")
	}
	return s, nil
}

// ParseMatchers reads a stream selector alone. Unlike in a query, it may be
// {} or match everything. A text of blanks only is no selector and returns nil.
func ParseMatchers(selector string) ([]*Matcher, error) {
	if strings.TrimSpace(selector) == "" {
		return nil, nil
	}
	p, err := newParser(selector)
	if err != nil {
		return nil, err
	}
	m, err := p.selector()
	if err != nil {
		return nil, err
	}
	return m, p.end()
}

func newParser(src string) (*parser, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	return &parser{toks: toks}, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) peekAt(n int) token {
	if p.i+n >= len(p.toks) {
		return p.toks[len(p.toks)-1]
	}
	return p.toks[p.i+n]
}

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

// isOp reports whether the next token is this operator.
func (p *parser) isOp(op string) bool {
	t := p.peek()
	return t.kind == tokOp && t.text == op
}

// takeOp takes the next token if it is this operator.
func (p *parser) takeOp(op string) bool {
	if p.isOp(op) {
		p.i++
		return true
	}
	return false
}

// isWord reports whether the next token is this keyword, in any case.
func (p *parser) isWord(word string) bool {
	t := p.peek()
	return t.kind == tokIdent && strings.EqualFold(t.text, word)
}

func (p *parser) unexpected(expecting string) error {
	t := p.peek()
	return errorAt(t.pos, "syntax error: unexpected %s, expecting %s", t.describe(), expecting)
}

func (p *parser) expectOp(op string) error {
	if p.takeOp(op) {
		return nil
	}
	return p.unexpected(`"` + op + `"`)
}

func (p *parser) ident(what string) (string, error) {
	if t := p.peek(); t.kind == tokIdent {
		p.i++
		return t.text, nil
	}
	return "", p.unexpected(what)
}

func (p *parser) str(what string) (string, error) {
	if t := p.peek(); t.kind == tokString {
		p.i++
		return t.text, nil
	}
	return "", p.unexpected(what)
}

func (p *parser) end() error {
	if p.peek().kind == tokEOF {
		return nil
	}
	return p.unexpected("the end of the query")
}

// enter guards against nesting without end; its caller defers p.leave.
func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return errorAt(p.peek().pos, "the query nests deeper than %d levels", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// countOperation guards against chains without end.
func (p *parser) countOperation() error {
	if p.operations++; p.operations > maxOperations {
		return errorAt(p.peek().pos, "the query has more than %d operations", maxOperations)
	}
	return nil
}

// labelList reads (a, b, c), which may be empty.
func (p *parser) labelList() ([]string, error) {
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	labels := []string{}
	for !p.takeOp(")") {
		if len(labels) > 0 {
			if !p.takeOp(",") {
				return nil, p.unexpected(`"," or ")"`)
			}
		}
		name, err := p.ident("a label name")
		if err != nil {
			return nil, err
		}
		labels = append(labels, name)
	}
	return labels, nil
}
