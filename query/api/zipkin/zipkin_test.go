package zipkin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/telemetry"
)

const data = `
trace 1
  span a1 service=front name="get /cart" kind=server start=0ms duration=100ms span.http.method=GET span.http.status_code=500 resource.region=eu status=error message=bad scope=web
    event retry at=5ms
    event exception at=6ms exception.type=Timeout
  span b1 parent=a1 service=front name="call cart" kind=client start=5ms duration=30ms span.peer.service=cart
  span c1 parent=b1 service=cart name=load kind=server start=10ms duration=0ms
trace 2
  span a2 service=front name=pay kind=internal start=10s duration=1500us status=ok
`

type fakeMap struct{ from, to int64 }

func (f *fakeMap) Dependencies(_ context.Context, _ string, from, to int64) ([]traceql.Dependency, error) {
	f.from, f.to = from, to
	return []traceql.Dependency{{Parent: "front", Child: "cart", Calls: 7, Errors: 1}}, nil
}

func newServer(t testing.TB, deps traceql.Dependencies) *httptest.Server {
	t.Helper()
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}
	api := New(Deps{Engine: traceql.New(traceql.DefaultConfig(), store, nil, nil), Dependencies: deps,
		Now: func() time.Time { return traceqltest.Base.Add(time.Minute) }})
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

func TestAnswers(t *testing.T) {
	srv := newServer(t, &fakeMap{})
	for path, want := range map[string]string{
		"services":                         `["cart","front"]`,
		"spans?serviceName=front":          `["call cart","get /cart","pay"]`,
		"spans?serviceName=nobody":         `[]`,
		"remoteServices?serviceName=front": `["cart"]`,
		"autocompleteKeys":                 `["deployment.environment.name"]`,
		"autocompleteValues?key=region":    `["eu"]`,
		"traceMany?traceIds=77":            `[]`,
		"dependencies?endTs=1700000000000": `[{"parent":"front","child":"cart","callCount":7,"errorCount":1}]`,
		"traces?serviceName=nobody":        `[]`,
	} {
		if code, body := get(t, srv, "/zipkin/api/v2/"+path); code != 200 || body != want {
			t.Errorf("%s: got %d %s, want %s", path, code, body, want)
		}
	}
}

func TestTrace(t *testing.T) {
	srv := newServer(t, nil)
	_, body := get(t, srv, "/zipkin/api/v2/trace/1")
	var got []span
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got) != 3 {
		t.Fatalf("%v in %s", err, body)
	}
	want := span{
		TraceID: "00000000000000000000000000000001", ID: "00000000000000a1", Kind: "SERVER", Name: "get /cart",
		Timestamp: 1700000000000000, Duration: 100000, LocalEndpoint: &endpoint{ServiceName: "front"},
		Annotations: []annotated{{1700000000005000, "retry"}, {1700000000006000, `{"exception":{"exception.type":"Timeout"}}`}},
		Tags: map[string]string{"http.method": "GET", "http.status_code": "500", "region": "eu", "error": "bad",
			"otel.status_code": "ERROR", "otel.scope.name": "web"},
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
	if got[1].ParentID != "00000000000000a1" || got[1].RemoteEndpoint == nil || got[1].RemoteEndpoint.ServiceName != "cart" {
		t.Errorf("got %+v", got[1])
	}
	if got[2].Duration != 1 {
		t.Errorf("a span of no length lasts %d us", got[2].Duration)
	}
	_, many := get(t, srv, "/zipkin/api/v2/traceMany?traceIds=1,%202,77")
	var lists [][]span
	if err := json.Unmarshal([]byte(many), &lists); err != nil || len(lists) != 2 {
		t.Errorf("%v in %s", err, many)
	}
}

func TestSearch(t *testing.T) {
	srv := newServer(t, nil)
	for query, want := range map[string][]string{
		"":                                     {"2", "1"},
		"serviceName=cart":                     {"1"},
		"serviceName=front&spanName=pay":       {"2"},
		"serviceName=all&spanName=all&limit=1": {"2"},
		"remoteServiceName=cart":               {"1"},
		"minDuration=50000":                    {"1"},
		"maxDuration=2000&minDuration=1000":    {"2"},
		"endTs=1700000005000&lookback=6000":    {"1"},
		"endTs=1700000020000&lookback=10000":   {"2"},
		"annotationQuery=error":                {"1"},
		"annotationQuery=retry":                {"1"},
		"annotationQuery=" + url.QueryEscape("http.method=GET and http.status_code=500"): {"1"},
		"annotationQuery=" + url.QueryEscape("http.method=PUT"):                          nil,
		"annotationQuery=http.method":                                                    {"1"},
	} {
		code, body := get(t, srv, "/zipkin/api/v2/traces?"+query)
		var got [][]span
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Errorf("%s: %d %s", query, code, body)
			continue
		}
		var ids []string
		for _, tr := range got {
			ids = append(ids, strings.TrimLeft(tr[0].TraceID, "0"))
		}
		if !reflect.DeepEqual(ids, want) {
			t.Errorf("%s: got %v, want %v", query, ids, want)
		}
	}
}

func TestErrors(t *testing.T) {
	srv := newServer(t, &fakeMap{})
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"spans": {400, "serviceName"}, "remoteServices": {400, "serviceName"}, "trace/x": {400, "hexadecimal"}, "trace/77": {404, "not found"},
		"traceMany": {400, "traceIds"}, "traceMany?traceIds=x": {400, "hexadecimal"}, "dependencies": {400, "endTs"},
		"dependencies?endTs=x": {400, "milliseconds"}, "traces?limit=x": {400, "limit"}, "traces?limit=0": {400, "limit"},
		"traces?lookback=-1": {400, "lookback"}, "traces?minDuration=1s": {400, "microseconds"}, "autocompleteValues": {400, "key"}, "nope": {404, "there is nothing at"},
	} {
		if code, body := get(t, srv, "/zipkin/api/v2/"+path); code != want.code || !strings.Contains(body, want.text) {
			t.Errorf("%s: got %d %s, want %d %s", path, code, body, want.code, want.text)
		}
	}
	if code, _ := get(t, newServer(t, nil), "/zipkin/api/v2/dependencies?endTs=1"); code != 501 {
		t.Errorf("without a map: %d", code)
	}
	m := &fakeMap{}
	if get(t, newServer(t, m), "/zipkin/api/v2/dependencies?endTs=5000&lookback=2000"); m.from != 3000e6 || m.to != 5000e6 {
		t.Errorf("asked for %d..%d", m.from, m.to)
	}
}

// TestEndpoints: both ends come out as they came in, and not as tags too.
func TestEndpoints(t *testing.T) {
	str := telemetry.String
	for name, c := range map[string]struct {
		kind          telemetry.SpanKind
		attrs         telemetry.Attrs
		local, remote *endpoint
		tags          map[string]string
	}{
		"addresses and ports": {telemetry.SpanKindServer,
			telemetry.Attrs{{Key: "network.local.address", Value: str("10.0.0.1")}, {Key: "network.local.port", Value: telemetry.Int(80)},
				{Key: "peer.service", Value: str("web")}, {Key: "network.peer.address", Value: str("2001:db8::1")}, {Key: "network.peer.port", Value: telemetry.Int(5000)},
				{Key: "k", Value: str("v")}},
			&endpoint{ServiceName: "front", IPv4: "10.0.0.1", Port: 80}, &endpoint{ServiceName: "web", IPv6: "2001:db8::1", Port: 5000}, map[string]string{"k": "v"}},
		"a database keeps its tag": {telemetry.SpanKindClient, telemetry.Attrs{{Key: "db.system", Value: str("redis")}},
			&endpoint{ServiceName: "front"}, &endpoint{ServiceName: "redis"}, map[string]string{"db.system": "redis"}},
		"a socket's name is no address": {telemetry.SpanKindClient, telemetry.Attrs{{Key: "network.peer.address", Value: str("/run/x.sock")}},
			&endpoint{ServiceName: "front"}, nil, map[string]string{"network.peer.address": "/run/x.sock"}},
		"nothing": {telemetry.SpanKindServer, nil, &endpoint{ServiceName: "front"}, nil, map[string]string{}},
	} {
		st := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "service.name", Value: str("front")}}}, telemetry.Scope{})
		got := newSpan(&telemetry.Span{Stream: st, Kind: c.kind, Attrs: c.attrs})
		if !reflect.DeepEqual(got.LocalEndpoint, c.local) || !reflect.DeepEqual(got.RemoteEndpoint, c.remote) || !reflect.DeepEqual(got.Tags, c.tags) {
			t.Errorf("%s: got %+v, %+v, %v", name, got.LocalEndpoint, got.RemoteEndpoint, got.Tags)
		}
	}
}
