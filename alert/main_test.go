package alert

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store, an engine and a rules folder for a manager to work with.
type fixture struct {
	t     testing.TB
	dir   string
	store *metrics.Store
	cfg   Config
	deps  Deps
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	cfg := metrics.DefaultConfig()
	cfg.Dir, cfg.MinFreeBytes = t.TempDir(), 0
	store, err := metrics.Open(cfg, metrics.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{t: t, dir: t.TempDir(), store: store, cfg: DefaultConfig()}
	f.cfg.RulesDir = f.dir
	f.cfg.EvaluationInterval = model.Duration(time.Second)
	f.cfg.ReloadInterval = model.Duration(time.Hour) // tests reload by themselves
	f.cfg.ResendDelay = model.Duration(time.Second)
	f.deps = Deps{Metrics: store, Registerer: prometheus.NewRegistry(), PromQL: Language{
		Query: f.promQL, Link: "/prometheus/api/v1/query?query=",
	}}
	return f
}

// promQL evaluates over the tenant's metrics, as the server does.
func (f *fixture) promQL(tenant string) rules.QueryFunc {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	m, err := f.store.Tenant(tenant)
	if err != nil {
		f.t.Fatal(err)
	}
	return rules.EngineQueryFunc(engine, m)
}

// write puts a rule file into the rules folder.
func (f *fixture) write(name, content string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// manager starts a manager that ends with the test, if not before.
func (f *fixture) manager() *Manager {
	f.t.Helper()
	m, err := New(f.cfg, f.deps)
	if err != nil {
		f.t.Fatal(err)
	}
	m.Start()
	f.t.Cleanup(func() { _ = m.cancelled() })
	return m
}

// cancelled closes the manager where the test has not.
func (m *Manager) cancelled() error {
	if m.ctx.Err() != nil {
		return nil
	}
	return m.Close()
}

func (f *fixture) put(tenant string, v float64, kv ...string) {
	f.t.Helper()
	m, err := f.store.Tenant(tenant)
	if err != nil {
		f.t.Fatal(err)
	}
	app := m.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings(kv...), time.Now().UnixMilli(), v); err != nil {
		f.t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		f.t.Fatal(err)
	}
}

// query evaluates PromQL over a tenant's metrics, now.
func (f *fixture) query(tenant, expr string) promql.Vector {
	f.t.Helper()
	v, err := f.promQL(tenant)(f.t.Context(), expr, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// eventually asks again and again until check returns nil.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

var errNotYet = errors.New("not yet")

func when(ok bool) error {
	if ok {
		return nil
	}
	return errNotYet
}
