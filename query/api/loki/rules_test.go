package loki

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// memoryRules keeps rules in memory.
type memoryRules map[string][]rulefmt.RuleGroup

func (m memoryRules) Groups() (map[string][]rulefmt.RuleGroup, error) { return m, nil }

func (m memoryRules) Set(ns string, g rulefmt.RuleGroup) error {
	if len(g.Rules) == 0 {
		return fmt.Errorf("%w: group %q has none", ErrBadRules, g.Name)
	}
	m[ns] = append(m[ns], g)
	return nil
}

func (m memoryRules) Delete(ns, name string) error {
	i := slices.IndexFunc(m[ns], func(g rulefmt.RuleGroup) bool { return g.Name == name })
	if i < 0 {
		return fmt.Errorf("%w: group %q", ErrNoRules, name)
	}
	m[ns] = slices.Delete(m[ns], i, i+1)
	return nil
}

func (m memoryRules) DeleteNamespace(ns string) error { delete(m, ns); return nil }

// TestRules talks to the ruler's API as lokitool and Grafana do.
func TestRules(t *testing.T) {
	h := newHouse(t)
	rules := memoryRules{}
	h.api.WithRules(func(string) Rules { return rules })
	const group = "name: g\ninterval: 30s\nrules:\n    - alert: Many\n      expr: sum(rate({a=\"b\"}[1m])) > 1\n      for: 1m\n      labels:\n        severity: page\n"
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/loki/api/v1/rules", "", 404, "no rule groups found\n"},
		{"GET", "/api/prom/rules", "", 404, "no rule groups found\n"},
		{"GET", "/loki/api/v1/rules/shop%2Fx/g", "", 404, "group does not exist\n"},
		{"POST", "/loki/api/v1/rules/shop%2Fx", group, 202, `{"status":"success","data":null,"errorType":"","error":""}`},
		{"GET", "/loki/api/v1/rules/shop%2Fx/g", "", 200, group},
		{"GET", "/api/prom/rules/shop%2Fx/g", "", 200, group},
		{"GET", "/loki/api/v1/rules", "", 200, "shop/x:\n    - name: g\n"},
		{"GET", "/loki/api/v1/rules/shop%2Fx", "", 200, "shop/x:\n    - name: g\n"},
		{"GET", "/loki/api/v1/rules/other", "", 404, "no rule groups found\n"},
		{"POST", "/loki/api/v1/rules/x", "name: g\nrulez: []\n", 400, "unable to decode rule group: yaml: "},
		{"POST", "/loki/api/v1/rules/x", "rules: []\n", 400, "rule group must have a name"},
		{"POST", "/loki/api/v1/rules/x", "name: g\n", 400, `group "g" has none`},
		{"DELETE", "/loki/api/v1/rules/shop%2Fx/other", "", 404, `group "other"`},
		{"DELETE", "/loki/api/v1/rules/shop%2Fx/g", "", 202, `"status":"success"`},
		{"DELETE", "/api/prom/rules/shop%2Fx", "", 202, `"status":"success"`},
		{"PUT", "/loki/api/v1/rules/x", "", 405, "takes GET, POST, DELETE"},
	} {
		w := httptest.NewRecorder()
		h.mux.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: got %d %s; want %d %s", c.method, c.path, w.Code, w.Body, c.code, c.want)
		}
	}
	h.api.WithRules(nil)
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, httptest.NewRequest("POST", "/loki/api/v1/rules/x", strings.NewReader(group)))
	if w.Code != 400 {
		t.Errorf("without rules: got %d %s", w.Code, w.Body)
	}
}
