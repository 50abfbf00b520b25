package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/internal/tenant"
)

// TestTargets: who reports is a target, once, whatever it sends.
func TestTargets(t *testing.T) {
	now := start.Add(30 * time.Minute)
	h := serve(t, func(_ *Config, d *Deps) {
		d.Now = func() time.Time { return now }
		d.Reporters = func(_ context.Context, name string, since time.Time) ([]Reporter, []string, error) {
			if name != tenant.Anonymous || !since.Equal(now.Add(-time.Hour)) {
				t.Errorf("asked for %s since %v", name, since)
			}
			return []Reporter{
				{Job: "shop/cart", Instance: "pod-1", Signals: []string{"traces"}, LastSeen: now.Add(-time.Second), Attributes: map[string]string{"host.name": "n1"}},
				{Job: "shop/cart", Instance: "pod-1", Signals: []string{"logs"}, LastSeen: now.Add(-time.Hour)},
				{Job: "batch", Signals: []string{"logs"}, LastSeen: now.Add(-6 * time.Minute)},
				{Job: "gone", Signals: []string{"logs"}, LastSeen: now.Add(-61 * time.Minute)},
			}, []string{"some are missing"}, nil
		}
	})
	m, err := h.store.Tenant(tenant.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	app := m.AppenderV2(t.Context())
	for _, s := range []struct {
		name, job, instance string
		ago                 time.Duration
		value               float64
	}{
		{"target_info", "shop/cart", "pod-1", 2 * time.Minute, 1},
		{"target_info", "host", "n1", 3 * time.Minute, 1},
		{"target_info", "host", "n1", 2 * time.Minute, 1},
		{"up", "node", "n1:9100", time.Minute, 0},
		{"up", "node", "n2:9100", time.Minute, 1},
		{"up", "old", "n2:9100", 2 * time.Hour, 1},
		{"other", "other", "o", time.Minute, 1},
	} {
		ls := labels.FromStrings(model.MetricNameLabel, s.name, "job", s.job, "instance", s.instance)
		if _, err := app.Append(0, ls, 0, now.Add(-s.ago).UnixMilli(), s.value, nil, nil, promstorage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	var data targetDiscovery
	get := func(path, query string) {
		t.Helper()
		code, answer := h.ask(t, "GET", path, vals("state", "active", "scrapePool", query))
		if code != http.StatusOK {
			t.Fatalf("%d %v", code, answer)
		}
		raw, _ := json.Marshal(answer["data"])
		data = targetDiscovery{}
		if err := json.Unmarshal(raw, &data); err != nil {
			t.Fatal(err)
		}
	}
	get("/targets", "")
	type line struct{ Pool, URL, Health, Err, Signals string }
	var got []line
	for _, a := range data.Active {
		got = append(got, line{a.Pool, a.URL, a.Health, a.LastError, a.Discovered["__meta_clew_signals"]})
	}
	want := []line{
		{"batch", "push:///batch", "down", "nothing was heard of it for 6m0s", "logs"},
		{"host", "push://n1/host", "up", "", "metrics"},
		{"node", "push://n1:9100/node", "down", "the agent could not scrape it", "metrics"},
		{"node", "push://n2:9100/node", "up", "", "metrics"},
		{"shop/cart", "push://pod-1/shop/cart", "up", "", "logs,metrics,traces"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	cart := data.Active[4]
	if !cart.LastScrape.Equal(now.Add(-time.Second)) || cart.Discovered["host.name"] != "n1" ||
		!cmp.Equal(cart.Labels, map[string]string{"job": "shop/cart", "instance": "pod-1"}) {
		t.Errorf("got %+v", cart)
	}
	if get("/targets", "node"); len(data.Active) != 2 {
		t.Errorf("got %d targets of a pool, want 2", len(data.Active))
	}
	if code, answer := h.ask(t, "GET", "/targets", vals("state", "x")); code != http.StatusBadRequest {
		t.Errorf("got %d %v, want 400", code, answer)
	}
	_, answer := h.ask(t, "GET", "/scrape_pools", nil)
	if d := cmp.Diff(map[string]any{"scrapePools": []any{"batch", "host", "node", "shop/cart"}}, answer["data"]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]any{"some are missing"}, answer["warnings"]); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
}

func TestTargetsFail(t *testing.T) {
	h := serve(t, func(_ *Config, d *Deps) {
		d.Reporters = func(context.Context, string, time.Time) ([]Reporter, []string, error) {
			return nil, nil, errors.New("no records")
		}
	})
	for _, path := range []string{"/targets", "/scrape_pools"} {
		if code, answer := h.ask(t, "GET", path, nil); code != http.StatusInternalServerError || answer["error"] != "no records" {
			t.Errorf("%s: got %d %v, want 500", path, code, answer)
		}
	}
}
