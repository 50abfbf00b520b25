package syntax

// maxDepth bounds how deep parentheses and operators may nest, so that a
// hostile query cannot exhaust the stack. No person writes a tenth of it.
const maxDepth = 250

// parser reads a list of tokens by recursive descent.
type parser struct {
	toks  []token
	i     int
	depth int
}

// Parse reads a query and checks its types. The error is an *Error with the
// place.
func Parse(src string) (*Query, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if err := check(q); err != nil {
		return nil, err
	}
	return q, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

// is reports whether the next token is this operator or word.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokOp || t.kind == tokWord) && t.text == text
}

// accept takes the next token if it is this operator or word.
func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.take()
		return true
	}
	return false
}

func (p *parser) expect(text, where string) error {
	if !p.accept(text) {
		t := p.peek()
		return errorAt(t.pos, "unexpected %s, expected '%s' %s", t.describe(), text, where)
	}
	return nil
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return errorAt(p.peek().pos, "the query nests deeper than %d levels", maxDepth)
	}
	return nil
}

// call reads "( args )" after a function's name.
func (p *parser) call(name string, args func() error) error {
	if err := p.expect("(", "after "+name); err != nil {
		return err
	}
	if args != nil {
		if err := args(); err != nil {
			return err
		}
	}
	return p.expect(")", "to close "+name+"(")
}

func (p *parser) query() (*Query, error) {
	if t := p.peek(); t.kind == tokEOF {
		return nil, errorAt(t.pos, "the query is empty, expected a span filter such as { span.name = \"value\" }")
	}
	n, err := p.pipeline()
	if err != nil {
		return nil, err
	}
	q := &Query{}
	for p.is("with") {
		hints, err := p.hints()
		if err != nil {
			return nil, err
		}
		q.Hints = append(q.Hints, hints...)
	}
	if t := p.peek(); t.kind != tokEOF {
		return nil, errorAt(t.pos, "unexpected %s, expected '|', an operator or the end of the query", t.describe())
	}
	switch n := n.(type) {
	case MetricsExpr:
		q.Metrics = n
	case *Pipeline:
		q.Pipeline = n
	case SpansetExpr:
		q.Pipeline = &Pipeline{Stages: []Stage{n}}
	default:
		return nil, errorAt(p.toks[0].pos, "a query must select spans, expected a span filter such as { span.name = \"value\" }")
	}
	return q, nil
}

func (p *parser) hints() ([]Hint, error) {
	p.take()
	var out []Hint
	err := p.call("with", func() error {
		for {
			name := p.take()
			if name.kind != tokWord {
				return errorAt(name.pos, "unexpected %s, expected the name of a hint", name.describe())
			}
			if err := p.expect("=", "after hint "+name.text); err != nil {
				return err
			}
			v, err := p.static()
			if err != nil {
				return err
			}
			out = append(out, Hint{Name: name.text, Value: v})
			if !p.accept(",") {
				return nil
			}
		}
	})
	return out, err
}

// pipeline reads stages between bars. It returns a *Pipeline, a MetricsExpr,
// or in parentheses also a scalar: whatever the last stage made of it.
func (p *parser) pipeline() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	start := p.peek().pos
	pl := &Pipeline{}
	for {
		at := p.peek()
		n, err := p.stage(len(pl.Stages) == 0)
		if err != nil {
			return nil, err
		}
		if fn, ok := n.(*MetricsFunc); ok {
			return p.secondStages(&MetricsPipeline{Pipeline: pl, Func: *fn})
		}
		if m, ok := n.(MetricsExpr); ok && len(pl.Stages) == 0 {
			return p.secondStages(m)
		}
		if s, ok := n.(ScalarExpr); ok {
			if _, constant := s.(Literal); !constant && len(pl.Stages) > 0 && p.is(")") {
				return &ScalarPipeline{Pipeline: pl, Scalar: s, at: start}, nil
			}
			if len(pl.Stages) == 0 && p.is(")") {
				return s, nil // a scalar in parentheses
			}
			return nil, errorAt(at.pos, "a scalar must be compared to a number here, for example count() > 1")
		}
		st, ok := n.(Stage)
		if !ok {
			return nil, errorAt(at.pos, "unexpected metrics query or aggregate, expected a span filter, by(), select() or coalesce()")
		}
		pl.Stages = append(pl.Stages, st)
		if !p.accept("|") {
			break
		}
	}
	if _, bad := pl.Stages[0].(Coalesce); bad {
		return nil, errorAt(start, "a query cannot start with coalesce()")
	}
	return pl, nil
}

// stage reads one stage of a pipeline.
func (p *parser) stage(first bool) (any, error) {
	t := p.peek()
	if t.kind == tokWord {
		switch t.text {
		case "by":
			p.take()
			g := &Group{at: t.pos}
			err := p.call("by", func() (err error) {
				g.Expr, err = p.expr(0)
				return err
			})
			return g, err
		case "coalesce":
			p.take()
			return Coalesce{}, p.call("coalesce", nil)
		case "select":
			p.take()
			s := &Select{}
			err := p.call("select", func() (err error) {
				s.Attrs, err = p.attributeList()
				return err
			})
			return s, err
		case "topk", "bottomk":
			return nil, errorAt(t.pos, "%s() needs a metrics query before it, for example { } | rate() | %s(5)", t.text, t.text)
		}
		if isMetricsFunc(t.text) {
			if first {
				return nil, errorAt(t.pos, "%s() needs a span filter before it, for example { } | %s(...)", t.text, t.text)
			}
			return p.metricsFunc()
		}
	}
	return p.operation(0)
}

func (p *parser) attributeList() ([]Attribute, error) {
	var out []Attribute
	for {
		a, err := p.attribute()
		if err != nil {
			return nil, err
		}
		out = append(out, a)
		if !p.accept(",") {
			return out, nil
		}
	}
}

// attribute reads an attribute or an intrinsic.
func (p *parser) attribute() (Attribute, error) {
	t := p.take()
	switch t.kind {
	case tokScope:
		return p.scoped(t)
	case tokWord:
		if i, ok := intrinsicWords[t.text]; ok {
			return Attribute{Intrinsic: i}, nil
		}
	}
	return Attribute{}, errorAt(t.pos, "unexpected %s, expected an attribute such as span.http.method or an intrinsic such as name", t.describe())
}

var scopeWords = map[string]Scope{
	".": ScopeAny, "span.": ScopeSpan, "resource.": ScopeResource, "event.": ScopeEvent,
	"link.": ScopeLink, "instrumentation.": ScopeInstrumentation, "parent.": ScopeAny,
}

// scoped reads what follows the scope t.
func (p *parser) scoped(t token) (Attribute, error) {
	scope, isAttr := scopeWords[t.text]
	if !isAttr {
		name := p.take()
		i, ok := intrinsicWords[t.text+name.text]
		if name.kind != tokWord || !ok {
			return Attribute{}, errorAt(t.pos, "unknown intrinsic %s%s", t.text, name.text)
		}
		return Attribute{Intrinsic: i}, nil
	}
	a := Attribute{Scope: scope, Parent: t.text == "parent."}
	name := p.take()
	if a.Parent && name.kind == tokScope {
		a.Scope = scopeWords[name.text]
		name = p.take()
	}
	a.Name = name.text
	return a, nil
}
