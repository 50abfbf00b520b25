package traceql

import (
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// shown is what a search's answer says of each span: the attributes that the
// query names, as far as they have a value that it looks for.
type shown struct {
	named   bool // whether the query names the span's name at all
	name    shownAttr
	attrs   []shownAttr
	columns storage.Columns // of this and of the query itself
}

// shownAttr is an attribute with the tests that the query makes of its value;
// without tests every value is shown.
type shownAttr struct {
	attr  syntax.Attribute
	tests []valueTest
	all   bool
	none  bool // whether the query looks for spans without it
}

type valueTest struct {
	c   comparer
	lit syntax.Static
}

// shownBy collects what a pipeline names.
func shownBy(p *syntax.Pipeline) shown {
	s := shown{columns: storage.ColSpan}
	s.pipeline(p)
	return s
}

func (s *shown) pipeline(p *syntax.Pipeline) {
	for _, st := range p.Stages {
		s.stage(st)
	}
}

func (s *shown) stage(st syntax.Stage) {
	switch st := st.(type) {
	case *syntax.Filter:
		s.expr(st.Expr)
	case *syntax.SpansetOp:
		s.stage(st.L)
		s.stage(st.R)
	case *syntax.Pipeline:
		s.pipeline(st)
	case *syntax.Group:
		s.expr(st.Expr)
	case *syntax.ScalarFilter:
		s.scalar(st.L)
		s.scalar(st.R)
	case *syntax.Select:
		for _, a := range st.Attrs {
			s.add(a, nil)
		}
	}
}

func (s *shown) scalar(e syntax.ScalarExpr) {
	switch e := e.(type) {
	case *syntax.ScalarOp:
		s.scalar(e.L)
		s.scalar(e.R)
	case *syntax.ScalarPipeline:
		s.pipeline(e.Pipeline)
		s.scalar(e.Scalar)
	case *syntax.Aggregate:
		if e.Expr != nil {
			s.expr(e.Expr)
		}
	}
}

func (s *shown) expr(e syntax.Expr) {
	switch e := e.(type) {
	case syntax.Ref:
		s.add(e.Attr, nil)
	case *syntax.Unary:
		if ref, ok := e.X.(syntax.Ref); ok && e.Op == syntax.OpMissing {
			s.add(ref.Attr, nil)
			s.missing(ref.Attr)
			return
		}
		s.expr(e.X)
	case *syntax.Binary:
		if ref, lit, op, ok := refAndLiteral(e); ok {
			t := valueTest{comparer{op: op}, lit}
			if op == syntax.OpRe || op == syntax.OpNre {
				t.c.re, _ = syntax.CompileRegexp(lit.Str())
			}
			t.lit = normaliseID(ref, syntax.Literal{Value: lit}).Value
			s.add(ref, &t)
			return
		}
		s.expr(e.L)
		s.expr(e.R)
	}
}

func (s *shown) add(a syntax.Attribute, t *valueTest) {
	s.columns |= columnOf(a)
	switch a.Intrinsic {
	case syntax.Name:
		if !a.Parent {
			s.named = true
			s.name.test(t)
		}
		return
	case syntax.SpanDuration, syntax.TraceDuration, syntax.RootName, syntax.RootServiceName,
		syntax.TraceID, syntax.SpanID:
		return // every answer has them in a place of their own
	}
	for i := range s.attrs {
		if s.attrs[i].attr == a {
			s.attrs[i].test(t)
			return
		}
	}
	s.attrs = append(s.attrs, shownAttr{attr: a})
	s.attrs[len(s.attrs)-1].test(t)
}

// missing notes that the query looks for spans without a.
func (s *shown) missing(a syntax.Attribute) {
	for i := range s.attrs {
		s.attrs[i].none = s.attrs[i].none || s.attrs[i].attr == a
	}
}

func (a *shownAttr) test(t *valueTest) {
	if t == nil {
		a.all = true
		return
	}
	switch a.attr.Intrinsic {
	case syntax.NestedSetLeft, syntax.NestedSetRight, syntax.NestedSetParent:
		a.all = true // a place in the tree says nothing without the other spans'
	}
	a.tests = append(a.tests, *t)
}

// showsName reports whether the answer says the name of a span.
func (s *shown) showsName(sp *telemetry.Span) bool {
	return s.named && s.name.wants(syntax.String(sp.Name))
}

// of returns the named values of a span.
func (s *shown) of(v *view) []Attr {
	var out []Attr
	for i := range s.attrs {
		a := &s.attrs[i]
		missing := true
		v.each(a.attr, func(val syntax.Static) bool {
			missing = false
			if !a.wants(val) {
				return true
			}
			out = addOnce(out, Attr{Key: a.attr.Key(), Value: val})
			return false
		})
		if missing && a.none {
			out = append(out, Attr{Key: a.attr.Key(), Value: syntax.String("nil")})
		}
	}
	return out
}

// addOnce appends a unless it is there: span.n and .n are one.
func addOnce(out []Attr, a Attr) []Attr {
	for _, have := range out {
		if have.Key == a.Key && have.Value.Key() == a.Value.Key() {
			return out
		}
	}
	return append(out, a)
}

func (a *shownAttr) wants(val syntax.Static) bool {
	if a.all {
		return true
	}
	for _, t := range a.tests {
		if t.c.compare(val, t.lit) {
			return true
		}
	}
	return false
}
