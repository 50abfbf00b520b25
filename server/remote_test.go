package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

// orderRules make a recorded series and an alert out of what is written.
const orderRules = `
groups:
- name: shop
  interval: 100ms
  rules:
  - {record: "shop:orders:sum", expr: "sum(orders_total)"}
  - {alert: Orders, expr: "orders_total > 1"}
`

// TestMetricsInPrometheus runs the server with its metrics in a real
// Prometheus: OTLP in, PromQL, rules and health out, and all of it again by a
// second server that has nothing of its own.
func TestMetricsInPrometheus(t *testing.T) {
	p := prometheustest.Start(t)
	change := func(c *config.Config) {
		c.Storage.Metrics.Backend = config.BackendRemote
		c.Storage.Metrics.Remote.QueryURL = p.URL
		c.Telemetry.StoreMetrics = 0
	}
	first := started(t, func(c *config.Config) {
		change(c)
		if err := os.MkdirAll(c.Alert.RulesDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Alert.RulesDir, "shop.yaml"), []byte(orderRules), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	sendOrders(t, first)
	want(t, first, "orders_total", `"user":"u1"`)
	want(t, first, "shop:orders:sum", `"__name__":"shop:orders:sum"`)
	want(t, first, "ALERTS", `"alertname":"Orders"`)
	if code, body := get(t, first, "/prometheus/api/v1/label/__name__/values"); code != 200 || !strings.Contains(body, "orders_total") || strings.Contains(body, "clew_tenant") {
		t.Errorf("values of a label: %d %s", code, body)
	}
	if code, body := get(t, first, "/api/v1/health"); code != 200 || !strings.Contains(body, `"type":"prometheus","status":"ok"`) {
		t.Errorf("health: %d %s", code, body)
	}
	want(t, started(t, change), "orders_total", `"user":"u1"`)

	p.Kill()
	sendOrders(t, first) // taken, and waits in the log
	if code, body := query(t, first, "orders_total"); code < 500 || !strings.Contains(body, "metrics store") {
		t.Errorf("a query while Prometheus is away: %d %s", code, body)
	}
	p.Run()
}

func sendOrders(t *testing.T, cfg config.Config) {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	pt := sum.DataPoints().AppendEmpty()
	pt.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	pt.SetIntValue(2)
	pt.Attributes().PutStr("user", "u1")
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post("http://"+cfg.Server.OTLPHTTPListen+"/v1/metrics", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %s", res.Status)
	}
}

func query(t *testing.T, cfg config.Config, q string) (int, string) {
	t.Helper()
	return get(t, cfg, "/prometheus/api/v1/query?query="+url.QueryEscape(q))
}

// want waits until the query's answer holds a text. Rules take their time.
func want(t *testing.T, cfg config.Config, q, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		code, body := query(t, cfg, q)
		if code == http.StatusOK && strings.Contains(body, text) {
			return
		}
		var answer struct{ Status string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status == "error" {
			t.Fatal(fmt.Errorf("%s: %d %s", q, code, body))
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %s\nwant %s in it", q, body, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
