package zipkin

import (
	"net/url"
	"strings"
	"time"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
)

// searchRequest turns the parameters of a search into one of the engine.
func (a *API) searchRequest(q url.Values) (*traceql.SearchRequest, error) {
	req := &traceql.SearchRequest{SpansPerSet: 1, Whole: true}
	var err error
	if req.From, req.To, err = a.window(q); err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", "traces", int64(a.Deps.Config.Limit))
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		return nil, status.BadRequest("invalid limit: %q, expected more than 0", q.Get("limit"))
	}
	req.Limit = int(min(limit, 1<<30))
	conds, err := conditions(q)
	if err != nil {
		return nil, err
	}
	req.Query = traceql.FilterQuery(traceql.And(conds...))
	return req, nil
}

func conditions(q url.Values) ([]syntax.Expr, error) {
	var out []syntax.Expr
	if s := q.Get("serviceName"); s != "" && s != "all" {
		out = append(out, traceql.IsService(s))
	}
	if s := q.Get("spanName"); s != "" && s != "all" {
		out = append(out, traceql.Compare(syntax.Attribute{Intrinsic: syntax.Name}, syntax.OpEq, syntax.String(s)))
	}
	if s := q.Get("remoteServiceName"); s != "" {
		var alternatives []syntax.Expr
		for _, key := range remoteKeys {
			alternatives = append(alternatives, traceql.Compare(syntax.Attribute{Scope: syntax.ScopeSpan, Name: key}, syntax.OpEq, syntax.String(s)))
		}
		out = append(out, traceql.Or(alternatives[0], alternatives[1:]...))
	}
	for name, op := range map[string]syntax.Op{"minDuration": syntax.OpGte, "maxDuration": syntax.OpLte} {
		if q.Get(name) == "" {
			continue
		}
		n, err := number(q, name, "microseconds", 0)
		if err != nil {
			return nil, err
		}
		out = append(out, traceql.Compare(syntax.Attribute{Intrinsic: syntax.SpanDuration}, op, syntax.Duration(time.Duration(n)*time.Microsecond)))
	}
	if s := strings.TrimSpace(q.Get("annotationQuery")); s != "" {
		for _, part := range strings.Split(s, " and ") {
			out = append(out, annotation(strings.TrimSpace(part)))
		}
	}
	return out, nil
}

// annotation is one condition of an annotation query: key=value is a tag, a
// word alone a tag of that name or an annotation of that value.
func annotation(s string) syntax.Expr {
	key, value, ok := strings.Cut(s, "=")
	attr := syntax.Attribute{Name: key}
	if !ok {
		cond := traceql.Or(&syntax.Unary{Op: syntax.OpExists, X: syntax.Ref{Attr: attr}},
			traceql.Compare(syntax.Attribute{Intrinsic: syntax.EventName}, syntax.OpEq, syntax.String(key)))
		if key == "error" {
			cond = traceql.Or(cond, traceql.Compare(syntax.Attribute{Intrinsic: syntax.StatusCode}, syntax.OpEq, syntax.Status(2)))
		}
		return cond
	}
	return traceql.TextEquals(attr, value)
}
