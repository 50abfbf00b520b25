package jaeger

import (
	"bytes"
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
	for pattern, h := range map[string]func(*http.Request) (any, []string, error){
		"GET /jaeger/api/v3/services":        a.servicesV3,
		"GET /jaeger/api/v3/operations":      a.operationsV3,
		"GET /jaeger/api/v3/dependencies":    a.dependenciesV3,
		"GET /jaeger/api/v3/traces":          a.searchV3,
		"GET /jaeger/api/v3/traces/{id}":     a.traceV3,
		"GET /jaeger/api/v3/trace-summaries": a.summariesV3,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, warnings, err := h(r)
			if err == nil {
				for _, text := range warnings {
					w.Header().Add(status.WarningHeader, text) // the answers have no place for it
				}
				write(w, http.StatusOK, out)
				return
			}
			code := status.Report(a.Log, "jaeger", r.URL.Path, err)
			write(w, code, map[string]any{"error": map[string]any{"httpCode": code, "message": err.Error()}})
		})
	}
}

func (a *API) servicesV3(r *http.Request) (any, []string, error) {
	names, warnings, err := a.Engine.Services(r.Context(), tenant.From(r.Context()))
	return map[string]any{"services": names}, warnings, err
}

func (a *API) operationsV3(r *http.Request) (any, []string, error) {
	q := r.URL.Query()
	if kind := q.Get("span_kind"); kind != "" {
		q.Set("spanKind", kind)
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
	}
	ops, _, warnings, err := a.operations(r)
	return map[string]any{"operations": ops}, warnings, err
}

// dependenciesV3 takes the range as start_time and end_time; numbers of 64
// bits are strings in protobuf's JSON.
func (a *API) dependenciesV3(r *http.Request) (any, []string, error) {
	if a.Dependencies == nil {
		return nil, nil, &status.Error{Code: http.StatusNotImplemented, Err: errNoMap}
	}
	to := a.Now()
	from := to.Add(-defaultLookback)
	for name, t := range map[string]*time.Time{"start_time": &from, "end_time": &to, "startTime": &from, "endTime": &to} {
		s := r.URL.Query().Get(name)
		if s == "" {
			continue
		}
		var err error
		if *t, err = time.Parse(time.RFC3339Nano, s); err != nil || t.Unix() < 0 {
			return nil, nil, status.BadRequest("invalid %s: %q, expected RFC 3339", name, s)
		}
	}
	edges, err := a.Dependencies.Dependencies(r.Context(), tenant.From(r.Context()), from.UnixNano(), to.UnixNano())
	if err != nil {
		return nil, nil, err
	}
	out := []map[string]string{}
	for _, e := range edges {
		out = append(out, map[string]string{"parent": e.Parent, "child": e.Child, "callCount": strconv.FormatInt(e.Calls, 10)})
	}
	return map[string]any{"dependencies": out}, nil, nil
}

func (a *API) traceV3(r *http.Request) (any, []string, error) {
	id, ok := telemetry.ParseTraceID(r.PathValue("id"))
	if !ok {
		return nil, nil, status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", r.PathValue("id"))
	}
	t, _, warnings, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, status.NotFound("trace not found", warnings)
	}
	out, err := otlpResult([]*traceql.Trace{t})
	return out, warnings, err
}

func (a *API) searchV3(r *http.Request) (any, []string, error) {
	q, err := v1Parameters(r.URL.Query())
	if err != nil {
		return nil, nil, err
	}
	req, err := a.searchRequest(q)
	if err != nil {
		return nil, nil, err
	}
	req.Tenant = tenant.From(r.Context())
	res, err := a.Engine.Search(r.Context(), *req)
	if err != nil {
		return nil, nil, err
	}
	var traces []*traceql.Trace
	for i := range res.Traces {
		traces = append(traces, res.Traces[i].Trace)
	}
	out, err := otlpResult(traces)
	return out, res.Warnings, err
}

// v1Parameters gives the parameters of a version 3 search their names and
// units of version 1. Jaeger has two spellings of them.
func v1Parameters(q url.Values) (url.Values, error) {
	out := url.Values{}
	for v3, v1 := range map[string]string{
		"query.service_name": "service", "query.operation_name": "operation", "query.attributes": "tags",
		"query.duration_min": "minDuration", "query.duration_max": "maxDuration",
		"query.search_depth": "limit", "query.num_traces": "limit",
		"query.serviceName": "service", "query.operationName": "operation",
		"query.durationMin": "minDuration", "query.durationMax": "maxDuration", "query.searchDepth": "limit",
	} {
		if s := q.Get(v3); s != "" {
			out.Set(v1, s)
		}
	}
	for v3, v1 := range map[string]string{
		"query.start_time_min": "start", "query.start_time_max": "end", "query.startTimeMin": "start", "query.startTimeMax": "end",
	} {
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
