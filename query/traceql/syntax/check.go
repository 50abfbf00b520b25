package syntax

import "regexp"

// maxGroupBy bounds the labels of a series.
const maxGroupBy = 5

// check refuses expressions whose types cannot work, before they meet data.
func check(q *Query) error {
	if q.Metrics != nil {
		return checkMetrics(q.Metrics)
	}
	return checkPipeline(q.Pipeline)
}

func invalid(at pos, format string, args ...any) error {
	return errorAt(at, format, args...)
}

func checkMetrics(m MetricsExpr) error {
	switch m := m.(type) {
	case *MetricsPipeline:
		return checkMetricsPipeline(m)
	case *MetricsMath:
		if err := noCompare(m.L, m.R); err != nil {
			return err
		}
		if err := checkMetrics(m.L); err != nil {
			return err
		}
		return checkMetrics(m.R)
	case *MetricsScalar:
		if err := noCompare(m.X); err != nil {
			return err
		}
		return checkMetrics(m.X)
	case *MetricsStages:
		if err := noCompare(m.X); err != nil {
			return err
		}
		return checkMetrics(m.X)
	}
	return nil
}

func noCompare(ms ...MetricsExpr) error {
	for _, m := range ms {
		if p, ok := m.(*MetricsPipeline); ok && p.Func.Name == "compare" {
			return invalid(p.Func.at, "compare() cannot be used with second stage functions or arithmetic")
		}
	}
	return nil
}

func checkMetricsPipeline(m *MetricsPipeline) error {
	limit := maxGroupBy
	if m.Func.Name == "quantile_over_time" || m.Func.Name == "histogram_over_time" {
		limit-- // one label is taken by the quantile or the bucket
	}
	if len(m.Func.By) > limit {
		return invalid(m.Func.at, "%s() by %d attributes, expected at most %d", m.Func.Name, len(m.Func.By), limit)
	}
	if m.Func.Compare != nil {
		if err := checkStage(m.Func.Compare); err != nil {
			return err
		}
	}
	return checkPipeline(m.Pipeline)
}

func checkPipeline(p *Pipeline) error {
	for _, s := range p.Stages {
		if err := checkStage(s); err != nil {
			return err
		}
	}
	return nil
}

func checkStage(s Stage) error {
	switch s := s.(type) {
	case *Filter:
		if err := checkExpr(s.Expr); err != nil {
			return err
		}
		if t := typeOf(s.Expr); t != TypeAny && t != TypeBool {
			return invalid(s.at, "span filter { %s } is of type %s, expected a boolean", Source(s.Expr), t)
		}
	case *SpansetOp:
		if err := checkStage(s.L); err != nil {
			return err
		}
		return checkStage(s.R)
	case *Pipeline:
		return checkPipeline(s)
	case *Group:
		if !readsSpan(s.Expr) {
			return invalid(s.at, "by(%s) must read something of the span", Source(s.Expr))
		}
		return checkExpr(s.Expr)
	case *ScalarFilter:
		return checkScalars(s.at, s.Op, s.L, s.R)
	}
	return nil
}

func checkScalars(at pos, op Op, l, r ScalarExpr) error {
	for _, s := range []ScalarExpr{l, r} {
		switch s := s.(type) {
		case *ScalarOp:
			if err := checkScalars(s.at, s.Op, s.L, s.R); err != nil {
				return err
			}
		case *Aggregate:
			if err := checkAggregate(s); err != nil {
				return err
			}
		case *ScalarPipeline:
			if err := checkPipeline(s.Pipeline); err != nil {
				return err
			}
			if err := checkScalars(s.at, OpEq, s.Scalar, s.Scalar); err != nil {
				return err
			}
		}
	}
	lt, rt := scalarType(l), scalarType(r)
	if !canMeet(lt, rt) || !op.accepts(lt) || !op.accepts(rt) {
		return invalid(at, "operator %s cannot work on %s and %s", op, lt, rt)
	}
	return nil
}

func checkAggregate(a *Aggregate) error {
	if a.Expr == nil {
		return nil
	}
	if err := checkExpr(a.Expr); err != nil {
		return err
	}
	if t := typeOf(a.Expr); t != TypeAny && !t.Numeric() {
		return invalid(a.at, "%s(%s) is of type %s, expected a number", a.Func, Source(a.Expr), t)
	}
	if !readsSpan(a.Expr) {
		return invalid(a.at, "%s(%s) must read something of the span", a.Func, Source(a.Expr))
	}
	return nil
}

func scalarType(s ScalarExpr) Type {
	switch s := s.(type) {
	case Literal:
		return s.Value.Type
	case *ScalarOp:
		if t := scalarType(s.L); t != TypeAny {
			return t
		}
		return scalarType(s.R)
	case *ScalarPipeline:
		return scalarType(s.Scalar)
	case *Aggregate:
		if s.Expr != nil {
			return typeOf(s.Expr)
		}
	}
	return TypeInt
}

func checkExpr(e Expr) error {
	switch e := e.(type) {
	case *Binary:
		return checkBinary(e)
	case *Unary:
		if err := checkExpr(e.X); err != nil {
			return err
		}
		return checkUnary(e)
	}
	return nil
}

func checkUnary(e *Unary) error {
	t := typeOf(e.X)
	switch e.Op {
	case OpMissing:
		if ref, ok := e.X.(Ref); ok {
			a := ref.Attr
			if a.Intrinsic != NotIntrinsic && a.Intrinsic != ParentSpan {
				return invalid(e.at, "%s = nil is never true because every span has %s", a, a)
			}
			if a == (Attribute{Scope: ScopeResource, Name: "service.name"}) {
				return invalid(e.at, "%s = nil is never true because every span has a service", a)
			}
		}
	case OpNot:
		if t != TypeAny && t != TypeBool {
			return invalid(e.at, "!(%s): operator ! cannot work on %s, expected a boolean", Source(e.X), t)
		}
	case OpSub:
		if t != TypeAny && !t.Numeric() {
			return invalid(e.at, "-(%s): operator - cannot work on %s, expected a number", Source(e.X), t)
		}
	}
	return nil
}

func checkBinary(e *Binary) error {
	if err := checkExpr(e.L); err != nil {
		return err
	}
	if err := checkExpr(e.R); err != nil {
		return err
	}
	lt, rt := typeOf(e.L), typeOf(e.R)
	if !canMeet(lt, rt) {
		return invalid(e.at, "%s: operator %s cannot work on %s and %s, expected two values of the same type", Source(e), e.Op, lt, rt)
	}
	if !e.Op.accepts(lt) || !e.Op.accepts(rt) {
		wrong := lt
		if e.Op.accepts(lt) {
			wrong = rt
		}
		return invalid(e.at, "%s: operator %s cannot work on %s", Source(e), e.Op, wrong)
	}
	if e.Op != OpRe && e.Op != OpNre {
		return nil
	}
	lit, ok := e.R.(Literal)
	if !ok || lit.Value.Type != TypeString {
		return invalid(e.at, "%s: operator %s needs a string with a regular expression on its right", Source(e), e.Op)
	}
	if _, err := CompileRegexp(lit.Value.Str()); err != nil {
		return invalid(e.at, "%s: invalid regular expression: %v", Source(e), err)
	}
	return nil
}

// CompileRegexp compiles a regular expression of a query. It must match a
// whole value, and its dot matches new lines.
func CompileRegexp(s string) (*regexp.Regexp, error) {
	return regexp.Compile("^(?s:" + s + ")$")
}

// canMeet reports whether values of the two types can meet in an operator.
func canMeet(a, b Type) bool {
	if a == TypeAny || b == TypeAny || a == TypeArray || b == TypeArray {
		return true
	}
	return a == b || a.Numeric() && b.Numeric() || a == TypeNil || b == TypeNil
}

// typeOf is the type of an expression, TypeAny where the data decides.
func typeOf(e Expr) Type {
	switch e := e.(type) {
	case Literal:
		return e.Value.Type
	case Ref:
		if e.Attr.Intrinsic != NotIntrinsic {
			return intrinsics[e.Attr.Intrinsic].typ
		}
		return TypeAny
	case *Unary:
		if e.Op == OpSub {
			return typeOf(e.X)
		}
		return TypeBool
	case *Binary:
		if e.Op.boolean() {
			return TypeBool
		}
		if t := typeOf(e.L); t != TypeAny {
			return t
		}
		return typeOf(e.R)
	}
	return TypeAny
}

func readsSpan(e Expr) bool {
	found := false
	Walk(e, func(Attribute) { found = true })
	return found
}

// Walk calls visit for every attribute that e reads.
func Walk(e Expr, visit func(Attribute)) {
	switch e := e.(type) {
	case Ref:
		visit(e.Attr)
	case *Unary:
		Walk(e.X, visit)
	case *Binary:
		Walk(e.L, visit)
		Walk(e.R, visit)
	}
}
