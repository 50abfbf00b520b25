package jaeger

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// registerV3 mounts version 3 of the API, which answers OTLP's JSON.
func (a *API) registerV3(mux *http.ServeMux) {
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /jaeger/api/v3/services":     a.servicesV3,
		"GET /jaeger/api/v3/operations":   a.operationsV3,
		"GET /jaeger/api/v3/dependencies": a.dependenciesV3,
		"GET /jaeger/api/v3/traces":       a.searchV3,
		"GET /jaeger/api/v3/traces/{id}":  a.traceV3,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := h(r)
			if err == nil {
				write(w, http.StatusOK, out)
				return
			}
			code := status.Report(a.Log, "jaeger", r.URL.Path, err)
			write(w, code, map[string]any{"error": map[string]any{"httpCode": code, "message": err.Error()}})
		})
	}
}

func (a *API) servicesV3(r *http.Request) (any, error) {
	names, err := a.Engine.Services(r.Context(), tenant.From(r.Context()))
	return map[string]any{"services": names}, err
}

func (a *API) operationsV3(r *http.Request) (any, error) {
	q := r.URL.Query()
	if kind := q.Get("span_kind"); kind != "" {
		q.Set("spanKind", kind)
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
	}
	ops, _, _, err := a.operations(r)
	return map[string]any{"operations": ops}, err
}

// dependenciesV3 takes the range as start_time and end_time; numbers of 64
// bits are strings in protobuf's JSON.
func (a *API) dependenciesV3(r *http.Request) (any, error) {
	if a.Dependencies == nil {
		return nil, &status.Error{Code: http.StatusNotImplemented, Err: errNoMap}
	}
	to := a.Now()
	from := to.Add(-defaultLookback)
	for name, t := range map[string]*time.Time{"start_time": &from, "end_time": &to} {
		s := r.URL.Query().Get(name)
		if s == "" {
			continue
		}
		var err error
		if *t, err = time.Parse(time.RFC3339Nano, s); err != nil || t.Unix() < 0 {
			return nil, status.BadRequest("invalid %s: %q, expected RFC 3339", name, s)
		}
	}
	edges, err := a.Dependencies.Dependencies(r.Context(), tenant.From(r.Context()), from.UnixNano(), to.UnixNano())
	if err != nil {
		return nil, err
	}
	out := []map[string]string{}
	for _, e := range edges {
		out = append(out, map[string]string{"parent": e.Parent, "child": e.Child, "callCount": strconv.FormatInt(e.Calls, 10)})
	}
	return map[string]any{"dependencies": out}, nil
}

func (a *API) traceV3(r *http.Request) (any, error) {
	id, ok := telemetry.ParseTraceID(r.PathValue("id"))
	if !ok {
		return nil, status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", r.PathValue("id"))
	}
	t, _, _, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, &status.Error{Code: http.StatusNotFound, Err: errors.New("trace not found")}
	}
	return otlpResult([]*traceql.Trace{t})
}

func (a *API) searchV3(r *http.Request) (any, error) {
	q, err := v1Parameters(r.URL.Query())
	if err != nil {
		return nil, err
	}
	req, err := a.searchRequest(q)
	if err != nil {
		return nil, err
	}
	req.Tenant = tenant.From(r.Context())
	res, err := a.Engine.Search(r.Context(), *req)
	if err != nil {
		return nil, err
	}
	var traces []*traceql.Trace
	for i := range res.Traces {
		traces = append(traces, res.Traces[i].Trace)
	}
	return otlpResult(traces)
}

// v1Parameters gives the parameters of a version 3 search their names and
// units of version 1.
func v1Parameters(q url.Values) (url.Values, error) {
	out := url.Values{}
	for v3, v1 := range map[string]string{
		"query.service_name": "service", "query.operation_name": "operation", "query.attributes": "tags",
		"query.duration_min": "minDuration", "query.duration_max": "maxDuration",
		"query.search_depth": "limit", "query.num_traces": "limit",
	} {
		if s := q.Get(v3); s != "" {
			out.Set(v1, s)
		}
	}
	for v3, v1 := range map[string]string{"query.start_time_min": "start", "query.start_time_max": "end"} {
		s := q.Get(v3)
		if s == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Unix() < 0 {
			return nil, status.BadRequest("invalid %s: %q, expected RFC 3339", v3, s)
		}
		out.Set(v1, strconv.FormatInt(t.UnixMicro(), 10))
	}
	return out, nil
}

// otlpResult renders traces as OTLP's JSON, by way of OpenTelemetry's own
// encoder.
func otlpResult(traces []*traceql.Trace) (any, error) {
	var spans []telemetry.Span
	for _, t := range traces {
		for _, s := range t.Spans {
			spans = append(spans, *s)
		}
	}
	data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(otlp.AppendSpans(nil, spans))
	if err != nil {
		return nil, fmt.Errorf("encode the traces: %w", err)
	}
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(data)
	if err != nil {
		return nil, fmt.Errorf("encode the traces: %w", err)
	}
	if bytes.Equal(body, []byte("{}")) {
		body = []byte(`{"resourceSpans":[]}`)
	}
	return map[string]any{"result": rawJSON(body)}, nil
}

// rawJSON is JSON that is ready.
type rawJSON []byte

// MarshalJSON returns it as it is.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }
