package jaeger

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
)

// searchRequest turns the parameters of a search into one of the engine: all
// conditions on the same span, as in Jaeger.
func (a *API) searchRequest(q url.Values) (*traceql.SearchRequest, error) {
	req := &traceql.SearchRequest{Limit: a.Deps.Config.Limit, SpansPerSet: 1, Whole: true}
	var err error
	if req.From, err = micros(q, "start"); err != nil {
		return nil, err
	}
	if req.To, err = micros(q, "end"); err != nil {
		return nil, err
	}
	if req.To != 0 && req.To < req.From {
		return nil, status.BadRequest("invalid end: %q is before start %q", q.Get("end"), q.Get("start"))
	}
	if s := q.Get("limit"); s != "" && s != "0" {
		if req.Limit, err = strconv.Atoi(s); err != nil || req.Limit < 0 {
			return nil, status.BadRequest("invalid limit: %q, expected a number of traces", s)
		}
	}
	conds, err := conditions(q)
	if err != nil {
		return nil, err
	}
	req.Query = traceql.FilterQuery(traceql.And(conds...))
	return req, nil
}

func micros(q url.Values, name string) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxMillis*1000 {
		return 0, status.BadRequest("invalid %s: %q, expected Unix microseconds", name, s)
	}
	return n * int64(time.Microsecond), nil
}

func conditions(q url.Values) ([]syntax.Expr, error) {
	var out []syntax.Expr
	if s := q.Get("service"); s != "" {
		out = append(out, traceql.IsService(s))
	}
	if s := q.Get("operation"); s != "" {
		out = append(out, traceql.Compare(syntax.Attribute{Intrinsic: syntax.Name}, syntax.OpEq, syntax.String(s)))
	}
	for name, op := range map[string]syntax.Op{"minDuration": syntax.OpGte, "maxDuration": syntax.OpLte} {
		s := q.Get(name)
		if s == "" {
			continue
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return nil, status.BadRequest("invalid %s: %q, expected a duration such as 1.2s, 100ms or 500us", name, s)
		}
		out = append(out, traceql.Compare(syntax.Attribute{Intrinsic: syntax.SpanDuration}, op, syntax.Duration(d)))
	}
	tags, err := tagPairs(q)
	if err != nil {
		return nil, err
	}
	for key, value := range tags {
		out = append(out, tagCondition(key, value))
	}
	return out, nil
}

// tagPairs reads tags, a JSON object of strings, and tag, each "key:value".
func tagPairs(q url.Values) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range q["tags"] {
		if s == "" {
			continue
		}
		if err := json.Unmarshal([]byte(s), &out); err != nil {
			return nil, status.BadRequest(`invalid tags: %q, expected a JSON object of strings such as {"http.method":"GET"}`, s)
		}
	}
	for _, s := range q["tag"] {
		key, value, ok := strings.Cut(s, ":")
		if !ok {
			return nil, status.BadRequest("invalid tag: %q, expected key:value", s)
		}
		out[key] = value
	}
	return out, nil
}

// tagCondition is the condition that a span has a tag, among its own
// attributes, its resource's or its events'. Tags that stand for properties of
// OpenTelemetry's spans are compared with those too.
func tagCondition(key, value string) syntax.Expr {
	cond := attributeCondition(key, value)
	switch key {
	case "error":
		isError := traceql.Compare(syntax.Attribute{Intrinsic: syntax.StatusCode}, syntax.OpEq, syntax.Status(2))
		switch value {
		case "true":
			return traceql.Or(isError, cond)
		case "false":
			return &syntax.Unary{Op: syntax.OpNot, X: isError}
		}
	case "span.kind":
		for i, word := range kindTags {
			if word == value {
				return traceql.Or(traceql.Compare(syntax.Attribute{Intrinsic: syntax.SpanKind}, syntax.OpEq, syntax.Kind(uint8(i))), cond)
			}
		}
	case "otel.status_code":
		for i, word := range statusTags {
			if strings.EqualFold(word, value) {
				return traceql.Or(traceql.Compare(syntax.Attribute{Intrinsic: syntax.StatusCode}, syntax.OpEq, syntax.Status(uint8(i))), cond)
			}
		}
	case "otel.status_description":
		return traceql.Or(traceql.Compare(syntax.Attribute{Intrinsic: syntax.StatusMessage}, syntax.OpEq, syntax.String(value)), cond)
	case "otel.scope.name", "otel.library.name":
		return traceql.Or(traceql.Compare(syntax.Attribute{Intrinsic: syntax.InstrumentationName}, syntax.OpEq, syntax.String(value)), cond)
	case "event":
		return traceql.Or(traceql.Compare(syntax.Attribute{Intrinsic: syntax.EventName}, syntax.OpEq, syntax.String(value)), cond)
	}
	return cond
}

// attributeCondition is the condition that an attribute of a span, of its
// resource or of one of its events has a value whose text is value.
func attributeCondition(key, value string) syntax.Expr {
	return traceql.Or(
		traceql.TextEquals(syntax.Attribute{Name: key}, value),
		traceql.TextEquals(syntax.Attribute{Scope: syntax.ScopeEvent, Name: key}, value))
}
