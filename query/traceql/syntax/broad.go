package syntax

import "github.com/clewhq/clew/internal/breadth"

// Broad says why a search may select far more than was meant, "" where it does
// not: one of its values is empty, as a variable leaves it that was not set, or
// nothing in it asks for a value.
func (q *Query) Broad() string {
	b := conditions{}
	if q.Pipeline != nil {
		b.pipeline(q.Pipeline)
	}
	return b.Broad()
}

// conditions walks the conditions of a query.
type conditions struct{ breadth.Breadth }

func (b *conditions) pipeline(p *Pipeline) {
	for _, s := range p.Stages {
		if set, ok := s.(SpansetExpr); ok {
			b.spanset(set)
		}
	}
}

func (b *conditions) spanset(s SpansetExpr) {
	switch s := s.(type) {
	case *Filter:
		b.expr(s.Expr)
	case *SpansetOp:
		b.spanset(s.L)
		b.spanset(s.R)
	case *Pipeline:
		b.pipeline(s)
	}
}

func (b *conditions) expr(e Expr) {
	switch e := e.(type) {
	case *Unary:
		if e.Op != OpNot { // what is excluded narrows nothing down
			b.expr(e.X)
		}
	case *Binary:
		switch e.Op {
		case OpEq, OpRe, OpGt, OpGte, OpLt, OpLte:
			b.operand(e.Op, e.L, e.R)
			b.operand(e.Op, e.R, e.L)
		case OpAnd, OpOr:
			b.expr(e.L)
			b.expr(e.R)
		}
	}
}

// operand looks at the literal side of a comparison.
func (b *conditions) operand(op Op, of, with Expr) {
	l, ok := with.(Literal)
	ref, isRef := of.(Ref)
	if !ok || !isRef {
		return
	}
	switch v := l.Value; {
	case v.Type == TypeNil:
	case v.Type == TypeString:
		b.Value(ref.Attr.String()+" "+string(op)+` ""`, v.Str(), op == OpRe)
	default:
		b.Narrow()
	}
}
