package alert

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/rules"
)

// Language is a query language that rules can be written in.
type Language struct {
	// Query returns what evaluates an expression over the data of a tenant.
	Query func(tenant string) rules.QueryFunc
	// Check returns an error where an expression cannot be evaluated. Nil
	// means PromQL as Prometheus's parser takes it.
	Check func(expr string) error
	// Link is the path, with its query up to the expression, at which this
	// server answers an expression. It goes into the links of alerts.
	Link string
}

// kind tells the languages apart.
type kind string

// The languages.
const (
	promQL kind = "promql"
	logQL  kind = "logql"
)

// foreignParser stands for Prometheus's parser where a rule file holds another
// language: rule files are checked and loaded by Prometheus's own code, which
// asks it for expressions.
type foreignParser struct {
	parser.Parser
	check func(string) error
}

// ParseExpr implements parser.Parser.
func (p foreignParser) ParseExpr(expr string) (parser.Expr, error) {
	if err := p.check(expr); err != nil {
		return nil, err
	}
	return foreign(expr), nil
}

// foreign is an expression that only the injected query function understands.
// It implements parser.Expr, of which rules use nothing but the text.
type foreign string

// String implements parser.Node.
func (f foreign) String() string { return string(f) }

// Pretty implements parser.Node.
func (f foreign) Pretty(int) string { return string(f) }

// PositionRange implements parser.Node.
func (f foreign) PositionRange() posrange.PositionRange {
	return posrange.PositionRange{End: posrange.Pos(len(f))}
}

// Type implements parser.Expr.
func (foreign) Type() parser.ValueType { return parser.ValueTypeVector }

// PromQLExpr implements parser.Expr.
func (foreign) PromQLExpr() {}

// noDependencies keeps Prometheus from looking into expressions for what they
// depend on. Rules of a group then run in the order in which they stand.
type noDependencies struct{}

// AnalyseRules implements rules.RuleDependencyController.
func (noDependencies) AnalyseRules([]rules.Rule) {}

// parserOf returns what checks the expressions of a language.
func (l Language) parserOf(k kind) (parser.Parser, error) {
	native := parser.NewParser(parser.Options{})
	switch {
	case k == promQL && l.Check == nil:
		return native, nil
	case l.Check == nil:
		return nil, fmt.Errorf("no check is given for %s", k)
	case k == promQL:
		return checkedParser{native, l.Check}, nil
	}
	return foreignParser{native, l.Check}, nil
}

// checkedParser is PromQL with a stricter check.
type checkedParser struct {
	parser.Parser
	check func(string) error
}

// ParseExpr implements parser.Parser.
func (p checkedParser) ParseExpr(expr string) (parser.Expr, error) {
	if err := p.check(expr); err != nil {
		return nil, err
	}
	return p.Parser.ParseExpr(expr)
}
