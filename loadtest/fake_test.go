package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// fakeServer answers as the contract says out of what it was sent, in the most
// simple way there is. It knows nothing of workloads, so that a verdict over
// it is one over what was sent; lies makes it lose, double or change things.
type fakeServer struct {
	t    *testing.T
	lies lies
	prom *fakePrometheus

	mu    sync.Mutex
	logs  []fakeLog
	spans []fakeSpan
	posts int
}

// lies are applied to what comes in, by its place in the order of arrival.
type lies struct {
	logs  func(n int, l fakeLog) []fakeLog
	spans func(n int, s fakeSpan) []fakeSpan
	// busy requests are answered with 503 first.
	busy func(n int) bool
}

// toldTrace is how a proxy's line names the trace that it belongs to.
var toldTrace = regexp.MustCompile(`trace_id=([0-9a-f]{32})`)

type fakeLog struct {
	service, run, seq, trace, text string
	time                           int64
	ids                            []string
}

type fakeSpan struct {
	ptrace.Span
	service  string
	resource pcommon.Resource
	ids      []string
}

// joining are the attributes whose values lead from record to record.
var joining = map[string]bool{"request.id": true}

func startFake(t *testing.T, l lies) *httptest.Server {
	t.Helper()
	f := &fakeServer{t: t, lies: l, prom: newFakePrometheus(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", f.post(f.takeLogs))
	mux.HandleFunc("POST /v1/traces", f.post(f.takeTraces))
	mux.Handle("POST /v1/metrics", f.prom.otlp)
	mux.HandleFunc("GET /loki/api/v1/query", f.lokiCount)
	mux.HandleFunc("GET /loki/api/v1/query_range", f.lokiLines)
	mux.HandleFunc("GET /tempo/api/v2/traces/{id}", f.trace)
	mux.HandleFunc("GET /tempo/api/search", f.traceSearch)
	mux.HandleFunc("GET /api/v1/correlate/{id}", f.correlate)
	mux.HandleFunc("GET /api/v1/servicemap", f.serviceMap)
	mux.HandleFunc("GET /jaeger/api/services", f.jaegerServices)
	mux.HandleFunc("GET /jaeger/api/dependencies", f.jaegerDependencies)
	mux.HandleFunc("GET /prometheus/api/v1/query", f.prom.query)
	mux.HandleFunc("GET /prometheus/api/v1/query_exemplars", f.prom.exemplars)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func (f *fakeServer) post(take func([]byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.posts++
		if f.lies.busy != nil && f.lies.busy(f.posts) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			f.t.Error(err)
			return
		}
		body, err := io.ReadAll(zr)
		if err != nil {
			f.t.Error(err)
			return
		}
		take(body)
	}
}

func (f *fakeServer) takeLogs(body []byte) {
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
	if err != nil {
		f.t.Error(err)
		return
	}
	for _, rl := range ld.ResourceLogs().All() {
		for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
			l := fakeLog{
				service: text(rl.Resource().Attributes(), "service.name"), run: text(rl.Resource().Attributes(), "loadtest.run"),
				seq: text(r.Attributes(), "loadtest.seq"), trace: r.TraceID().String(), text: r.Body().Str(), time: int64(r.Timestamp()),
				ids: []string{r.TraceID().String(), text(r.Attributes(), "request.id"), text(r.Attributes(), "order.id")},
			}
			if told := toldTrace.FindStringSubmatch(l.text); l.trace == "" && told != nil {
				l.trace = told[1]
			}
			kept := []fakeLog{l}
			if f.lies.logs != nil {
				kept = f.lies.logs(len(f.logs), l)
			}
			f.logs = append(f.logs, kept...)
		}
	}
}

func (f *fakeServer) takeTraces(body []byte) {
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil {
		f.t.Error(err)
		return
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, sp := range rs.ScopeSpans().At(0).Spans().All() {
			s := fakeSpan{Span: sp, service: text(rs.Resource().Attributes(), "service.name"), resource: rs.Resource()}
			s.ids = []string{sp.TraceID().String(), sp.SpanID().String()}
			for _, l := range sp.Links().All() {
				s.ids = append(s.ids, l.TraceID().String())
			}
			for _, key := range []string{"request.id", "order.id", "session.id"} {
				s.ids = append(s.ids, text(sp.Attributes(), key))
			}
			kept := []fakeSpan{s}
			if f.lies.spans != nil {
				kept = f.lies.spans(len(f.spans), s)
			}
			f.spans = append(f.spans, kept...)
		}
	}
}

func text(m pcommon.Map, key string) string {
	v, ok := m.Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

var (
	byService = regexp.MustCompile(`\{service_name="([^"]+)"\} \| loadtest_run="([^"]+)"`)
	byText    = regexp.MustCompile(`\|= "([^"]+)"`)
)

// selectLogs understands the queries that the verifier writes.
func (f *fakeServer) selectLogs(query string) []fakeLog {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []fakeLog
	service, literal := byService.FindStringSubmatch(query), byText.FindStringSubmatch(query)
	for _, l := range f.logs {
		if service != nil && l.service == service[1] && l.run == service[2] || literal != nil && strings.Contains(l.text, literal[1]) {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b fakeLog) int { return int(a.time - b.time) })
	return out
}

func (f *fakeServer) lokiCount(w http.ResponseWriter, r *http.Request) {
	n := len(f.selectLogs(r.FormValue("query")))
	answer(w, vectorAnswer([]map[string]any{{"metric": map[string]string{}, "value": []any{1, strconv.Itoa(n)}}}))
}

func vectorAnswer(result any) map[string]any {
	return map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}}
}

func (f *fakeServer) lokiLines(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	to, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	streams := []map[string]any{}
	for _, l := range f.selectLogs(r.FormValue("query")) {
		if l.time >= from && l.time < to && len(streams) < limit {
			streams = append(streams, map[string]any{
				"stream": map[string]string{"service_name": l.service, "loadtest_seq": l.seq, "trace_id": l.trace},
				"values": [][]string{{strconv.FormatInt(l.time, 10), l.text}},
			})
		}
	}
	answer(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "streams", "result": streams}})
}

func (f *fakeServer) selectSpans(keep func(*fakeSpan) bool) []fakeSpan {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []fakeSpan
	for i := range f.spans {
		if keep(&f.spans[i]) {
			out = append(out, f.spans[i])
		}
	}
	return out
}

func (f *fakeServer) trace(w http.ResponseWriter, r *http.Request) {
	spans := f.selectSpans(func(s *fakeSpan) bool { return s.TraceID().String() == r.PathValue("id") })
	if len(spans) == 0 {
		http.NotFound(w, r)
		return
	}
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		s.resource.CopyTo(rs.Resource())
		s.CopyTo(rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty())
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		f.t.Error(err)
	}
	_, _ = w.Write(append(appendVarint([]byte{1<<3 | 2}, len(body)), body...))
}

func appendVarint(b []byte, n int) []byte {
	for ; n > 127; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

var byRequest = regexp.MustCompile(`span\.request\.id = "([^"]+)"`)

func (f *fakeServer) traceSearch(w http.ResponseWriter, r *http.Request) {
	m := byRequest.FindStringSubmatch(r.FormValue("q"))
	if m == nil {
		http.Error(w, fmt.Sprintf("no query in %q", r.FormValue("q")), http.StatusBadRequest)
		return
	}
	traces := []map[string]string{}
	for _, s := range f.selectSpans(func(s *fakeSpan) bool { return text(s.Attributes(), "request.id") == m[1] }) {
		traces = append(traces, map[string]string{"traceID": strings.TrimLeft(s.TraceID().String(), "0")})
	}
	answer(w, map[string]any{"traces": traces})
}
