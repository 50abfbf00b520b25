package tempo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/traceqltest"
)

const data = `
trace 1
  span a1 service=front name="GET /cart" kind=server start=0ms duration=100ms span.http.method=GET span.http.status_code=500 span.ratio=0.5 span.ok=true span.list=["x",1] resource.region=eu status=error message=bad scope=web version=1.2
    event exception at=5ms exception.type=Timeout
    link trace=2 span=a2 why=retry
  span b1 parent=a1 service=cart name=load kind=server start=10ms duration=20ms span.http.status_code=200
trace 2
  span a2 service=front name="GET /pay" kind=server start=10s duration=1500us
trace 3
  span b3 parent=a3 service=cart name=lost start=20s duration=5ms
`

func newServer(t testing.TB) *httptest.Server {
	t.Helper()
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}
	api := New(Deps{
		Config: DefaultConfig(), Version: "1.0.0", Engine: traceql.New(traceql.DefaultConfig(), store, nil, nil),
		Now: func() time.Time { return traceqltest.Base.Add(time.Minute) },
	})
	mux := http.NewServeMux()
	api.Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func get(t testing.TB, srv *httptest.Server, path string, accept string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

// strict decodes like Grafana: an unknown field is an error.
func strict(t testing.TB, body string, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

// The fields that Grafana's strict decoder knows of a search's answer.
type (
	wantKV struct {
		Key   string
		Value struct {
			StringValue, IntValue *string
			DoubleValue           *float64
			BoolValue             *bool
			ArrayValue            any
		}
	}
	wantSet struct {
		Spans []struct {
			SpanID, Name, StartTimeUnixNano, DurationNanos string
			Attributes                                     []wantKV
		}
		Matched    int
		Attributes []wantKV
	}
	wantSearch struct {
		Traces []struct {
			TraceID, RootServiceName, RootTraceName, StartTimeUnixNano string
			DurationMs                                                 int
			SpanSet                                                    *wantSet
			SpanSets                                                   []wantSet
			ServiceStats                                               map[string]struct{ SpanCount, ErrorCount int }
		}
		Metrics struct {
			InspectedTraces, TotalBlocks, CompletedJobs, TotalJobs int
			InspectedBytes, TotalBlockBytes, InspectedSpans        string
		}
	}
)

func q(s string) string { return url.QueryEscape(s) }

func TestSearch(t *testing.T) {
	srv := newServer(t)
	code, body, _ := get(t, srv, "/tempo/api/search?limit=20&spss=5&start=1699999990&end=1700000100&q="+q("{ status = error } | select(span.http.status_code, span.ratio, span.ok, span.list)"), "application/json")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	var got wantSearch
	strict(t, body, &got)
	if len(got.Traces) != 1 || got.Metrics.TotalJobs != got.Metrics.CompletedJobs {
		t.Fatalf("got %s", body)
	}
	tr := got.Traces[0]
	if tr.TraceID != "00000000000000000000000000000001" || tr.RootServiceName != "front" || tr.RootTraceName != "GET /cart" ||
		tr.StartTimeUnixNano != "1700000000000000000" || tr.DurationMs != 100 || len(tr.SpanSets) != 1 || tr.SpanSet == nil {
		t.Errorf("got %+v", tr)
	}
	if s := tr.ServiceStats["front"]; s.SpanCount != 1 || s.ErrorCount != 1 || tr.ServiceStats["cart"].SpanCount != 1 {
		t.Errorf("service stats %+v", tr.ServiceStats)
	}
	set := tr.SpanSets[0]
	if set.Matched != 1 || set.Spans[0].SpanID != "00000000000000a1" || set.Spans[0].DurationNanos != "100000000" || set.Spans[0].Name != "" {
		t.Errorf("got %+v", set)
	}
	values := map[string]bool{}
	for _, a := range set.Spans[0].Attributes {
		v := a.Value
		values[a.Key] = a.Key == "status" && *v.StringValue == "error" || a.Key == "http.status_code" && *v.IntValue == "500" ||
			a.Key == "ratio" && *v.DoubleValue == 0.5 || a.Key == "ok" && *v.BoolValue || a.Key == "list" && v.StringValue != nil
	}
	if want := map[string]bool{"status": true, "http.status_code": true, "ratio": true, "ok": true, "list": true}; !reflect.DeepEqual(values, want) {
		t.Errorf("attributes %v in %s", values, body)
	}
}

func TestSearchForms(t *testing.T) {
	srv := newServer(t)
	for path, want := range map[string][]string{
		"":                           {"3", "2", "1"},
		"?q=" + q("{}"):              {"3", "2", "1"},
		"?q=" + q("{}") + "&limit=1": {"3"},
		"?q=" + q("{}") + "&start=1700000000&end=1700000005": {"1"},
		"?tags=" + q("http.method=get"):                      {"1"},
		"?tags=" + q("http.status_code=200"):                 {"1"},
		"?tags=" + q(`service.name=CAR`):                     {"3", "1"},
		"?tags=" + q(`service.name="front" name="pay"`):      {"2"},
		"?tags=" + q("error=true"):                           {"1"},
		"?tags=" + q("root.service.name=front region=eu"):    {"1"},
		"?minDuration=50ms":                                  {"1"},
		"?maxDuration=2ms":                                   {"2"},
		"?minDuration=2ms&maxDuration=50ms":                  {"3"},
		"?service.name=cart":                                 {"3", "1"},
		"?q=" + q("{ name = `nothing` }"):                    nil,
	} {
		code, body, _ := get(t, srv, "/tempo/api/search"+path, "")
		var got wantSearch
		if code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
			continue
		}
		strict(t, body, &got)
		var ids []string
		for _, tr := range got.Traces {
			ids = append(ids, strings.TrimLeft(tr.TraceID, "0"))
		}
		if !reflect.DeepEqual(ids, want) {
			t.Errorf("%s: got %v, want %v", path, ids, want)
		}
	}
	_, body, _ := get(t, srv, "/tempo/api/search?q="+q("{ name = `lost` }"), "")
	if !strings.Contains(body, `\u003croot span not yet received\u003e`) || !strings.Contains(body, `"name":"lost"`) {
		t.Errorf("trace without root: %s", body)
	}
}

func TestErrors(t *testing.T) {
	srv := newServer(t)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/tempo/api/search?q=" + q("{ foo = 1 }"):                                 {400, "line 1, col 3"},
		"/tempo/api/search?q=" + q("{ } | rate()"):                                {400, "yields series"},
		"/tempo/api/search?q=" + q("{ } | by(kind) | ({ } | by(name)) > { }"):     {400, "coalesce"},
		"/tempo/api/search?limit=0":                                               {400, "limit"},
		"/tempo/api/search?limit=x":                                               {400, "invalid limit: \"x\""},
		"/tempo/api/search?start=x":                                               {400, "start"},
		"/tempo/api/search?start=5&end=5":                                         {400, "start must be before end"},
		"/tempo/api/search?q={}&tags=a%3Db":                                       {400, "can't specify tags and q"},
		"/tempo/api/search?tags=a%3D1%20a%3D2":                                    {400, "twice"},
		"/tempo/api/search?tags=" + q(`a="x`):                                     {400, "invalid tags"},
		"/tempo/api/search?minDuration=3":                                         {400, "minDuration"},
		"/tempo/api/search?minDuration=3s&maxDuration=2s":                         {400, "maxDuration"},
		"/tempo/api/traces/xyz":                                                   {400, "hexadecimal"},
		"/tempo/api/traces/0":                                                     {400, "hexadecimal"},
		"/tempo/api/traces/99":                                                    {404, "not found"},
		"/tempo/api/v2/traces/99":                                                 {404, "not found"},
		"/tempo/api/traces/1?start=x":                                             {400, "start"},
		"/tempo/api/v2/traces/1?q=" + q("{ a }"):                                  {400, "unknown identifier"},
		"/tempo/api/v2/traces/1?q=" + q("{ } | count() > 1"):                      {400, "one span filter"},
		"/tempo/api/v2/search/tags?scope=nope":                                    {400, "invalid scope"},
		"/tempo/api/v2/search/tag/foo/values":                                     {400, "valid tagName"},
		"/tempo/api/v2/search/tag/span.foo":                                       {404, "values"},
		"/tempo/api/metrics/query_range":                                          {400, "parameter q is missing"},
		"/tempo/api/metrics/query_range?q={}":                                     {400, "yields traces"},
		"/tempo/api/metrics/query_range?q=" + q("{}|rate()") + "&step=x":          {400, "invalid step"},
		"/tempo/api/metrics/query_range?q=" + q("{}|rate()") + "&start=x":         {400, "invalid start"},
		"/tempo/api/metrics/query_range?q=" + q("{}|rate()") + "&start=20&end=10": {400, "end must be after start"},
		"/tempo/api/metrics/query_range?q=" + q("{}|rate()") + "&since=x":         {400, "invalid since"},
		"/tempo/api/metrics/query_range?q=" + q("{}|rate()") + "&step=1ms":        {400, "max_points"},
		"/tempo/api/nope":                                                         {404, "there is nothing at"},
		"/tempo/":                                                                 {404, "there is nothing at"},
	} {
		code, body, _ := get(t, srv, path, "")
		if code != want.code || !strings.Contains(body, want.text) {
			t.Errorf("%s: got %d %q, want %d %q", path, code, body, want.code, want.text)
		}
	}
}

func TestTraceJSON(t *testing.T) {
	srv := newServer(t)
	for _, id := range []string{"1", "00000000000000000000000000000001"} {
		code, body, _ := get(t, srv, "/tempo/api/traces/"+id, "")
		if code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		var got struct {
			Batches []struct {
				Resource   struct{ Attributes []wantKV }
				ScopeSpans []struct {
					Scope struct{ Name, Version string }
					Spans []struct {
						TraceID           string `json:"traceId"`
						SpanID            string `json:"spanId"`
						ParentSpanID      string `json:"parentSpanId"`
						Name, Kind        string
						StartTimeUnixNano string
						EndTimeUnixNano   string
						Attributes        []wantKV
						Events            []struct {
							TimeUnixNano, Name string
							Attributes         []wantKV
						}
						Links []struct {
							TraceID    string `json:"traceId"`
							SpanID     string `json:"spanId"`
							Attributes []wantKV
						}
						Status *struct{ Code, Message string }
					}
				}
			}
		}
		strict(t, body, &got)
		if len(got.Batches) != 2 {
			t.Fatalf("got %s", body)
		}
		s := got.Batches[0].ScopeSpans[0].Spans[0]
		if s.TraceID != "AAAAAAAAAAAAAAAAAAAAAQ==" || s.SpanID != "AAAAAAAAAKE=" || s.ParentSpanID != "" || s.Kind != "SPAN_KIND_SERVER" ||
			s.StartTimeUnixNano != "1700000000000000000" || s.EndTimeUnixNano != "1700000000100000000" || s.Status.Code != "STATUS_CODE_ERROR" || s.Status.Message != "bad" {
			t.Errorf("got %+v", s)
		}
		if s.Events[0].Name != "exception" || s.Links[0].SpanID != "AAAAAAAAAKI=" || got.Batches[0].ScopeSpans[0].Scope.Version != "1.2" {
			t.Errorf("got %+v", s)
		}
		if b := got.Batches[1].ScopeSpans[0].Spans[0]; b.ParentSpanID != "AAAAAAAAAKE=" || b.Status == nil {
			t.Errorf("got %+v", b)
		}
	}
	_, body, _ := get(t, srv, "/tempo/api/v2/traces/1", "")
	if !strings.HasPrefix(body, `{"trace":{"resourceSpans":[{"resource":`) || !strings.Contains(body, `"metrics":{`) || strings.Contains(body, "PARTIAL") {
		t.Errorf("v2: %s", body)
	}
	_, body, _ = get(t, srv, "/tempo/api/v2/traces/1?q="+q("{ name = `load` }"), "")
	if strings.Contains(body, "GET /cart") || !strings.Contains(body, `"status":"PARTIAL"`) || !json.Valid([]byte(body)) {
		t.Errorf("v2 filtered: %s", body)
	}
}

// TestTraceProto reads the protobuf form with OpenTelemetry's own decoder and
// makes sure that no sub-message that Grafana looks into is missing.
func TestTraceProto(t *testing.T) {
	srv := newServer(t)
	_, v1, header := get(t, srv, "/tempo/api/traces/1", "application/protobuf")
	checkTrace(t, []byte(v1))
	if ct := header.Get("Content-Type"); ct != "application/protobuf" {
		t.Errorf("content type %s", ct)
	}
	_, v2, _ := get(t, srv, "/tempo/api/v2/traces/1", "application/protobuf")
	fields := map[protowire.Number][]byte{}
	for b := []byte(v2); len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ != protowire.BytesType {
			t.Fatalf("malformed answer %x", v2)
		}
		val, m := protowire.ConsumeBytes(b[n:])
		fields[num] = val
		b = b[n+m:]
	}
	checkTrace(t, fields[1])
	if _, ok := fields[2]; !ok {
		t.Error("metrics are missing")
	}
}

func checkTrace(t *testing.T, body []byte) {
	t.Helper()
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil || td.SpanCount() != 2 {
		t.Fatalf("%d spans, %v", td.SpanCount(), err)
	}
	rs := td.ResourceSpans().At(0)
	if name, _ := rs.Resource().Attributes().Get("service.name"); name.Str() != "front" {
		t.Errorf("service %q", name.Str())
	}
	s := rs.ScopeSpans().At(0).Spans().At(0)
	if s.Name() != "GET /cart" || s.TraceID() != (pcommon.TraceID{15: 1}) || s.Status().Code() != ptrace.StatusCodeError || s.Events().Len() != 1 {
		t.Errorf("got %s", s.Name())
	}
	for path, want := range map[string][]protowire.Number{"": {1}, "1": {1, 2}, "1.2": {1, 2}, "1.2.2": {15}} {
		requireFields(t, body, path, want)
	}
}

// requireFields makes sure that every message at a path of field numbers has
// the fields.
func requireFields(t *testing.T, body []byte, path string, want []protowire.Number) {
	t.Helper()
	has := map[protowire.Number]bool{}
	head, rest, _ := strings.Cut(path, ".")
	for b := body; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if n < 0 || size < 0 {
			t.Fatalf("malformed message %x", body)
		}
		has[num] = true
		if head != "" && string(rune('0'+num)) == head {
			val, _ := protowire.ConsumeBytes(b[n:])
			requireFields(t, val, rest, want)
		}
		b = b[n+size:]
	}
	if head != "" {
		return
	}
	for _, num := range want {
		if !has[num] {
			t.Errorf("field %d is missing in %x", num, body)
		}
	}
}

func TestTags(t *testing.T) {
	srv := newServer(t)
	_, body, _ := get(t, srv, "/tempo/api/v2/search/tags?limit=5000", "")
	var got struct {
		Scopes []struct {
			Name string
			Tags []string
		}
		Metrics map[string]any
	}
	strict(t, body, &got)
	tags := map[string]string{}
	for _, s := range got.Scopes {
		tags[s.Name] = strings.Join(s.Tags, " ")
	}
	for scope, want := range map[string]string{"resource": "region service.name", "span": "http.method http.status_code list ok ratio", "event": "exception.type", "link": "why"} {
		if tags[scope] != want {
			t.Errorf("%s: got %q, want %q", scope, tags[scope], want)
		}
	}
	if !strings.Contains(tags["intrinsic"], "trace:rootService") {
		t.Errorf("intrinsics %q", tags["intrinsic"])
	}
	for path, want := range map[string]string{
		"/tempo/api/v2/search/tags?scope=resource":                                             `{"scopes":[{"name":"resource","tags":["region","service.name"]}]`,
		"/tempo/api/v2/search/tags?scope=event&q=" + q("{ name = `load` }"):                    `{"scopes":[]`,
		"/tempo/api/search/tags?scope=resource":                                                `{"tagNames":["region","service.name"]`,
		"/tempo/api/search/tags":                                                               `{"tagNames":["exception.type","http.method","http.status_code","list","ok","ratio","region","service.name","why"]`,
		"/tempo/api/search/tag/service.name/values":                                            `{"tagValues":["cart","front"]`,
		"/tempo/api/search/tag/name/values":                                                    `{"tagValues":["GET /cart","GET /pay","load","lost"]`,
		"/tempo/api/search/tag/root.name/values":                                               `{"tagValues":["GET /cart","GET /pay"]`,
		"/tempo/api/v2/search/tag/resource.service.name/values":                                `{"tagValues":[{"type":"string","value":"cart"},{"type":"string","value":"front"}]`,
		"/tempo/api/v2/search/tag/span.http.status_code/values":                                `{"tagValues":[{"type":"int","value":"200"},{"type":"int","value":"500"}]`,
		"/tempo/api/v2/search/tag/span.ratio/values?q=%7B%7D":                                  `{"tagValues":[{"type":"float","value":"0.5"}]`,
		"/tempo/api/v2/search/tag/span.ok/values":                                              `{"tagValues":[{"type":"bool","value":"true"}]`,
		"/tempo/api/v2/search/tag/status/values?tag=status":                                    `{"tagValues":[{"type":"keyword","value":"unset"},{"type":"keyword","value":"ok"},{"type":"keyword","value":"error"}]`,
		"/tempo/api/v2/search/tag/span.a/b/values":                                             `{"tagValues":[]`,
		"/tempo/api/v2/search/tag/.service.name/values?q=" + q("{ span.http.method = `GET` }"): `{"tagValues":[{"type":"string","value":"front"}]`,
	} {
		code, body, _ := get(t, srv, path, "")
		if code != 200 || !strings.HasPrefix(body, want) {
			t.Errorf("%s: got %d %s, want %s", path, code, body, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	srv := newServer(t)
	_, body, _ := get(t, srv, "/tempo/api/metrics/query_range?start=1700000000&end=1700000030&step=10s&q="+q("{ } | count_over_time() by (resource.service.name)"), "")
	var got struct {
		Series []struct {
			Labels  []wantKV
			Samples []struct {
				TimestampMs string
				Value       float64
			}
			PromLabels string
			Exemplars  []struct {
				Labels      []wantKV
				Value       float64
				TimestampMs string
			}
		}
		Metrics map[string]any
	}
	strict(t, body, &got)
	if len(got.Series) != 2 || *got.Series[1].Labels[0].Value.StringValue != "front" || got.Series[1].PromLabels != `{"resource.service.name"="front"}` {
		t.Fatalf("got %s", body)
	}
	first := got.Series[1].Samples[0]
	if first.TimestampMs != "1700000000000" || first.Value != 1 || len(got.Series[1].Exemplars) == 0 || got.Series[1].Exemplars[0].Labels[0].Key != "trace:id" {
		t.Errorf("got %+v", got.Series[1])
	}
	_, body, _ = get(t, srv, "/tempo/api/metrics/query?start=1700000000&end=1700000030&q="+q("{ } | count_over_time()"), "")
	var instant struct {
		Series []struct {
			Labels     []wantKV
			Value      float64
			PromLabels string
		}
		Metrics         map[string]any
		Status, Message string
	}
	strict(t, body, &instant)
	if len(instant.Series) != 1 || instant.Series[0].Value != 4 {
		t.Errorf("got %s", body)
	}
	// The default range is the last hour, the step is chosen.
	_, body, _ = get(t, srv, "/tempo/api/metrics/query_range?query="+q("{ } | count_over_time() | topk(1)"), "")
	strict(t, body, &got)
	var sum float64
	for _, s := range got.Series[0].Samples {
		sum += s.Value
	}
	if sum != 4 {
		t.Errorf("counted %v in %s", sum, body)
	}
}

// TestFuture: the clock stands a minute behind the first span. A rate is over
// what has been, and what is still to come is no zero.
func TestFuture(t *testing.T) {
	srv := newServer(t)
	_, body, _ := get(t, srv, "/tempo/api/metrics/query?start=1700000000&end=1700003600&q="+q("{ } | rate()"), "")
	if want := `"value":` + "0.06666666666666667"; !strings.Contains(body, want) { // 4 in 60 s
		t.Errorf("got %s, want %s", body, want)
	}
	_, body, _ = get(t, srv, "/tempo/api/metrics/query_range?start=1700000000&end=1700000300&step=20s&q="+q("{ } | count_over_time()"), "")
	var got struct {
		Series []struct {
			Samples []struct{ TimestampMs string }
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	samples := got.Series[0].Samples
	if n := len(samples); n != 4 || samples[n-1].TimestampMs != "1700000060000" {
		t.Errorf("got %d points, want 4 up to the present, in %s", n, body)
	}
}

func TestSmall(t *testing.T) {
	srv := newServer(t)
	if code, body, _ := get(t, srv, "/tempo/api/echo", ""); code != 200 || body != "echo" {
		t.Errorf("echo: %d %q", code, body)
	}
	if _, body, _ := get(t, srv, "/tempo/api/status/buildinfo", ""); !strings.Contains(body, `"version":"1.0.0"`) {
		t.Errorf("buildinfo: %s", body)
	}
	for in, want := range map[string]int64{
		"1700000000": 1700000000e9, "1700000000000000000": 1700000000e9, "1700000000.5": 1700000000_500_000_000, "2023-11-14T22:13:20Z": 1700000000e9,
	} {
		if got, err := parseTime("start", in); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", in, got, err, want)
		}
	}
	for in, want := range map[string]time.Duration{"15s": 15 * time.Second, "1d": 24 * time.Hour, "30": 30 * time.Second, "0.5": 500 * time.Millisecond, "": 0} {
		if got, err := parseStep(in); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	srv := newServer(t)
	for path, want := range map[string][]string{
		"/tempo/api/search?explain=1&q=" + q("{ resource.service.name = `front` && duration > 50ms }"): {
			`"whole_traces":true`, `streams by resource`, `duration of at least 50ms`, `"name":"scan"`, `"name":"read traces"`, `"results":1`, `"warnings":[]`},
		"/tempo/api/metrics/query_range?explain=true&q=" + q("{ status = error } | rate()"): {
			`"query":"{ status = error } | rate()"`, `"whole_traces":false`, `"reads":1`},
		"/tempo/api/metrics/query?explain=1&q=" + q("{ rootName = `x` } | rate()"): {`"condition":"true"`, `"whole_traces":true`},
		"/tempo/api/search?explain=0&q=" + q("{ trace:id = `1` }"):                 {`"traces":[`},
	} {
		code, body, _ := get(t, srv, path, "")
		for _, part := range want {
			if code != 200 || !strings.Contains(body, part) {
				t.Errorf("%s: got %d %s, want %s", path, code, body, part)
			}
		}
	}
}
