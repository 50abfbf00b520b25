package syntax

// Query is a parsed query: a search where Metrics is nil, else a metrics query.
type Query struct {
	Pipeline *Pipeline
	Metrics  MetricsExpr
	Hints    []Hint
}

// Hint is one name=value of a with(...) clause.
type Hint struct {
	Name  string
	Value Static
}

// Pipeline is what stands between bars. Each stage takes the spansets of the
// one before; the first takes one spanset with all spans of a trace.
type Pipeline struct{ Stages []Stage }

// Stage is one element of a pipeline: a SpansetExpr, *ScalarFilter, *Group,
// Coalesce or *Select.
type Stage interface{ stage() }

// SpansetExpr selects spans of a spanset: *Filter, *SpansetOp or, in
// parentheses, *Pipeline.
type SpansetExpr interface {
	Stage
	spansetExpr()
}

// Filter keeps the spans that Expr is true for: { Expr }.
type Filter struct {
	Expr Expr
	at   pos
}

// SpansetOp combines two sets of spans by logic or by structure.
type SpansetOp struct {
	Op   Op
	L, R SpansetExpr
}

// ScalarFilter keeps the spansets for which L Op R holds.
type ScalarFilter struct {
	Op   Op
	L, R ScalarExpr
	at   pos
}

// Group splits each spanset by the value of Expr: by(Expr).
type Group struct {
	Expr Expr
	at   pos
}

// Coalesce joins the spansets of a trace into one again.
type Coalesce struct{}

// Select adds attributes to the answer without filtering.
type Select struct{ Attrs []Attribute }

func (*Filter) stage()       {}
func (*SpansetOp) stage()    {}
func (*Pipeline) stage()     {}
func (*ScalarFilter) stage() {}
func (*Group) stage()        {}
func (Coalesce) stage()      {}
func (*Select) stage()       {}

func (*Filter) spansetExpr()    {}
func (*SpansetOp) spansetExpr() {}
func (*Pipeline) spansetExpr()  {}

// ScalarExpr is a number per spanset: *Aggregate, *ScalarOp, *ScalarPipeline or
// Literal.
type ScalarExpr interface{ scalarExpr() }

// ScalarPipeline is a number of what a pipeline of its own leaves of the
// spanset: ({ } | count()).
type ScalarPipeline struct {
	Pipeline *Pipeline
	Scalar   ScalarExpr
	at       pos
}

// Aggregate is count(), or avg, min, max, sum of an expression over the spans.
type Aggregate struct {
	Func string
	Expr Expr // nil for count
	at   pos
}

// ScalarOp is arithmetic on scalars.
type ScalarOp struct {
	Op   Op
	L, R ScalarExpr
	at   pos
}

// Literal is a constant, as an expression on a span and as a scalar.
type Literal struct{ Value Static }

func (*Aggregate) scalarExpr()      {}
func (*ScalarOp) scalarExpr()       {}
func (*ScalarPipeline) scalarExpr() {}
func (Literal) scalarExpr()         {}

// Expr is an expression on one span: *Binary, *Unary, Literal or Ref.
type Expr interface{ expr() }

// Binary applies Op to two expressions.
type Binary struct {
	Op   Op
	L, R Expr
	at   pos // of the operator
}

// Unary applies OpNot, OpSub, OpExists or OpMissing.
type Unary struct {
	Op Op
	X  Expr
	at pos
}

// Ref reads an attribute of the span.
type Ref struct{ Attr Attribute }

func (*Binary) expr() {}
func (*Unary) expr()  {}
func (Literal) expr() {}
func (Ref) expr()     {}

// MetricsExpr yields series: *MetricsPipeline, *MetricsMath, *MetricsScalar or
// *MetricsStages.
type MetricsExpr interface{ metricsExpr() }

// MetricsPipeline turns the spans of a pipeline into series.
type MetricsPipeline struct {
	Pipeline *Pipeline
	Func     MetricsFunc
}

// MetricsFunc is the function that does: rate, count_over_time, ..., compare.
type MetricsFunc struct {
	Name      string
	Attr      Attribute // where HasAttr
	HasAttr   bool
	Quantiles []float64
	By        []Attribute
	// Compare holds the selection of compare(), with its optional window in
	// Unix nanoseconds.
	Compare    *Filter
	TopN       int
	Start, End int64
	at         pos
}

// MetricsMath combines the series of two queries that have the same labels.
type MetricsMath struct {
	Op   Op
	L, R MetricsExpr
}

// MetricsScalar applies arithmetic with a constant to every sample.
type MetricsScalar struct {
	Op     Op
	X      MetricsExpr
	Value  float64
	OnLeft bool // the constant is the left operand
}

// MetricsStages applies second stages to series, in order.
type MetricsStages struct {
	X      MetricsExpr
	Stages []SecondStage
}

// SecondStage is topk or bottomk with K, or a comparison that keeps samples.
type SecondStage struct {
	Func  string // "topk", "bottomk" or "" for a comparison
	K     int
	Op    Op
	Value float64 // durations in seconds
}

func (*MetricsPipeline) metricsExpr() {}
func (*MetricsMath) metricsExpr()     {}
func (*MetricsScalar) metricsExpr()   {}
func (*MetricsStages) metricsExpr()   {}
