package traceql

import (
	"regexp"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// evalFunc computes an expression for one span. What cannot be computed, as an
// attribute that is not there or a division by zero, is Nil.
type evalFunc func(v *view) syntax.Static

var (
	yes = syntax.Bool(true)
	no  = syntax.Bool(false)
)

// compile turns an expression into a function, with its regular expressions
// compiled and its IDs normalised once.
func compile(e syntax.Expr) evalFunc {
	switch e := e.(type) {
	case syntax.Literal:
		return func(*view) syntax.Static { return e.Value }
	case syntax.Ref:
		return func(v *view) syntax.Static { return v.first(e.Attr) }
	case *syntax.Unary:
		return compileUnary(e)
	case *syntax.Binary:
		return compileBinary(e)
	}
	return func(*view) syntax.Static { return syntax.Nil }
}

func compileUnary(e *syntax.Unary) evalFunc {
	x := compile(e.X)
	switch e.Op {
	case syntax.OpNot:
		return func(v *view) syntax.Static {
			s := x(v)
			if s.Type != syntax.TypeBool {
				return syntax.Nil
			}
			return syntax.Bool(!s.IsTrue())
		}
	case syntax.OpSub:
		return func(v *view) syntax.Static { return negative(x(v)) }
	case syntax.OpExists:
		return func(v *view) syntax.Static { return syntax.Bool(!x(v).IsNil()) }
	}
	return func(v *view) syntax.Static { return syntax.Bool(x(v).IsNil()) }
}

func negative(s syntax.Static) syntax.Static {
	if s.Type == syntax.TypeDuration {
		return syntax.Duration(time.Duration(-s.AsInt()))
	}
	return syntax.Calculate(syntax.OpSub, syntax.Int(0), s)
}

func compileBinary(e *syntax.Binary) evalFunc {
	l, r := compile(e.L), compile(e.R)
	switch {
	case e.Op == syntax.OpAnd:
		return func(v *view) syntax.Static { return syntax.Bool(l(v).IsTrue() && r(v).IsTrue()) }
	case e.Op == syntax.OpOr:
		return func(v *view) syntax.Static { return syntax.Bool(l(v).IsTrue() || r(v).IsTrue()) }
	case e.Op.Arithmetic():
		return func(v *view) syntax.Static { return syntax.Calculate(e.Op, l(v), r(v)) }
	}
	c := comparer{op: e.Op}
	left, right := normaliseIDs(e.L, e.R)
	if lit, ok := right.(syntax.Literal); ok && (e.Op == syntax.OpRe || e.Op == syntax.OpNre) {
		// The check has compiled it before; an error cannot come here.
		c.re, _ = syntax.CompileRegexp(lit.Value.Str())
	}
	l, r = compile(left), compile(right)
	if ref, ok := left.(syntax.Ref); ok && ref.Attr.Multi() {
		return func(v *view) syntax.Static {
			other, out := r(v), no
			v.each(ref.Attr, func(s syntax.Static) bool {
				if c.compare(s, other) {
					out = yes
				}
				return !out.IsTrue()
			})
			return out
		}
	}
	if ref, ok := right.(syntax.Ref); ok && ref.Attr.Multi() {
		return func(v *view) syntax.Static {
			other, out := l(v), no
			v.each(ref.Attr, func(s syntax.Static) bool {
				if c.compare(other, s) {
					out = yes
				}
				return !out.IsTrue()
			})
			return out
		}
	}
	return func(v *view) syntax.Static { return syntax.Bool(c.compare(l(v), r(v))) }
}

// normaliseIDs rewrites a literal that is compared with a trace or span ID
// into the spelling that spans have: all digits, lower case.
func normaliseIDs(l, r syntax.Expr) (syntax.Expr, syntax.Expr) {
	if ref, ok := r.(syntax.Ref); ok {
		if lit, ok := l.(syntax.Literal); ok {
			return normaliseID(ref.Attr, lit), r
		}
	}
	if ref, ok := l.(syntax.Ref); ok {
		if lit, ok := r.(syntax.Literal); ok {
			return l, normaliseID(ref.Attr, lit)
		}
	}
	return l, r
}

func normaliseID(a syntax.Attribute, lit syntax.Literal) syntax.Literal {
	switch a.Intrinsic {
	case syntax.TraceID, syntax.LinkTraceID:
		if id, ok := telemetry.ParseTraceID(lit.Value.Str()); ok {
			return syntax.Literal{Value: syntax.String(id.String())}
		}
	case syntax.SpanID, syntax.ParentID, syntax.ParentSpan, syntax.LinkSpanID:
		if id, ok := telemetry.ParseSpanID(lit.Value.Str()); ok {
			return syntax.Literal{Value: syntax.String(id.String())}
		}
	}
	return lit
}

// comparer compares two values.
type comparer struct {
	op syntax.Op
	re *regexp.Regexp
}

// compare reports whether l op r holds. With an array on one side it holds
// where it holds for any element; != and !~ must hold for all of them.
func (c comparer) compare(l, r syntax.Static) bool {
	switch {
	case l.Type == syntax.TypeArray && r.Type == syntax.TypeArray:
		return c.op == syntax.OpEq && l.Equal(r) || c.op == syntax.OpNeq && !l.Equal(r)
	case l.Type == syntax.TypeArray:
		return c.elements(l.List(), func(e syntax.Static) bool { return c.compare(e, r) })
	case r.Type == syntax.TypeArray:
		return c.elements(r.List(), func(e syntax.Static) bool { return c.compare(l, e) })
	}
	switch c.op {
	case syntax.OpEq:
		return l.Equal(r)
	case syntax.OpNeq:
		return sameFamily(l, r) && !l.Equal(r)
	case syntax.OpRe:
		return c.re != nil && l.Type == syntax.TypeString && c.re.MatchString(l.Str())
	case syntax.OpNre:
		return c.re != nil && l.Type == syntax.TypeString && !c.re.MatchString(l.Str())
	}
	return ordered(c.op, l, r)
}

func (c comparer) elements(list []syntax.Static, holds func(syntax.Static) bool) bool {
	all := c.op == syntax.OpNeq || c.op == syntax.OpNre
	for _, e := range list {
		if holds(e) != all {
			return !all
		}
	}
	return all
}

// sameFamily reports whether two values can differ at all: a string does not
// differ from a number, nor anything from nil.
func sameFamily(l, r syntax.Static) bool {
	if l.IsNil() || r.IsNil() {
		return false
	}
	return l.Type == r.Type || l.Type.Numeric() && r.Type.Numeric()
}

func ordered(op syntax.Op, l, r syntax.Static) bool {
	n, ok := l.Compare(r)
	if !ok {
		return false
	}
	switch op {
	case syntax.OpGt:
		return n > 0
	case syntax.OpGte:
		return n >= 0
	case syntax.OpLt:
		return n < 0
	case syntax.OpLte:
		return n <= 0
	}
	return false
}
