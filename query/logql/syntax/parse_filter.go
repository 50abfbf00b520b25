package syntax

// filterOr reads a label filter. and binds tighter than or. A comma, or
// nothing at all between two conditions, is an and of its own kind: what
// stands behind it up to the end belongs together, so that a, b or c is
// a and (b or c), while a or b, c is a or (b and c).
func (p *parser) filterOr() (LabelFilter, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.filterAnd()
	if err != nil {
		return nil, err
	}
	for p.isWord("or") {
		if err := p.countOperation(); err != nil {
			return nil, err
		}
		p.i++
		right, err := p.filterAnd()
		if err != nil {
			return nil, err
		}
		left = &FilterOr{left, right}
	}
	return left, nil
}

func (p *parser) filterAnd() (LabelFilter, error) {
	left, err := p.filterOperand()
	if err != nil {
		return nil, err
	}
	for p.isWord("and") {
		if err := p.countOperation(); err != nil {
			return nil, err
		}
		p.i++
		right, err := p.filterOperand()
		if err != nil {
			return nil, err
		}
		left = &FilterAnd{left, right}
	}
	return left, nil
}

// filterOperand reads a condition, and what a comma or nothing ties to it.
func (p *parser) filterOperand() (LabelFilter, error) {
	left, err := p.filterLeaf()
	if err != nil {
		return nil, err
	}
	next := p.isOp("(") || (p.peek().kind == tokIdent && isComparisonToken(p.peekAt(1)))
	if !next && !p.takeOp(",") {
		return left, nil
	}
	right, err := p.filterOr()
	if err != nil {
		return nil, err
	}
	return &FilterAnd{left, right}, nil
}

func (p *parser) filterLeaf() (LabelFilter, error) {
	if p.takeOp("(") {
		f, err := p.filterOr()
		if err != nil {
			return nil, err
		}
		return f, p.expectOp(")")
	}
	name, err := p.ident("a label name")
	if err != nil {
		return nil, err
	}
	if !isComparisonToken(p.peek()) {
		return nil, p.unexpected(`a comparison ("=", "!=", "=~", "!~", "==", ">", ">=", "<", "<=")`)
	}
	op := p.take().text
	t := p.peek()
	if t.kind == tokString {
		return p.filterText(name, op)
	}
	if p.isWord("ip") && isOpToken(p.peekAt(1), "(") {
		if op != "=" && op != "!=" {
			return nil, p.unexpected(`a number: ip() goes with "=" and "!=" only`)
		}
		text, err := p.ipCall()
		return &FilterIP{Name: name, Not: op == "!=", Pattern: text}, err
	}
	return p.filterQuantity(name, op)
}

func (p *parser) filterText(name, op string) (LabelFilter, error) {
	switch op {
	case "=", "!=", "=~", "!~":
		m, err := p.matcherValue(name, MatchOp(op))
		if err != nil {
			return nil, err
		}
		return &FilterMatch{m}, nil
	}
	return nil, p.unexpected("a number, a duration or a size after " + op)
}

// filterQuantity reads the number, duration or size of a comparison.
func (p *parser) filterQuantity(name, op string) (LabelFilter, error) {
	if op == "=" {
		op = "=="
	}
	if op == "=~" || op == "!~" {
		return nil, p.unexpected("a regular expression in quotes")
	}
	sign, prefix := 1.0, ""
	if p.takeOp("-") {
		sign, prefix = -1, "-"
	} else {
		p.takeOp("+")
	}
	t := p.peek()
	switch {
	case t.kind == tokNumber:
		p.i++
		return &FilterNumber{Name: name, Op: op, Value: sign * t.num, text: prefix + t.text}, nil
	case t.kind == tokDuration && sign > 0 || t.kind == tokDuration && t.dur >= 0:
		p.i++
		d := t.dur
		if sign < 0 {
			d = -d
		}
		return &FilterDuration{Name: name, Op: op, Value: d, text: prefix + t.text}, nil
	case t.kind == tokBytes && sign > 0:
		p.i++
		return &FilterBytes{Name: name, Op: op, Value: t.size, text: t.text}, nil
	}
	return nil, p.unexpected("a string, a number, a duration or a size")
}
