package realtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
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
	c.MaintainEvery = model.Duration(time.Hour)
	return c
}

// deps gives a store a disk in memory.
func deps() elastic.Deps {
	d := elastic.Deps{FS: vfs.NewMem()}
	if testing.Verbose() {
		d.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return d
}

func open(t testing.TB, cfg elastic.Config, d elastic.Deps) *elastic.Store {
	t.Helper()
	s, err := elastic.Open(context.Background(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened is a store that the test closes.
func opened(t testing.TB, cfg elastic.Config, d elastic.Deps) *elastic.Store {
	t.Helper()
	s := open(t, cfg, d)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
