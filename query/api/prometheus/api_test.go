package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The data that all tests ask for: ten minutes from start, a sample every 15 s.
var start = time.Now().Add(-time.Hour).Truncate(time.Minute)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

func fill(t testing.TB, m storage.TenantMetrics) {
	t.Helper()
	app := m.AppenderV2(context.Background())
	add := func(ls labels.Labels, at time.Time, v float64, h *histogram.Histogram, opts promstorage.AppendV2Options) {
		t.Helper()
		if _, err := app.Append(0, ls, 0, at.UnixMilli(), v, h, nil, opts); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 41 {
		at := start.Add(time.Duration(i) * 15 * time.Second)
		for n, svc := range []string{"checkout", "payment"} {
			opts := promstorage.AppendV2Options{
				MetricFamilyName: "http_requests_total",
				Metadata:         metadata.Metadata{Type: model.MetricTypeCounter, Help: "Requests served."},
			}
			if i == 20 && n == 0 {
				opts.Exemplars = []exemplar.Exemplar{{
					Labels: labels.FromStrings("trace_id", traceID), Value: 0.25, Ts: at.UnixMilli(), HasTs: true,
				}}
			}
			add(labels.FromStrings(model.MetricNameLabel, "http_requests_total", "service", svc), at, float64(i*15*(n+1)), nil, opts)
		}
		add(labels.FromStrings(model.MetricNameLabel, "latency_seconds", "service", "checkout"), at, 0, tsdbutil.GenerateTestHistogram(int64(i)),
			promstorage.AppendV2Options{MetricFamilyName: "latency_seconds", Metadata: metadata.Metadata{Type: model.MetricTypeHistogram, Unit: "seconds", Help: "Latency."}})
		add(labels.FromStrings(model.MetricNameLabel, "process.cpu.utilization", "service.name", "café"), at, 0.5, nil, promstorage.AppendV2Options{})
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

type harness struct {
	*httptest.Server
	api   *API
	store *metrics.Store
}

// serve starts the API over a real store. The tenant is taken from the header
// as the server's listeners do.
func serve(t testing.TB, change func(*Config, *Deps)) harness {
	t.Helper()
	cfg := metrics.DefaultConfig()
	cfg.Dir, cfg.MinFreeBytes = t.TempDir(), 0
	store, err := metrics.Open(cfg, metrics.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	apiCfg := DefaultConfig()
	deps := Deps{Metrics: store, Registerer: promclient.NewRegistry(), Build: BuildInfo{Version: "1.2.3"}}
	if change != nil {
		change(&apiCfg, &deps)
	}
	api, err := New(apiCfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.Register(mux)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get(tenant.Header); name != "" {
			r = r.WithContext(tenant.With(r.Context(), name))
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.Close()
		if err := errors.Join(api.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return harness{srv, api, store}
}

func (h harness) fill(t testing.TB) harness {
	t.Helper()
	m, err := h.store.Tenant(tenant.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, m)
	return h
}

// ask sends a request and returns the status and the decoded answer.
func (h harness) ask(t testing.TB, method, path string, params url.Values) (int, map[string]any) {
	t.Helper()
	target, body := h.URL+"/prometheus/api/v1"+path, io.Reader(nil)
	if method == http.MethodPost {
		body = strings.NewReader(params.Encode())
	} else if len(params) > 0 {
		target += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := h.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s %s: status %d, not JSON: %s", method, path, resp.StatusCode, raw)
	}
	return resp.StatusCode, answer
}

func seconds(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }

func vals(kv ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Add(kv[i], kv[i+1])
	}
	return v
}

// TestAnswers asks every question that Grafana's data source asks, with the
// methods it uses, and compares the whole data of the answer.
func TestAnswers(t *testing.T) {
	h := serve(t, nil).fill(t)
	at := start.Add(5 * time.Minute)
	from, to := seconds(0), seconds(10*time.Minute)
	exemplarData := fmt.Sprintf(`[{"seriesLabels":{"__name__":"http_requests_total","service":"checkout"},
		"exemplars":[{"labels":{"trace_id":%q},"value":"0.25","timestamp":%d}]}]`, traceID, at.Unix())
	tests := []struct {
		name, methods, path string
		params              url.Values
		want                string
	}{
		{"health", "GET POST", "/query", vals("query", "1+1", "time", "4"),
			`{"resultType":"scalar","result":[4,"2"]}`},
		{"rate", "GET POST", "/query", vals("query", `sum by (service) (round(rate(http_requests_total[2m])))`, "time", fmt.Sprint(at.Unix()), "timeout", "30s"),
			fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{"service":"checkout"},"value":[%d,"1"]},{"metric":{"service":"payment"},"value":[%d,"2"]}]}`, at.Unix(), at.Unix())},
		{"range", "GET POST", "/query_range", vals("query", `http_requests_total{service="payment"}`, "start", from, "end", seconds(time.Minute), "step", "30"),
			fmt.Sprintf(`{"resultType":"matrix","result":[{"metric":{"__name__":"http_requests_total","service":"payment"},"values":[[%d,"0"],[%d,"60"],[%d,"120"]]}]}`,
				start.Unix(), start.Unix()+30, start.Unix()+60)},
		{"UTF-8 names", "GET POST", "/query", vals("query", `{"process.cpu.utilization","service.name"="café"}`, "time", fmt.Sprint(at.Unix())),
			fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{"__name__":"process.cpu.utilization","service.name":"café"},"value":[%d,"0.5"]}]}`, at.Unix())},
		{"native histogram", "GET POST", "/query", vals("query", `histogram_count(latency_seconds)`, "time", fmt.Sprint(at.Unix())),
			fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{"service":"checkout"},"value":[%d,"192"]}]}`, at.Unix())},
		{"exemplars", "GET POST", "/query_exemplars", vals("query", `rate(http_requests_total[5m])`, "start", from, "end", to), exemplarData},
		{"exemplars in absurd milliseconds", "GET POST", "/query_exemplars", vals("query", "test", "start", fmt.Sprint(start.UnixMilli()), "end", fmt.Sprint(time.Now().UnixMilli())), `[]`},
		{"exemplars of nothing", "GET", "/query_exemplars", vals("query", `nothing`, "start", from, "end", to), `[]`},
		{"label names", "GET POST", "/labels", vals("start", from, "end", to, "limit", "40000"), `["__name__","service","service.name"]`},
		{"label names of a selector", "GET POST", "/labels", vals("match[]", `http_requests_total`, "limit", "0"), `["__name__","service"]`},
		{"label values", "GET POST", "/label/service/values", vals("start", from, "end", to), `["checkout","payment"]`},
		{"label values of a selector", "GET POST", "/label/service/values", vals("match[]", `{__name__="latency_seconds"}`), `["checkout"]`},
		{"label values, limited", "GET POST", "/label/__name__/values", vals("limit", "1"), `["http_requests_total"]`},
		{"label values of an escaped name", "GET POST", "/label/U__service_2e_name/values", nil, `["café"]`},
		{"series", "GET POST", "/series", vals("match[]", `{service="checkout"}`, "start", from, "end", to),
			`[{"__name__":"http_requests_total","service":"checkout"},{"__name__":"latency_seconds","service":"checkout"}]`},
		{"metadata", "GET", "/metadata", nil,
			`{"http_requests_total":[{"type":"counter","unit":"","help":"Requests served."}],"latency_seconds":[{"type":"histogram","unit":"seconds","help":"Latency."}]}`},
		{"metadata, limited", "GET", "/metadata", vals("limit", "1"),
			`{"http_requests_total":[{"type":"counter","unit":"","help":"Requests served."}]}`},
		{"metadata of one", "GET", "/metadata", vals("metric", "latency_seconds", "limit_per_metric", "1"),
			`{"latency_seconds":[{"type":"histogram","unit":"seconds","help":"Latency."}]}`},
		{"metadata of an unknown one", "GET", "/metadata", vals("metric", "nothing"), `{}`},
		{"build", "GET", "/status/buildinfo", nil, `{"version":"1.2.3","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":""}`},
		{"flags", "GET", "/status/flags", nil, `{}`},
		{"config", "GET", "/status/config", nil, `{"yaml":""}`},
		{"rules", "GET", "/rules", nil, `{"groups":[]}`},
		{"alerts", "GET", "/alerts", nil, `{"alerts":[]}`},
		{"alertmanagers", "GET", "/alertmanagers", nil, `{"activeAlertmanagers":[],"droppedAlertmanagers":[]}`},
		{"targets", "GET", "/targets", vals("state", "any"), `{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}`},
		{"targets' metadata", "GET", "/targets/metadata", nil, `[]`},
		{"scrape pools", "GET", "/scrape_pools", nil, `{"scrapePools":[]}`},
		{"format", "GET POST", "/format_query", vals("query", `sum(rate(a[5m]))by(b)`), `"sum by (b) (rate(a[5m]))"`},
		{"parse", "GET POST", "/parse_query", vals("query", `1`), `{"type":"numberLiteral","val":"1"}`},
	}
	for _, tc := range tests {
		for method := range strings.FieldsSeq(tc.methods) {
			t.Run(tc.name+" "+method, func(t *testing.T) {
				code, answer := h.ask(t, method, tc.path, tc.params)
				if code != http.StatusOK || answer["status"] != "success" {
					t.Fatalf("status %d: %v", code, answer)
				}
				var want any
				if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, answer["data"]); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			})
		}
	}
}

func TestNativeHistogramBuckets(t *testing.T) {
	h := serve(t, nil).fill(t)
	_, answer := h.ask(t, "POST", "/query_range", vals("query", "latency_seconds", "start", seconds(0), "end", seconds(time.Minute), "step", "60"))
	series := answer["data"].(map[string]any)["result"].([]any)[0].(map[string]any)
	points := series["histograms"].([]any)
	if len(points) != 2 {
		t.Fatalf("want 2 histograms, got %v", series)
	}
	point := points[0].([]any)
	hist := point[1].(map[string]any)
	if point[0] != float64(start.Unix()) || hist["count"] != "12" || hist["sum"] != "18.4" {
		t.Errorf("got %v", point)
	}
	bucket := hist["buckets"].([]any)[0].([]any)
	if _, ok := bucket[0].(float64); len(bucket) != 4 || !ok {
		t.Errorf("want a bucket as [rule, low, high, count], got %v", bucket)
	}
}

func TestStatusPages(t *testing.T) {
	h := serve(t, func(_ *Config, d *Deps) {
		d.Retention = "90d"
		d.ConfigYAML = func() string { return "server: {}\n" }
		d.Flags = map[string]string{"target": "all"}
	}).fill(t)
	_, answer := h.ask(t, "GET", "/status/runtimeinfo", nil)
	if info := answer["data"].(map[string]any); info["storageRetention"] != "90d" || info["goroutineCount"].(float64) < 1 {
		t.Errorf("runtime info: %v", info)
	}
	_, answer = h.ask(t, "GET", "/status/tsdb", nil)
	if head := answer["data"].(map[string]any)["headStats"].(map[string]any); head["numSeries"] != 4.0 {
		t.Errorf("head: %v", head)
	}
	_, answer = h.ask(t, "GET", "/status/config", nil)
	if got := answer["data"].(map[string]any)["yaml"]; got != "server: {}\n" {
		t.Errorf("config: %v", got)
	}
	for _, path := range []string{"/status/tsdb/blocks", "/status/walreplay", "/features", "/status/flags"} {
		if code, answer := h.ask(t, "GET", path, nil); code != 200 || answer["status"] != "success" {
			t.Errorf("%s: %d %v", path, code, answer)
		}
	}
	_, answer = h.ask(t, "GET", "/status/buildinfo", nil)
	if _, there := answer["data"].(map[string]any)["features"]; there {
		t.Error("buildinfo has features: Grafana would take the server for Mimir")
	}
}

func TestWrongRequests(t *testing.T) {
	h := serve(t, nil).fill(t)
	tests := []struct {
		name, method, path string
		params             url.Values
		code               int
		errorType, text    string
	}{
		{"broken query", "GET", "/query", vals("query", "sum(("), 400, "bad_data", "unclosed left parenthesis"},
		{"no query", "POST", "/query", nil, 400, "bad_data", "query"},
		{"broken time", "GET", "/query", vals("query", "up", "time", "yesterday"), 400, "bad_data", `"time"`},
		{"end before start", "GET", "/query_range", vals("query", "up", "start", "10", "end", "1", "step", "1"), 400, "bad_data", "end"},
		{"no step", "GET", "/query_range", vals("query", "up", "start", "1", "end", "10", "step", "0"), 400, "bad_data", "step"},
		{"too many points", "GET", "/query_range", vals("query", "up", "start", "1", "end", "1000000", "step", "1"), 400, "bad_data", "11,000"},
		{"execution error", "GET", "/query", vals("query", `http_requests_total * on() http_requests_total`, "time", seconds(time.Minute)), 422, "execution", "many-to-many"},
		{"series without a selector", "GET", "/series", nil, 400, "bad_data", "match[]"},
		{"broken selector", "POST", "/label/service/values", vals("match[]", "{"), 400, "bad_data", "unexpected end of input inside braces"},
		{"broken limit", "GET", "/metadata", vals("limit", "many"), 400, "bad_data", `"limit": want a whole number, got "many"`},
		{"broken limit per metric", "GET", "/metadata", vals("limit_per_metric", "x"), 400, "bad_data", "limit_per_metric"},
		{"rules of an unknown type", "GET", "/rules", vals("type", "x"), 400, "bad_data", "type"},
		{"unknown path", "GET", "/nothing", nil, 404, "not_found", "/prometheus/api/v1/nothing"},
		{"writing", "POST", "/write", nil, 404, "not_found", "/write"},
		{"deleting", "POST", "/admin/tsdb/delete_series", nil, 404, "not_found", "delete_series"},
		{"wrong method", "DELETE", "/query", nil, 404, "not_found", "DELETE"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			code, answer := h.ask(t, tc.method, tc.path, tc.params)
			text, _ := answer["error"].(string)
			if code != tc.code || answer["status"] != "error" || answer["errorType"] != tc.errorType || !strings.Contains(text, tc.text) {
				t.Errorf("want %d %s with %q, got %d %v", tc.code, tc.errorType, tc.text, code, answer)
			}
		})
	}
}

func TestLimitsOfAQuery(t *testing.T) {
	h := serve(t, func(c *Config, _ *Deps) {
		c.MaxSamples = 10
		c.MaxConcurrent = 1
	}).fill(t)
	code, answer := h.ask(t, "GET", "/query", vals("query", "sum(sum_over_time(http_requests_total[10m]))", "time", seconds(10*time.Minute)))
	if text, _ := answer["error"].(string); code != 422 || !strings.Contains(text, "too many samples") {
		t.Errorf("got %d %v", code, answer)
	}
	h = serve(t, func(c *Config, _ *Deps) { c.Timeout = model.Duration(time.Millisecond) }).fill(t)
	code, answer = h.ask(t, "GET", "/query_range", vals("query", "quantile_over_time(0.9, (sum(http_requests_total))[5m:10ms])", "start", seconds(0), "end", seconds(10*time.Minute), "step", "1"))
	if code != 503 || answer["errorType"] != "timeout" {
		t.Errorf("got %d %v", code, answer)
	}
}

func TestTheGateWaitsAndGivesUp(t *testing.T) {
	g := newGate(1)
	if _, err := g.Insert(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Insert(ctx, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("want the caller's end, got %v", err)
	}
	g.Delete(0)
	if _, err := g.Insert(t.Context(), "c"); err != nil {
		t.Error(err)
	}
}

func TestTenantsSeeTheirOwn(t *testing.T) {
	h := serve(t, nil).fill(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/prometheus/api/v1/labels", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(tenant.Header, "other")
	resp, err := h.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != `{"status":"success","data":[]}` {
		t.Errorf("another tenant sees %s, %v", body, err)
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	h := serve(t, nil)
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/labels", "/metadata"} {
		if code, answer := h.ask(t, "GET", path, nil); code != 503 || answer["errorType"] != "unavailable" {
			t.Errorf("%s: %d %v", path, code, answer)
		}
	}
}

func TestRemoteRead(t *testing.T) {
	h := serve(t, nil).fill(t)
	read := prompb.ReadRequest{Queries: []*prompb.Query{{
		StartTimestampMs: start.UnixMilli(), EndTimestampMs: start.Add(time.Minute).UnixMilli(),
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "service", Value: "payment"}},
	}}}
	raw, err := proto.Marshal(&read)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.Client().Post(h.URL+"/prometheus/api/v1/read", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s, %v", resp.StatusCode, body, err)
	}
	if raw, err = snappy.Decode(nil, body); err != nil {
		t.Fatal(err)
	}
	var answer prompb.ReadResponse
	if err := proto.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	series := answer.Results[0].Timeseries
	if len(series) != 1 || len(series[0].Samples) != 5 || series[0].Samples[4].Value != 120 {
		t.Errorf("got %v", series)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	if _, err := New(Config{}, Deps{}); err == nil {
		t.Fatal("an empty configuration was accepted")
	} else {
		for _, key := range []string{"timeout", "max_samples", "max_concurrent", "lookback_delta", "subquery_interval", "remote_read_max_samples", "remote_read_frame_bytes"} {
			if !strings.Contains(err.Error(), key+":") {
				t.Errorf("want %s in: %v", key, err)
			}
		}
	}
}
