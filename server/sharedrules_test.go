package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
)

// The rules of all rulers are one answer: a group that changes hands stands
// there once, and a ruler that fails is named.
func TestAskAll(t *testing.T) {
	ruler := func(body string) members.Member {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(ownOnly) == "" || r.Header.Get(tenant.Header) != "team-a" || r.URL.Query().Get("type") != "alert" {
				t.Errorf("asked %s with %v", r.URL, r.Header)
			}
			if body == "" {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte(body)) // the asker may have gone
		}))
		t.Cleanup(s.Close)
		return members.Member{Name: "r" + body[:min(1, len(body))], About: members.About{Target: "ruler", URL: s.URL}}
	}
	rulers := []members.Member{
		ruler(`{"status":"success","data":{"groups":[{"file":"b","name":"y"},{"file":"a","name":"x"}]}}`),
		ruler(`{"status":"success","data":{"groups":[{"file":"a","name":"x"},{"file":"a","name":"z"}]},"warnings":["w"]}`),
		ruler(""),
		ruler("no JSON"),
	}
	r := httptest.NewRequest(http.MethodGet, "/prometheus/api/v1/rules?type=alert", nil)
	r.Header.Set(tenant.Header, "team-a")
	ways := newRulers(askQuickly(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer ways.close()
	got := ways.askAll(r, rulers, "groups")
	var groups []string
	for _, g := range got.Data["groups"] {
		groups = append(groups, string(g))
	}
	if s := strings.Join(groups, " "); s != `{"file":"a","name":"x"} {"file":"a","name":"z"} {"file":"b","name":"y"}` {
		t.Errorf("groups %s", s)
	}
	if w := strings.Join(got.Warnings, "\n"); len(got.Warnings) != 3 || !strings.Contains(w, "503") || !strings.Contains(w, "not now") || !strings.Contains(w, "invalid character") {
		t.Errorf("warnings:\n%s", w)
	}
}

func askQuickly() config.Config {
	cfg := config.Default()
	cfg.Alert.RetryBackoff, cfg.Alert.RetryBackoffMax = model.Duration(time.Millisecond), model.Duration(2*time.Millisecond)
	cfg.Alert.BreakerFailures, cfg.Alert.BreakerRequests, cfg.Alert.BreakerDelay = 4, 4, model.Duration(time.Hour)
	return cfg
}

// Rulers are called as everything else is: one that stumbles is asked again, one
// that fails is left alone, by itself, and an operator sees that and can end it.
func TestRulersAreGuarded(t *testing.T) {
	var asked atomic.Int64
	var well atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := asked.Add(1); n == 1 || n > 2 && !well.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"groups":[]}}`))
	}))
	defer s.Close()
	list := []members.Member{{Name: "a", About: members.About{Target: "ruler", URL: s.URL}}}
	ways := newRulers(askQuickly(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer ways.close()
	ask := func() string {
		return strings.Join(ways.askAll(httptest.NewRequest(http.MethodGet, "/prometheus/api/v1/rules", nil), list, "groups").Warnings, "; ")
	}
	if w := ask(); w != "" || asked.Load() != 2 {
		t.Errorf("after a stumble: %q, asked %d times", w, asked.Load())
	}
	for range 3 {
		ask()
	}
	n := asked.Load()
	if w := ask(); !strings.Contains(w, "circuit breaker open") || asked.Load() != n {
		t.Errorf("warnings %q; it was asked though its breaker should be open", w)
	}
	var states []string
	ways.each(func(name string, r *ruler) {
		states = append(states, name+" "+r.health(name, 0).Status+" "+r.guard.State())
	})
	if got := strings.Join(states, ", "); got != "ruler-a down open" {
		t.Errorf("health: %s", got)
	}
	well.Store(true)
	ways.each(func(_ string, r *ruler) { r.guard.Reset() })
	if w := ask(); w != "" {
		t.Errorf("after it was closed by hand: %q", w)
	}
	ways.askAll(httptest.NewRequest(http.MethodGet, "/prometheus/api/v1/rules", nil), nil, "groups")
	ways.each(func(name string, _ *ruler) { t.Errorf("%s is gone and known all the same", name) })
}
