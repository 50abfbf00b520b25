package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/local/object"
)

// TestBreakerOfObjectStorageByHand: an operator stops what goes to object
// storage, health says so and why, and lets it go on.
func TestBreakerOfObjectStorageByHand(t *testing.T) {
	cfg := started(t, func(c *config.Config) {
		c.Storage.Local.Objects.Kind, c.Storage.Local.Objects.Directory = object.KindDirectory, t.TempDir()
	})
	put := func(name, body string, want int) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodPut, "http://"+cfg.Server.HTTPListen+"/api/v1/circuit-breakers/"+name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %d %s %v, want %d", name, body, res.StatusCode, text, err, want)
		}
		return string(text)
	}
	health := func(want ...string) {
		t.Helper()
		_, text := get(t, cfg, "/api/v1/health")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("health %s, want %s", text, w)
			}
		}
	}
	put("objects", `{"state":"open","reason":"the bucket moves"}`, 200)
	health(`"circuit_breaker":"open"`, "the bucket moves")
	put("objects", `{"state":"closed"}`, 200)
	if _, text := get(t, cfg, "/api/v1/health"); strings.Contains(text, `"circuit_breaker":"open"`) {
		t.Errorf("health after it was closed: %s", text)
	}
	if text := put("remote-metrics", `{"state":"open"}`, 404); !strings.Contains(text, "objects") {
		t.Errorf("the unknown one: %s", text)
	}
}
