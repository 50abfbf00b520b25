package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/server/auth"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clew.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

func TestTheDefaultsAreGood(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c, err := load(t, "# nothing\n")
	if err != nil || c.Server.HTTPListen != Default().Server.HTTPListen {
		t.Errorf("an empty file: %+v, %v", c.Server, err)
	}
}

// The names of the contract.
func TestContract(t *testing.T) {
	c, err := load(t, `
server: {http_listen: 127.0.0.1:2539, otlp_grpc_listen: 127.0.0.1:4317, otlp_http_listen: 127.0.0.1:4318}
auth: {type: none}
storage:
  backend: local
  local: {dir: ./data}
  metrics: {backend: local}
  retention: {logs: 30d, traces: 14d, metrics: 90d}
alert: {rules_dir: ./rules, alertmanagers: ["http://127.0.0.1:9093"]}
`)
	if err != nil {
		t.Fatal(err)
	}
	day := model.Duration(24 * time.Hour)
	if c.Storage.Records().Dir != "data/records" || c.Storage.Records().Retention.Logs != 30*day || c.Storage.Samples().Retention != 90*day {
		t.Errorf("storage: %+v", c.Storage)
	}
	if age := c.Intake().Admission.MaxAge; age.Traces != 14*day {
		t.Errorf("what is older than the retention would be taken: %+v", age)
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":           {"storage: {lokal: {}}", `did you mean "storage.local"?`},
		"unknown nested key":    {"query: {logql: {max_serie: 1}}", `did you mean "query.logql.max_series"?`},
		"key set elsewhere":     {"storage: {metrics: {retention: 1d}}", `unknown key "storage.metrics.retention"`},
		"backend":               {"storage: {backend: opensearch}", "use local or elasticsearch"},
		"no cluster":            {"storage: {backend: elasticsearch, elasticsearch: {addresses: []}}", "storage.elasticsearch: addresses: empty"},
		"cluster without http":  {"storage: {backend: elasticsearch, elasticsearch: {addresses: ['127.0.0.1:9200']}}", "want a URL such as http://"},
		"several in a section":  {"storage: {backend: elasticsearch, elasticsearch: {shards: 0, page_rows: 0}}", "storage.elasticsearch: shards: 0, want 1 or more\nstorage.elasticsearch: page_rows: 0"},
		"who acknowledges":      {"storage: {backend: elasticsearch, elasticsearch: {acknowledge: never}}", `acknowledge: "never", want one of`},
		"retention there":       {"storage: {backend: elasticsearch, retention: {tenants: {a: {logs: 1d}}}}", "all records go by age"},
		"metrics backend":       {"storage: {metrics: {backend: influx}}", "use local or remote"},
		"no metrics store":      {"storage: {metrics: {backend: remote, remote: {query_url: '127.0.0.1:9090'}}}", "storage.metrics.remote: query_url"},
		"a role by itself":      {"target: query", "set storage.backend to elasticsearch and storage.metrics.backend to remote"},
		"cluster":               {"cluster: {join: ['127.0.0.1:7946']}", "cluster: join is set without listen"},
		"target":                {"target: querier", "use all, collector, query or ruler"},
		"open without auth":     {"server: {http_listen: 0.0.0.0:2539}", "auth: {type: none}"},
		"address without port":  {"server: {http_listen: localhost}", "want host:port"},
		"no address":            {"server: {http_listen: ''}", "want host:port"},
		"log level":             {"telemetry: {log_level: loud}", "debug, info, warn or error"},
		"log format":            {"telemetry: {log_format: xml}", "text or json"},
		"auth type":             {"auth: {type: oidc}", "use none, token or basic"},
		"a room's own rule":     {"storage: {local: {block_rows: 0}}", "storage.local: block_rows"},
		"retention of a second": {"storage: {retention: {metrics: 1s}}", "storage.metrics: retention"},
		"retention below 0":     {"storage: {retention: {logs_bytes: -1}}", "retention.logs_bytes: -1"},
		"a tenant's below 0":    {"storage: {retention: {tenants: {a: {traces_bytes: -1}}}}", "retention.tenants.a.traces_bytes: -1"},
		"not a duration":        {"storage: {retention: {logs: soon}}", "soon"},
		"two at once":           {"target: all\nauth: {type: oidc}", "use none, token or basic"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestOpenListenersWithAuthentication(t *testing.T) {
	for _, text := range []string{
		"server: {http_listen: 0.0.0.0:2539}\nauth: {type: none}",
		"server: {http_listen: 0.0.0.0:2539}\nauth: {type: token, tokens: [{name: a, token: b}]}",
	} {
		if _, err := load(t, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPrintMasksSecrets(t *testing.T) {
	c := Default()
	c.Auth = auth.Config{Tokens: []auth.Token{{Token: "s3cret"}}, Users: []auth.User{{PasswordHash: "s3cret"}}}
	c.Telemetry.Authorization = "Bearer s3cret"
	c.Alert.Alertmanagers = []string{"http://me:s3cret@127.0.0.1:9093"}
	out, err := Print(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "s3cret") || !strings.Contains(out, "http_listen: 127.0.0.1:2539") {
		t.Errorf("printed:\n%s", out)
	}
	if c.Auth.Tokens[0].Token != "s3cret" || c.Alert.Alertmanagers[0] != "http://me:s3cret@127.0.0.1:9093" {
		t.Error("printing changed the configuration itself")
	}
	printed, err := load(t, strings.ReplaceAll(out, "type: \"\"", "type: none"))
	if err == nil && printed.Storage.Local.FlushBytes != c.Storage.Local.FlushBytes {
		t.Errorf("what is printed cannot be read again: %+v", printed)
	}
}
