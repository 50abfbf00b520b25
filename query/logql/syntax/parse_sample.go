package syntax

import (
	"math"
	"regexp"
	"strings"
)

// precedence of the binary operators; ^ is the only one that binds to the right.
var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

// binaryOp returns the operator at the current token, "" for none.
func (p *parser) binaryOp() string {
	t := p.peek()
	op := t.text
	if t.kind == tokIdent {
		op = strings.ToLower(op)
	} else if t.kind != tokOp {
		return ""
	}
	if _, ok := precedence[op]; !ok {
		return ""
	}
	return op
}

// expr reads an expression whose operators bind at least as strong as min.
func (p *parser) expr(min int) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.primary()
	if err != nil {
		return nil, err
	}
	for {
		op := p.binaryOp()
		prec := precedence[op]
		if op == "" || prec < min {
			return left, nil
		}
		if left, err = p.binary(left, op, prec); err != nil {
			return nil, err
		}
	}
}

// binary reads the rest of an operation whose left side is known.
func (p *parser) binary(left Expr, op string, prec int) (Expr, error) {
	if err := p.countOperation(); err != nil {
		return nil, err
	}
	at := p.take().pos
	b := &BinOp{Op: op, Pos: at}
	if err := p.binaryModifiers(b); err != nil {
		return nil, err
	}
	next := prec + 1
	if op == "^" {
		next = prec
	}
	right, err := p.expr(next)
	if err != nil {
		return nil, err
	}
	var ok bool
	if b.Left, ok = left.(SampleExpr); !ok {
		return nil, errorAt(at, "unexpected type for left leg of binary operation (%s): a log query has no value to compute with", op)
	}
	if b.Right, ok = right.(SampleExpr); !ok {
		return nil, errorAt(at, "unexpected type for right leg of binary operation (%s): a log query has no value to compute with", op)
	}
	return b, checkBinary(b)
}

func checkBinary(b *BinOp) error {
	_, leftLit := b.Left.(*Literal)
	_, rightLit := b.Right.(*Literal)
	if IsSetOp(b.Op) {
		if leftLit {
			return errorAt(b.Pos, "unexpected literal for left leg of logical/set binary operation (%s)", b.Op)
		}
		if rightLit {
			return errorAt(b.Pos, "unexpected literal for right leg of logical/set binary operation (%s)", b.Op)
		}
		if b.Match != nil && b.Match.Group != "" {
			return errorAt(b.Pos, "no grouping allowed for set operation %q", b.Op)
		}
	}
	if b.Match != nil && (leftLit || rightLit) {
		return errorAt(b.Pos, "vector matching only allowed between vectors")
	}
	return nil
}

func (p *parser) binaryModifiers(b *BinOp) error {
	if p.isWord("bool") {
		if !IsComparison(b.Op) {
			return p.unexpected("an expression: bool goes with comparisons only")
		}
		p.i++
		b.Bool = true
	}
	if !p.isWord("on") && !p.isWord("ignoring") {
		return nil
	}
	m := &VectorMatching{On: p.isWord("on")}
	p.i++
	var err error
	if m.Labels, err = p.labelList(); err != nil {
		return err
	}
	b.Match = m
	if !p.isWord("group_left") && !p.isWord("group_right") {
		return nil
	}
	m.Group = strings.ToLower(p.take().text)
	if p.isOp("(") && p.looksLikeLabelList() {
		m.Include, err = p.labelList()
	}
	return err
}

// looksLikeLabelList tells group_left(a, b) from group_left (expression).
func (p *parser) looksLikeLabelList() bool {
	for n := 1; ; n += 2 {
		if isOpToken(p.peekAt(n), ")") {
			return true
		}
		if p.peekAt(n).kind != tokIdent {
			return false
		}
		sep := p.peekAt(n + 1)
		if isOpToken(sep, ")") {
			return true
		}
		if !isOpToken(sep, ",") {
			return false
		}
	}
}

func (p *parser) primary() (Expr, error) {
	t := p.peek()
	switch {
	case t.kind == tokNumber:
		p.i++
		return &Literal{t.num}, nil
	case p.isOp("-"), p.isOp("+"):
		p.i++
		n := p.peek()
		if n.kind != tokNumber {
			return nil, p.unexpected("a number: only numbers take a sign")
		}
		p.i++
		if t.text == "-" {
			return &Literal{-n.num}, nil
		}
		return &Literal{n.num}, nil
	case p.isOp("{"):
		return p.logExpr()
	case p.isOp("("):
		p.i++
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expectOp(")")
	case t.kind == tokIdent:
		return p.call()
	}
	return nil, p.unexpected(`a stream selector such as {service_name="x"}, an aggregation or a number`)
}

// call reads an aggregation or function by its name.
func (p *parser) call() (Expr, error) {
	t := p.peek()
	name := strings.ToLower(t.text)
	if _, ok := rangeOps[name]; ok {
		return p.rangeAgg(name)
	}
	if _, ok := vectorOps[name]; ok {
		return p.vectorAgg(name)
	}
	switch name {
	case "vector":
		return p.vectorLit()
	case "label_replace":
		return p.labelReplace()
	}
	return nil, errorAt(t.pos, "syntax error: unexpected identifier %s, expecting an aggregation such as rate or sum, label_replace, vector, or a stream selector in braces", t.text)
}

func (p *parser) rangeAgg(name string) (Expr, error) {
	r := &RangeAgg{Op: name, Pos: p.take().pos}
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	if name == OpQuantileOver {
		q, err := p.signedNumber("the quantile, a number such as 0.95")
		if err != nil {
			return nil, err
		}
		r.Param = q
		if err := p.expectOp(","); err != nil {
			return nil, err
		}
	}
	lr, err := p.logRange()
	if err != nil {
		return nil, err
	}
	if !lr.hasInterval {
		return nil, p.unexpected("a range such as [5m]")
	}
	if err := p.expectOp(")"); err != nil {
		return nil, err
	}
	r.Log, r.Interval, r.Offset, r.Unwrap = lr.log, lr.interval, lr.offset, lr.unwrap
	if r.Grouping, err = p.grouping(); err != nil {
		return nil, err
	}
	return r, checkRangeAgg(r)
}

func checkRangeAgg(r *RangeAgg) error {
	rule := rangeOps[r.Op]
	switch {
	case r.Unwrap != nil && !rule.unwrap:
		return errorAt(r.Pos, "invalid aggregation %s with unwrap", r.Op)
	case r.Unwrap == nil && !rule.plain:
		return errorAt(r.Pos, "invalid aggregation %s without unwrap", r.Op)
	case r.Grouping != nil && !rule.group:
		return errorAt(r.Pos, "grouping not allowed for %s aggregation", r.Op)
	}
	return nil
}

// grouping reads by (...) or without (...), nil where there is none.
func (p *parser) grouping() (*Grouping, error) {
	if !p.isWord("by") && !p.isWord("without") {
		return nil, nil
	}
	g := &Grouping{Without: p.isWord("without")}
	p.i++
	var err error
	g.Labels, err = p.labelList()
	return g, err
}

func (p *parser) vectorAgg(name string) (Expr, error) {
	v := &VectorAgg{Op: name, Pos: p.take().pos}
	var err error
	if v.Grouping, err = p.grouping(); err != nil {
		return nil, err
	}
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	if vectorOps[name] {
		if v.Param, err = p.countParam(name); err != nil {
			return nil, err
		}
	}
	at := p.peek().pos
	inner, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	var ok bool
	if v.Inner, ok = inner.(SampleExpr); !ok {
		return nil, errorAt(at, "%s needs series, such as those of rate({...}[5m]), and got a log query", name)
	}
	if err := p.expectOp(")"); err != nil {
		return nil, err
	}
	if v.Grouping == nil {
		if v.Grouping, err = p.grouping(); err != nil {
			return nil, err
		}
	}
	if v.Grouping != nil && (name == OpSort || name == OpSortDesc) {
		return nil, errorAt(v.Pos, "grouping not allowed for %s aggregation", name)
	}
	return v, nil
}

func (p *parser) countParam(name string) (int, error) {
	t := p.peek()
	if t.kind != tokNumber || t.num != math.Trunc(t.num) || t.num < 1 || t.num > math.MaxInt32 {
		return 0, p.unexpected("how many series " + name + " shall keep, a whole number above 0")
	}
	p.i++
	return int(t.num), p.expectOp(",")
}

func (p *parser) signedNumber(what string) (float64, error) {
	neg := p.takeOp("-")
	t := p.peek()
	if t.kind != tokNumber {
		return 0, p.unexpected(what)
	}
	p.i++
	if neg {
		return -t.num, nil
	}
	return t.num, nil
}

func (p *parser) vectorLit() (Expr, error) {
	p.i++
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	n, err := p.signedNumber("a number")
	if err != nil {
		return nil, err
	}
	return &VectorLit{n}, p.expectOp(")")
}

func (p *parser) labelReplace() (Expr, error) {
	l := &LabelReplace{Pos: p.take().pos}
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	inner, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	var ok bool
	if l.Inner, ok = inner.(SampleExpr); !ok {
		return nil, errorAt(l.Pos, "label_replace needs series and got a log query")
	}
	var at Pos
	for _, dst := range []*string{&l.Dst, &l.Replacement, &l.Src, &l.Regex} {
		if err := p.expectOp(","); err != nil {
			return nil, err
		}
		at = p.peek().pos
		if *dst, err = p.str("a quoted string"); err != nil {
			return nil, err
		}
	}
	if _, err := regexp.Compile(l.Regex); err != nil {
		return nil, errorAt(at, "invalid regex in label_replace: %s", err)
	}
	return l, p.expectOp(")")
}
