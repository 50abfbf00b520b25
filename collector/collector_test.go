package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"github.com/clewhq/clew/collector"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a collector over the real embedded stores.
type house struct {
	records *local.Store
	metrics *metrics.Store
	way     *collector.Collector
	http    *httptest.Server
}

func open(t *testing.T, dir string) *house {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	lc := local.DefaultConfig()
	lc.Dir = dir + "/records"
	records, err := local.Open(lc, local.Deps{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mc := metrics.DefaultConfig()
	mc.Dir, mc.MinFreeBytes = dir+"/metrics", 0
	ms, err := metrics.Open(mc, metrics.Deps{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	way, err := collector.New(collector.DefaultConfig(), collector.Deps{Records: records, Metrics: ms, Registerer: prometheus.NewRegistry(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	way.Register(mux)
	way.RegisterOTLP(mux) // the paths differ: one listener can have both
	return &house{records, ms, way, httptest.NewServer(mux)}
}

func (h *house) close(t *testing.T) {
	t.Helper()
	h.http.Close()
	for _, err := range []error{h.way.Close(context.Background()), h.records.Close(), h.metrics.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

func (h *house) post(t *testing.T, path, kind string, b []byte, want int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(h.http.URL+path, kind, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != want {
		t.Errorf("POST %s: %d %s, want %d", path, res.StatusCode, body, want)
	}
}

// Every way in, then what is there, before and after a restart.
func TestEveryWayInIsDurable(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	now := time.Now().UTC()
	otlpLogs := func(text string) []byte {
		return fmt.Appendf(nil, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":%q}}]}]}]}`, now.UnixNano(), text)
	}
	const asJSON = "application/json"
	h.post(t, "/otlp/v1/logs", asJSON, otlpLogs("otlp on the main listener"), 200)
	h.post(t, "/v1/logs", asJSON, otlpLogs("otlp on its own"), 200)
	h.post(t, "/loki/otlp/v1/logs", asJSON, otlpLogs("otlp on loki's path"), 200)
	h.post(t, "/loki/api/v1/push", asJSON, fmt.Appendf(nil, `{"streams":[{"stream":{"app":"x"},"values":[["%d","loki"]]}]}`, now.UnixNano()), 204)
	h.post(t, "/elastic/_bulk", "application/x-ndjson", []byte("{\"create\":{}}\n{\"message\":\"elastic\"}\n"), 200)
	h.post(t, "/v1/traces", asJSON, fmt.Appendf(nil, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c",
		"spanId":"b7ad6b7169203331","name":"otlp","startTimeUnixNano":"%d"}]}]}]}`, now.UnixNano()), 200)
	h.post(t, "/zipkin/api/v2/spans", asJSON, fmt.Appendf(nil, `[{"traceId":"1","id":"2","name":"zipkin","timestamp":%d}]`, now.UnixMicro()), 202)
	h.post(t, "/v1/metrics", asJSON, fmt.Appendf(nil, `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"otlp",
		"gauge":{"dataPoints":[{"timeUnixNano":"%d","asDouble":1}]}}]}]}]}`, now.UnixNano()), 200)
	write, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: []prompb.Label{{Name: "__name__", Value: "written"}},
		Samples: []prompb.Sample{{Timestamp: now.UnixMilli(), Value: 1}}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	h.post(t, "/prometheus/api/v1/write", "application/x-protobuf", snappy.Encode(nil, write), 204)

	for _, when := range []string{"at once", "after a restart"} {
		var logs, spans []string
		for batch, err := range h.records.Logs(t.Context(), storage.LogQuery{Tenant: tenant.Anonymous}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range batch {
				logs = append(logs, l.Body.Text())
			}
		}
		for batch, err := range h.records.Spans(t.Context(), storage.SpanQuery{Tenant: tenant.Anonymous}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range batch {
				spans = append(spans, s.Name)
			}
		}
		all := strings.Join(logs, "|")
		for _, want := range []string{"otlp on the main listener", "otlp on its own", "otlp on loki's path", "loki", "elastic"} {
			if len(logs) != 5 || !strings.Contains(all, want) {
				t.Errorf("%s: logs %q, want %q", when, logs, want)
			}
		}
		if got := strings.Join(spans, "|"); len(spans) != 2 || !strings.Contains(got, "otlp") || !strings.Contains(got, "zipkin") {
			t.Errorf("%s: spans %q", when, spans)
		}
		if got := h.metricNames(t); !strings.Contains(got, "otlp") || !strings.Contains(got, "written") {
			t.Errorf("%s: metrics %s", when, got)
		}
		h.close(t)
		if when == "at once" {
			h = open(t, dir)
		}
	}
}

func (h *house) metricNames(t *testing.T) string {
	t.Helper()
	tm, err := h.metrics.Tenant(tenant.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	q, err := tm.Querier(0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	names, _, err := q.LabelValues(t.Context(), model.MetricNameLabel, nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestConfigYAML(t *testing.T) {
	cfg := collector.DefaultConfig()
	text := `
admission: {max_future: 10m, retry_after: 1s}
body: {max_body_bytes: 1000000, max_decompressed_bytes: 2000000}
cors: {allowed_origins: ["https://shop.example"]}
metrics: {translation_strategy: NoUTF8EscapingWithSuffixes, delta_temporality: reject}
`
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if time.Duration(cfg.Admission.MaxFuture) != 10*time.Minute || cfg.Admission.MaxAttributes != 256 || cfg.Body.MaxBytes != 1_000_000 {
		t.Errorf("got %+v", cfg)
	}
}

func TestNewRefusesABadConfig(t *testing.T) {
	cfg := collector.DefaultConfig()
	cfg.Admission.MaxFuture, cfg.Body.MaxBytes, cfg.Metrics.Delta, cfg.CORS.AllowedOrigins = 0, 0, "", []string{"x"}
	_, err := collector.New(cfg, collector.Deps{})
	for _, part := range []string{"admission: max_future", "body: max_body_bytes", "metrics: delta_temporality", "cors: allowed_origins"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	if _, err := collector.New(collector.DefaultConfig(), collector.Deps{}); err == nil {
		t.Error("a collector without stores was made")
	}
}
