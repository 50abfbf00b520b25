package plan

import (
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql/syntax"
)

// WithoutParsers returns e without the stages that only make labels, for what
// asks for none of them: as in Loki a parser that nothing depends on does
// nothing, and cannot fail. Where a stage needs labels e is returned.
func WithoutParsers(e *syntax.LogExpr) *syntax.LogExpr {
	if slices.ContainsFunc(e.Stages, needsLabels) || !slices.ContainsFunc(e.Stages, onlyLabels) {
		return e
	}
	return &syntax.LogExpr{Matchers: e.Matchers, Stages: slices.DeleteFunc(slices.Clone(e.Stages), onlyLabels)}
}

// onlyLabels reports whether a stage does nothing but make and drop labels.
// What unpack does to the line goes with it.
func onlyLabels(s syntax.Stage) bool {
	switch s.(type) {
	case *syntax.JSON, *syntax.Logfmt, *syntax.Pattern, *syntax.Regexp, *syntax.Unpack, *syntax.Keep:
		return true
	}
	return false
}

func needsLabels(s syntax.Stage) bool {
	switch s := s.(type) {
	case *syntax.LabelFilterStage: // also one on the error of a parser
		return true
	case *syntax.LineFormat:
		return strings.Contains(s.Template, ".")
	case *syntax.LabelFormat:
		return slices.ContainsFunc(s.Ops, func(op syntax.LabelFormatOp) bool { return op.Rename || strings.Contains(op.Value, ".") })
	case *syntax.Distinct:
		return true
	}
	return false
}
