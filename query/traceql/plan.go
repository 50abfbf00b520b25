package traceql

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/traceql/carried"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// plan is what a pipeline asks of the store.
type plan struct {
	// need is a condition that some span of every trace in the answer meets.
	need  syntax.Expr
	match evalFunc
	// exact is set where the spans of the answer are those that meet need, so
	// that no trace has to be read whole.
	exact bool
	// stream tells which streams can hold such a span; nil for all.
	stream      func(*telemetry.Stream) bool
	traceIDs    []telemetry.TraceID
	ids         []string
	minDuration time.Duration
	like        storage.SpanLike
	columns     storage.Columns // that need reads
}

// planPipeline works out what can be pushed down.
func planPipeline(p *syntax.Pipeline) plan {
	need, exact := needOfPipeline(p)
	pl := plan{need: need, match: compile(need), exact: exact, columns: columnsOf(need)}
	if tri := compileTri(need); tri != nil {
		pl.stream = func(s *telemetry.Stream) bool { return tri(s) != never }
	}
	for _, c := range conjuncts(need, nil) {
		pl.push(c)
		pl.pushEqual(c)
	}
	return pl
}

// query is the scan for spans that start in [from, to).
func (p *plan) query(tenant string, from, to int64) storage.SpanQuery {
	return storage.SpanQuery{
		Tenant: tenant, From: max(from, 0), To: to, Stream: p.stream, TraceIDs: p.traceIDs,
		IDs: p.ids, MinDuration: p.minDuration, Like: p.like, Columns: p.columns,
	}
}

// push takes what the store understands out of one condition that must hold.
func (p *plan) push(e syntax.Expr) {
	b, ok := e.(*syntax.Binary)
	if !ok {
		return
	}
	ref, lit, op, ok := refAndLiteral(b)
	if !ok {
		return
	}
	switch {
	case ref.Is(syntax.TraceID) && op == syntax.OpEq:
		if id, ok := telemetry.ParseTraceID(lit.Str()); ok {
			p.traceIDs = []telemetry.TraceID{id}
		}
	case ref.Is(syntax.SpanID) && op == syntax.OpEq:
		if id, ok := telemetry.ParseSpanID(lit.Str()); ok {
			p.ids = []string{id.String()}
		}
	case op == syntax.OpEq && lit.Type == syntax.TypeString && len(p.ids) == 0:
		if id := carried.ID(ref, lit.Str()); id != "" {
			p.ids = []string{id}
		}
	case ref.Is(syntax.SpanDuration) && lit.Type == syntax.TypeDuration:
		if op == syntax.OpGt || op == syntax.OpGte || op == syntax.OpEq {
			p.minDuration = max(p.minDuration, time.Duration(lit.AsInt()))
		}
	}
}

// pushEqual takes what spans have to equal out of a condition that must hold.
func (p *plan) pushEqual(e syntax.Expr) {
	ref, values, ok := equals(e, nil)
	if !ok || ref.Parent {
		return
	}
	first := values[0]
	switch {
	case ref.Is(syntax.Name) && len(values) == 1 && first.Type == syntax.TypeString:
		if len(first.Str()) <= maxLike {
			p.like.Name = first.Str()
		}
	case ref.Is(syntax.SpanKind) && len(values) == 1 && first.Type == syntax.TypeKind:
		p.like.Kind = telemetry.SpanKind(first.AsInt())
	case ref.Is(syntax.StatusCode) && len(values) == 1 && first.Type == syntax.TypeStatus:
		p.like.Status = telemetry.StatusCode(first.AsInt())
	case ref.Intrinsic == syntax.NotIntrinsic && (ref.Scope == syntax.ScopeSpan || ref.Scope == syntax.ScopeAny):
		if t, ok := likeText(ref, values); ok {
			p.like.Attrs = append(p.like.Attrs, t)
		}
	}
}

// maxLike is the longest text in bytes that a store is told to look for.
const maxLike = 1024

// equals takes a condition apart that an attribute equals one of some values.
func equals(e syntax.Expr, values []syntax.Static) (syntax.Attribute, []syntax.Static, bool) {
	b, ok := e.(*syntax.Binary)
	if !ok {
		return syntax.Attribute{}, nil, false
	}
	if b.Op != syntax.OpOr {
		ref, lit, op, ok := refAndLiteral(b)
		return ref, append(values, lit), ok && op == syntax.OpEq
	}
	l, values, ok := equals(b.L, values)
	if !ok {
		return l, nil, false
	}
	r, values, ok := equals(b.R, values)
	return l, values, ok && l == r
}

// likeText is the condition that an attribute equals one of some values, as a
// store is told of it; false where it cannot be.
func likeText(ref syntax.Attribute, values []syntax.Static) (storage.SpanText, bool) {
	t := storage.SpanText{Key: ref.Name}
	for _, v := range values {
		switch v.Type {
		case syntax.TypeString:
			if v.Str() == "" || len(v.Str()) > maxLike {
				return t, false
			}
			t.Texts = append(t.Texts, v.Str())
		case syntax.TypeInt, syntax.TypeBool:
			t.Texts = append(t.Texts, v.Text())
		case syntax.TypeFloat:
			f := v.AsFloat()
			if math.Abs(f) > maxExactFloat {
				return t, false // several integers equal it
			}
			if f == math.Trunc(f) {
				t.Texts = append(t.Texts, strconv.FormatInt(int64(f), 10))
			}
		default:
			return t, false
		}
	}
	if ref.Scope == syntax.ScopeAny {
		c := comparer{op: syntax.OpEq}
		t.Stream = func(s *telemetry.Stream) bool {
			have := attrOf(s.Resource.Attrs, ref.Name)
			return slices.ContainsFunc(values, func(v syntax.Static) bool { return c.compare(have, v) })
		}
	}
	return t, true
}

// maxExactFloat is up to where a float64 stands for one whole number only.
const maxExactFloat = 1<<53 - 1

// refAndLiteral takes a comparison of an attribute with a literal apart, the
// attribute brought to the left.
func refAndLiteral(b *syntax.Binary) (syntax.Attribute, syntax.Static, syntax.Op, bool) {
	l, r, op := b.L, b.R, b.Op
	if _, ok := l.(syntax.Literal); ok {
		l, r, op = r, l, mirror(op)
	}
	ref, ok1 := l.(syntax.Ref)
	lit, ok2 := r.(syntax.Literal)
	return ref.Attr, lit.Value, op, ok1 && ok2 && op.Comparison()
}

func mirror(op syntax.Op) syntax.Op {
	switch op {
	case syntax.OpGt:
		return syntax.OpLt
	case syntax.OpGte:
		return syntax.OpLte
	case syntax.OpLt:
		return syntax.OpGt
	case syntax.OpLte:
		return syntax.OpGte
	case syntax.OpRe, syntax.OpNre:
		return "" // the expression stands on the right only
	}
	return op
}

func conjuncts(e syntax.Expr, out []syntax.Expr) []syntax.Expr {
	if b, ok := e.(*syntax.Binary); ok && b.Op == syntax.OpAnd {
		return conjuncts(b.R, conjuncts(b.L, out))
	}
	return append(out, e)
}

var always = syntax.Literal{Value: yes}

func isAlways(e syntax.Expr) bool {
	lit, ok := e.(syntax.Literal)
	return ok && lit.Value.IsTrue()
}

func and(l, r syntax.Expr) syntax.Expr {
	switch {
	case isAlways(l):
		return r
	case isAlways(r):
		return l
	}
	return &syntax.Binary{Op: syntax.OpAnd, L: l, R: r}
}

func or(l, r syntax.Expr) syntax.Expr {
	if isAlways(l) || isAlways(r) {
		return always
	}
	return &syntax.Binary{Op: syntax.OpOr, L: l, R: r}
}

// demand is what a part of a pipeline tells about single spans.
type demand struct {
	// some is met by at least one span of every trace that yields anything.
	some syntax.Expr
	// all is met by every span that comes out.
	all syntax.Expr
	// exact is set where what comes out is all spans that meet all.
	exact bool
}

// needOfPipeline returns the condition that some span of every trace in the
// answer meets, and whether the answer is exactly the spans that meet it.
func needOfPipeline(p *syntax.Pipeline) (syntax.Expr, bool) {
	d := demandOfPipeline(p)
	if d.exact {
		return d.all, true
	}
	return d.some, false
}

// demandOfPipeline goes through the stages. Each works on spans that all met
// the conditions before it, so what it needs of one span adds to those; but
// what two stages need may be met by two different spans.
func demandOfPipeline(p *syntax.Pipeline) demand {
	d := demand{some: always, all: always, exact: true}
	for _, s := range p.Stages {
		switch s := s.(type) {
		case syntax.SpansetExpr:
			next := demandOfSpanset(s)
			d.some = better(d.some, and(d.all, next.some))
			d.all = and(d.all, next.all)
			d.exact = d.exact && next.exact
		case *syntax.ScalarFilter:
			d.exact = false
			if next, ok := demandOfScalars(s); ok {
				d.some = better(d.some, and(d.all, next))
				d.all = and(d.all, next)
			}
		}
	}
	return d
}

// demandOfScalars is what every span meets that a comparison of pipelines of
// their own leaves, and so at least one of a trace in the answer.
func demandOfScalars(f *syntax.ScalarFilter) (syntax.Expr, bool) {
	if hasAggregate(f.L) || hasAggregate(f.R) {
		return nil, false
	}
	var all syntax.Expr
	for _, p := range scalarPipelines(f) {
		d := demandOfPipeline(p.Pipeline)
		if all == nil {
			all = d.all
			continue
		}
		all = or(all, d.all)
	}
	return all, all != nil
}

// hasAggregate reports whether a scalar looks at the spanset itself.
func hasAggregate(e syntax.ScalarExpr) bool {
	switch e := e.(type) {
	case *syntax.Aggregate:
		return true
	case *syntax.ScalarOp:
		return hasAggregate(e.L) || hasAggregate(e.R)
	}
	return false
}

func demandOfSpanset(s syntax.SpansetExpr) demand {
	switch s := s.(type) {
	case *syntax.Filter:
		e, exact := localise(s.Expr)
		return demand{some: e, all: e, exact: exact}
	case *syntax.Pipeline:
		return demandOfPipeline(s)
	case *syntax.SpansetOp:
		l, r := demandOfSpanset(s.L), demandOfSpanset(s.R)
		switch {
		case s.Op == syntax.OpOr:
			return demand{some: or(l.some, r.some), all: or(l.all, r.all), exact: l.exact && r.exact}
		case s.Op == syntax.OpAnd || s.Op.Union():
			return demand{some: better(l.some, r.some), all: or(l.all, r.all)}
		case s.Op.Negated():
			return demand{some: r.some, all: r.all}
		}
		return demand{some: better(l.some, r.some), all: r.all}
	}
	return demand{some: always, all: always}
}

// better returns the condition that fewer spans should meet.
func better(a, b syntax.Expr) syntax.Expr {
	if selectivity(a) > selectivity(b) {
		return a
	}
	return b
}

// selectivity guesses how few spans meet a condition; more is fewer.
func selectivity(e syntax.Expr) int {
	b, ok := e.(*syntax.Binary)
	if !ok {
		if isAlways(e) {
			return 0
		}
		return 1
	}
	switch b.Op {
	case syntax.OpAnd:
		return selectivity(b.L) + selectivity(b.R)
	case syntax.OpOr:
		return min(selectivity(b.L), selectivity(b.R))
	}
	ref, _, op, ok := refAndLiteral(b)
	switch {
	case !ok:
		return 1
	case ref.Is(syntax.TraceID), ref.Is(syntax.SpanID):
		return 100
	case op == syntax.OpEq && ref.Scope == syntax.ScopeResource:
		return 6
	case op == syntax.OpEq && ref.Intrinsic == syntax.NotIntrinsic:
		return 5
	case op == syntax.OpEq || op == syntax.OpRe:
		return 4
	case ref.Is(syntax.SpanDuration):
		return 3
	}
	return 2
}

// localise weakens an expression to what a span alone can tell, and reports
// whether it lost nothing. && and || keep their order under weakening, so only
// below them is anything replaced.
func localise(e syntax.Expr) (syntax.Expr, bool) {
	if b, ok := e.(*syntax.Binary); ok && (b.Op == syntax.OpAnd || b.Op == syntax.OpOr) {
		l, lx := localise(b.L)
		r, rx := localise(b.R)
		if b.Op == syntax.OpAnd {
			return and(l, r), lx && rx
		}
		return or(l, r), lx && rx
	}
	if isLocal(e) || isRootTest(e) {
		return e, true
	}
	return always, false
}

func isLocal(e syntax.Expr) bool {
	local := true
	syntax.Walk(e, func(a syntax.Attribute) { local = local && !needsTrace(a) })
	return local
}

func needsTrace(a syntax.Attribute) bool {
	switch a.Intrinsic {
	case syntax.ChildCount, syntax.TraceDuration, syntax.RootName, syntax.RootServiceName,
		syntax.NestedSetLeft, syntax.NestedSetRight, syntax.NestedSetParent:
		return true
	}
	return a.Parent
}

// isRootTest reports whether e compares nestedSetParent with a number such
// that only being a root or not decides. Grafana asks for roots this way.
func isRootTest(e syntax.Expr) bool {
	b, ok := e.(*syntax.Binary)
	if !ok {
		return false
	}
	ref, lit, op, ok := refAndLiteral(b)
	if !ok || !ref.Is(syntax.NestedSetParent) || lit.Type != syntax.TypeInt {
		return false
	}
	switch n := lit.AsInt(); op {
	case syntax.OpLt, syntax.OpGte:
		return n <= 0
	case syntax.OpEq, syntax.OpNeq, syntax.OpGt, syntax.OpLte:
		return n < 0
	}
	return false
}

// noColumns asks for nothing but what is always there. It is not zero, which
// would mean all columns: spans have no body.
const noColumns = storage.ColBody

// columnsOf returns the columns that an expression reads.
func columnsOf(exprs ...syntax.Expr) storage.Columns {
	c := noColumns
	for _, e := range exprs {
		syntax.Walk(e, func(a syntax.Attribute) { c |= columnOf(a) })
	}
	return c
}

func columnOf(a syntax.Attribute) storage.Columns {
	switch a.Intrinsic {
	case syntax.EventName, syntax.EventTimeSinceStart, syntax.LinkTraceID, syntax.LinkSpanID:
		return storage.ColEvents
	case syntax.NotIntrinsic:
		switch a.Scope {
		case syntax.ScopeEvent, syntax.ScopeLink:
			return storage.ColEvents
		case syntax.ScopeAny, syntax.ScopeSpan:
			return storage.ColAttrs
		}
		return noColumns // of the stream
	case syntax.Name, syntax.SpanKind, syntax.StatusCode, syntax.StatusMessage, syntax.RootName:
		return storage.ColSpan
	}
	return noColumns
}

// Select returns the selection of the spans that a query of spansets lets
// through, for tools that work on single spans. The query must be one that a
// span answers by itself: conditions on the rest of its trace, structure and
// aggregates are refused. Tenant and time range are the caller's to set.
func (e *Engine) Select(query string) (storage.SpanSelection, error) {
	q, err := syntax.Parse(query)
	if err != nil {
		return storage.SpanSelection{}, &QueryError{err}
	}
	if q.Metrics != nil {
		return storage.SpanSelection{}, &QueryError{errors.New("a metrics query selects no spans: give the spanset filter in front of it")}
	}
	p := planPipeline(q.Pipeline)
	if !p.exact {
		return storage.SpanSelection{}, &QueryError{errors.New("the query looks at more than single spans: give conditions in one { ... } that a span meets by itself")}
	}
	v := view{}
	sel := storage.SpanSelection{
		Query: p.query("", 0, 0),
		Match: func(s *telemetry.Span) bool {
			v.span = s
			return p.match(&v).IsTrue()
		},
	}
	sel.Query.Columns = storage.ColAll
	return sel, nil
}
