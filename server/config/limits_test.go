package config

import (
	"strings"
	"testing"

	"github.com/clewhq/clew/collector/admission"
)

// The names that the documentation promises to keep are all read.
func TestFixedNames(t *testing.T) {
	c, err := load(t, `
server: {http_listen: 127.0.0.1:2539, otlp_grpc_listen: 127.0.0.1:4317, otlp_http_listen: 127.0.0.1:4318}
auth: {type: none}
limits: {}
receivers: {}
correlation: {}
storage:
  backend: local
  local: {dir: ./data}
  elasticsearch: {addresses: ["http://127.0.0.1:9200"], username: "u", password: "s3cret", api_key: "s3cret", ca_file: ""}
  metrics: {backend: local, remote: {write_url: "http://w", query_url: "http://q"}}
  retention: {logs: 30d, traces: 14d, metrics: 90d}
query: {}
alert: {rules_dir: ./rules, alertmanagers: ["http://127.0.0.1:9093"]}
telemetry: {}
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Storage.Elasticsearch.Addresses[0] != "http://127.0.0.1:9200" || c.Storage.Metrics.Remote.QueryURL != "http://q" {
		t.Errorf("storage %+v", c.Storage)
	}
	if out, err := Print(c); err != nil || strings.Contains(out, "s3cret") {
		t.Errorf("printed, error %v:\n%s", err, out)
	}
}

func TestLimits(t *testing.T) {
	c, err := load(t, `limits: {records_per_second: 10, tenants: {big: {records_per_second: 100}, own: {bytes_per_second: 5, burst_seconds: 2}, free: {}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]admission.Limits{
		"anonymous": {RecordsPerSecond: 10, BurstSeconds: 10},
		"big":       {RecordsPerSecond: 100, BurstSeconds: 10},
		"own":       {BytesPerSecond: 5, BurstSeconds: 2},
		"free":      {BurstSeconds: 10},
	} {
		if got := c.Limits.Of(tenant); got != want {
			t.Errorf("%s: %+v, want %+v", tenant, got, want)
		}
	}
	for text, want := range map[string]string{
		`limits: {records_per_second: -1}`:                 "want 0 (no limit) or more",
		`limits: {tenants: {a: {bytes_per_second: -1}}}`:   "limits: tenants.a: limits",
		`limits: {tenants: {a: {bytes_per_secund: 1}}}`:    `did you mean "limits.tenants.a.bytes_per_second"?`,
		`receivers: {admission: {limits: {}}}`:             `unknown key "receivers.admission.limits"`,
		`server: {reload_interval: 0s}`:                    "server.reload_interval",
		`limits: {bytes_per_second: 1, burst_seconds: -1}`: "burst_seconds",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", text, err, want)
		}
	}
}
