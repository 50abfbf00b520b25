package native_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/api/native"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
)

func handler(s *correlatetest.Store) http.Handler {
	mux := http.NewServeMux()
	now := func() time.Time { return correlatetest.Epoch.Add(time.Minute) }
	logs, spans := logql.New(logql.DefaultConfig(), s, nil, nil), traceql.New(traceql.DefaultConfig(), s, nil, nil)
	native.New(native.Engines{
		Stories: correlate.New(correlate.DefaultConfig(), s, nil), Maps: servicemap.New(servicemap.DefaultConfig(), s),
		Coverage: coverage.New(coverage.DefaultConfig(), s),
		Compare:  compare.New(compare.DefaultConfig(), s, storage.Selectors{Logs: logs.Select, Spans: spans.Select}),
	}, nil, now).Register(mux)
	return mux
}

func get(h http.Handler, method, target, org string) (int, string, http.Header) {
	r := httptest.NewRequest(method, target, nil)
	r = r.WithContext(tenant.With(r.Context(), org))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func TestAnswers(t *testing.T) {
	h := handler(correlatetest.Shop("acme"))
	for _, c := range []struct {
		method, target string
		code           int
		want           string // a part of the body
	}{
		{"GET", "/api/v1/correlate/" + correlatetest.TraceHex, 200, `"kind":"trace_id"`},
		{"GET", "/api/v1/correlate/%22req-8f3a2b%22", 200, `"id":"req-8f3a2b","kind":"request_id"`},
		{"GET", "/api/v1/correlate/req-8f3a2b?hops=0&limit=1", 200, `"truncated":true`},
		{"GET", "/api/v1/correlate/req-8f3a2b?from=1h&to=now", 200, `"kind":"request_id"`},
		{"GET", "/api/v1/correlate/a%2Fb", 404, `{"error":"nothing carries this ID: \"a/b\"`},
		{"GET", "/api/v1/correlate/req-nothing1", 404, `{"error":"nothing carries this ID`},
		{"GET", "/api/v1/correlate/req-8f3a2b?to=2000-01-01T00:00:00Z", 404, `{"error":`},
		{"GET", "/api/v1/correlate/x?hops=-1", 400, `{"error":"parameter hops is \"-1\": want a whole number from 0"}`},
		{"GET", "/api/v1/correlate/x?hops=77", 400, `hops is 77: want 0 to 5`},
		{"GET", "/api/v1/correlate/x?limit=none", 400, `parameter limit is \"none\"`},
		{"GET", "/api/v1/correlate/x?from=yesterday", 400, `parameter from: \"yesterday\" is no time: want RFC 3339`},
		{"GET", "/api/v1/correlate/x?from=1h&to=2h", 400, `to must be after from`},
		{"POST", "/api/v1/correlate/x", 405, `only GET`},
		{"GET", "/api/v1/correlate/", 404, `is no path of this API`},
		{"GET", "/api/v1/servicemap", 200, `"source":"gateway","target":"checkout"`},
		{"GET", "/api/v1/servicemap?from=10s", 200, `{"nodes":[],"edges":[],"partial":false}`},
		{"GET", "/api/v1/servicemap?service=gateway&depth=1", 200, `"id":"user"`},
		{"GET", "/api/v1/servicemap?service=nobody", 200, `{"nodes":[],"edges":[],"partial":false}`},
		{"GET", "/api/v1/servicemap?from=1h&to=2h", 400, `must be before to`},
		{"GET", "/api/v1/servicemap?service=a&depth=99", 400, `depth is 99: want 0 to 10`},
		{"GET", "/api/v1/servicemap?depth=2", 400, `give service, too`},
		{"DELETE", "/api/v1/servicemap", 405, `only GET`},
		{"GET", "/api/v1/servicemap?source=user&target=stock", 200, `"id":"stock"`},
		{"GET", "/api/v1/servicemap?source=user", 400, `give both`},
		{"GET", "/api/v1/servicemap?source=user&target=stock&service=a", 400, `exclude each other`},
		{"GET", "/api/v1/servicemap?compare=previous", 200, `"change":"added"`},
		{"GET", "/api/v1/servicemap?from=10s&compare=previous", 200, `{"nodes":[],`},
		{"GET", "/api/v1/servicemap?from=10s&compare_from=2m&compare_to=10s", 200, `"change":"removed"`},
		{"GET", "/api/v1/servicemap?compare=yesterday", 400, `want previous`},
		{"GET", "/api/v1/servicemap?compare_from=1m", 400, `must be before compare_to`},
		{"GET", "/api/v1/servicemap?format=nodegraph", 200, `"mainstat":"1 call"`},
		{"GET", "/api/v1/servicemap?format=png", 400, `want json, dot, mermaid or nodegraph`},
		{"GET", "/api/v1/correlate/req-8f3a2b?follow=session_id,%20order_id", 200, `"kind":"request_id"`},
		{"GET", "/api/v1/correlate", 405, `only POST`},
		{"GET", "/api/v1/coverage", 200, `"name":"audit"`},
		{"GET", "/api/v1/coverage?from=now&to=1h", 400, `must be before to`},
		{"GET", "/api/v1/compare?selection=%7Bstatus%3Derror%7D", 200, `"signal":"traces"`},
		{"GET", "/api/v1/compare", 400, `selection is empty`},
		{"GET", "/api/v1/compare?selection=nonsense", 400, `bad request: selection: `},
		{"PUT", "/api/v1/compare", 405, `only GET`},
		{"GET", "/api/v1/openapi.json", 200, `"openapi": "3.1.0"`},
		{"GET", "/api/v1/nonsense", 404, `{"error":"/api/v1/nonsense is no path of this API: see /api/v1/openapi.json; Prometheus's is at /prometheus/api/v1"}`},
	} {
		code, body, header := get(h, c.method, c.target, "acme")
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %.300s\nwant %d with %s", c.method, c.target, code, body, c.code, c.want)
		}
		if header.Get("Content-Type") != "application/json" || !json.Valid([]byte(body)) {
			t.Errorf("%s %s: content type %q, valid JSON %v", c.method, c.target, header.Get("Content-Type"), json.Valid([]byte(body)))
		}
	}
}

func TestTenantsSeeTheirOwn(t *testing.T) {
	h := handler(correlatetest.Shop("acme"))
	if code, body, _ := get(h, "GET", "/api/v1/correlate/"+correlatetest.TraceHex, "other"); code != 404 {
		t.Errorf("another tenant's trace: %d %s", code, body)
	}
	if _, body, _ := get(h, "GET", "/api/v1/servicemap", "other"); !strings.HasPrefix(body, `{"nodes":[]`) {
		t.Errorf("another tenant's map: %s", body)
	}
}

func TestFailures(t *testing.T) {
	s := correlatetest.Shop("acme")
	h := handler(s)
	for err, want := range map[error]int{errors.New("disk on fire"): 500, context.DeadlineExceeded: 504, context.Canceled: 499} {
		s.Err = err
		for _, target := range []string{"/api/v1/correlate/req-8f3a2b", "/api/v1/servicemap"} {
			if code, body, _ := get(h, "GET", target, "acme"); code != want || !strings.Contains(body, `{"error":`) {
				t.Errorf("%s with %v: %d %s, want %d", target, err, code, body, want)
			}
		}
	}
}

// The description names exactly the fields that the answers have.
func TestOpenAPIDescribesTheAnswers(t *testing.T) {
	_, body, _ := get(handler(correlatetest.New()), "GET", "/api/v1/openapi.json", "acme")
	var doc struct {
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/correlate/{id}", "/api/v1/correlate", "/api/v1/servicemap", "/api/v1/coverage", "/api/v1/compare", "/api/v1/health", "/api/v1/openapi.json"} {
		if doc.Paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
	for name, v := range map[string]any{
		"Story": correlate.Answer{}, "Range": correlate.Range{}, "FoundID": correlate.FoundID{}, "Service": correlate.Service{}, "StoryEdge": correlate.Edge{},
		"Trace": correlate.Trace{}, "Entry": correlate.Entry{}, "Map": servicemap.Map{}, "Node": servicemap.Node{}, "Edge": servicemap.Edge{},
		"Step": correlate.Step{}, "Gap": correlate.Gap{}, "Skew": correlate.Skew{}, "Missing": correlate.Missing{},
		"Batch": native.Batch{}, "Stories": native.Stories{}, "StoryOf": native.StoryOf{},
		"Figures": servicemap.Figures{}, "Unpaired": servicemap.Unpaired{}, "NodeGraph": servicemap.NodeGraph{}, "GraphNode": servicemap.GraphNode{},
		"GraphEdge": servicemap.GraphEdge{}, "Coverage": coverage.Answer{}, "CoverageFigures": coverage.Figures{},
		"Comparison": compare.Answer{}, "Side": compare.Side{}, "Difference": compare.Difference{},
	} {
		var fields []string
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			field, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			fields = append(fields, field)
			if required := slices.Contains(doc.Components.Schemas[name].Required, field); required == (options == "omitempty") {
				t.Errorf("%s.%s: required is %v", name, field, required)
			}
		}
		var described []string
		for f := range doc.Components.Schemas[name].Properties {
			described = append(described, f)
		}
		slices.Sort(fields)
		slices.Sort(described)
		if !slices.Equal(fields, described) {
			t.Errorf("%s: described %v, answered %v", name, described, fields)
		}
	}
	for _, part := range strings.Split(body, `"$ref": "#/components/schemas/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); doc.Components.Schemas[name].Properties == nil {
			t.Errorf("%s is referred to, but not described", name)
		}
	}
}
