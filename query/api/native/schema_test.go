package native_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/correlate/correlatetest"
)

// schema is the part of JSON Schema that the description uses.
type schema struct {
	Ref        string             `json:"$ref"`
	OneOf      []schema           `json:"oneOf"`
	Type       string             `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	Enum       []string           `json:"enum"`
}

type document struct {
	Paths map[string]map[string]struct {
		Parameters []struct{ Name, In string }
		Responses  map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]*schema }
}

// check reports where v is not what s says.
func (d *document) check(s *schema, v any, at string) error {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if d.Components.Schemas[name] == nil {
			return fmt.Errorf("%s: %s is not described", at, name)
		}
		return d.check(d.Components.Schemas[name], v, at)
	}
	for i := range s.OneOf {
		if d.check(&s.OneOf[i], v, at) == nil {
			return nil
		}
		if i == len(s.OneOf)-1 {
			return d.check(&s.OneOf[0], v, at)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		return d.checkObject(s, v, at)
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s is an array, described as %q", at, s.Type)
		}
		for i, e := range v {
			if err := d.check(s.Items, e, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case string:
		if s.Type != "string" || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return fmt.Errorf("%s is %q, described as %q %v", at, v, s.Type, s.Enum)
		}
	case bool:
		if s.Type != "boolean" {
			return fmt.Errorf("%s is a boolean, described as %q", at, s.Type)
		}
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != float64(int64(v))) {
			return fmt.Errorf("%s is %g, described as %q", at, v, s.Type)
		}
	case nil:
		return fmt.Errorf("%s is null", at)
	}
	return nil
}

func (d *document) checkObject(s *schema, v map[string]any, at string) error {
	if s.Type != "object" {
		return fmt.Errorf("%s is an object, described as %q", at, s.Type)
	}
	for _, key := range s.Required {
		if _, ok := v[key]; !ok {
			return fmt.Errorf("%s lacks %s", at, key)
		}
	}
	if s.Properties == nil {
		return nil // attributes
	}
	for key, e := range v {
		if s.Properties[key] == nil {
			return fmt.Errorf("%s.%s is not described", at, key)
		}
		if err := d.check(s.Properties[key], e, at+"."+key); err != nil {
			return err
		}
	}
	return nil
}

// Every answer of the handlers is what the description says, and every
// parameter in it is one that the handlers know.
func TestAnswersAreAsDescribed(t *testing.T) {
	h := handler(correlatetest.Shop("acme"))
	_, body, _ := get(h, "GET", "/api/v1/openapi.json", "acme")
	var doc document
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, target, body string }{
		{"GET", "/api/v1/correlate/{id}", "/api/v1/correlate/" + correlatetest.TraceHex, ""},
		{"GET", "/api/v1/correlate/{id}", "/api/v1/correlate/req-other1", ""},
		{"GET", "/api/v1/correlate/{id}", "/api/v1/correlate/nothing", ""},
		{"GET", "/api/v1/correlate/{id}", "/api/v1/correlate/" + correlatetest.TraceHex + "/17;o=1", ""},
		{"GET", "/api/v1/correlate/{id}", "/api/v1/correlate/projects%2Fshop/traces/" + correlatetest.TraceHex + "?hops=0", ""},
		{"POST", "/api/v1/correlate", "/api/v1/correlate?hops=1", `{"ids":["` + correlatetest.TraceHex + `","nothing","req-8f3a2b"," "]}`},
		{"POST", "/api/v1/correlate", "/api/v1/correlate", `{"ids":[]}`},
		{"POST", "/api/v1/correlate", "/api/v1/correlate", `ids`},
		{"POST", "/api/v1/correlate", "/api/v1/correlate", `{"ids":["` + strings.Repeat(`a","`, 100) + `b"]}`},
		{"GET", "/api/v1/servicemap", "/api/v1/servicemap", ""},
		{"GET", "/api/v1/servicemap", "/api/v1/servicemap?from=30s&compare_from=10m&compare_to=30s", ""},
		{"GET", "/api/v1/servicemap", "/api/v1/servicemap?format=nodegraph", ""},
		{"GET", "/api/v1/servicemap", "/api/v1/servicemap?depth=x", ""},
		{"GET", "/api/v1/coverage", "/api/v1/coverage", ""},
		{"GET", "/api/v1/compare", "/api/v1/compare?selection=" + url.QueryEscape("{ status = error }"), ""},
		{"GET", "/api/v1/compare", "/api/v1/compare?signal=logs&selection=" + url.QueryEscape(`{service_name="stock"}`), ""},
		{"GET", "/api/v1/compare", "/api/v1/compare?selection=", ""},
	} {
		code, body := ask(h, c.method, c.target, c.body)
		response, ok := doc.Paths[c.path][strings.ToLower(c.method)].Responses[fmt.Sprint(code)]
		if !ok {
			t.Errorf("%s %s: the answer %d is not described: %s", c.method, c.target, code, body)
			continue
		}
		s := response.Content["application/json"].Schema
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if err := doc.check(&s, v, "answer"); err != nil {
			t.Errorf("%s %s: %v\n%.400s", c.method, c.target, err, body)
		}
	}
}

// What curl -d sends is called a form by curl.
func TestBatchAsCurlSendsIt(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/v1/correlate?hops=0", strings.NewReader(`{"ids":["req-8f3a2b","nothing"]}`))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	handler(correlatetest.Shop("acme")).ServeHTTP(w, r.WithContext(tenant.With(r.Context(), "acme")))
	if w.Code != 200 || strings.Count(w.Body.String(), `"timeline"`) != 1 {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
}

func ask(h http.Handler, method, target, body string) (int, string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r = r.WithContext(tenant.With(r.Context(), "acme"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// A parameter that is described is read: a wrong value of it is refused, or a
// right one changes the answer.
func TestParametersAreRead(t *testing.T) {
	h := handler(correlatetest.Shop("acme"))
	var doc document
	_, body, _ := get(h, "GET", "/api/v1/openapi.json", "acme")
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	free := []string{"follow", "selection", "baseline", "service", "source", "target"} // any text is right
	targets := map[string]string{"/api/v1/correlate/{id}": "/api/v1/correlate/req-8f3a2b?", "/api/v1/servicemap": "/api/v1/servicemap?", "/api/v1/coverage": "/api/v1/coverage?",
		"/api/v1/compare": "/api/v1/compare?selection=" + url.QueryEscape("{}") + "&"}
	for _, path := range slices.Sorted(maps.Keys(targets)) {
		for _, p := range doc.Paths[path]["get"].Parameters {
			if p.In != "query" || slices.Contains(free, p.Name) {
				continue
			}
			if code, body := ask(h, "GET", targets[path]+p.Name+"=no-such-thing", ""); code != 400 || !strings.Contains(body, strings.Split(p.Name, "_")[0]) {
				t.Errorf("%s with a wrong %s: %d %.200s", path, p.Name, code, body)
			}
		}
	}
}

func TestTextFormats(t *testing.T) {
	h := handler(correlatetest.Shop("acme"))
	for format, want := range map[string][2]string{"dot": {"text/vnd.graphviz; charset=utf-8", "digraph clew {"}, "mermaid": {"text/plain; charset=utf-8", "flowchart LR"}} {
		code, body, header := get(h, "GET", "/api/v1/servicemap?format="+format, "acme")
		if code != 200 || header.Get("Content-Type") != want[0] || !strings.HasPrefix(body, want[1]) {
			t.Errorf("%s: %d %s %s", format, code, header.Get("Content-Type"), body)
		}
	}
}
