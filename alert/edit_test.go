package alert

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/clewhq/clew/internal/tenant"
)

func group(name, record, expr string) rulefmt.RuleGroup {
	return rulefmt.RuleGroup{Name: name, Rules: []rulefmt.Rule{{Record: record, Expr: expr}}}
}

// checked lets expressions pass that do not say bad.
func checked(expr string) error {
	if strings.Contains(expr, "bad") {
		return errors.New("parse error at line 1, col 1: bad")
	}
	return nil
}

func editor(t *testing.T, change func(*Config)) (*fixture, *Manager) {
	f := newFixture(t)
	f.deps.LogQL = Language{Query: f.promQL, Check: checked, Link: "/loki/api/v1/query?query="}
	if change != nil {
		change(&f.cfg)
	}
	return f, f.manager()
}

func names(t *testing.T, r LogQLRules) (out []string) {
	t.Helper()
	all, err := r.Groups()
	if err != nil {
		t.Fatal(err)
	}
	for ns, groups := range all {
		for _, g := range groups {
			out = append(out, ns+": "+g.Name)
		}
	}
	slices.Sort(out)
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRulesAreEdited sets, replaces and deletes groups; what is set is
// evaluated, and stands in files that are read like those that people write.
func TestRulesAreEdited(t *testing.T) {
	f, m := editor(t, nil)
	f.write("hand.logql.yaml", "groups: [{name: h, rules: [{record: x, expr: vector(1)}]}]")
	must(t, m.Reload())
	mine, others := m.LogQLRules(tenant.Anonymous), m.LogQLRules("team-a")
	must(t, mine.Set("shop/errors", group("g1", "a", "vector(1)")))
	must(t, mine.Set("shop/errors", group("g2", "b", "vector(2)")))
	must(t, mine.Set("hand", group("h2", "c", "vector(3)")))
	must(t, others.Set("..", group("g3", "d", "vector(4)")))
	if got := names(t, mine); !slices.Equal(got, []string{"hand: h", "hand: h2", "shop/errors: g1", "shop/errors: g2"}) {
		t.Errorf("got %q", got)
	}
	if got := names(t, others); !slices.Equal(got, []string{"..: g3"}) {
		t.Errorf("got %q of the other tenant", got)
	}
	if _, err := os.Stat(filepath.Join(f.dir, "team-a", "logql", "%2E..yaml")); err != nil {
		t.Error(err)
	}
	must(t, mine.Set("shop/errors", group("g1", "a", "vector(7)")))
	evaluated := ""
	for _, g := range m.Rules(tenant.Anonymous).RuleGroups() {
		for _, r := range g.Rules() {
			evaluated += r.Name() + " " + r.Query().String() + "; "
		}
	}
	if !strings.Contains(evaluated, "a vector(7); ") || !strings.Contains(evaluated, "x vector(1); ") || strings.Contains(evaluated, "d ") {
		t.Errorf("evaluated: %s", evaluated)
	}
	must(t, mine.Delete("shop/errors", "g1"))
	must(t, mine.DeleteNamespace("hand"))
	if got := names(t, mine); !slices.Equal(got, []string{"shop/errors: g2"}) {
		t.Errorf("got %q", got)
	}
	must(t, mine.Delete("shop/errors", "g2"))
	if got := names(t, mine); len(got) != 0 || len(m.Rules(tenant.Anonymous).RuleGroups()) != 0 {
		t.Errorf("left: %q, %v", got, m.Rules(tenant.Anonymous).RuleGroups())
	}
}

func TestBadEditsChangeNothing(t *testing.T) {
	f, m := editor(t, nil)
	f.write("logql/ns.yaml", "groups: [{name: g, rules: [{record: x, expr: vector(1)}]}]")
	r := m.LogQLRules(tenant.Anonymous)
	for name, c := range map[string]struct {
		err  error
		want error
		text string
	}{
		"query":        {r.Set("ns", group("g", "x", "bad")), ErrBadRules, "col 1: bad"},
		"no rule name": {r.Set("ns", group("g", "", "vector(1)")), ErrBadRules, "record"},
		"namespace":    {r.Set("", group("g", "x", "vector(1)")), ErrBadRules, "namespace"},
		"long":         {r.Set(strings.Repeat("x", 300), group("g", "x", "vector(1)")), ErrBadRules, "namespace"},
		"group":        {r.Delete("ns", "other"), ErrNoRules, `no group "other"`},
		"other":        {r.Delete("other", "g"), ErrNoRules, `"other"`},
		"gone":         {r.DeleteNamespace("other"), ErrNoRules, `"other"`},
		"folder":       {m.LogQLRules("logql").Set("ns", group("g", "x", "vector(1)")), ErrBadRules, "tenant"},
	} {
		if !errors.Is(c.err, c.want) || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: got %v", name, c.err)
		}
	}
	if got := names(t, r); !slices.Equal(got, []string{"ns: g"}) {
		t.Errorf("got %q", got)
	}
}

func TestEditsMayBeOff(t *testing.T) {
	_, m := editor(t, func(c *Config) { c.AllowEdits = false })
	if err := m.LogQLRules(tenant.Anonymous).Set("ns", group("g", "x", "vector(1)")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	var off *Manager
	if got := names(t, off.LogQLRules("a")); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if err := off.LogQLRules("a").Delete("x", "y"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
}
