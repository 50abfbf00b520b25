package loki

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/telemetry"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the time of all tests, in seconds.
const now = 1_700_000_000

// house is an API over a store with a few records.
type house struct {
	t   *testing.T
	mem *logqltest.Memory
	api *API
	mux *http.ServeMux
}

func attrs(pairs ...string) telemetry.Attrs {
	var out telemetry.Attrs
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, telemetry.Attr{Key: pairs[i], Value: telemetry.String(pairs[i+1])})
	}
	return out
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, mem: &logqltest.Memory{}}
	engine := logql.New(logql.DefaultConfig(), h.mem, nil, nil)
	h.api = New(DefaultConfig(), engine, nil, "3.0.0-test")
	h.api.now = func() time.Time { return time.Unix(now, 0) }
	h.mux = http.NewServeMux()
	h.api.Register(h.mux)
	t.Cleanup(func() { _ = h.api.Close() })
	return h
}

// write stores records of one stream, the seconds counted back from now.
func (h *house) write(resource telemetry.Attrs, logs ...telemetry.Log) {
	st := telemetry.NewStream(telemetry.Resource{Attrs: resource}, telemetry.Scope{})
	for i := range logs {
		logs[i].Stream = st
		logs[i].Time = now*1e9 - logs[i].Time*1e9
	}
	_, _ = h.mem.WriteLogs(context.Background(), "", &telemetry.LogBatch{Logs: logs})
}

func (h *house) fill() {
	trace, _ := telemetry.ParseTraceID("4bf92f3577b34da6a3ce929d0e0e4736")
	h.write(attrs("service.name", "shop", "env", "prod"),
		telemetry.Log{Time: 60, Body: telemetry.String(`level=info user=7 took=15ms`)},
		telemetry.Log{Time: 30, Body: telemetry.String(`{"user":{"id":"u1"},"n":5,"ok":true}`), Severity: 17, TraceID: trace, Attrs: attrs("http.route", "/pay")},
	)
	h.write(attrs("service.name", "cart", "env", "dev", "build", "123"),
		telemetry.Log{Time: 45, Body: telemetry.String("GET /cart/17 200")},
		telemetry.Log{Time: 44, Body: telemetry.String("GET /cart/18 200")},
		telemetry.Log{Time: 10, Body: telemetry.String("stopped")},
	)
}

type call struct {
	method, path string
	form         url.Values
	header       http.Header
}

func (h *house) do(c call) (int, string) {
	h.t.Helper()
	target := c.path
	body := ""
	if c.method == "" {
		c.method = "GET"
	}
	if c.method == "POST" {
		body = c.form.Encode()
	} else if len(c.form) > 0 {
		target += "?" + c.form.Encode()
	}
	r := httptest.NewRequest(c.method, target, strings.NewReader(body))
	if c.method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range c.header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// get answers a GET of the API and fails on anything but 200.
func (h *house) get(path string, pairs ...string) map[string]any {
	h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	code, body := h.do(call{path: prefix + path, form: form})
	if code != http.StatusOK {
		h.t.Fatalf("%s %v: %d %s", path, pairs, code, body)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		h.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return out
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same compares with JSON text, whatever the order of keys.
func same(t *testing.T, what string, got any, want string) {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var g any
	_ = json.Unmarshal([]byte(asJSON(t, got)), &g)
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\ngot  %s\nwant %s", what, asJSON(t, got), want)
	}
}

func TestHealthCheckOfGrafana(t *testing.T) {
	h := newHouse(t)
	got := h.get("query", "query", "vector(1)+vector(1)", "time", "4000000000", "direction", "backward")
	data := got["data"].(map[string]any)
	if data["resultType"] != "vector" {
		t.Errorf("resultType is %v", data["resultType"])
	}
	same(t, "result", data["result"], `[{"metric":{},"value":[4000000000,"2"]}]`)
}

func TestStreamsCategorized(t *testing.T) {
	h := newHouse(t)
	h.fill()
	form := url.Values{"query": {`{service_name="shop"} | json | __error__=""`}, "limit": {"10"}, "step": {"1000ms"},
		"start": {fmt.Sprint((now - 100) * int64(1e9))}, "end": {fmt.Sprint(now * int64(1e9))}}
	code, body := h.do(call{path: prefix + "query_range", form: form, header: http.Header{flagsHeader: {"categorize-labels"}}})
	want := `{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[` +
		`{"stream":{"env":"prod","service_name":"shop"},"values":[["1699999970000000000","{\"user\":{\"id\":\"u1\"},\"n\":5,\"ok\":true}",` +
		`{"structuredMetadata":{"detected_level":"error","http_route":"/pay","severity_number":"17","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},` +
		`"parsed":{"n":"5","ok":"true","user_id":"u1"}}]]}],"stats":`
	if code != 200 || !strings.HasPrefix(body, want) {
		t.Errorf("got %d %s\nwant %s", code, body, want)
	}
	// Without the flag: two elements, all labels in the stream.
	code, body = h.do(call{path: prefix + "query_range", form: form})
	want = `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"detected_level":"error","env":"prod","http_route":"/pay",` +
		`"n":"5","ok":"true","service_name":"shop","severity_number":"17","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_id":"u1"},` +
		`"values":[["1699999970000000000","{\"user\":{\"id\":\"u1\"},\"n\":5,\"ok\":true}"]]}],"stats":`
	if code != 200 || !strings.HasPrefix(body, want) {
		t.Errorf("got %d %s\nwant %s", code, body, want)
	}
}

func TestCategorizedEntriesAlwaysHaveAThirdElement(t *testing.T) {
	h := newHouse(t)
	h.fill()
	form := url.Values{"query": {`{service_name="cart"} | keep service_name`}}
	_, body := h.do(call{path: prefix + "query_range", form: form, header: http.Header{flagsHeader: {"other, categorize-labels"}}})
	if !strings.Contains(body, `"values":[["1699999990000000000","stopped",{}],`) {
		t.Errorf("got %s", body)
	}
}

func TestQueryRangeOfMetrics(t *testing.T) {
	h := newHouse(t)
	h.fill()
	for _, step := range []string{"30", "30s", "30000ms", "30.0"} {
		got := h.get("query_range", "query", `sum by (env) (count_over_time({env=~".+"}[30s]))`, "step", step,
			"start", fmt.Sprint(now-80), "end", fmt.Sprint(now-20))
		// 1699999920 and the end are not multiples of 30: start goes down, end goes up.
		same(t, "step "+step, got["data"].(map[string]any)["result"],
			`[{"metric":{"env":"dev"},"values":[[1699999980,"2"]]},{"metric":{"env":"prod"},"values":[[1699999950,"1"],[1699999980,"1"]]}]`)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"4000000000", 4000000000e9, true}, {"1700000000", now * 1e9, true}, {"1700000000000000000", now * 1e9, true},
		{"1700000000.5", now*1e9 + 5e8, true}, {"1700000000.123", now*1e9 + 123e6, true}, {"2023-11-14T22:13:20Z", now * 1e9, true},
		{"2023-11-14T22:13:20.123456789+00:00", now*1e9 + 123456789, true}, {"0", 0, true}, {"-5", -5e9, true},
		{"yesterday", 0, false}, {"9999999999", 0, false}, {"9223372036854775807", 0, false}, {"-9223372036854775808", 0, false}, {"", 0, false}, {"NaN", 0, false}, {"1e400.", 0, false}, {"9999-01-01T00:00:00Z", 0, false},
	} {
		got, ok := parseTime(c.in)
		if ok != c.ok || (ok && got != c.want) {
			t.Errorf("%q: got %d, %v; want %d, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestLabelsAndSeries(t *testing.T) {
	h := newHouse(t)
	h.fill()
	for _, c := range []struct {
		path  string
		pairs []string
		want  string
	}{
		{"labels", nil, `["build","env","service_name"]`},
		{"label", nil, `["build","env","service_name"]`},
		{"labels", []string{"query", `{env="prod"}`}, `["env","service_name"]`},
		{"labels", []string{"query", `{}`}, `["build","env","service_name"]`},
		{"labels", []string{"query", `{env="none"}`}, `[]`},
		{"labels", []string{"start", "1", "end", "2"}, `[]`},
		{"label/env/values", nil, `["dev","prod"]`},
		{"label/env/values", []string{"query", `{service_name="shop"}`}, `["prod"]`},
		{"label/env/values", []string{"query", `{service_name="shop"} |= "x" | json`}, `["prod"]`},
		{"label/nosuch/values", nil, `[]`},
		{"label/a-b/values", nil, `[]`},
		{"label/a%2Fb/values", nil, `[]`},
		{"label/__stream_shard__/values", []string{"query", `{env="prod"}`}, `[]`},
		{"series", nil, `[{"build":"123","env":"dev","service_name":"cart"},{"env":"prod","service_name":"shop"}]`},
		{"series", []string{"match[]", `{env="prod"}`}, `[{"env":"prod","service_name":"shop"}]`},
		{"series", []string{"match[]", `{env="prod"}`, "match[]", `{env="dev"}`}, `[{"build":"123","env":"dev","service_name":"cart"},{"env":"prod","service_name":"shop"}]`},
		{"series", []string{"match[]", `{env="none"}`}, `[]`},
	} {
		got := h.get(c.path, c.pairs...)
		same(t, fmt.Sprint(c.path, c.pairs), got["data"], c.want)
		if got["status"] != "success" {
			t.Errorf("%s: status %v", c.path, got["status"])
		}
	}
}

func TestIndex(t *testing.T) {
	h := newHouse(t)
	h.fill()
	same(t, "stats", h.get("index/stats", "query", `{env=~".+"}`), `{"streams":2,"chunks":2,"bytes":102,"entries":5}`)
	same(t, "stats of nothing", h.get("index/stats", "query", `{env="none"}`), `{"streams":0,"chunks":0,"bytes":0,"entries":0}`)
	volume := func(pairs ...string) any {
		return h.get("index/volume", append(pairs, "end", fmt.Sprint(now))...)["data"].(map[string]any)["result"]
	}
	same(t, "volume", volume("query", `{service_name=~".+"}`, "limit", "5000"),
		`[{"metric":{"service_name":"shop"},"value":[1700000000,"63"]},{"metric":{"service_name":"cart"},"value":[1700000000,"39"]}]`)
	same(t, "volume by target", volume("query", `{service_name=~".+"}`, "targetLabels", "env,service_name", "limit", "1"),
		`[{"metric":{"env":"prod","service_name":"shop"},"value":[1700000000,"63"]}]`)
	same(t, "volume by labels", volume("query", `{service_name=~".+"}`, "targetLabels", "env,build", "aggregateBy", "labels"),
		`[{"metric":{"env":""},"value":[1700000000,"102"]},{"metric":{"build":""},"value":[1700000000,"39"]}]`)
	got := h.get("index/volume_range", "query", `{service_name=~".+"}`, "step", "100", "start", fmt.Sprint(now-100), "end", fmt.Sprint(now))
	same(t, "volume_range", got["data"].(map[string]any)["result"],
		`[{"metric":{"service_name":"shop"},"values":[[1700000000,"63"]]},{"metric":{"service_name":"cart"},"values":[[1700000000,"39"]]}]`)
	got = h.get("index/volume_range", "query", `{service_name=~".+"}`, "aggregateBy", "labels", "step", "100", "start", fmt.Sprint(now-100), "end", fmt.Sprint(now))
	same(t, "volume_range by labels", got["data"].(map[string]any)["result"], `[{"metric":{"service_name":""},"values":[[1700000000,"102"]]}]`)
}

func TestDetected(t *testing.T) {
	h := newHouse(t)
	h.fill()
	same(t, "labels", h.get("detected_labels", "start", "2023-11-14T22:00:00.000Z", "end", "2023-11-14T22:14:00.000Z"),
		`{"detectedLabels":[{"label":"env","cardinality":2},{"label":"service_name","cardinality":2}]}`)
	same(t, "fields", h.get("detected_fields", "query", `{service_name="shop"}`, "limit", "1000"), `{"limit":1000,"fields":[
		{"label":"detected_level","type":"string","cardinality":2,"parsers":null},
		{"label":"http_route","type":"string","cardinality":1,"parsers":null},
		{"label":"level","type":"string","cardinality":1,"parsers":["logfmt"]},
		{"label":"n","type":"int","cardinality":1,"parsers":["json"],"jsonPath":["n"]},
		{"label":"ok","type":"boolean","cardinality":1,"parsers":["json"],"jsonPath":["ok"]},
		{"label":"severity_number","type":"int","cardinality":1,"parsers":null},
		{"label":"took","type":"duration","cardinality":1,"parsers":["logfmt"]},
		{"label":"trace_id","type":"string","cardinality":1,"parsers":null},
		{"label":"user","type":"int","cardinality":1,"parsers":["logfmt"]},
		{"label":"user_id","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["user","id"]}]}`)
	same(t, "fields of a parsing query", h.get("detected_fields", "query",
		`{service_name="cart"} | regexp "(?P<verb>GET)" | json | logfmt | drop __error__, __error_details__`)["fields"],
		`[{"label":"detected_level","type":"string","cardinality":1,"parsers":null},{"label":"verb","type":"string","cardinality":1,"parsers":["json","logfmt","regexp"]}]`)
	same(t, "values", h.get("detected_field/user_id/values", "query", `{service_name="shop"}`)["values"], `["u1"]`)
	same(t, "no values", h.get("detected_field/nosuch/values", "query", `{service_name="shop"}`)["values"], `[]`)
}

func TestPatterns(t *testing.T) {
	h := newHouse(t)
	h.fill()
	got := h.get("patterns", "query", `{service_name="cart"}`, "step", "50", "start", fmt.Sprint(now-100), "end", fmt.Sprint(now))
	same(t, "patterns", got["data"], `[{"pattern":"GET <_> <_>","level":"unknown","samples":[[1699999950,2]]},
		{"pattern":"stopped","level":"unknown","samples":[[1699999950,1]]}]`)
	// A pattern finds its lines again.
	res := h.get("query_range", "query", "{service_name=\"cart\"} |> `GET <_> <_>`")
	if values := res["data"].(map[string]any)["result"].([]any)[0].(map[string]any)["values"].([]any); len(values) != 2 {
		t.Errorf("got %v", values)
	}
}

func TestPatternOf(t *testing.T) {
	for line, want := range map[string]string{
		"plain":                   "plain",
		"a 1 b":                   "a <_> b",
		"took=15ms user=u key1=2": "took=<_> user=u <_>",
		"":                        "",
		strings.Repeat("x", 2000): strings.Repeat("x", patternBytes) + "<_>",
	} {
		if got := patternOf(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestStatusPaths(t *testing.T) {
	h := newHouse(t)
	if got := h.get("status/buildinfo"); got["version"] != "3.0.0-test" {
		t.Errorf("buildinfo: %v", got)
	}
	if got := h.get("drilldown-limits"); got["limits"].(map[string]any)["volume_enabled"] != true || got["pattern_ingester_enabled"] != true {
		t.Errorf("drilldown-limits: %v", got)
	}
	same(t, "format_query", h.get("format_query", "query", `sum(rate({a="b"}[5m]))by(c)`), `{"status":"success","data":"sum by (c) (rate({a=\"b\"} [5m]))"}`)
}

func TestPost(t *testing.T) {
	h := newHouse(t)
	h.fill()
	for _, path := range []string{"query_range", "labels", "label/env/values", "series", "index/stats", "detected_fields", "patterns"} {
		code, body := h.do(call{method: "POST", path: prefix + path, form: url.Values{"query": {`{env="prod"}`}, "match[]": {`{env="prod"}`}}})
		if code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestErrors(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		path string
		form url.Values
		code int
		want string
	}{
		{"query_range", url.Values{}, 400, "parameter query is missing"},
		{"query_range", url.Values{"query": {`{a="b"} |= x`}}, 400, "parse error at line 1, col 12: syntax error: unexpected identifier x"},
		{"query_range", url.Values{"query": {"{a=\"b\"}\n|| x"}}, 400, "line 2, col 1"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "limit": {"x"}}, 400, `parameter limit is \"x\"`},
		{"query_range", url.Values{"query": {`{a="b"}`}, "limit": {"0"}}, 400, "whole number above 0"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "limit": {"99999"}}, 400, "max_entries (99999 > 5000)"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "start": {"x"}}, 400, `parameter start is \"x\"`},
		{"query_range", url.Values{"query": {`{a="b"}`}, "start": {"20"}, "end": {"10"}}, 400, "not before start"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "step": {"-1"}}, 400, "parameter step"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "interval": {"x"}}, 400, "parameter interval"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "since": {"x"}}, 400, "parameter since"},
		{"query_range", url.Values{"query": {`{a="b"}`}, "direction": {"up"}}, 400, "forward or backward"},
		{"query_range", url.Values{"query": {`rate({a="b"}[1m])`}, "start": {"1"}, "end": {"1000000"}, "step": {"1"}}, 400, "max_steps"},
		{"query_range", url.Values{"query": {`rate({a="b"}[1m])`}, "step": {"100y"}}, 400, "step must not be longer"},
		{"query", url.Values{"query": {`rate({a="b"}[100y])`}}, 400, "must not be longer"},
		{"query", url.Values{"query": {`rate({a="b"}[1m] offset -100y)`}}, 400, "must not be longer"},
		{"query", url.Values{"query": {`{a="b"}`}}, 400, "log queries are not supported as an instant query type"},
		{"query", url.Values{"query": {`1`}, "time": {"x"}}, 400, "parameter time"},
		{"labels", url.Values{"query": {`{a=`}}, 400, "parameter query"},
		{"series", url.Values{"match[]": {`{a`}}, 400, "parameter match[]"},
		{"index/stats", nil, 400, "parameter query is missing"},
		{"index/volume", url.Values{"query": {`{a="b"}`}, "aggregateBy": {"x"}}, 400, "series or labels"},
		{"detected_fields", url.Values{"query": {`rate({a="b"}[1m])`}}, 400, "log query"},
		{"patterns", url.Values{"query": {`rate({a="b"}[1m])`}}, 400, "log query"},
		{"tail", url.Values{"query": {`rate({a="b"}[1m])`}}, 400, "only lines can be followed"},
		{"tail", url.Values{"query": {`{a="b"}`}, "delay_for": {"9"}}, 400, "from 0 to 5"},
		{"format_query", url.Values{"query": {`{`}}, 400, "parse error"},
		{"push", nil, 405, "takes POST, not GET"},
		{"nosuch", nil, 404, "there is no GET /loki/api/v1/nosuch"},
	} {
		code, body := h.do(call{path: prefix + c.path, form: c.form})
		var e errorBody
		if err := json.Unmarshal([]byte(body), &e); err != nil || code != c.code || e.Code != c.code || e.Message != e.Error || !strings.Contains(body, c.want) {
			t.Errorf("%s %v: got %d %s; want %d %s", c.path, c.form, code, body, c.code, c.want)
		}
	}
}

func TestExplain(t *testing.T) {
	h := newHouse(t)
	h.fill()
	got := h.get("query_range", "query", `{env="prod"} |= " took=15ms"`, "explain", "1")
	plan := asJSON(t, got["explain"].(map[string]any)["plan"])
	for _, want := range []string{"newest first", `{env=\"prod\"}`, "took=15ms", "columns: body"} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q is not in the plan %s", want, plan)
		}
	}
	stages := asJSON(t, got["explain"].(map[string]any)["stages"])
	for _, want := range []string{"parse", "plan", "read", "process", "combine"} {
		if !strings.Contains(stages, `{"seconds":`) || !strings.Contains(stages, `"stage":"`+want+`"`) {
			t.Errorf("no time of stage %q in %s", want, stages)
		}
	}
}

func TestCanceledRequest(t *testing.T) {
	h := newHouse(t)
	h.fill()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("GET", prefix+"query_range?query="+url.QueryEscape(`{env="prod"}`), nil).WithContext(ctx)
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	if w.Code != statusClientGone {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.MaxTails = 0
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "max_tails") {
		t.Errorf("got %v", err)
	}
}

func TestJSONStrings(t *testing.T) {
	for _, s := range []string{"", "plain", "q\"b\\s/", "tab\tnl\ncr\r", "\x00\x1f\x7f", "grüße 漢字 😀", "bad \xff byte", "\xe2\x82", "<>&"} {
		w := &writer{w: httptest.NewRecorder()}
		w.str(s)
		var got string
		if err := json.Unmarshal(w.buf, &got); err != nil || got != strings.ToValidUTF8(s, "\ufffd") && s != "\xe2\x82" {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
}
