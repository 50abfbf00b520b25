package syntax

import (
	"strconv"
	"strings"
)

// Source renders an expression as a query spells it, operands in parentheses
// where they are operations themselves.
func Source(e Expr) string {
	switch e := e.(type) {
	case Literal:
		return e.Value.Source()
	case Ref:
		return e.Attr.String()
	case *Unary:
		switch e.Op {
		case OpExists, OpMissing:
			return wrap(e.X) + " " + string(e.Op)
		}
		return string(e.Op) + wrap(e.X)
	case *Binary:
		return wrap(e.L) + " " + string(e.Op) + " " + wrap(e.R)
	}
	return ""
}

func wrap(e Expr) string {
	switch e.(type) {
	case *Unary, *Binary:
		return "(" + Source(e) + ")"
	}
	return Source(e)
}

// Source renders the aggregate, the name under which answers carry its value.
func (a *Aggregate) Source() string {
	if a.Expr == nil {
		return a.Func + "()"
	}
	return a.Func + "(" + Source(a.Expr) + ")"
}

// Source renders the grouping, the name under which answers carry its value.
func (g *Group) Source() string { return "by(" + Source(g.Expr) + ")" }

// String renders the query in a canonical form that parses to the same tree.
func (q *Query) String() string {
	var b strings.Builder
	if q.Metrics != nil {
		b.WriteString(metricsSource(q.Metrics))
	} else {
		b.WriteString(pipelineSource(q.Pipeline))
	}
	if len(q.Hints) > 0 {
		parts := make([]string, len(q.Hints))
		for i, h := range q.Hints {
			parts[i] = h.Name + "=" + h.Value.Source()
		}
		b.WriteString(" with(" + strings.Join(parts, ",") + ")")
	}
	return b.String()
}

func pipelineSource(p *Pipeline) string {
	parts := make([]string, len(p.Stages))
	for i, s := range p.Stages {
		parts[i] = stageSource(s)
	}
	return strings.Join(parts, " | ")
}

func stageSource(s Stage) string {
	switch s := s.(type) {
	case *Filter:
		return "{ " + Source(s.Expr) + " }"
	case *SpansetOp:
		return spansetOperand(s.L) + " " + string(s.Op) + " " + spansetOperand(s.R)
	case *Pipeline:
		return "(" + pipelineSource(s) + ")"
	case *ScalarFilter:
		return scalarSource(s.L) + " " + string(s.Op) + " " + scalarSource(s.R)
	case *Group:
		return s.Source()
	case Coalesce:
		return "coalesce()"
	case *Select:
		return "select(" + attributesSource(s.Attrs) + ")"
	}
	return ""
}

func spansetOperand(s SpansetExpr) string {
	if op, ok := s.(*SpansetOp); ok {
		return "(" + stageSource(op) + ")"
	}
	return stageSource(s)
}

func attributesSource(as []Attribute) string {
	parts := make([]string, len(as))
	for i, a := range as {
		parts[i] = a.String()
	}
	return strings.Join(parts, ", ")
}

func scalarSource(s ScalarExpr) string {
	switch s := s.(type) {
	case Literal:
		return s.Value.Source()
	case *Aggregate:
		return s.Source()
	case *ScalarPipeline:
		return "(" + pipelineSource(s.Pipeline) + " | " + scalarSource(s.Scalar) + ")"
	case *ScalarOp:
		return "(" + scalarSource(s.L) + " " + string(s.Op) + " " + scalarSource(s.R) + ")"
	}
	return ""
}

func formatNumber(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, "e.") {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func metricsSource(m MetricsExpr) string {
	switch m := m.(type) {
	case *MetricsPipeline:
		return pipelineSource(m.Pipeline) + " | " + m.Func.source()
	case *MetricsMath:
		return "(" + metricsSource(m.L) + ") " + string(m.Op) + " (" + metricsSource(m.R) + ")"
	case *MetricsScalar:
		if m.OnLeft {
			return formatNumber(m.Value) + " " + string(m.Op) + " (" + metricsSource(m.X) + ")"
		}
		return "(" + metricsSource(m.X) + ") " + string(m.Op) + " " + formatNumber(m.Value)
	case *MetricsStages:
		var b strings.Builder
		b.WriteString("(" + metricsSource(m.X) + ")")
		for _, s := range m.Stages {
			if s.Func != "" {
				b.WriteString(" | " + s.Func + "(" + strconv.Itoa(s.K) + ")")
				continue
			}
			b.WriteString(" " + string(s.Op) + " " + formatNumber(s.Value))
		}
		return b.String()
	}
	return ""
}

func (f *MetricsFunc) source() string {
	var args []string
	switch {
	case f.Compare != nil:
		args = []string{stageSource(f.Compare), strconv.Itoa(f.TopN)}
		if f.Start != 0 {
			args = append(args, strconv.FormatInt(f.Start, 10), strconv.FormatInt(f.End, 10))
		}
	case f.HasAttr:
		args = append(args, f.Attr.String())
		for _, q := range f.Quantiles {
			args = append(args, formatNumber(q))
		}
	}
	s := f.Name + "(" + strings.Join(args, ", ") + ")"
	if len(f.By) > 0 {
		s += " by (" + attributesSource(f.By) + ")"
	}
	return s
}
