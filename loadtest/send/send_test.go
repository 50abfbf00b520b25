package send

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/loadtest/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is an OTLP endpoint that keeps what it takes.
type endpoint struct {
	t *testing.T
	// answer decides over request number n of the bytes body; nil takes all.
	answer func(n int, w http.ResponseWriter, body []byte) bool

	mu     sync.Mutex
	n      int
	tenant string              // of the last request
	bodies map[string][][]byte // by path, taken ones
	all    [][]byte            // and those that were not
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its sender was stopped halfway, and expects no answer
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			e.t.Error(err)
		}
		if body, err = io.ReadAll(zr); err != nil {
			e.t.Error(err)
		}
	}
	e.n++
	e.tenant = r.Header.Get("X-Scope-OrgID")
	e.all = append(e.all, body)
	if e.answer != nil && !e.answer(e.n, w, body) {
		return
	}
	e.bodies[r.URL.Path] = append(e.bodies[r.URL.Path], body)
}

func start(t *testing.T, answer func(n int, w http.ResponseWriter, body []byte) bool) (*endpoint, Config) {
	t.Helper()
	e := &endpoint{t: t, answer: answer, bodies: map[string][][]byte{}}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	cfg := DefaultConfig()
	cfg.Endpoint, cfg.BatchRecords = srv.URL, 100
	cfg.RetryInitial, cfg.RetryMax = time.Millisecond, 2*time.Millisecond
	return e, cfg
}

func newWorkload(t *testing.T, requests int) (*workload.Workload, *workload.Truth) {
	t.Helper()
	cfg := workload.DefaultConfig(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	cfg.Requests = requests
	w, err := workload.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.Truth()
}

func TestEverythingArrivesOnce(t *testing.T) {
	for _, gz := range []bool{false, true} {
		e, cfg := start(t, nil)
		cfg.Gzip = gz
		w, truth := newWorkload(t, 60)
		res, err := Run(context.Background(), cfg, w, truth)
		if err != nil {
			t.Fatal(err)
		}
		if res.Logs != truth.Logs || res.Spans != truth.Spans || res.Samples != truth.Samples || res.Failed != 0 {
			t.Errorf("result %+v, truth has %d logs, %d spans, %d samples", res, truth.Logs, truth.Spans, truth.Samples)
		}
		e.checkLogs(t, truth)
		e.checkSpans(t, truth)
		points := 0
		for _, b := range e.bodies["/v1/metrics"] {
			md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b)
			if err != nil {
				t.Fatal(err)
			}
			points += md.DataPointCount()
		}
		if points != truth.Samples {
			t.Errorf("%d points arrived, want %d", points, truth.Samples)
		}
	}
}

func (e *endpoint) checkLogs(t *testing.T, truth *workload.Truth) {
	t.Helper()
	seen := map[int64]bool{}
	byService := map[string]int{}
	for _, b := range e.bodies["/v1/logs"] {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, rl := range ld.ResourceLogs().All() {
			name, _ := rl.Resource().Attributes().Get("service.name")
			for _, l := range rl.ScopeLogs().At(0).LogRecords().All() {
				seq, _ := l.Attributes().Get("loadtest.seq")
				if seen[seq.Int()] {
					t.Errorf("log %d came twice", seq.Int())
				}
				seen[seq.Int()] = true
				byService[name.Str()]++
			}
		}
	}
	for s, n := range truth.LogsByService {
		if byService[s] != n {
			t.Errorf("%d logs of %s, want %d", byService[s], s, n)
		}
	}
}

func (e *endpoint) checkSpans(t *testing.T, truth *workload.Truth) {
	t.Helper()
	spans, failed, links := 0, 0, 0
	for _, b := range e.bodies["/v1/traces"] {
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
		if err != nil {
			t.Fatal(err)
		}
		spans += td.SpanCount()
		for _, rs := range td.ResourceSpans().All() {
			for _, s := range rs.ScopeSpans().At(0).Spans().All() {
				links += s.Links().Len()
				if s.Status().Code() == ptrace.StatusCodeError {
					failed++
				}
			}
		}
	}
	if spans != truth.Spans || failed != truth.Errors || links == 0 {
		t.Errorf("%d spans, %d failed, %d links; want %d, %d and some", spans, failed, links, truth.Spans, truth.Errors)
	}
}

// TestRetriesSendTheSameBytes holds what makes a server's deduplication work.
func TestRetriesSendTheSameBytes(t *testing.T) {
	for _, status := range []int{429, 502, 503, 504} {
		e, cfg := start(t, func(n int, w http.ResponseWriter, _ []byte) bool {
			if n <= 3 {
				w.WriteHeader(status)
				return false
			}
			return true
		})
		c := newClient(cfg)
		_, retries, err := c.post(context.Background(), Logs, []byte("the same"))
		c.close()
		if err != nil || retries != 3 {
			t.Errorf("status %d: %d retries, error %v: want 3 and none", status, retries, err)
		}
		for _, b := range e.all {
			if string(b) != "the same" {
				t.Errorf("status %d: sent %q", status, b)
			}
		}
	}
}

func TestRefusalIsFinal(t *testing.T) {
	e, cfg := start(t, func(_ int, w http.ResponseWriter, _ []byte) bool {
		http.Error(w, "no such thing", http.StatusBadRequest)
		return false
	})
	w, truth := newWorkload(t, 3)
	res, err := Run(context.Background(), cfg, w, truth)
	if err != nil {
		t.Fatal(err)
	}
	if res.Failed != truth.Logs+truth.Spans+truth.Samples || res.Retries != 0 || len(e.bodies) != 0 {
		t.Errorf("result %+v: want everything failed without a retry", res)
	}
	if len(res.FirstErrors) == 0 || !strings.Contains(res.FirstErrors[0], "no such thing") {
		t.Errorf("errors %q: want the endpoint's words", res.FirstErrors)
	}
}

func TestGivesUpInTime(t *testing.T) {
	_, cfg := start(t, func(_ int, w http.ResponseWriter, _ []byte) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	})
	cfg.RetryFor = 20 * time.Millisecond
	c := newClient(cfg)
	defer c.close()
	var waited time.Duration
	c.sleep = func(_ context.Context, d time.Duration) error { waited += d; return nil }
	_, retries, err := c.post(context.Background(), Traces, nil)
	if err == nil || !strings.Contains(err.Error(), "give up") || retries == 0 || waited > cfg.RetryFor {
		t.Errorf("%d retries, %s waited, error %v", retries, waited, err)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	_, cfg := start(t, func(n int, w http.ResponseWriter, _ []byte) bool {
		if n == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		}
		return true
	})
	c := newClient(cfg)
	defer c.close()
	var waits []time.Duration
	c.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if _, _, err := c.post(context.Background(), Logs, nil); err != nil {
		t.Fatal(err)
	}
	if len(waits) != 1 || waits[0] != 7*time.Second {
		t.Errorf("waited %v, want 7s once", waits)
	}
}

func TestRetryAfterForms(t *testing.T) {
	tests := map[string]time.Duration{"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "Thu, 01 Jan 1970 00:00:00 GMT": 0}
	for header, want := range tests {
		if got := retryAfter(header); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", header, got, want)
		}
	}
}

func TestPartialSuccessIsCounted(t *testing.T) {
	resp := plogotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedLogRecords(4)
	resp.PartialSuccess().SetErrorMessage("4 records are from the future")
	answer, err := resp.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	rejected, note, err := partialSuccess(Logs, answer)
	if rejected != 4 || note != "4 records are from the future" || err != nil {
		t.Errorf("got %d, %q, %v", rejected, note, err)
	}
	for _, s := range []Signal{Logs, Traces, Metrics} {
		if _, _, err := partialSuccess(s, []byte{0xff}); err == nil {
			t.Errorf("%s: broken answer was read without an error", s)
		}
	}
}

func TestStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, cfg := start(t, func(_ int, w http.ResponseWriter, _ []byte) bool {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	})
	w, truth := newWorkload(t, 200)
	if _, err := Run(ctx, cfg, w, truth); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled", err)
	}
}

func TestHeadersAndRate(t *testing.T) {
	e, cfg := start(t, nil)
	cfg.Headers = map[string]string{"X-Scope-OrgID": "shop"}
	cfg.Rate = 1_000_000
	w, truth := newWorkload(t, 5)
	res, err := Run(context.Background(), cfg, w, truth)
	if err != nil || res.Failed != 0 || e.tenant != "shop" {
		t.Errorf("result %+v, error %v, tenant %q", res, err, e.tenant)
	}
}

func TestBadSettings(t *testing.T) {
	tests := map[string]func(*Config){
		"endpoint": func(c *Config) { c.Endpoint = "localhost:4318" },
		"senders":  func(c *Config) { c.Senders = 0 },
		"batch":    func(c *Config) { c.BatchRecords = 0 },
		"rate":     func(c *Config) { c.Rate = -1 },
		"retries":  func(c *Config) { c.RetryMax = 0 },
	}
	for want, change := range tests {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
}
