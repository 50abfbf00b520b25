package syntax

import (
	"time"
)

// Expr is a whole query: a *LogExpr or a SampleExpr.
type Expr interface {
	// String returns the query in its canonical form, which parses to an
	// equal tree.
	String() string
}

// SampleExpr is a query whose answer is numbers.
type SampleExpr interface {
	Expr
	sampleExpr()
}

// LogExpr selects log lines: a stream selector and the stages behind it.
type LogExpr struct {
	Matchers []*Matcher
	Stages   []Stage
}

// RangeAgg is a range aggregation: one number a series from the lines of a
// stretch of time.
type RangeAgg struct {
	Op       string
	Param    float64 // quantile_over_time's
	Log      *LogExpr
	Interval time.Duration
	Offset   time.Duration
	Unwrap   *Unwrap   // nil where lines or bytes are counted
	Grouping *Grouping // nil where there is none
	Pos      Pos
}

// Unwrap names the label whose value is the sample.
type Unwrap struct {
	Label   string
	Conv    string        // "", bytes, duration, duration_seconds
	Filters []LabelFilter // label filters behind the unwrap
}

// VectorAgg aggregates over series.
type VectorAgg struct {
	Op       string
	Param    int // k of topk, bottomk, approx_topk
	Inner    SampleExpr
	Grouping *Grouping
	Pos      Pos
}

// Grouping is a by or without clause.
type Grouping struct {
	Without bool
	Labels  []string
}

// BinOp is an operation between two sample expressions.
type BinOp struct {
	Op          string
	Left, Right SampleExpr
	Bool        bool
	Match       *VectorMatching // nil where there is no on, ignoring or group
	Pos         Pos
}

// VectorMatching tells which series of two sides belong together.
type VectorMatching struct {
	On      bool // on(...), otherwise ignoring(...)
	Labels  []string
	Group   string // "", group_left, group_right
	Include []string
}

// Literal is a number.
type Literal struct{ Value float64 }

// VectorLit is vector(n): one series without labels.
type VectorLit struct{ Value float64 }

// LabelReplace is label_replace.
type LabelReplace struct {
	Inner                        SampleExpr
	Dst, Replacement, Src, Regex string
	Pos                          Pos
}

func (*RangeAgg) sampleExpr()     {}
func (*VectorAgg) sampleExpr()    {}
func (*BinOp) sampleExpr()        {}
func (*Literal) sampleExpr()      {}
func (*VectorLit) sampleExpr()    {}
func (*LabelReplace) sampleExpr() {}

// Range aggregations, by name: whether each may and must unwrap.
const (
	OpRate         = "rate"
	OpRateCounter  = "rate_counter"
	OpCount        = "count_over_time"
	OpBytes        = "bytes_over_time"
	OpBytesRate    = "bytes_rate"
	OpAbsent       = "absent_over_time"
	OpSumOver      = "sum_over_time"
	OpAvgOver      = "avg_over_time"
	OpMinOver      = "min_over_time"
	OpMaxOver      = "max_over_time"
	OpFirstOver    = "first_over_time"
	OpLastOver     = "last_over_time"
	OpStddevOver   = "stddev_over_time"
	OpStdvarOver   = "stdvar_over_time"
	OpQuantileOver = "quantile_over_time"
)

type rangeRule struct{ unwrap, plain, group bool }

var rangeOps = map[string]rangeRule{
	OpRate:         {unwrap: true, plain: true},
	OpRateCounter:  {unwrap: true},
	OpCount:        {plain: true},
	OpBytes:        {plain: true},
	OpBytesRate:    {plain: true},
	OpAbsent:       {unwrap: true, plain: true},
	OpSumOver:      {unwrap: true},
	OpAvgOver:      {unwrap: true, group: true},
	OpMinOver:      {unwrap: true, group: true},
	OpMaxOver:      {unwrap: true, group: true},
	OpFirstOver:    {unwrap: true, group: true},
	OpLastOver:     {unwrap: true, group: true},
	OpStddevOver:   {unwrap: true, group: true},
	OpStdvarOver:   {unwrap: true, group: true},
	OpQuantileOver: {unwrap: true, group: true},
}

// Vector aggregations, by name.
const (
	OpSum        = "sum"
	OpAvg        = "avg"
	OpMin        = "min"
	OpMax        = "max"
	OpCountVec   = "count"
	OpStddev     = "stddev"
	OpStdvar     = "stdvar"
	OpTopK       = "topk"
	OpBottomK    = "bottomk"
	OpApproxTopK = "approx_topk"
	OpSort       = "sort"
	OpSortDesc   = "sort_desc"
)

// vectorOps maps a vector aggregation to whether it takes k.
var vectorOps = map[string]bool{
	OpSum: false, OpAvg: false, OpMin: false, OpMax: false, OpCountVec: false,
	OpStddev: false, OpStdvar: false, OpTopK: true, OpBottomK: true, OpApproxTopK: true,
	OpSort: false, OpSortDesc: false,
}

// IsComparison reports whether a binary operator compares.
func IsComparison(op string) bool {
	switch op {
	case "==", "!=", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// IsSetOp reports whether a binary operator is and, or, unless.
func IsSetOp(op string) bool { return op == "and" || op == "or" || op == "unless" }
