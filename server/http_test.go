package server

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clewhq/clew/server/auth"
)

var osFS = vfs.Default

func testMiddleware(t *testing.T, mux *http.ServeMux) (*middleware, http.Handler) {
	t.Helper()
	a, err := auth.New(auth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m := newMiddleware(a, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return m, m.wrap(mux)
}

func TestABugInARoomIsA500AndNotTheEnd(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bug", func(http.ResponseWriter, *http.Request) { panic("oh") })
	m, h := testMiddleware(t, mux)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/bug", nil))
	var body struct{ Error string }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != 500 || strings.Contains(body.Error, "oh") || body.Error == "" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if testutil.ToFloat64(m.panics) != 1 {
		t.Error("the panic was not counted")
	}
}

func TestAnswersAreCompressedForThoseWhoAsk(t *testing.T) {
	long := strings.Repeat("all work and no play ", 1000)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) })
	_, h := testMiddleware(t, mux)
	for _, accept := range []string{"", "gzip"} {
		req := httptest.NewRequest("GET", "/long", nil)
		req.Header.Set("Accept-Encoding", accept)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		body := io.Reader(rec.Body)
		if got := rec.Header().Get("Content-Encoding"); got != accept {
			t.Fatalf("asked for %q, got %q", accept, got)
		}
		if accept == "gzip" {
			z, err := gzip.NewReader(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != long {
			t.Errorf("accept %q: %d bytes, %v", accept, len(got), err)
		}
	}
}

func TestRouteLabelsStayFew(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", notFound)
	m, h := testMiddleware(t, mux)
	for _, path := range []string{"/a/1", "/a/2", "/x", "/y"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/x", nil))
	if n := testutil.CollectAndCount(m.duration); n != 3 {
		t.Errorf("%d series, want 3: /a/{id}, / with GET, / with another method", n)
	}
}

func TestSampleIDPrefersTraces(t *testing.T) {
	for _, c := range []struct {
		name  string
		found map[string]*SampleID
		want  string
	}{
		{"none", nil, ""},
		{"a trace over many tokens", map[string]*SampleID{"t": {ID: "t", Kind: "trace_id", Records: 1}, "x": {ID: "x", Kind: "token", Records: 99}}, "t"},
		{"a request over tokens", map[string]*SampleID{"r": {ID: "r", Kind: "request_id", Records: 1}, "x": {ID: "x", Kind: "token", Records: 99}}, "r"},
		{"the longer story", map[string]*SampleID{"a": {ID: "a", Kind: "trace_id", Records: 2}, "b": {ID: "b", Kind: "trace_id", Records: 3}}, "b"},
		{"always the same", map[string]*SampleID{"b": {ID: "b", Kind: "trace_id", Records: 2}, "a": {ID: "a", Kind: "trace_id", Records: 2}}, "a"},
	} {
		got := ""
		if s := best(c.found); s != nil {
			got = s.ID
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
