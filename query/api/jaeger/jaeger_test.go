package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/traceqltest"
)

const data = `
trace 1
  span a1 service=front name="GET /cart" kind=server start=0ms duration=100ms span.http.method=GET span.http.status_code=500 span.ratio=0.5 span.ok=true resource.region=eu status=error message=bad scope=web
    event exception at=5ms exception.type=Timeout
    link trace=2 span=a2
  span b1 parent=a1 service=cart name=load kind=server start=10ms duration=20ms span.http.status_code=200 resource.region=us
trace 2
  span a2 service=front name="GET /pay" kind=server start=10s duration=1500us
  span b2 parent=a2 service=front name="call db" kind=client start=10s duration=1ms
trace 3
  span b3 parent=a3 name=lost start=20s duration=5ms
`

type fakeMap struct{ from, to int64 }

func (f *fakeMap) Dependencies(_ context.Context, _ string, from, to int64) ([]traceql.Dependency, error) {
	f.from, f.to = from, to
	if to == 13e6 {
		return nil, errors.New("map broken")
	}
	return []traceql.Dependency{{Parent: "front", Child: "cart", Calls: 7, Errors: 1}}, nil
}

func newServer(t testing.TB, deps traceql.Dependencies) *httptest.Server {
	t.Helper()
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}
	api := New(Deps{Config: DefaultConfig(), Engine: traceql.New(traceql.DefaultConfig(), store, nil, nil), Dependencies: deps})
	mux := http.NewServeMux()
	api.Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func get(t testing.TB, srv *httptest.Server, path string) (int, string) {
	t.Helper()
	res, err := srv.Client().Get(srv.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func data0(t testing.TB, body string, into any) {
	t.Helper()
	var env struct {
		Data                 json.RawMessage
		Total, Limit, Offset int
		Errors               []apiError
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&env); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if err := json.Unmarshal(env.Data, into); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

func TestLists(t *testing.T) {
	srv := newServer(t, nil)
	for path, want := range map[string]string{
		"/jaeger/api/services":                                    `"data":["cart","front","unknown_service"]`,
		"/jaeger/api/services/front/operations":                   `"data":["GET /cart","GET /pay","call db"]`,
		"/jaeger/api/services/nobody/operations":                  `"data":[]`,
		"/jaeger/api/services/a%2Fb/operations":                   `"data":[]`,
		"/jaeger/api/services/unknown_service/operations":         `"data":["lost"]`,
		"/jaeger/api/operations?service=front&spanKind=client":    `"data":[{"name":"call db","spanKind":"client"}]`,
		"/jaeger/api/v3/services":                                 `{"services":["cart","front","unknown_service"]}`,
		"/jaeger/api/v3/operations?service=cart&span_kind=server": `{"operations":[{"name":"load","spanKind":"server"}]}`,
	} {
		if code, body := get(t, srv, path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %s, want %s", path, code, body, want)
		}
	}
}

func TestTrace(t *testing.T) {
	srv := newServer(t, nil)
	_, body := get(t, srv, "/jaeger/api/traces/1?start=1&end=2")
	var got []trace
	data0(t, body, &got)
	if len(got) != 1 || got[0].TraceID != "00000000000000000000000000000001" || len(got[0].Spans) != 2 || len(got[0].Processes) != 2 {
		t.Fatalf("got %s", body)
	}
	a, b := got[0].Spans[0], got[0].Spans[1]
	if a.StartTime != 1700000000000000 || a.Duration != 100000 || a.OperationName != "GET /cart" || got[0].Processes[a.ProcessID].ServiceName != "front" {
		t.Errorf("got %+v", a)
	}
	if want := []reference{{"FOLLOWS_FROM", "00000000000000000000000000000002", "00000000000000a2"}}; !reflect.DeepEqual(a.References, want) {
		t.Errorf("got %+v", a.References)
	}
	if want := []reference{{"CHILD_OF", "00000000000000000000000000000001", "00000000000000a1"}}; !reflect.DeepEqual(b.References, want) {
		t.Errorf("got %+v", b.References)
	}
	tags := map[string]any{}
	for _, kv := range a.Tags {
		tags[kv.Key+":"+kv.Type] = kv.Value
	}
	want := map[string]any{
		"http.method:string": "GET", "http.status_code:int64": 500.0, "ratio:float64": 0.5, "ok:bool": true, "span.kind:string": "server",
		"otel.status_code:string": "ERROR", "otel.status_description:string": "bad", "error:bool": true, "otel.scope.name:string": "web",
	}
	if !reflect.DeepEqual(tags, want) {
		t.Errorf("got  %v\nwant %v", tags, want)
	}
	if len(a.Logs) != 1 || a.Logs[0].Timestamp != 1700000000005000 || a.Logs[0].Fields[0].Value != "exception" || a.Logs[0].Fields[1].Key != "exception.type" {
		t.Errorf("got %+v", a.Logs)
	}
	if p := got[0].Processes[a.ProcessID]; len(p.Tags) != 1 || p.Tags[0].Key != "region" {
		t.Errorf("got %+v", p)
	}
	if !strings.Contains(body, `"warnings":null`) || !strings.Contains(body, `"logs":[]`) {
		t.Errorf("lists must be there: %s", body)
	}
}

func TestSearch(t *testing.T) {
	srv := newServer(t, nil)
	for query, want := range map[string][]string{
		"service=front": {"2", "1"},
		"service=front&operation=" + url.QueryEscape("GET /cart"): {"1"},
		"service=cart":                         {"1"},
		"service=unknown_service":              {"3"},
		"service=nobody":                       nil,
		"service=front&limit=1":                {"2"},
		"":                                     {"3", "2", "1"},
		"minDuration=50ms":                     {"1"},
		"minDuration=1.5ms&maxDuration=1500us": {"2"},
		"maxDuration=1ms":                      {"2"},
		"start=1700000005000000&end=1700000015000000":                         {"2"},
		"tags=" + url.QueryEscape(`{"http.status_code":"500"}`):               {"1"},
		"tags=" + url.QueryEscape(`{"http.method":"GET","ok":"true"}`):        {"1"},
		"tags=" + url.QueryEscape(`{"http.status_code":"500","region":"us"}`): nil, // on two spans
		"tags=" + url.QueryEscape(`{"error":"true"}`):                         {"1"},
		"tags=" + url.QueryEscape(`{"error":"false"}`):                        {"3", "2", "1"},
		"tags=" + url.QueryEscape(`{"span.kind":"client"}`):                   {"2"},
		"tags=" + url.QueryEscape(`{"otel.status_code":"ERROR"}`):             {"1"},
		"tags=" + url.QueryEscape(`{"exception.type":"Timeout"}`):             {"1"},
		"tags=" + url.QueryEscape(`{"event":"exception"}`):                    {"1"},
		"tags=" + url.QueryEscape(`{"ratio":"0.5"}`):                          {"1"},
		"tag=region:us&tag=http.status_code:200":                              {"1"},
		"traceID=1&traceID=2&traceID=77":                                      {"1", "2"},
	} {
		code, body := get(t, srv, "/jaeger/api/traces?"+query)
		if code != 200 {
			t.Errorf("%s: %d %s", query, code, body)
			continue
		}
		var got []trace
		data0(t, body, &got)
		var ids []string
		for _, tr := range got {
			ids = append(ids, strings.TrimLeft(tr.TraceID, "0"))
			if len(tr.Spans) == 0 {
				t.Errorf("%s: a trace without spans, which Grafana cannot bear", query)
			}
		}
		if !reflect.DeepEqual(ids, want) {
			t.Errorf("%s: got %v, want %v", query, ids, want)
		}
	}
}

func TestDependencies(t *testing.T) {
	m := &fakeMap{}
	srv := newServer(t, m)
	code, body := get(t, srv, "/jaeger/api/dependencies?endTs=1700000000000&lookback=3600000")
	if code != 200 || !strings.Contains(body, `"data":[{"parent":"front","child":"cart","callCount":7}]`) {
		t.Errorf("%d %s", code, body)
	}
	if m.to != 1700000000000e6 || m.from != 1699996400000e6 {
		t.Errorf("asked for %d..%d", m.from, m.to)
	}
	if code, body := get(t, srv, "/jaeger/api/dependencies?endTs=13"); code != 500 || !strings.Contains(body, "map broken") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get(t, newServer(t, nil), "/jaeger/api/dependencies?endTs=1"); code != 501 {
		t.Errorf("without a map: %d", code)
	}
}

func TestErrors(t *testing.T) {
	srv := newServer(t, &fakeMap{})
	for path, want := range map[string]int{
		"/jaeger/api/traces/xyz": 400, "/jaeger/api/traces/77": 404, "/jaeger/api/operations": 400,
		"/jaeger/api/traces?start=x": 400, "/jaeger/api/traces?start=2&end=1": 400, "/jaeger/api/traces?limit=x": 400,
		"/jaeger/api/traces?minDuration=5": 400, "/jaeger/api/traces?tags=x": 400, "/jaeger/api/traces?tag=x": 400,
		"/jaeger/api/traces?traceID=x": 400, "/jaeger/api/dependencies?endTs=x": 400, "/jaeger/api/dependencies?lookback=-1": 400,
		"/jaeger/api/nope": 404, "/jaeger/": 404,
	} {
		code, body := get(t, srv, path)
		var env struct{ Errors []apiError }
		if err := json.Unmarshal([]byte(body), &env); err != nil || code != want || len(env.Errors) != 1 || env.Errors[0].Code != want || env.Errors[0].Msg == "" {
			t.Errorf("%s: got %d %s, want %d", path, code, body, want)
		}
	}
	for path, want := range map[string]int{"/jaeger/api/v3/traces/xyz": 400, "/jaeger/api/v3/traces/77": 404, "/jaeger/api/v3/traces?query.start_time_min=x": 400} {
		if code, body := get(t, srv, path); code != want || !strings.Contains(body, `"httpCode"`) {
			t.Errorf("%s: got %d %s", path, code, body)
		}
	}
}

func TestV3(t *testing.T) {
	srv := newServer(t, nil)
	for path, want := range map[string]int{
		"/jaeger/api/v3/traces/1": 2,
		"/jaeger/api/v3/traces?query.service_name=front&query.start_time_min=2023-11-14T22:13:00Z&query.start_time_max=2023-11-14T22:14:00Z": 4,
		"/jaeger/api/v3/traces?query.service_name=nobody": 0,
	} {
		_, body := get(t, srv, path)
		var got struct{ Result json.RawMessage }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(got.Result)
		if err != nil || td.SpanCount() != want {
			t.Errorf("%s: %d spans, %v, want %d", path, td.SpanCount(), err, want)
		}
	}
}
