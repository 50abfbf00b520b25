package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/server/config"
)

// TestFullDisk: a server that finds its disk full starts, answers queries,
// refuses data with the time to come again, and says so everywhere.
func TestFullDisk(t *testing.T) {
	cfg := started(t, func(c *config.Config) {
		c.Storage.Local.MinFreeBytes = 1 << 60
		c.Storage.Metrics.MinFreeBytes = 1 << 60
	})
	for _, path := range []string{"/otlp/v1/logs", "/otlp/v1/traces", "/otlp/v1/metrics"} {
		body := map[string]string{
			"/otlp/v1/logs":    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`,
			"/otlp/v1/traces":  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","startTimeUnixNano":"` + strconv.FormatInt(time.Now().UnixNano(), 10) + `"}]}]}]}`,
			"/otlp/v1/metrics": `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}`,
		}[path]
		res, err := http.Post("http://"+cfg.Server.HTTPListen+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q", path, res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
	if code, body := get(t, cfg, "/readyz"); code != http.StatusOK || !strings.Contains(body, `"read-only"`) || !strings.Contains(body, "min_free_bytes") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	code, body := get(t, cfg, "/api/v1/health")
	var h Health
	if err := json.Unmarshal([]byte(body), &h); err != nil || code != http.StatusOK || h.Status != "degraded" {
		t.Errorf("/api/v1/health: %d %s", code, body)
	}
	for _, path := range []string{
		"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D", "/tempo/api/search?q=%7B%7D", "/api/v1/servicemap",
	} {
		if code, body := get(t, cfg, path); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}
