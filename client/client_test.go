package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/client"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/api/native"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers clew's own API with the real engines over a story, and the
// other protocols with what their servers answer.
func server(t *testing.T, s *correlatetest.Store) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	now := func() time.Time { return correlatetest.Epoch.Add(time.Minute) }
	spans := traceql.New(traceql.DefaultConfig(), s, nil, nil)
	native.New(native.Engines{
		Stories: correlate.New(correlate.DefaultConfig(), s, nil), Maps: servicemap.New(servicemap.DefaultConfig(), s),
		Coverage: coverage.New(coverage.DefaultConfig(), s), Compare: compare.New(compare.DefaultConfig(), s, storage.Selectors{Spans: spans.Select}),
	}, nil, now).Register(mux)
	for path, file := range map[string]string{
		"/loki/api/v1/query_range":       "loki.json",
		"/tempo/api/search":              "search.json",
		"/tempo/api/traces/{id}":         "trace.json",
		"/prometheus/api/v1/query":       "vector.json",
		"/prometheus/api/v1/query_range": "matrix.json",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if q := r.FormValue("query") + r.FormValue("q"); strings.Contains(q, "bad") {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"parse error: bad"}`)
				return
			} else if strings.Contains(q, "empty") {
				fmt.Fprint(w, `{"data":{"resultType":"streams","result":[]},"traces":[]}`)
				return
			}
			answer := file
			if r.FormValue("explain") == "1" {
				answer = "explain.json"
			}
			http.ServeFile(w, r, filepath.Join("testdata", answer))
		})
	}
	mux.HandleFunc("GET /loki/api/v1/tail", tail)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer wrong" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		org := r.Header.Get(tenant.Header)
		if org == "" {
			org = tenant.Anonymous
		}
		mux.ServeHTTP(w, r.WithContext(tenant.With(r.Context(), org)))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// tail sends two messages and closes.
func tail(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.FormValue("query"), "bad") {
		http.Error(w, "parse error: bad", http.StatusBadRequest)
		return
	}
	up := websocket.Upgrader{}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for i := range 2 {
		text := fmt.Sprintf(`{"streams":[{"stream":{"service_name":"checkout","level":"info"},"values":[["%d","tailed line %d"]]}],"dropped_entries":[]}`, correlatetest.At(i), i)
		if conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
			return
		}
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye"), time.Now().Add(time.Second))
}

var plainEnv = []string{"COLUMNS=120", "TERM=dumb"}

// run runs f with a client of srv and returns what it printed.
func run(t *testing.T, srv string, o client.Options, env []string, f func(context.Context, *client.Client) error) (string, error) {
	t.Helper()
	o.Server = srv
	if o.Output == "" {
		o.Output = client.OutputText
	}
	var out bytes.Buffer
	c, err := client.New(o, &out, env)
	if err != nil {
		return "", err
	}
	err = f(t.Context(), c)
	return out.String(), err
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -rewrite to take it)\ngot\n%s\nwant\n%s", name, got, want)
	}
}

type ask = func(context.Context, *client.Client) error

func story(id string) ask {
	return func(ctx context.Context, c *client.Client) error {
		return c.Correlate(ctx, id, client.StoryOptions{Hops: -1})
	}
}

func servicesMap(o client.MapOptions) ask {
	return func(ctx context.Context, c *client.Client) error { return c.Map(ctx, o) }
}

func logs(q string, o client.LogOptions) ask {
	return func(ctx context.Context, c *client.Client) error { return c.Logs(ctx, q, o) }
}

func trace(id string) ask {
	return func(ctx context.Context, c *client.Client) error { return c.Trace(ctx, id) }
}

func search(q string) ask {
	return func(ctx context.Context, c *client.Client) error { return c.Search(ctx, q, 20) }
}

func metrics(q string) ask {
	return func(ctx context.Context, c *client.Client) error { return c.Metrics(ctx, q, 0) }
}

func TestRendering(t *testing.T) {
	time.Local = time.UTC
	srv := server(t, correlatetest.Shop(tenant.Anonymous))
	for name, c := range map[string]struct {
		ask  ask
		opts client.Options
		env  []string
	}{
		"story.txt":        {ask: story(correlatetest.TraceHex)},
		"story-narrow.txt": {ask: story("req-8f3a2b"), env: []string{"COLUMNS=76", "TERM=dumb"}},
		"story-colour.txt": {ask: story(correlatetest.TraceHex), env: []string{"COLUMNS=120", "TERM=xterm-256color", "CLICOLOR_FORCE=1"}},
		"story.json.txt":   {ask: story("req-other1"), opts: client.Options{Output: client.OutputJSON}},
		"map.txt":          {ask: servicesMap(client.MapOptions{})},
		"map-around.txt":   {ask: servicesMap(client.MapOptions{Service: "gateway", Depth: 1})},
		"map.dot":          {ask: servicesMap(client.MapOptions{Format: "dot"})},
		"map.mmd":          {ask: servicesMap(client.MapOptions{Format: "mermaid"})},
		"map-between.txt":  {ask: servicesMap(client.MapOptions{Source: "user", Target: "stock", Compare: "previous"})},
		"coverage.txt":     {ask: func(ctx context.Context, c *client.Client) error { return c.Coverage(ctx) }},
		"compare.txt": {ask: func(ctx context.Context, c *client.Client) error {
			return c.Compare(ctx, "{ status = error }", client.CompareOptions{})
		}},
		"explain.txt": {ask: logs(`{service_name="checkout"}`, client.LogOptions{Explain: true}), opts: client.Options{From: "2031-03-01T09:00:00Z", To: "2031-03-01T11:00:00Z"}},
		"logs.txt":    {ask: logs(`{service_name="checkout"}`, client.LogOptions{}), opts: client.Options{From: "2031-03-01T09:00:00Z", To: "2031-03-01T11:00:00Z"}},
		"trace.txt":   {ask: trace(correlatetest.TraceHex)},
		"search.txt":  {ask: search(`{}`)},
		"vector.txt":  {ask: metrics(`up`)},
		"matrix.txt":  {ask: metrics(`up`), opts: client.Options{From: "1h"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env == nil {
				c.env = plainEnv
			}
			got, err := run(t, srv.URL, c.opts, c.env, c.ask)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

func TestNoColorIsRespected(t *testing.T) {
	srv := server(t, correlatetest.Shop(tenant.Anonymous))
	got, err := run(t, srv.URL, client.Options{}, []string{"NO_COLOR=1", "TERM=xterm-256color", "COLUMNS=120"}, story(correlatetest.TraceHex))
	if err != nil || strings.Contains(got, "\x1b[") {
		t.Errorf("escape codes without a terminal: %v\n%q", err, got)
	}
}

func TestExitCodes(t *testing.T) {
	srv := server(t, correlatetest.Shop(tenant.Anonymous))
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer other.Close()
	for name, c := range map[string]struct {
		server string
		opts   client.Options
		ask    ask
		code   int
		want   string
	}{
		"unknown ID":         {ask: story("req-nothing1"), code: 3, want: "nothing carries this ID"},
		"empty ID":           {ask: story(" "), code: 2, want: "the ID is empty"},
		"bad from":           {opts: client.Options{From: "yesterday"}, ask: story("x"), code: 2, want: `--from: "yesterday" is no time`},
		"from after to":      {opts: client.Options{From: "1h", To: "2h"}, ask: logs("{}", client.LogOptions{}), code: 2, want: "is not before"},
		"bad output":         {opts: client.Options{Output: "xml"}, ask: story("x"), code: 2, want: `output "xml"`},
		"bad tenant":         {opts: client.Options{Tenant: "a/b"}, ask: story("x"), code: 2, want: "tenant"},
		"bad server":         {server: "clew.example", ask: story("x"), code: 2, want: "want a URL"},
		"no server":          {server: closed.URL, ask: story("x"), code: 1, want: "is `clew serve` running?"},
		"not clew":           {server: other.URL, ask: story("x"), code: 1, want: "is it a clew server?"},
		"wrong token":        {opts: client.Options{Token: "wrong"}, ask: story("x"), code: 1, want: "CLEW_TOKEN"},
		"bad format":         {ask: servicesMap(client.MapOptions{Format: "png"}), code: 2, want: `format "png"`},
		"unknown service":    {ask: servicesMap(client.MapOptions{Service: "nobody", Depth: -1}), code: 3, want: `no service "nobody"`},
		"empty map":          {opts: client.Options{Tenant: "other"}, ask: servicesMap(client.MapOptions{}), code: 3, want: "no service has sent anything"},
		"too deep":           {ask: servicesMap(client.MapOptions{Service: "gateway", Depth: 99}), code: 2, want: "depth is 99"},
		"bad LogQL":          {ask: logs("bad", client.LogOptions{}), code: 2, want: "parse error: bad"},
		"no lines":           {ask: logs("empty", client.LogOptions{}), code: 3, want: "no line between"},
		"follow with an end": {opts: client.Options{To: "now"}, ask: logs("{}", client.LogOptions{Follow: true}), code: 2, want: "leave --to away"},
		"explain for ever":   {ask: logs("{}", client.LogOptions{Follow: true, Explain: true}), code: 2, want: "leave --follow away"},
		"follow a bad query": {ask: logs("bad", client.LogOptions{Follow: true}), code: 2, want: "parse error: bad"},
		"half a way":         {ask: servicesMap(client.MapOptions{Source: "user"}), code: 2, want: "give both"},
		"no way":             {ask: servicesMap(client.MapOptions{Source: "stock", Target: "user"}), code: 3, want: "no calls lead from"},
		"bad comparison": {ask: func(ctx context.Context, c *client.Client) error {
			return c.Compare(ctx, "bad", client.CompareOptions{})
		}, code: 2, want: "selection"},
		"nothing to compare": {opts: client.Options{Tenant: "other"}, ask: func(ctx context.Context, c *client.Client) error {
			return c.Compare(ctx, "{}", client.CompareOptions{})
		}, code: 3, want: "nothing matches"},
		"nothing covered": {opts: client.Options{Tenant: "other"}, ask: func(ctx context.Context, c *client.Client) error { return c.Coverage(ctx) }, code: 3, want: "no service has sent"},
		"bad trace ID":    {ask: trace("zzzz"), code: 2, want: "32 hex digits"},
		"bad TraceQL":     {ask: search("bad"), code: 2, want: "parse error: bad"},
		"no traces":       {ask: search("empty"), code: 3, want: "no trace between"},
		"bad PromQL":      {ask: metrics("bad"), code: 2, want: "parse error: bad"},
		"no series":       {ask: metrics("empty"), code: 3, want: "no series matches"},
	} {
		t.Run(name, func(t *testing.T) {
			base := c.server
			if base == "" {
				base = srv.URL
			}
			_, err := run(t, base, c.opts, plainEnv, c.ask)
			var e *client.Error
			if !errors.As(err, &e) || e.ExitCode() != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want exit code %d and %q", err, c.code, c.want)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	time.Local = time.UTC
	srv := server(t, correlatetest.New())
	got, err := run(t, srv.URL, client.Options{}, plainEnv, logs("{}", client.LogOptions{Follow: true}))
	if !strings.Contains(got, "checkout tailed line 0\n") || !strings.Contains(got, "checkout tailed line 1\n") {
		t.Errorf("followed lines: %q", got)
	}
	if err == nil || !strings.Contains(err.Error(), "the server ended the tail") {
		t.Errorf("at the end: %v", err)
	}
	got, _ = run(t, srv.URL, client.Options{Output: client.OutputJSON}, plainEnv, logs("{}", client.LogOptions{Follow: true}))
	for _, l := range strings.Split(strings.TrimSpace(got), "\n") {
		if !json.Valid([]byte(l)) {
			t.Errorf("no JSON: %q", l)
		}
	}
}

// What comes from outside must not steer the terminal, and every entry must be
// shown, however broken its tree.
func TestHostileStories(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("a\x1b[31mevil")
	id := correlatetest.Trace("abc")
	mk := func(span, parent, name string) telemetry.Span {
		return telemetry.Span{Stream: st, TraceID: id, SpanID: correlatetest.Span(span), ParentID: correlatetest.Span(parent), Name: name, Start: correlatetest.At(0), End: correlatetest.At(1)}
	}
	s.AddSpans(tenant.Anonymous, mk("1", "2", "circle one"), mk("2", "1", "circle two"), mk("3", "3", "own parent"), mk("4", "99", "orphan"), mk("4", "99", "twin"))
	parent := ""
	for i := range 200 {
		span := fmt.Sprintf("%x", 0x1000+i)
		s.AddSpans(tenant.Anonymous, mk(span, parent, fmt.Sprintf("deep-%d", i)))
		parent = span
	}
	s.AddLogs(tenant.Anonymous, telemetry.Log{Stream: st, TraceID: id, Time: correlatetest.At(5), Body: telemetry.String("bell\a and \x1b]0;title\x07 and\nnew line \u202e" + strings.Repeat("very long ", 50))})
	srv := server(t, s)
	got, err := run(t, srv.URL, client.Options{}, plainEnv, story(id.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"circle one", "circle two", "own parent", "orphan", "twin", "deep-0 ", "deep-199", `bell\x07 and \x1b]0;title`, "⏎ new line"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown", want)
		}
	}
	if strings.ContainsAny(got, "\x1b\a\u202e") {
		t.Error("control codes reach the terminal")
	}
	for _, l := range strings.Split(got, "\n") {
		if n := len([]rune(l)); n > 125 {
			t.Errorf("a line of %d cells: %s", n, l)
		}
	}
}
