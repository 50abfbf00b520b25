package cluster

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering returns a client of a server that answers so, and how often it was
// asked.
func answering(t *testing.T, set func(*Config), answer func(n int64, w http.ResponseWriter, r *http.Request)) (*Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		answer(n.Add(1), w, r)
	}))
	t.Cleanup(srv.Close)
	cfg := DefaultConfig()
	cfg.Addresses = []string{srv.URL}
	cfg.RetryBackoff, cfg.RetryBackoffMax = model.Duration(time.Millisecond), model.Duration(5*time.Millisecond)
	if set != nil {
		set(&cfg)
	}
	c, err := New(cfg, Deps{Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &n
}

var get = Request{Method: http.MethodGet, Path: "/_search"}

func TestPassingFailuresAreTriedAgain(t *testing.T) {
	c, n := answering(t, nil, func(n int64, w http.ResponseWriter, _ *http.Request) {
		if n < 4 {
			w.WriteHeader([]int{0, 429, 503, 502}[n])
			return
		}
		_, _ = io.WriteString(w, "good")
	})
	got, err := c.Do(context.Background(), get)
	if err != nil || string(got) != "good" || n.Load() != 4 {
		t.Errorf("%q, %v after %d tries", got, err, n.Load())
	}
	if c.LastError() != "" || c.Average() <= 0 || c.Breaker() != "closed" {
		t.Errorf("last error %q, average %s, breaker %s", c.LastError(), c.Average(), c.Breaker())
	}
}

// What a caller has no more time for, and what lost shards cannot answer, is no
// failure of the cluster: others go on calling it.
func TestTheBreakerIsForTheCluster(t *testing.T) {
	few := func(c *Config) {
		c.Retries, c.BreakerFailures, c.BreakerRequests, c.BreakerDelay = 0, 2, 2, model.Duration(time.Hour)
	}
	ended := make(chan struct{})
	defer close(ended)
	slow, _ := answering(t, few, func(_ int64, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	})
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := slow.Do(ctx, get); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the caller's deadline", err)
		}
		cancel()
	}
	lost, _ := answering(t, few, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"}}`)
	})
	for range 5 {
		if _, err := lost.Do(t.Context(), get); !IsNoShard(err) {
			t.Errorf("%v, want that no shard is there", err)
		}
	}
	if slow.Breaker() != "closed" || lost.Breaker() != "closed" {
		t.Errorf("breakers %s and %s, want closed", slow.Breaker(), lost.Breaker())
	}
}

func TestRefusalsAreNot(t *testing.T) {
	c, n := answering(t, nil, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"type":"parsing_exception","reason":"no [x]","root_cause":[{"type":"a","reason":"deep down"}]}}`)
	})
	_, err := c.Do(context.Background(), get)
	if n.Load() != 1 || Status(err) != 400 || Passing(err) || !strings.Contains(err.Error(), "no [x]: deep down") {
		t.Errorf("%v after %d tries", err, n.Load())
	}
}

func TestOnceIsOnce(t *testing.T) {
	c, n := answering(t, nil, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r := get
	r.Once = true
	if _, err := c.Do(context.Background(), r); !Passing(err) || n.Load() != 1 {
		t.Errorf("%v after %d tries", err, n.Load())
	}
}

func TestTheTimeoutEndsATry(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c, _ := answering(t, func(c *Config) { c.RequestTimeout, c.Retries = model.Duration(20*time.Millisecond), 1 }, func(_ int64, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	_, err := c.Do(context.Background(), get)
	if tries := testutil.CollectAndCount(c.metrics.requests); err == nil || !strings.Contains(err.Error(), "request_timeout") || tries != 1 {
		t.Errorf("%v, %d kinds of tries", err, tries)
	}
}

func TestTheCallersEndIsNoFailure(t *testing.T) {
	c, _ := answering(t, func(c *Config) { c.BreakerFailures, c.BreakerRequests = 1, 1 }, func(_ int64, w http.ResponseWriter, _ *http.Request) {})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Do(ctx, get); !errors.Is(err, context.Canceled) || c.Breaker() != "closed" {
		t.Errorf("%v, breaker %s", err, c.Breaker())
	}
}

func TestTheBreakerOpens(t *testing.T) {
	c, n := answering(t, func(c *Config) {
		c.Retries, c.BreakerFailures, c.BreakerRequests, c.BreakerDelay = 0, 3, 3, model.Duration(time.Hour)
	}, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for range 3 {
		if _, err := c.Do(context.Background(), get); Status(err) != 503 {
			t.Fatal(err)
		}
	}
	if _, err := c.Do(context.Background(), get); !IsOpen(err) || n.Load() != 3 || c.Breaker() != "open" || c.LastError() == "" {
		t.Errorf("%v after %d requests, breaker %s, last error %q", err, n.Load(), c.Breaker(), c.LastError())
	}
}

func TestTheBreakerCloses(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	c, _ := answering(t, func(c *Config) {
		c.Retries, c.BreakerFailures, c.BreakerRequests, c.BreakerDelay = 0, 3, 3, model.Duration(time.Millisecond)
	}, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for c.Breaker() == "closed" {
		if _, err := c.Do(context.Background(), get); err == nil {
			t.Fatal("an answer of a broken cluster")
		}
	}
	broken.Store(false)
	for deadline := time.Now().Add(time.Minute); c.Breaker() != "closed"; {
		if _, err := c.Do(context.Background(), get); err != nil && !IsOpen(err) || time.Now().After(deadline) {
			t.Fatalf("%v, breaker %s", err, c.Breaker())
		}
	}
}

// An overload is no failure: a breaker that opens would stop what gets through.
func TestTooManyRequestsLeaveTheBreakerClosed(t *testing.T) {
	c, _ := answering(t, func(c *Config) { c.Retries, c.BreakerFailures, c.BreakerRequests = 0, 1, 1 }, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	})
	if _, err := c.Do(context.Background(), get); Status(err) != 429 || c.Breaker() != "closed" {
		t.Errorf("%v, breaker %s", err, c.Breaker())
	}
}

func TestRemedies(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"}}`: "make room",
		`{"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/8/index write (api)];"}}`:                                                                          "index.blocks",
		`{"error":{"type":"security_exception","reason":"action [x] is unauthorized"}}`:                                                                                                           "manage_index_templates",
		`{"error":"plain text"}`: "plain text",
		`no JSON`:                "no JSON",
	} {
		if got := parseError("GET", "/", 403, []byte(body)).Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestPasswordsInAddressesAreNotTold(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Addresses = []string{"ftp://me:s3cret@example"}
	if err := cfg.Validate(); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

func FuzzParseError(f *testing.F) {
	f.Add([]byte(`{"error":{"type":"a","reason":"b","root_cause":[{}]}}`))
	f.Add([]byte(`{"error":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if parseError("GET", "/", 500, body).Error() == "" {
			t.Error("no text")
		}
	})
}

func TestTheBreakerByHand(t *testing.T) {
	c, n := answering(t, nil, func(_ int64, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good") })
	c.Switch().Trip("maintenance")
	for _, r := range []Request{get, {Method: http.MethodPost, Path: "/_bulk", Once: true}} {
		if _, err := c.Do(context.Background(), r); !IsOpen(err) || !strings.Contains(err.Error(), "maintenance") {
			t.Errorf("a call through an open breaker: %v", err)
		}
	}
	if n.Load() != 0 || c.Breaker() != "open" || c.LastError() != "maintenance" {
		t.Errorf("%d calls, breaker %s, last error %q", n.Load(), c.Breaker(), c.LastError())
	}
	c.Switch().Reset()
	if _, err := c.Do(context.Background(), get); err != nil || c.Breaker() != "closed" || c.LastError() != "" {
		t.Errorf("%v, breaker %s, last error %q", err, c.Breaker(), c.LastError())
	}
}

// Queries that wait for Elasticsearch leave room for what is written.
func TestQueriesHaveTheirOwnPlaces(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 2)
	c, _ := answering(t, func(c *Config) { c.QueryConcurrency, c.QueryWait = 2, model.Duration(0) }, func(_ int64, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_search" {
			arrived <- struct{}{}
			<-release
		}
	})
	read := get
	read.Reads = true
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Do(context.Background(), read)
			ended <- err
		}()
	}
	<-arrived
	<-arrived
	if _, err := c.Do(context.Background(), read); err == nil || !strings.Contains(err.Error(), "query_concurrency") {
		t.Errorf("a third query: %v", err)
	}
	if _, err := c.Do(context.Background(), Request{Method: http.MethodPost, Path: "/_bulk", Once: true}); err != nil {
		t.Errorf("a write: %v", err)
	}
	close(release)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Do(context.Background(), read); err != nil {
		t.Errorf("a query when the others have ended: %v", err)
	}
}

// An API key is told as Elasticsearch wants it, and another one holds from the
// next request on.
func TestAnotherKey(t *testing.T) {
	c, _ := answering(t, func(c *Config) { c.APIKey = "old" }, func(_ int64, w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	})
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		to   Credentials
		want string
	}{{Credentials{APIKey: "old"}, "ApiKey old"}, {Credentials{APIKey: "new"}, "ApiKey new"}, {Credentials{APIKeyFile: file}, "ApiKey from a file"}} {
		use, err := c.Renew(step.to)
		if err != nil {
			t.Fatal(err)
		}
		use()
		if got, err := c.Do(t.Context(), get); err != nil || string(got) != step.want {
			t.Errorf("%q, %v; want %q", got, err, step.want)
		}
	}
}

// TestUnavailable: no Elasticsearch to ask is told from a question that it refuses.
func TestUnavailable(t *testing.T) {
	var status atomic.Int64
	c, _ := answering(t, func(c *Config) { c.Retries, c.BreakerFailures, c.BreakerRequests = 0, 100, 100 },
		func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	for code, want := range map[int]bool{400: false, 401: false, 403: false, 404: false, 500: false, 429: true, 502: true, 503: true, 504: true} {
		status.Store(int64(code))
		if _, err := c.Do(t.Context(), get); err == nil || errors.Is(err, storage.ErrUnavailable) != want || Status(err) != code {
			t.Errorf("%d: %v; unavailable is to be %t", code, err, want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(gone, get); !errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a caller that is gone: %v", err)
	}
	c.Switch().Trip("upgrade")
	if _, err := c.Do(t.Context(), get); !IsOpen(err) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("open: %v", err)
	}
	release, entered := make(chan struct{}), make(chan struct{})
	full, _ := answering(t, func(c *Config) { c.QueryConcurrency, c.QueryWait = 1, model.Duration(time.Millisecond) },
		func(int64, http.ResponseWriter, *http.Request) { close(entered); <-release })
	done := make(chan struct{})
	question := Request{Method: http.MethodGet, Path: "/_search", Reads: true}
	go func() { defer close(done); _, _ = full.Do(context.WithoutCancel(t.Context()), question) }()
	<-entered
	if _, err := full.Do(t.Context(), question); !errors.Is(err, guard.ErrFull) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("no places: %v", err)
	}
	close(release)
	<-done
}

// TestUnreached: what does not come to an answer says what to set.
func TestUnreached(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(trusted, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]struct{ file, text string }{
		"http://127.0.0.1:1":    {"", "connection refused (start Elasticsearch there, or correct storage.elasticsearch.addresses)"},
		"http://nobody.invalid": {"", "check the name in storage.elasticsearch.addresses"},
		secure.URL:              {"", "set storage.elasticsearch.ca_file"},
		strings.Replace(secure.URL, "127.0.0.1", "localhost", 1): {trusted, "a name that the node's certificate is for"},
		strings.Replace(plain.URL, "http:", "https:", 1):         {"", "write http:// into storage.elasticsearch.addresses"},
	} {
		cfg := DefaultConfig()
		cfg.Addresses, cfg.CAFile, cfg.Retries = []string{address}, want.file, 0
		cfg.BreakerFailures, cfg.BreakerRequests = 1, 1
		c, err := New(cfg, Deps{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		for _, what := range []string{"", "failed too often"} { // and so it says while the breaker is open
			if _, err := c.Do(t.Context(), get); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v; want it to say %q %q", address, err, what, want.text)
			}
		}
	}
}

// What Elasticsearch says while nodes are away names the remedy, and lost
// shards are no reason to stop calling it.
func TestNodesAway(t *testing.T) {
	for _, c := range []struct {
		status       int
		kind, remedy string
		lost         bool
	}{
		{http.StatusServiceUnavailable, "search_phase_execution_exception", "start the nodes", true},
		{http.StatusBadGateway, "search_phase_execution_exception", "start the nodes", true},
		{http.StatusBadGateway, "", "", false},
		{http.StatusServiceUnavailable, "cluster_block_exception", "no master", false},
		{http.StatusForbidden, "cluster_block_exception", "index.blocks", false},
	} {
		err := &Error{Status: c.status, Type: c.kind}
		if !strings.Contains(err.Error(), c.remedy) || IsNoShard(err) != c.lost || c.lost && broken(err) {
			t.Errorf("%d %s: %v, lost %t, broken %t", c.status, c.kind, err, IsNoShard(err), broken(err))
		}
	}
}
