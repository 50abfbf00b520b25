package elastic

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidateNamesTheKey(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for key, set := range map[string]func(*Config){
		"addresses":         func(c *Config) { c.Addresses = []string{"localhost:9200"} },
		"password":          func(c *Config) { c.Password = "x" },
		"retry_backoff_max": func(c *Config) { c.RetryBackoffMax = c.RetryBackoff },
		"retry_budget":      func(c *Config) { c.RetryBudget = 2 },
		"breaker_requests":  func(c *Config) { c.BreakerRequests = 1 },
		"dataset":           func(c *Config) { c.Dataset = "with-dash" },
		"shards":            func(c *Config) { c.Shards = 0 },
		"acknowledge":       func(c *Config) { c.Acknowledge = "maybe" },
		"startup":           func(c *Config) { c.Startup = "" },
		"lifecycle":         func(c *Config) { c.Lifecycle = "none" },
		"shard_wait":        func(c *Config) { c.ShardWait = 0 },
		"park_after":        func(c *Config) { c.ParkAfter = 0 },
		"parked_share":      func(c *Config) { c.ParkedShare = 1 },
		"page_rows":         func(c *Config) { c.PageRows = 20_000 },
		"bulk_concurrency":  func(c *Config) { c.BulkConcurrency = 0 },
		"wal_bytes":         func(c *Config) { c.WALBytes = 0 },
		"retention":         func(c *Config) { c.Retention.Logs = -1 },
		"rollover_age":      func(c *Config) { c.RolloverAge = 0 },
	} {
		c := DefaultConfig()
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestNames(t *testing.T) {
	n := names{"clew.otel"}
	for tenant, want := range map[string]string{
		"anonymous": "logs-clew.otel-anonymous", "Team-A_1": "logs-clew.otel-.team-.a_1", "AB": "logs-clew.otel-.a.b",
	} {
		if got := n.stream(telemetry.Logs, tenant); got != want {
			t.Errorf("%s is %s, want %s", tenant, got, want)
		}
		if back, ok := n.tenant(telemetry.Logs, want); !ok || back != tenant {
			t.Errorf("%s is of %q, %v", want, back, ok)
		}
	}
	for _, foreign := range []string{"logs-other-x", "traces-clew.otel-x", "logs-clew.otel-"} {
		if name, ok := n.tenant(telemetry.Logs, foreign); ok {
			t.Errorf("%s is taken for %q's", foreign, name)
		}
	}
	if err := n.check(strings.Repeat("A", 128)); err == nil {
		t.Error("a name too long for an index was taken")
	}
	if err := n.check(strings.Repeat("a", 128)); err != nil {
		t.Error(err)
	}
}

func TestRecordIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, raw := range []string{"a", "b"} {
		h := dedup.HashOf("me", telemetry.Logs, []byte(raw))
		for _, n := range []int{0, 1, 255, 256, 1 << 16, 1<<24 - 1, 1 << 24, 1 << 30} {
			id := recordID(h, n)
			if seen[id] || id != recordID(h, n) || strings.ContainsAny(id, `"\/`) {
				t.Errorf("%q of %s, %d", id, raw, n)
			}
			seen[id] = true
		}
	}
}

// The requests of policies are never sent by the tests on a real server, which
// has none: they are kept here.
func TestLifecyclePolicy(t *testing.T) {
	s := &Store{cfg: DefaultConfig(), names: names{"clew.otel"}}
	s.cfg.Retention.Logs = model.Duration(30 * day)
	got, err := json.Marshal(s.policy(s.retention(telemetry.Logs)))
	want := `{"policy":{"phases":{"delete":{"actions":{"delete":{}},"min_age":"2592000s"},"hot":{"actions":{"rollover":{"max_age":"86400s","max_primary_shard_size":"53687091200b"}}}}}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, _ := json.Marshal(s.policy(0)); strings.Contains(string(got), "delete") {
		t.Errorf("kept for ever: %s", got)
	}
	s.ilm.Store(true)
	for _, tpl := range s.templates() {
		body, err := s.templateBody(tpl)
		if err != nil || !json.Valid(body) {
			t.Fatalf("%s: %v: %s", tpl.name, err, body)
		}
		if got := strings.Contains(string(body), `"index.lifecycle.name":"clew-`); got != (tpl.signal != "") {
			t.Errorf("%s: %s", tpl.name, body)
		}
	}
}

func TestSeconds(t *testing.T) {
	if got := seconds(90 * time.Minute); got != "5400s" {
		t.Error(got)
	}
}

func TestBusy(t *testing.T) {
	for _, c := range []struct {
		status    int
		kind, why string
		want      bool
	}{
		{429, "es_rejected_execution_exception", "", true}, {429, "circuit_breaking_exception", "", true},
		{500, "mapper_exception", "timed out while waiting for a dynamic mapping update", true},
		{503, "process_cluster_event_timeout_exception", "", true},
		{429, "cluster_block_exception", "disk usage exceeded flood-stage watermark", false},
		{403, "cluster_block_exception", "", false}, {503, "unavailable_shards_exception", "", false},
		{400, "validation_exception", "", false}, {404, "index_not_found_exception", "", false},
	} {
		if got := busy(c.status, c.kind, c.why); got != c.want {
			t.Errorf("%d %s: %v", c.status, c.kind, got)
		}
	}
}

func TestRefusedForGood(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		want   bool
	}{
		{400, "document_parsing_exception", true}, {413, "", true},
		{400, "validation_exception", false}, // too many shards
		{403, "cluster_block_exception", false}, {404, "index_not_found_exception", false},
		{429, "es_rejected_execution_exception", false}, {503, "", false},
	} {
		if got := refusedForGood(c.status, c.kind); got != c.want {
			t.Errorf("%d %s: %v", c.status, c.kind, got)
		}
	}
}
