package traceql

import (
	"errors"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

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
