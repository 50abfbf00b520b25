package server

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/server/auth"
	"github.com/clewhq/clew/server/config"
)

// editable starts a server whose configuration is read again from what is
// stored in the returned pointer.
func editable(t *testing.T, change func(*config.Config)) (config.Config, *atomic.Pointer[config.Config]) {
	t.Helper()
	var file atomic.Pointer[config.Config]
	cfg := started(t, func(c *config.Config) {
		c.Auth = auth.Config{Type: "token", Tokens: []auth.Token{{Name: "a", Token: "first"}}}
		c.File, c.Server.ReloadInterval = filepath.Join(t.TempDir(), "clew.yaml"), model.Duration(time.Hour)
		c.Again = func() (config.Config, error) { return *file.Load(), nil }
		if change != nil {
			change(c)
		}
		now := *c
		file.Store(&now)
	})
	return cfg, &file
}

// edit changes what is read the next time.
func edit(file *atomic.Pointer[config.Config], change func(*config.Config)) {
	next := *file.Load()
	change(&next)
	file.Store(&next)
}

func reload(t *testing.T, cfg config.Config, token string) (int, Reloaded, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+cfg.Server.HTTPListen+"/-/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var raw json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	var out Reloaded
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode, out, string(raw)
}

// TestReload changes what can be changed, and is told what cannot.
func TestReload(t *testing.T) {
	cfg, file := editable(t, nil)
	if code, out, raw := reload(t, cfg, "first"); code != 200 || len(out.Changed)+len(out.NeedsRestart) > 0 {
		t.Errorf("nothing has changed: %d %s", code, raw)
	}
	edit(file, func(c *config.Config) {
		c.Auth.Tokens = []auth.Token{{Name: "a", Token: "second"}}
		c.Limits.RecordsPerSecond = 7
		c.Telemetry.LogLevel = "debug"
		c.Alert.Alertmanagers = []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}
		c.Storage.Retention.Logs = model.Duration(24 * time.Hour)
		c.Storage.Retention.Metrics = model.Duration(24 * time.Hour)
		c.Query.LogQL.MaxQueryLength = 1000
	})
	code, out, raw := reload(t, cfg, "first")
	if want := []string{"alert.alertmanagers", "auth.tokens", "limits.records_per_second", "storage.retention.logs", "telemetry.log_level"}; code != 200 || !slices.Equal(out.Changed, want) {
		t.Errorf("changed: %d %s, want %v", code, raw, want)
	}
	if want := []string{"query.logql.max_query_length_bytes", "storage.retention.metrics"}; !slices.Equal(out.NeedsRestart, want) {
		t.Errorf("needs a restart: %v, want %v", out.NeedsRestart, want)
	}
	if code, _, _ := reload(t, cfg, "first"); code != http.StatusUnauthorized {
		t.Errorf("the token before is answered %d", code)
	}
	// What waits for a restart is told every time.
	if code, out, raw := reload(t, cfg, "second"); code != 200 || len(out.Changed) > 0 || len(out.NeedsRestart) != 2 {
		t.Errorf("again: %d %s", code, raw)
	}
	code, health := get(t, cfg, "/api/v1/health", "Authorization", "Bearer second")
	if code != 200 || !strings.Contains(health, "http://127.0.0.1:2") {
		t.Errorf("health after another Alertmanager: %d %s", code, health)
	}
	if code, list := get(t, cfg, "/api/v1/circuit-breakers", "Authorization", "Bearer second"); code != 200 || !strings.Contains(list, `"alertmanager-2"`) {
		t.Errorf("breakers: %d %s", code, list)
	}
}

// TestAWrongReloadChangesNothing: also where only a part is wrong.
func TestAWrongReloadChangesNothing(t *testing.T) {
	cfg, file := editable(t, nil)
	for what, change := range map[string]func(*config.Config){
		"telemetry.log_level": func(c *config.Config) { c.Telemetry.LogLevel = "loud" },
		"read the token":      func(c *config.Config) { c.Auth.Tokens = []auth.Token{{Name: "a", File: "/nowhere/at/all"}} },
		"alertmanagers":       func(c *config.Config) { c.Alert.Alertmanagers = []string{"nowhere"} },
	} {
		good := *file.Load()
		edit(file, change)
		edit(file, func(c *config.Config) { c.Limits.RecordsPerSecond = 1 })
		if code, _, raw := reload(t, cfg, "first"); code != http.StatusBadRequest || !strings.Contains(raw, what) {
			t.Errorf("%s: %d %s", what, code, raw)
		}
		file.Store(&good)
		if code, out, raw := reload(t, cfg, "first"); code != 200 || len(out.Changed)+len(out.NeedsRestart) > 0 {
			t.Errorf("after %s something else holds: %d %s", what, code, raw)
		}
	}
}

// TestReloadOnSignal: SIGHUP does the same.
func TestReloadOnSignal(t *testing.T) {
	cfg, file := editable(t, nil)
	edit(file, func(c *config.Config) { c.Auth.Tokens = []auth.Token{{Name: "a", Token: "second"}} })
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if code, _ := get(t, cfg, "/api/v1/circuit-breakers", "Authorization", "Bearer second"); code == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the new token does not work")
		}
	}
}

// TestNothingToReload: a server without a file says so.
func TestNothingToReload(t *testing.T) {
	cfg := started(t, nil)
	if code, _, raw := reload(t, cfg, ""); code != http.StatusBadRequest || !strings.Contains(raw, "--config") {
		t.Errorf("%d %s", code, raw)
	}
}
