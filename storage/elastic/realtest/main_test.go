package realtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage/elastic"
)

// node is the Elasticsearch of all tests that don't kill it.
var node *elastictest.Node

func TestMain(m *testing.M) {
	dir, err := elastictest.TempDir()
	if err == nil {
		node, err = elastictest.New(dir)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	node.Kill()
	_ = os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var datasets atomic.Int64

// config is that of a store of its own on the shared node.
func config() elastic.Config {
	c := elastic.DefaultConfig()
	c.Addresses = []string{node.URL}
	c.Dir = "/data"
	c.Dataset = fmt.Sprintf("test%d", datasets.Add(1))
	c.Replicas = 0
	c.Startup = elastic.StartupFail
	c.PageRows = 700
	c.RefreshInterval = model.Duration(time.Hour) // what a read does not refresh it does not see
	c.ReadWait = model.Duration(time.Minute)
	c.ShardWait = model.Duration(15 * time.Second) // new fields wait as long for a machine that is busy
	c.MaintainEvery = model.Duration(time.Hour)
	return c
}

// deps gives a store a disk in memory.
func deps() elastic.Deps {
	return elastic.Deps{FS: vfs.NewMem()}
}

func open(t testing.TB, cfg elastic.Config, d elastic.Deps) *elastic.Store {
	t.Helper()
	s, err := elastic.Open(context.Background(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened is a store that the test closes, and that must not give up a record
// unless the test counts for itself.
func opened(t *testing.T, cfg elastic.Config, d elastic.Deps) *elastic.Store {
	t.Helper()
	if d.Registerer == nil {
		lossless(t, cfg, &d)
	}
	s := open(t, cfg, d)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// lossless fails a test whose store has given up a record: one that
// Elasticsearch refused, or that the write-ahead log did not give back.
func lossless(t *testing.T, cfg elastic.Config, d *elastic.Deps) {
	t.Helper()
	reg := prometheus.NewRegistry()
	d.Registerer = reg
	var told syncBuffer
	d.Logger = slog.New(slog.NewTextHandler(&told, nil))
	if testing.Verbose() {
		d.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(&told, os.Stderr), nil))
	}
	t.Cleanup(func() {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			switch f.GetName() {
			case "clew_elastic_dead_letters_total", "clew_elastic_wal_corruptions_total":
				for _, m := range f.GetMetric() {
					if n := m.GetCounter().GetValue(); n > 0 {
						t.Errorf("%s is %v", f.GetName(), n)
					}
				}
			}
		}
		if n := count(t, "clew-deadletter-"+cfg.Dataset); n > 0 {
			t.Errorf("%d dead letters: %s", n, call(t, "GET", "/clew-deadletter-"+cfg.Dataset+"/_search?size=3", ""))
		}
		if t.Failed() {
			t.Log(told.String())
			t.Log(call(t, "GET", "/logs-"+cfg.Dataset+"-*/_count", ""))
			t.Log(call(t, "GET", "/_cat/shards/.ds-logs-"+cfg.Dataset+"-*?v", ""))
		}
	})
}

// syncBuffer is a log that a failed test shows.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// call asks the node itself.
func call(t testing.TB, method, path, body string) string {
	t.Helper()
	return callAt(t, node, method, path, body)
}

func callAt(t testing.TB, n *elastictest.Node, method, path, body string) string {
	t.Helper()
	return callURL(t, n.Admin(), method, path, body)
}

func callURL(t testing.TB, url, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// count is how many documents stand in an index or data stream.
func count(t *testing.T, index string) int {
	t.Helper()
	return countAt(t, node, index)
}

func countAt(t *testing.T, n *elastictest.Node, index string) int {
	t.Helper()
	callAt(t, n, "POST", "/"+index+"/_refresh", "")
	var out struct{ Count int }
	if err := json.Unmarshal([]byte(callAt(t, n, "GET", "/"+index+"/_count", "")), &out); err != nil {
		t.Fatal(err)
	}
	return out.Count
}
