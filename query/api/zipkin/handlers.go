package zipkin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

func (a *API) services(r *http.Request) (any, []string, error) {
	names, warnings, err := a.Engine.Services(r.Context(), tenant.From(r.Context()))
	return names, warnings, err
}

func serviceParam(r *http.Request) (string, error) {
	s := r.URL.Query().Get("serviceName")
	if s == "" {
		return "", status.BadRequest("parameter serviceName is missing, expected the name of a service")
	}
	return s, nil
}

func (a *API) spanNames(r *http.Request) (any, []string, error) {
	service, err := serviceParam(r)
	if err != nil {
		return nil, nil, err
	}
	ops, warnings, err := a.Engine.Operations(r.Context(), tenant.From(r.Context()), service)
	names := []string{}
	for _, op := range ops {
		names = append(names, op.Name)
	}
	return slices.Compact(names), warnings, err
}

func (a *API) remoteServices(r *http.Request) (any, []string, error) {
	service, err := serviceParam(r)
	if err != nil {
		return nil, nil, err
	}
	names := []string{}
	var warnings []string
	for _, key := range remoteKeys {
		values, err := a.Engine.TagValues(r.Context(), traceql.TagsRequest{
			Tenant: tenant.From(r.Context()), Filter: traceql.FilterQuery(traceql.IsService(service)),
		}, syntax.Attribute{Scope: syntax.ScopeSpan, Name: key})
		if err != nil {
			return nil, nil, err
		}
		for _, v := range values.Values {
			names = append(names, v.Text())
		}
		warnings = append(warnings, values.Warnings...)
	}
	slices.Sort(names)
	return slices.Compact(names), warnings, nil
}

func (a *API) findTrace(r *http.Request, raw string) ([]span, []string, error) {
	id, ok := telemetry.ParseTraceID(raw)
	if !ok {
		return nil, nil, status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", raw)
	}
	t, _, warnings, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
	if err != nil || t == nil {
		return nil, warnings, err
	}
	return convert(t), warnings, nil
}

func (a *API) trace(r *http.Request) (any, []string, error) {
	spans, warnings, err := a.findTrace(r, r.PathValue("id"))
	if err == nil && spans == nil {
		err = status.NotFound(r.PathValue("id")+" not found", warnings)
	}
	return spans, warnings, err
}

func (a *API) traceMany(r *http.Request) (any, []string, error) {
	raw := r.URL.Query().Get("traceIds")
	if raw == "" {
		return nil, nil, status.BadRequest("parameter traceIds is missing, expected trace IDs with commas between them")
	}
	out := [][]span{}
	var warnings []string
	for _, id := range strings.Split(raw, ",") {
		spans, warned, err := a.findTrace(r, strings.TrimSpace(id))
		if err != nil {
			return nil, nil, err
		}
		if spans != nil {
			out = append(out, spans)
		}
		warnings = append(warnings, warned...)
	}
	return out, warnings, nil
}

func (a *API) search(r *http.Request) (any, []string, error) {
	req, err := a.searchRequest(r.URL.Query())
	if err != nil {
		return nil, nil, err
	}
	req.Tenant = tenant.From(r.Context())
	res, err := a.Engine.Search(r.Context(), *req)
	if err != nil {
		return nil, nil, err
	}
	out := make([][]span, 0, len(res.Traces))
	for i := range res.Traces {
		out = append(out, convert(res.Traces[i].Trace))
	}
	return out, res.Warnings, nil
}

type dependency struct {
	Parent     string `json:"parent"`
	Child      string `json:"child"`
	CallCount  int64  `json:"callCount"`
	ErrorCount int64  `json:"errorCount,omitempty"`
}

func (a *API) dependencies(r *http.Request) (any, []string, error) {
	if a.Dependencies == nil {
		return nil, nil, &status.Error{Code: http.StatusNotImplemented, Err: errors.New("dependencies are not available because this server has no service map")}
	}
	q := r.URL.Query()
	if q.Get("endTs") == "" {
		return nil, nil, status.BadRequest("parameter endTs is missing, expected Unix milliseconds")
	}
	from, to, err := a.window(q)
	if err != nil {
		return nil, nil, err
	}
	edges, err := a.Dependencies.Dependencies(r.Context(), tenant.From(r.Context()), from, to)
	if err != nil {
		return nil, nil, err
	}
	out := make([]dependency, 0, len(edges))
	for _, e := range edges {
		out = append(out, dependency{e.Parent, e.Child, e.Calls, e.Errors})
	}
	return out, nil, nil
}

func (a *API) autocompleteKeys(*http.Request) (any, []string, error) {
	return append([]string{}, a.Deps.Config.AutocompleteKeys...), nil, nil
}

func (a *API) autocompleteValues(r *http.Request) (any, []string, error) {
	key := r.URL.Query().Get("key")
	if key == "" {
		return nil, nil, status.BadRequest("parameter key is missing, expected the name of a tag")
	}
	values, err := a.Engine.TagValues(r.Context(), traceql.TagsRequest{Tenant: tenant.From(r.Context())}, syntax.Attribute{Name: key})
	if err != nil {
		return nil, nil, err
	}
	out := []string{}
	for _, v := range values.Values {
		out = append(out, v.Text())
	}
	return out, values.Warnings, nil
}

// maxMillis keeps nanoseconds within 64 bits.
const maxMillis = 9_000_000_000_000

func number(q url.Values, name, unit string, missing int64) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		return 0, status.BadRequest("invalid %s: %q, expected a number of %s", name, s, unit)
	}
	return n, nil
}

// window reads endTs and lookback and returns nanoseconds.
func (a *API) window(q url.Values) (from, to int64, err error) {
	end, err := number(q, "endTs", "Unix milliseconds", a.Now().UnixMilli())
	if err != nil {
		return 0, 0, err
	}
	back, err := number(q, "lookback", "milliseconds", time.Duration(a.Deps.Config.Lookback).Milliseconds())
	if err != nil {
		return 0, 0, err
	}
	return max(end-back, 0) * int64(time.Millisecond), end * int64(time.Millisecond), nil
}
