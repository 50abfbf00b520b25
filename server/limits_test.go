package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/server/config"
)

// TestLimitsFollowTheFile: limits change without a restart, and a mistake in
// the file changes nothing.
func TestLimitsFollowTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clew.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("limits: {}")
	cfg := started(t, func(c *config.Config) {
		c.File, c.Server.ReloadInterval = file, model.Duration(10*time.Millisecond)
		c.Again = func() (config.Config, error) { return config.Load(file) }
	})
	n := 0
	send := func() int {
		t.Helper()
		n++
		body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.TrimSuffix(strings.Repeat(`{"body":{"stringValue":"x"}},`, n), ",") + `]}]}]}`
		res, err := http.Post("http://"+cfg.Server.HTTPListen+"/otlp/v1/logs", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return res.StatusCode
	}
	await := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); send() != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no answer was %d", want)
			}
		}
	}
	await(200)
	put("limits: {records_per_second: 0.001, burst_seconds: 1}")
	await(429)
	put("limits: {records_per_second: wrong}")
	put("limits: {tenants: {anonymous: {}}, records_per_second: 0.001}")
	await(200)
}
