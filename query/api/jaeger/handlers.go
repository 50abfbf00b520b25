package jaeger

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/telemetry"
)

func (a *API) services(r *http.Request) (any, int, []string, error) {
	names, warnings, err := a.Engine.Services(r.Context(), tenant.From(r.Context()))
	return names, len(names), warnings, err
}

func (a *API) serviceOperations(r *http.Request) (any, int, []string, error) {
	ops, warnings, err := a.Engine.Operations(r.Context(), tenant.From(r.Context()), r.PathValue("service"))
	names := []string{}
	for _, op := range ops {
		if len(names) == 0 || names[len(names)-1] != op.Name {
			names = append(names, op.Name)
		}
	}
	return names, len(names), warnings, err
}

type operation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

func (a *API) operations(r *http.Request) (any, int, []string, error) {
	q := r.URL.Query()
	service := q.Get("service")
	if service == "" {
		return nil, 0, nil, status.BadRequest("parameter service is missing, expected the name of a service")
	}
	ops, warnings, err := a.Engine.Operations(r.Context(), tenant.From(r.Context()), service)
	out := []operation{}
	for _, op := range ops {
		kind := kindTag(op.Kind)
		if want := q.Get("spanKind"); want == "" || want == kind {
			out = append(out, operation{op.Name, kind})
		}
	}
	return out, len(out), warnings, err
}

func (a *API) trace(r *http.Request) (any, int, []string, error) {
	raw := r.PathValue("id")
	id, ok := telemetry.ParseTraceID(raw)
	if !ok {
		return nil, 0, nil, status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", raw)
	}
	t, _, warnings, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
	if err != nil {
		return nil, 0, nil, err
	}
	if t == nil {
		return nil, 0, nil, status.NotFound("trace not found", warnings)
	}
	return []trace{newTrace(t)}, 1, warnings, nil
}

func (a *API) search(r *http.Request) (any, int, []string, error) {
	q := r.URL.Query()
	if ids := q["traceID"]; len(ids) > 0 {
		return a.byIDs(r, ids)
	}
	req, err := a.searchRequest(q)
	if err != nil {
		return nil, 0, nil, err
	}
	req.Tenant = tenant.From(r.Context())
	res, err := a.Engine.Search(r.Context(), *req)
	if err != nil {
		return nil, 0, nil, err
	}
	out := make([]trace, 0, len(res.Traces))
	for i := range res.Traces {
		out = append(out, newTrace(res.Traces[i].Trace))
	}
	return out, len(out), res.Warnings, nil
}

// byIDs finds traces by their IDs; those not stored are said to be missing.
func (a *API) byIDs(r *http.Request, ids []string) (any, int, []string, error) {
	out := []trace{}
	var warnings []string
	for _, raw := range ids {
		id, ok := telemetry.ParseTraceID(raw)
		if !ok {
			return nil, 0, nil, status.BadRequest("invalid traceID: %q, expected 1 to 32 hexadecimal digits", raw)
		}
		t, _, warned, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
		if err != nil {
			return nil, 0, nil, err
		}
		warnings = append(warnings, warned...)
		if t == nil {
			warnings = append(warnings, fmt.Sprintf("trace %s not found", id))
			continue
		}
		out = append(out, newTrace(t))
	}
	return out, len(out), warnings, nil
}

type dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount int64  `json:"callCount"`
}

var errNoMap = errors.New("dependencies are not available because this server has no service map")

// defaultLookback is Jaeger's own for dependencies.
const defaultLookback = 24 * time.Hour

func (a *API) dependencies(r *http.Request) (any, int, []string, error) {
	if a.Dependencies == nil {
		return nil, 0, nil, &status.Error{Code: http.StatusNotImplemented, Err: errNoMap}
	}
	q := r.URL.Query()
	to, err := millis(q, "endTs", a.Now().UnixMilli())
	if err != nil {
		return nil, 0, nil, err
	}
	lookback, err := millis(q, "lookback", defaultLookback.Milliseconds())
	if err != nil {
		return nil, 0, nil, err
	}
	edges, err := a.Dependencies.Dependencies(r.Context(), tenant.From(r.Context()),
		max(to-lookback, 0)*int64(time.Millisecond), to*int64(time.Millisecond))
	if err != nil {
		return nil, 0, nil, err
	}
	out := make([]dependency, 0, len(edges))
	for _, e := range edges {
		out = append(out, dependency{e.Parent, e.Child, e.Calls})
	}
	return out, len(out), nil, nil
}

// millis reads a number of milliseconds.
func millis(q url.Values, name string, missing int64) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		return 0, status.BadRequest("invalid %s: %q, expected a number of milliseconds", name, s)
	}
	return n, nil
}

// maxMillis keeps nanoseconds within 64 bits.
const maxMillis = 9_000_000_000_000

func newTrace(t *traceql.Trace) trace { return convert(t.ID, t.Spans) }
