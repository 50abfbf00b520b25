package alert

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/guard"
)

// answers sends one request to a server that answers as told, n-th by n-th, and
// with 200 after that.
func answers(t *testing.T, change func(*Config), status ...int) (send func() (int, error), w *way, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "alerts" {
			t.Errorf("request %d carries %q, %v", n, body, err)
		}
		if n <= len(status) {
			w.WriteHeader(status[n-1])
		}
	}))
	t.Cleanup(s.Close)
	cfg := DefaultConfig()
	cfg.RetryBackoff, cfg.RetryBackoffMax = model.Duration(time.Millisecond), model.Duration(2*time.Millisecond)
	cfg.BreakerDelay = model.Duration(time.Hour)
	if change != nil {
		change(&cfg)
	}
	w = newWay(1, cfg, prometheus.NewRegistry(), nil)
	return func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("alerts"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.send(t.Context(), s.Client(), req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return res.StatusCode, nil
	}, w, asked
}

func TestAlertsAreSentAgain(t *testing.T) {
	send, w, asked := answers(t, nil, 503, 429, 500)
	if code, err := send(); code != 200 || err != nil || asked.Load() != 4 {
		t.Errorf("%d, %v after %d tries", code, err, asked.Load())
	}
	if e := w.endpoint("x"); !e.Connected || e.LastError != "" || e.Breaker != guard.Closed {
		t.Errorf("%+v", e)
	}
	// What is wrong with the alerts is wrong the next time, too.
	send, w, asked = answers(t, nil, 400)
	if code, err := send(); code != 400 || err != nil || asked.Load() != 1 {
		t.Errorf("%d, %v after %d tries", code, err, asked.Load())
	}
	if e := w.endpoint("x"); e.Connected || !strings.Contains(e.LastError, "400") {
		t.Errorf("%+v", e)
	}
}

func TestAnAlertmanagersBreaker(t *testing.T) {
	broken := func(c *Config) { c.Retries, c.BreakerFailures, c.BreakerRequests = 0, 2, 2 }
	send, w, asked := answers(t, broken, 503, 503)
	for range 2 {
		if code, err := send(); code != 503 || err != nil {
			t.Fatalf("%d, %v", code, err)
		}
	}
	if _, err := send(); !guard.IsOpen(err) || asked.Load() != 2 || w.endpoint("x").Breaker != guard.Open {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
	w.guard.Reset()
	if code, err := send(); code != 200 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	w.guard.Trip("upgrade")
	if _, err := send(); !guard.IsOpen(err) || !strings.Contains(err.Error(), "upgrade") || asked.Load() != 3 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

// TestATryEnds: an Alertmanager that hangs costs a try, not the round.
func TestATryEnds(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil && asked.Add(1) == 1 {
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	cfg := DefaultConfig()
	cfg.SendTimeout, cfg.RetryBackoff = model.Duration(200*time.Millisecond), model.Duration(time.Millisecond)
	w := newWay(1, cfg, nil, nil)
	req, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("alerts"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.send(context.Background(), s.Client(), req)
	if err != nil || res.StatusCode != http.StatusOK || asked.Load() < 2 {
		t.Fatalf("%v after %d tries", err, asked.Load())
	}
	_ = res.Body.Close()
}
