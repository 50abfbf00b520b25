package logql

import (
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Select returns the selection of the records themselves that a log query lets
// through, for tools that work on records instead of lines. What stages make
// of a line only matters to the filters behind them. Tenant and time range are
// the caller's to set.
func (e *Engine) Select(query string) (storage.LogSelection, error) {
	parsed, err := e.Parse(query)
	if err != nil {
		return storage.LogSelection{}, err
	}
	expr, ok := parsed.(*syntax.LogExpr)
	if !ok {
		return storage.LogSelection{}, badQuery("%s is a metric query: it selects no records; give the log query inside it", query)
	}
	for _, s := range expr.Stages {
		if _, ok := s.(*syntax.Distinct); ok {
			return storage.LogSelection{}, badQuery("a distinct stage selects by what came before, not by the record itself")
		}
	}
	pipe, err := pipeline.New(expr.Stages, e.limits())
	if err != nil {
		return storage.LogSelection{}, badQuery("%s", err)
	}
	p := plan.New(expr, nil, plan.Use{Line: true, AllLabels: true})
	views := &streamViews{plan: p, cache: &e.views}
	cur := &current{}
	meta := cur.meta
	return storage.LogSelection{
		Query: storage.LogQuery{
			IDs: p.IDs, Text: p.Text, MinSeverity: p.MinSeverity,
			Stream: func(st *telemetry.Stream) bool { return views.get(st).keep },
		},
		Match: func(l *telemetry.Log) bool {
			v := views.get(l.Stream).view
			*cur = current{v, l}
			r := pipe.Process(v, l.Time, l.Body.Text(), meta)
			// A filter that could not be computed lets a line pass, marked. A
			// selection is only of what is known to match.
			return r != nil && r.Labels.Failed() == ""
		},
	}, nil
}
