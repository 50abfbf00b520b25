package alert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// record is a rule file with one recording rule.
func record(name, expr string) string {
	return fmt.Sprintf("groups:\n- name: %s\n  rules:\n  - record: %s\n    expr: %s\n", name, name, expr)
}

// recorded names the rules at work for a tenant, with their expressions.
func recorded(m *Manager, tenant string) []string {
	var out []string
	for _, g := range m.Rules(tenant).RuleGroups() {
		for _, r := range g.Rules() {
			out = append(out, r.Name()+" = "+r.Query().String())
		}
	}
	return out
}

func TestReload(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	steps := []struct {
		name  string
		files map[string]string // "" removes
		rules []string
		errs  []string // each "file: text"
	}{
		{"an empty folder", nil, nil, nil},
		{"two files", map[string]string{"a.yaml": record("a", "vector(1)"), "b.yml": record("b", "vector(2)")},
			[]string{"a = vector(1)", "b = vector(2)"}, nil},
		{"other files do not count", map[string]string{"README.md": "hello", ".hidden.yaml": "{", "sub/.git/x.yaml": "{"},
			[]string{"a = vector(1)", "b = vector(2)"}, nil},
		{"a broken expression keeps the version before", map[string]string{"a.yaml": record("a", "sum((")},
			[]string{"a = vector(1)", "b = vector(2)"}, []string{"a.yaml:5:11: group \"a\", rule 1, \"a\": could not parse expression"}},
		{"broken YAML, and a change elsewhere", map[string]string{"a.yaml": "groups:\n- nme: x\n", "b.yml": record("b", "vector(3)")},
			[]string{"a = vector(1)", "b = vector(3)"}, []string{"a.yaml:yaml: unmarshal errors:\n  line 2: field nme not found"}},
		{"a new file that is wrong", map[string]string{"c.yaml": "groups: 7"},
			[]string{"a = vector(1)", "b = vector(3)"}, []string{"a.yaml", "c.yaml:yaml: unmarshal errors:\n  line 1"}},
		{"mended", map[string]string{"a.yaml": record("a", "vector(4)"), "c.yaml": ""},
			[]string{"a = vector(4)", "b = vector(3)"}, nil},
		{"removed", map[string]string{"a.yaml": "", "b.yml": ""}, nil, nil},
		{"an empty file", map[string]string{"a.yaml": " "}, nil, nil},
		{"a folder that is nobody's", map[string]string{"not a tenant/a.yaml": record("a", "vector(1)")}, nil, []string{"not a tenant: a folder of rules is named after a tenant"}},
	}
	for _, s := range steps {
		for name, content := range s.files {
			if content != "" {
				f.write(name, strings.TrimPrefix(content, " "))
			} else if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		err := m.Reload()
		if (err != nil) != (len(s.errs) > 0) {
			t.Errorf("%s: error %v", s.name, err)
		}
		for _, want := range s.errs {
			if err != nil && !strings.Contains(err.Error(), filepath.Join(f.dir, want)) {
				t.Errorf("%s: want %q in: %v", s.name, want, err)
			}
		}
		if got := m.Errors(); len(got) != len(s.errs) {
			t.Errorf("%s: want %d errors, got %v", s.name, len(s.errs), got)
		}
		if d := cmp.Diff(s.rules, recorded(m, tenant.Anonymous)); d != "" {
			t.Errorf("%s: rules (-want +got):\n%s", s.name, d)
		}
		if got := testutil.ToFloat64(m.self.files.WithLabelValues("bad")); got != float64(len(s.errs)) {
			t.Errorf("%s: metric of bad files is %g", s.name, got)
		}
	}
}

func TestNoRulesFolder(t *testing.T) {
	f := newFixture(t)
	f.cfg.RulesDir = filepath.Join(f.dir, "nothing")
	m := f.manager()
	if err := m.Reload(); err != nil {
		t.Errorf("a missing folder is an empty one, got %v", err)
	}
}

func TestAFolderThatCannotBeReadKeepsItsRules(t *testing.T) {
	f := newFixture(t)
	f.write("a.yaml", record("a", "vector(1)"))
	m := f.manager()
	if err := os.Rename(f.dir, f.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.dir, nil, 0o600); err != nil { // no folder: reading it fails
		t.Fatal(err)
	}
	if err := m.Reload(); err == nil || !strings.Contains(err.Error(), "read folder of rules") {
		t.Errorf("want an error about the folder, got %v", err)
	}
	if d := cmp.Diff([]string{"a = vector(1)"}, recorded(m, tenant.Anonymous)); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
}

func TestReloadsByItself(t *testing.T) {
	f := newFixture(t)
	f.cfg.ReloadInterval = model.Duration(20 * time.Millisecond)
	m := f.manager()
	f.write("a.yaml", record("a", "vector(1)"))
	eventually(t, "the new file is at work", func() error { return when(len(recorded(m, tenant.Anonymous)) == 1) })
}

// TestCloseWhileReloading: the end does not hold up a reload that it waits for.
func TestCloseWhileReloading(t *testing.T) {
	f := newFixture(t)
	for range 10 {
		f.deps.Registerer = prometheus.NewRegistry()
		m := f.manager()
		m.wg.Go(func() { // as watch does where its time has come meanwhile
			<-m.ctx.Done()
			if err := m.Reload(); !errors.Is(err, storage.ErrClosed) {
				t.Errorf("a reload after the end: %v", err)
			}
		})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// fakeLogQL answers any expression with 7 and remembers who asked what.
type fakeLogQL struct {
	mu    sync.Mutex
	asked map[string]bool
}

func (l *fakeLogQL) query(tenant string) rules.QueryFunc {
	return func(_ context.Context, expr string, at time.Time) (promql.Vector, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked[tenant+": "+expr] = true
		return promql.Vector{{T: at.UnixMilli(), F: 7, Metric: labels.FromStrings("app", "x")}}, nil
	}
}

func (*fakeLogQL) check(expr string) error {
	if !strings.Contains(expr, "{") {
		return errors.New("a stream selector is missing")
	}
	return nil
}

func TestLogQLRules(t *testing.T) {
	l := &fakeLogQL{asked: map[string]bool{}}
	f := newFixture(t)
	f.deps.LogQL = Language{Query: l.query, Check: l.check, Link: "/loki/api/v1/query?query="}
	const expr = `sum by (app) (rate({app="x"} |= "error" | json [1m]))`
	f.write("logql/errors.yaml", record("log:errors:rate", "'"+expr+"'"))
	f.write("acme/more.logql.yaml", record("log:more:rate", "'"+expr+"'"))
	f.write("metrics.yaml", record("m", "vector(1)"))
	m := f.manager()
	if errs := m.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for tenantName, series := range map[string]string{tenant.Anonymous: "log:errors:rate", "acme": "log:more:rate"} {
		eventually(t, "the recorded series is stored", func() error {
			got := f.query(tenantName, series)
			return when(len(got) == 1 && got[0].F == 7 && got[0].Metric.Get("app") == "x")
		})
		l.mu.Lock()
		if !l.asked[tenantName+": "+expr] {
			t.Errorf("the expression was changed on the way: %v", l.asked)
		}
		l.mu.Unlock()
	}
	if d := cmp.Diff([]string{"m = vector(1)", "log:errors:rate = " + expr}, recorded(m, tenant.Anonymous)); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	f.write("logql/errors.yaml", record("wrong", "up"))
	if err := m.Reload(); err == nil || !strings.Contains(err.Error(), "errors.yaml:5:11") || !strings.Contains(err.Error(), "a stream selector is missing") {
		t.Errorf("want the check's error with file and line, got %v", err)
	}
}

func TestLogQLWithoutALanguage(t *testing.T) {
	f := newFixture(t)
	f.write("logql/errors.yaml", record("x", `'rate({a="b"}[1m])'`))
	f.write("a.yaml", record("a", "vector(1)"))
	m := f.manager()
	if err := m.Errors()[filepath.Join(f.dir, "logql", "errors.yaml")]; err == nil || !strings.Contains(err.Error(), "rules in logql cannot be evaluated") {
		t.Errorf("got %v", m.Errors())
	}
	if got := recorded(m, tenant.Anonymous); len(got) != 1 {
		t.Errorf("the other rules must work, got %v", got)
	}
}

// What is pending before a restart goes on from there afterwards.
func TestStateIsRestored(t *testing.T) {
	f := newFixture(t)
	f.cfg.ForGracePeriod = 0
	f.write("slow.yaml", `
groups:
- name: slow
  interval: 1s
  rules:
  - {alert: Slow, expr: "slowness > 1", for: 1h}
`)
	f.put(tenant.Anonymous, 5, model.MetricNameLabel, "slowness")
	active := func(m *Manager) time.Time {
		for _, r := range m.Rules(tenant.Anonymous).AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				return a.ActiveAt
			}
		}
		return time.Time{}
	}
	first := f.manager()
	var stored promql.Vector
	eventually(t, "the alert is pending and stored", func() error {
		stored = f.query(tenant.Anonymous, "ALERTS_FOR_STATE")
		return when(!active(first).IsZero() && len(stored) == 1)
	})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	// Half an hour has passed while it was pending, as far as the metrics tell.
	since := time.Now().Add(-30 * time.Minute)
	var kv []string
	stored[0].Metric.Range(func(l labels.Label) { kv = append(kv, l.Name, l.Value) })
	f.put(tenant.Anonymous, float64(since.Unix()), kv...)

	f.deps.Registerer = prometheus.NewRegistry()
	second := f.manager()
	eventually(t, "the state is restored", func() error {
		// The time between the two managers does not count as pending.
		if now := active(second); now.IsZero() || now.After(since.Add(time.Minute)) {
			return fmt.Errorf("pending since %s, want %s: %w", now, since, errNotYet)
		}
		return nil
	})
}

func TestNewRefuses(t *testing.T) {
	f := newFixture(t)
	if _, err := New(f.cfg, Deps{}); err == nil {
		t.Error("no metrics store was accepted")
	}
	deps := f.deps
	deps.LogQL = Language{Query: f.promQL}
	if _, err := New(f.cfg, deps); err == nil || !strings.Contains(err.Error(), "no check is given for logql") {
		t.Errorf("got %v", err)
	}
	tests := []struct {
		key  string
		with func(*Config)
	}{
		{"alertmanagers[0]", func(c *Config) { c.Alertmanagers = []string{"127.0.0.1:9093"} }},
		{"external_url", func(c *Config) { c.ExternalURL = "" }},
		{"external_labels", func(c *Config) { c.ExternalLabels = map[string]string{"": "x"} }},
		{"evaluation_interval", func(c *Config) { c.EvaluationInterval = 0 }},
		{"reload_interval", func(c *Config) { c.ReloadInterval = 0 }},
		{"max_concurrent_evals", func(c *Config) { c.MaxConcurrentEvals = 0 }},
		{"resend_delay", func(c *Config) { c.ResendDelay = -1 }},
		{"for_outage_tolerance", func(c *Config) { c.ForOutageTolerance = -1 }},
		{"for_grace_period", func(c *Config) { c.ForGracePeriod = -1 }},
		{"queue_capacity", func(c *Config) { c.QueueCapacity = 0 }},
		{"send_timeout", func(c *Config) { c.SendTimeout = 0 }},
	}
	for _, tc := range tests {
		cfg := f.cfg
		tc.with(&cfg)
		if _, err := New(cfg, f.deps); err == nil || !strings.Contains(err.Error(), tc.key+":") {
			t.Errorf("%s: want an error that names it, got %v", tc.key, err)
		}
	}
}

func TestRulesWhereAlertingIsOff(t *testing.T) {
	var off *Manager
	if got := off.Rules("x").RuleGroups(); got != nil {
		t.Errorf("want none, got %v", got)
	}
}

func TestReloadAfterClose(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
}

func TestAlertmanagerAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:9093":  "http 127.0.0.1:9093 ",
		"https://am.test/prefix": "https am.test:443 /prefix",
		"http://am.test":         "http am.test:80 ",
	} {
		am, target, err := alertmanager(address, model.Duration(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if got := am.Scheme + " " + target + " " + am.PathPrefix; got != want {
			t.Errorf("%s: want %q, got %q", address, want, got)
		}
	}
	am, _, err := alertmanager("http://me:pw@am.test", model.Duration(time.Second))
	if err != nil || am.HTTPClientConfig.BasicAuth == nil || am.HTTPClientConfig.BasicAuth.Username != "me" || am.HTTPClientConfig.BasicAuth.Password != "pw" {
		t.Errorf("credentials: %+v, %v", am, err)
	}
}

// Whatever stands in a rule file, it is loaded or refused with the file named.
func FuzzRuleFile(f *testing.F) {
	f.Add(record("a", "vector(1)"))
	f.Add(fireRule)
	f.Add("groups:\n- name: x\n  rules:\n  - {alert: A, expr: '{', annotations: {a: '{{ query \"x\" }}'}}\n")
	f.Add("groups: [{name: a}, {name: a}]")
	f.Add("\x00")
	path := filepath.Join(f.TempDir(), "fuzz.yaml")
	native := parser.NewParser(parser.Options{})
	l := &fakeLogQL{}
	f.Fuzz(func(t *testing.T, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, p := range []parser.Parser{native, foreignParser{native, l.check}, checkedParser{native, l.check}} {
			ld := newLoader(p, promslog.NewNopLogger())
			changed := ld.refresh([]string{path})
			if err := ld.files[path].err; (err == nil) != changed || err != nil && !strings.Contains(err.Error(), path) {
				t.Fatalf("changed %t, error %v", changed, err)
			}
			if ld.refresh([]string{path}) {
				t.Fatal("the same content again counts as a change")
			}
		}
	})
}

// Several managers share groups: each evaluates its own, and takes over what
// another had, with the state that is stored.
func TestShares(t *testing.T) {
	f := newFixture(t)
	f.write("a.yaml", record("one", "vector(1)")+`- name: slow
  interval: 1s
  rules:
  - {alert: Slow, expr: "slowness > 1", for: 1h}
  - {alert: Brief, expr: "slowness > 1", for: 5m}
`)
	f.put(tenant.Anonymous, 5, model.MetricNameLabel, "slowness")
	// An hour's half has passed while another was evaluating.
	since := time.Now().Add(-30 * time.Minute)
	for _, name := range []string{"Slow", "Brief"} {
		f.put(tenant.Anonymous, float64(since.Unix()), model.MetricNameLabel, "ALERTS_FOR_STATE", "alertname", name)
	}
	var mu sync.Mutex
	owned := []string{"a.yaml#one"}
	f.deps.Owns = func(group string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(owned, group)
	}
	m := f.manager()
	if got := recorded(m, tenant.Anonymous); !slices.Equal(got, []string{"one = vector(1)"}) {
		t.Errorf("its own: %q", got)
	}
	mu.Lock()
	owned = []string{"a.yaml#slow"}
	mu.Unlock()
	if err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := recorded(m, tenant.Anonymous); len(got) != 1 || got[0] != "one = vector(1)" {
		t.Errorf("nothing has changed that it was told of: %q", got)
	}
	m.Share()
	if got := recorded(m, tenant.Anonymous); !slices.Equal(got, []string{"Slow = slowness > 1", "Brief = slowness > 1"}) {
		t.Errorf("after the share changed: %q", got)
	}
	eventually(t, "the alerts go on where they were", func() error {
		there := 0
		for _, r := range m.Rules(tenant.Anonymous).AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if !a.ActiveAt.After(since.Add(time.Minute)) {
					there++
				}
			}
		}
		return when(there == 2)
	})
}
