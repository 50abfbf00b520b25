package syntax

// operation reads operators between filters, scalars and metrics queries. The
// operands decide which kind of operation it is.
func (p *parser) operation(minPrec int) (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := Op(t.text)
		prec := precedence[op]
		if t.kind != tokOp || prec == 0 || prec < minPrec {
			return left, nil
		}
		if _, metrics := left.(MetricsExpr); metrics && op.Ordered() {
			return left, nil // a filter on samples, which the pipeline reads
		}
		p.take()
		next := prec + 1
		if op == OpPow {
			next = prec
		}
		right, err := p.operation(next)
		if err != nil {
			return nil, err
		}
		if left, err = combine(t.pos, op, left, right); err != nil {
			return nil, err
		}
	}
}

// operand reads a filter, an aggregate, a number, or anything in parentheses.
func (p *parser) operand() (any, error) {
	t := p.peek()
	switch {
	case p.is("{"):
		return p.filter()
	case p.is("("):
		return p.parenthesised()
	case p.is("-"):
		p.take()
		return p.negative(t.pos)
	case t.kind == tokInt, t.kind == tokFloat, t.kind == tokDuration:
		v, err := p.static()
		return Literal{v}, err
	case t.kind == tokWord:
		switch t.text {
		case "count", "min", "max", "avg", "sum":
			return p.aggregate()
		}
	}
	return nil, errorAt(t.pos, "unexpected %s, expected '{', '(' or an aggregate such as count()", t.describe())
}

func (p *parser) negative(at pos) (any, error) {
	n, err := p.operation(precPower + 1)
	if err != nil {
		return nil, err
	}
	lit, ok := n.(Literal)
	if !ok {
		return nil, errorAt(at, "'-' before something that is no number")
	}
	return Literal{negate(lit.Value)}, nil
}

func (p *parser) filter() (*Filter, error) {
	open := p.take()
	if p.accept("}") {
		return &Filter{Expr: Literal{Bool(true)}, at: open.pos}, nil
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if !p.accept("}") {
		t := p.peek()
		return nil, errorAt(t.pos, "unexpected %s, expected an operator or '}' to close '{' of line %d, col %d", t.describe(), open.pos.line, open.pos.col)
	}
	return &Filter{Expr: e, at: open.pos}, nil
}

func (p *parser) parenthesised() (any, error) {
	p.take()
	n, err := p.pipeline()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", "to close '('"); err != nil {
		return nil, err
	}
	pl, ok := n.(*Pipeline)
	if !ok || len(pl.Stages) != 1 {
		return n, nil
	}
	if s, ok := pl.Stages[0].(SpansetExpr); ok {
		return s, nil
	}
	return pl, nil
}

func (p *parser) aggregate() (*Aggregate, error) {
	t := p.take()
	name := t.text
	a := &Aggregate{Func: name, at: t.pos}
	err := p.call(name, func() (err error) {
		if name != "count" {
			a.Expr, err = p.expr(0)
		}
		return err
	})
	return a, err
}

// combine makes one node of two operands, as their kinds allow.
func combine(at pos, op Op, l, r any) (any, error) {
	ls, lok := l.(SpansetExpr)
	rs, rok := r.(SpansetExpr)
	if lok && rok {
		if op == OpAnd || op == OpOr || op.Structural() {
			return &SpansetOp{Op: op, L: ls, R: rs}, nil
		}
		return nil, errorAt(at, "operator %s does not combine spansets, expected &&, || or a structural operator such as >>", op)
	}
	lm, lok := l.(MetricsExpr)
	rm, rok := r.(MetricsExpr)
	lv, lconst := l.(Literal)
	rv, rconst := r.(Literal)
	if lok || rok {
		if op != OpAdd && op != OpSub && op != OpMul && op != OpDiv {
			return nil, errorAt(at, "operator %s does not combine metrics queries, expected + - * or /", op)
		}
		switch {
		case lok && rok:
			return &MetricsMath{Op: op, L: lm, R: rm}, nil
		case lok && rconst && rv.Value.Type != TypeDuration:
			return &MetricsScalar{Op: op, X: lm, Value: rv.Value.AsFloat()}, nil
		case rok && lconst && lv.Value.Type != TypeDuration:
			return &MetricsScalar{Op: op, X: rm, Value: lv.Value.AsFloat(), OnLeft: true}, nil
		}
		return nil, errorAt(at, "a metrics query can be combined with a number or another metrics query in parentheses only")
	}
	if lconst && rconst && op.Arithmetic() {
		v, err := fold(at, op, lv.Value, rv.Value)
		return Literal{v}, err
	}
	le, lok := l.(ScalarExpr)
	re, rok := r.(ScalarExpr)
	switch {
	case lok && rok && op.Arithmetic():
		return &ScalarOp{Op: op, L: le, R: re, at: at}, nil
	case lok && rok && op.Ordered() && !(lconst && rconst):
		return &ScalarFilter{Op: op, L: le, R: re, at: at}, nil
	}
	return nil, errorAt(at, "operator %s cannot combine these two sides, expected two spansets or two scalars with an aggregate", op)
}

// fold calculates with two constants. Durations take part in comparisons
// only: what a duration times a duration is, nobody could say.
func fold(at pos, op Op, l, r Static) (Static, error) {
	if l.Type == TypeDuration || r.Type == TypeDuration {
		return Nil, errorAt(at, "durations cannot be calculated with here, expected plain numbers")
	}
	if op == OpMod || op == OpPow {
		return Nil, errorAt(at, "operator %s cannot be applied to constants here, expected + - * or /", op)
	}
	v := Calculate(op, l, r)
	if v.IsNil() {
		return Nil, errorAt(at, "division by zero")
	}
	return v, nil
}
