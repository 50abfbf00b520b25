package syntax

import "math"

// expr reads an expression on a span whose operators bind at least minPrec.
func (p *parser) expr(minPrec int) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.exprOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := Op(t.text)
		prec := precedence[op]
		valid := op.Arithmetic() || op.boolean()
		if t.kind != tokOp || !valid || prec < minPrec {
			return left, nil
		}
		p.take()
		if (op == OpEq || op == OpNeq) && p.accept("nil") {
			left = nilTest(t.pos, op, left)
			continue
		}
		next := prec + 1
		if op == OpPow {
			next = prec
		}
		right, err := p.expr(next)
		if err != nil {
			return nil, err
		}
		left = &Binary{Op: op, L: left, R: right, at: t.pos}
	}
}

// nilTest is X = nil or X != nil.
func nilTest(at pos, op Op, x Expr) Expr {
	if op == OpEq {
		return &Unary{Op: OpMissing, X: x, at: at}
	}
	return &Unary{Op: OpExists, X: x, at: at}
}

func (p *parser) exprOperand() (Expr, error) {
	t := p.peek()
	switch {
	case p.accept("("):
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")", "to close '('")
	case p.accept("!"):
		x, err := p.expr(precNot + 1)
		return &Unary{Op: OpNot, X: x, at: t.pos}, err
	case p.accept("-"):
		x, err := p.expr(precSum + 1)
		if lit, ok := x.(Literal); ok && lit.Value.Type.Numeric() {
			return Literal{negate(lit.Value)}, err
		}
		return &Unary{Op: OpSub, X: x, at: t.pos}, err
	case p.accept("nil"):
		return p.leadingNil()
	case t.kind == tokScope:
		a, err := p.attribute()
		return Ref{a}, err
	case t.kind == tokWord:
		if _, ok := intrinsicWords[t.text]; ok || t.text == "parent" {
			a, err := p.attribute()
			return Ref{a}, err
		}
	}
	v, err := p.static()
	return Literal{v}, err
}

// leadingNil reads what follows a nil on the left: nil = X, nil != X. Nothing
// equals or differs from nil, so nil against nil is false both ways.
func (p *parser) leadingNil() (Expr, error) {
	t := p.take()
	op := Op(t.text)
	if t.kind != tokOp || op != OpEq && op != OpNeq {
		return nil, errorAt(t.pos, "unexpected %s after nil, expected = or !=", t.describe())
	}
	if p.accept("nil") {
		return Literal{Bool(false)}, nil
	}
	x, err := p.expr(precCompare + 1)
	return nilTest(t.pos, op, x), err
}

var staticWords = map[string]Static{
	"true": Bool(true), "false": Bool(false),
	"unset": Status(0), "ok": Status(1), "error": Status(2),
	"unspecified": Kind(0), "internal": Kind(1), "server": Kind(2),
	"client": Kind(3), "producer": Kind(4), "consumer": Kind(5),
	"minInt": Int(math.MinInt64), "maxInt": Int(math.MaxInt64),
}

// static reads a literal.
func (p *parser) static() (Static, error) {
	t := p.take()
	switch t.kind {
	case tokString:
		return String(t.text), nil
	case tokInt:
		return Int(t.i), nil
	case tokFloat:
		return Float(t.num), nil
	case tokDuration:
		return Static{Type: TypeDuration, num: uint64(t.i)}, nil
	case tokWord:
		if v, ok := staticWords[t.text]; ok {
			return v, nil
		}
		return Nil, errorAt(t.pos, "unknown identifier %s, attributes need a scope: write span.%s, resource.%s or .%s", t.text, t.text, t.text, t.text)
	}
	return Nil, errorAt(t.pos, "unexpected %s, expected a value or an attribute", t.describe())
}

func negate(v Static) Static {
	switch v.Type {
	case TypeInt:
		return Int(-v.AsInt())
	case TypeFloat:
		return Float(-v.AsFloat())
	case TypeDuration:
		return Static{Type: TypeDuration, num: uint64(-v.AsInt())}
	}
	return Nil
}

// Calculate applies an arithmetic operator to two numbers. Integers stay
// integers; everything else becomes floating point. Nil where there is no
// result: a division by zero, or something that is no number.
func Calculate(op Op, l, r Static) Static {
	if !l.Type.Numeric() || !r.Type.Numeric() {
		return Nil
	}
	if l.Type == TypeInt && r.Type == TypeInt {
		return calculateInt(op, l.AsInt(), r.AsInt())
	}
	a, b := l.AsFloat(), r.AsFloat()
	switch op {
	case OpAdd:
		return Float(a + b)
	case OpSub:
		return Float(a - b)
	case OpMul:
		return Float(a * b)
	case OpDiv:
		return Float(a / b)
	case OpMod:
		return Float(math.Mod(a, b))
	case OpPow:
		return Float(math.Pow(a, b))
	}
	return Nil
}

func calculateInt(op Op, a, b int64) Static {
	switch op {
	case OpAdd:
		return Int(a + b)
	case OpSub:
		return Int(a - b)
	case OpMul:
		return Int(a * b)
	case OpDiv, OpMod:
		if b == 0 {
			return Nil
		}
		if op == OpDiv {
			return Int(a / b)
		}
		return Int(a % b)
	case OpPow:
		return Int(int64(math.Pow(float64(a), float64(b))))
	}
	return Nil
}
