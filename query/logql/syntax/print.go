package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func formatDuration(d time.Duration) string {
	if d%time.Millisecond == 0 {
		if d < 0 {
			return "-" + model.Duration(-d).String()
		}
		return model.Duration(d).String()
	}
	return d.String()
}

// String implements Stage and LabelFilter: name, operator, quoted value.
func (m *Matcher) String() string { return m.Name + string(m.Op) + strconv.Quote(m.Value) }

func selectorText(matchers []*Matcher) string {
	parts := make([]string, len(matchers))
	for i, m := range matchers {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Selector returns the stream selector alone.
func (e *LogExpr) Selector() string { return selectorText(e.Matchers) }

// String implements Expr.
func (e *LogExpr) String() string {
	var b strings.Builder
	b.WriteString(e.Selector())
	for _, s := range e.Stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

// String implements Expr.
func (e *RangeAgg) String() string {
	var b strings.Builder
	b.WriteString(e.Op + "(")
	if e.Op == OpQuantileOver {
		b.WriteString(formatNumber(e.Param) + ", ")
	}
	b.WriteString(e.Log.String())
	if e.Unwrap != nil {
		b.WriteString(" | unwrap " + e.Unwrap.call())
		for _, f := range e.Unwrap.Filters {
			b.WriteString(" | " + f.String())
		}
	}
	fmt.Fprintf(&b, " [%s]", formatDuration(e.Interval))
	if e.Offset != 0 {
		b.WriteString(" offset " + formatDuration(e.Offset))
	}
	return b.String() + ")" + e.Grouping.suffix()
}

func (u *Unwrap) call() string {
	if u.Conv == "" {
		return u.Label
	}
	return u.Conv + "(" + u.Label + ")"
}

// String returns the clause, "" for nil.
func (g *Grouping) String() string {
	if g == nil {
		return ""
	}
	word := "by"
	if g.Without {
		word = "without"
	}
	return word + " (" + strings.Join(g.Labels, ", ") + ")"
}

func (g *Grouping) suffix() string {
	if g == nil {
		return ""
	}
	return " " + g.String()
}

// String implements Expr.
func (e *VectorAgg) String() string {
	s := e.Op
	if e.Grouping != nil {
		s += " " + e.Grouping.String() + " "
	}
	s += "("
	if vectorOps[e.Op] {
		s += strconv.Itoa(e.Param) + ", "
	}
	return s + e.Inner.String() + ")"
}

// String implements Expr. Operands stand in parentheses where they must.
func (e *BinOp) String() string {
	s := e.operand(e.Left, e.Op == "^") + " " + e.Op + " "
	if e.Bool {
		s += "bool "
	}
	if m := e.Match; m != nil {
		word := "ignoring"
		if m.On {
			word = "on"
		}
		s += word + " (" + strings.Join(m.Labels, ", ") + ") "
		if m.Group != "" {
			s += m.Group + " (" + strings.Join(m.Include, ", ") + ") "
		}
	}
	return s + e.operand(e.Right, e.Op != "^")
}

// operand renders a side of e. far is the side on which an operation that
// binds as strongly as e would not be the operand without parentheses.
func (e *BinOp) operand(side SampleExpr, far bool) string {
	if b, ok := side.(*BinOp); ok {
		own, inner := precedence[e.Op], precedence[b.Op]
		if inner < own || (inner == own && far) {
			return "(" + b.String() + ")"
		}
	}
	return side.String()
}

// String implements Expr.
func (e *Literal) String() string { return formatNumber(e.Value) }

// String implements Expr.
func (e *VectorLit) String() string { return "vector(" + formatNumber(e.Value) + ")" }

// String implements Expr.
func (e *LabelReplace) String() string {
	return fmt.Sprintf("label_replace(%s, %q, %q, %q, %q)", e.Inner, e.Dst, e.Replacement, e.Src, e.Regex)
}

// String implements Stage.
func (f *LineFilter) String() string {
	parts := make([]string, len(f.Values))
	for i, v := range f.Values {
		parts[i] = quoteText(v.Text)
		if v.IP {
			parts[i] = "ip(" + parts[i] + ")"
		}
	}
	return string(f.Op) + " " + strings.Join(parts, " or ")
}

// quoteText prefers back quotes where a text would need escapes.
func quoteText(s string) string {
	if strings.ContainsAny(s, "\"\\") && !strings.ContainsAny(s, "`") && strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func extractText(ex []Extraction) string {
	parts := make([]string, len(ex))
	for i, x := range ex {
		parts[i] = x.Label + "=" + quoteText(x.Path)
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, ", ")
}

// String implements Stage.
func (s *JSON) String() string { return "| json" + extractText(s.Extract) }

// String implements Stage.
func (s *Logfmt) String() string {
	out := "| logfmt"
	if s.Strict {
		out += " --strict"
	}
	if s.KeepEmpty {
		out += " --keep-empty"
	}
	return out + extractText(s.Extract)
}

// String implements Stage.
func (s *Pattern) String() string { return "| pattern " + quoteText(s.Pattern) }

// String implements Stage.
func (s *Regexp) String() string { return "| regexp " + quoteText(s.Regexp) }

// String implements Stage.
func (s *Unpack) String() string { return "| unpack" }

// String implements Stage.
func (s *LabelFilterStage) String() string { return "| " + s.Filter.String() }

// String implements Stage.
func (s *LineFormat) String() string { return "| line_format " + quoteText(s.Template) }

// String implements Stage.
func (s *LabelFormat) String() string {
	parts := make([]string, len(s.Ops))
	for i, op := range s.Ops {
		if op.Rename {
			parts[i] = op.Dst + "=" + op.Value
		} else {
			parts[i] = op.Dst + "=" + quoteText(op.Value)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

// String implements Stage.
func (s *Decolorize) String() string { return "| decolorize" }

// String implements Stage.
func (s *Keep) String() string {
	parts := make([]string, len(s.Labels))
	for i, l := range s.Labels {
		parts[i] = l.Name
		if l.Matcher != nil {
			parts[i] = l.Matcher.String()
		}
	}
	word := "| keep "
	if s.Drop {
		word = "| drop "
	}
	return word + strings.Join(parts, ", ")
}

// String implements Stage.
func (s *Distinct) String() string { return "| distinct " + strings.Join(s.Labels, ", ") }

// String implements LabelFilter.
func (f *FilterAnd) String() string {
	return "(" + f.Left.String() + " and " + f.Right.String() + ")"
}

// String implements LabelFilter.
func (f *FilterOr) String() string { return "(" + f.Left.String() + " or " + f.Right.String() + ")" }

// String implements LabelFilter.
func (f *FilterMatch) String() string { return f.Matcher.String() }

// String implements LabelFilter.
func (f *FilterNumber) String() string { return f.Name + " " + f.Op + " " + f.text }

// String implements LabelFilter.
func (f *FilterDuration) String() string { return f.Name + " " + f.Op + " " + f.text }

// String implements LabelFilter.
func (f *FilterBytes) String() string { return f.Name + " " + f.Op + " " + f.text }

// String implements LabelFilter.
func (f *FilterIP) String() string {
	op := " = "
	if f.Not {
		op = " != "
	}
	return f.Name + op + "ip(" + strconv.Quote(f.Pattern) + ")"
}
