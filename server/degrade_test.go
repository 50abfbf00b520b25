package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

// TestWithoutTheMetricsStore: while the store of metrics is away what does not
// need it is answered, what needs it in part says what is missing and why, and
// all of what was sent meanwhile is there afterwards.
func TestWithoutTheMetricsStore(t *testing.T) {
	p := prometheustest.Start(t)
	cfg := started(t, func(c *config.Config) {
		c.Storage.Metrics.Backend = config.BackendRemote
		far := &c.Storage.Metrics.Remote
		far.QueryURL, far.RetryFor, far.RetryBackoff = p.URL, model.Duration(200*time.Millisecond), model.Duration(time.Millisecond)
		far.BreakerDelay = model.Duration(50 * time.Millisecond)
		c.Telemetry.StoreMetrics = 0
	})
	const id = "0af7651916cd43dd8448eb211c80319c"
	now := time.Now().UnixNano()
	sendJSON(t, cfg, "logs", fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}}]},
		"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":"order 17 paid"},"traceId":%q}]}]}]}`, now, id))
	sendJSON(t, cfg, "traces", fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}}]},
		"scopeSpans":[{"spans":[{"traceId":%q,"spanId":"b7ad6b7169203331","name":"POST /orders","kind":2,"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, id, now, now+1000))
	p.Kill()

	var story struct {
		Partial  bool
		Warnings []string
		Timeline []json.RawMessage
	}
	answer(t, cfg, "/api/v1/correlate/"+id, &story)
	if said := strings.Join(story.Warnings, "; "); len(story.Timeline) != 2 || !story.Partial || !strings.Contains(said, "exemplars are missing") {
		t.Errorf("the story: %d events, partial %t, warnings %q", len(story.Timeline), story.Partial, said)
	}
	var found struct {
		Data struct{ Result []json.RawMessage }
	}
	answer(t, cfg, "/loki/api/v1/query_range?query="+url.QueryEscape(`{service_name="checkout"}`), &found)
	if len(found.Data.Result) != 1 {
		t.Errorf("LogQL: %d streams", len(found.Data.Result))
	}
	var search struct{ Traces []json.RawMessage }
	answer(t, cfg, "/tempo/api/search?q="+url.QueryEscape(`{resource.service.name="checkout"}`), &search)
	if len(search.Traces) != 1 {
		t.Errorf("TraceQL: %d traces", len(search.Traces))
	}
	var drawn struct{ Nodes []json.RawMessage }
	answer(t, cfg, "/api/v1/servicemap", &drawn)
	if len(drawn.Nodes) == 0 {
		t.Error("the map is empty")
	}
	if code, body := query(t, cfg, "orders_total"); code != http.StatusServiceUnavailable || !strings.Contains(body, "metrics store") {
		t.Errorf("PromQL: %d %s", code, body)
	}
	sendOrders(t, cfg) // taken, and waits
	if code, body := get(t, cfg, "/api/v1/health"); code != http.StatusOK || !strings.Contains(body, `"status":"degraded"`) {
		t.Errorf("health: %d %s", code, body)
	}
	p.Run()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if code, body := query(t, cfg, "orders_total"); code == http.StatusOK && strings.Contains(body, `"user":"u1"`) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("afterwards: %d %s", code, body)
		}
	}
}

// TestWithoutElasticsearch: while it is away every API says so in its own words,
// and what needs none of it is answered.
func TestWithoutElasticsearch(t *testing.T) {
	cfg := started(t, func(c *config.Config) {
		c.Storage.Backend = config.BackendElasticsearch
		far := &c.Storage.Elasticsearch
		far.Addresses = []string{"http://" + freeAddr(t)}
		far.RetryFor, far.RetryBackoff = model.Duration(100*time.Millisecond), model.Duration(time.Millisecond)
		c.Telemetry.StoreMetrics = 0
	})
	const id, remedy = "0af7651916cd43dd8448eb211c80319c", "correct storage.elasticsearch.addresses"
	for path, shape := range map[string]string{
		"/loki/api/v1/query_range?query=" + url.QueryEscape(`{service_name="checkout"}`): `"errorType":"unavailable"`,
		"/loki/api/v1/query?query=" + url.QueryEscape(`rate({service_name="a"}[5m])`):    `"errorType":"unavailable"`,
		"/loki/api/v1/labels":                                     `"errorType":"unavailable"`,
		"/loki/api/v1/delete":                                     `"code":503`,
		"/tempo/api/search?q=%7B%7D":                              "",
		"/tempo/api/traces/" + id:                                 "",
		"/tempo/api/metrics/query_range?q=%7B%7D%7C%20rate%28%29": "",
		"/jaeger/api/services":                                    `"code":503`,
		"/jaeger/api/traces/" + id:                                `"code":503`,
		"/jaeger/api/v3/traces/" + id:                             `"httpCode":503`,
		"/zipkin/api/v2/trace/" + id:                              "",
		"/api/v1/correlate/" + id:                                 `"error":`,
		"/api/v1/servicemap":                                      `"error":`,
		"/api/v1/coverage":                                        `"error":`,
		"/api/v1/delete":                                          `"error":`,
		"/api/v1/status":                                          `"error":`,
		"/api/v1/export?signal=logs":                              `"error":`,
		"/prometheus/api/v1/targets":                              `"errorType":"unavailable"`,
	} {
		if code, body := get(t, cfg, path); code != http.StatusServiceUnavailable || !strings.Contains(body, remedy) || !strings.Contains(body, shape) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := query(t, cfg, "vector(1)"); code != http.StatusOK {
		t.Errorf("PromQL: %d %s", code, body)
	}
	conn, err := grpc.NewClient(cfg.Server.HTTPListen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Invoke(t.Context(), "/jaeger.api_v3.QueryService/GetServices", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), remedy) {
		t.Errorf("over gRPC: %v", err)
	}
}

func sendJSON(t *testing.T, cfg config.Config, signal, body string) {
	t.Helper()
	res, err := http.Post("http://"+cfg.Server.OTLPHTTPListen+"/v1/"+signal, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", signal, res.Status)
	}
}

// answer demands one.
func answer(t *testing.T, cfg config.Config, path string, into any) {
	t.Helper()
	code, body := get(t, cfg, path)
	if code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, code, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v: %s", path, err, body)
	}
}
