package export_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/duckdbtest"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/api/export"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org = "acme"

// serve answers as the tenant org, in the middle of the generated times.
func serve(t *testing.T, s storage.Reader) *httptest.Server {
	t.Helper()
	e := export.New(logql.New(logql.DefaultConfig(), s, nil, nil), traceql.New(traceql.DefaultConfig(), s, nil, nil), s)
	mux := http.NewServeMux()
	export.NewAPI(e, nil, func() time.Time { return time.Unix(0, storagetest.Base).Add(time.Hour) }).Register(mux)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(tenant.With(r.Context(), org)))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// get returns the answer; its body is in a file.
func get(t *testing.T, srv *httptest.Server, params ...string) (*http.Response, string, error) {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	res, err := srv.Client().Get(srv.URL + "/api/v1/export?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	file := filepath.Join(t.TempDir(), "out.parquet")
	if werr := os.WriteFile(file, body, 0o600); werr != nil {
		t.Fatal(werr)
	}
	return res, file, err
}

func exported(t *testing.T, srv *httptest.Server, params ...string) string {
	t.Helper()
	res, file, err := get(t, srv, params...)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != export.ContentType {
		body, _ := os.ReadFile(file)
		t.Fatalf("%v: %s, %v: %.300s", params, res.Status, err, body)
	}
	return file
}

func openLocal(t *testing.T) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention = t.TempDir(), local.Retention{}
	s, err := local.Open(cfg, local.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// logIn is a row as DuckDB gives it back.
type logIn struct {
	NS      int64             `json:"ns"`
	Body    string            `json:"body"`
	Service string            `json:"service"`
	Sev     *int              `json:"severity_number"`
	Trace   *string           `json:"trace_id"`
	Event   *string           `json:"event_name"`
	Attrs   map[string]string `json:"attributes"`
	Res     map[string]string `json:"resource_attributes"`
}

const selectLogs = `select epoch_ns(time) as ns, * exclude (time, observed_time) from '%s'`

// TestLogs: what DuckDB reads is what was sent, in the order of time, from
// segments and heads.
func TestLogs(t *testing.T) {
	s := openLocal(t)
	g := storagetest.NewGen(1)
	var sent []telemetry.Log
	for i := range 4 {
		b := g.Logs(200)
		storagetest.WriteLogs(t, s, org, b)
		sent = append(sent, b.Logs...)
		if i == 1 {
			if err := s.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	storagetest.WriteLogs(t, s, "other", g.Logs(10))
	file := exported(t, serve(t, s))
	var got []logIn
	duckdbtest.Query(t, fmt.Sprintf(selectLogs, file), &got)
	if len(got) != len(sent) {
		t.Fatalf("%d rows, want %d", len(got), len(sent))
	}
	for i := range got {
		same(t, &got[i], &sent[i])
	}
	var types []struct{ Name, Type string }
	duckdbtest.Query(t, fmt.Sprintf(`select column_name as Name, column_type as Type from (describe select * from '%s')`, file), &types)
	if text := fmt.Sprint(types); !strings.Contains(text, "{time TIMESTAMPTZ_NS}") || !strings.Contains(text, "{attributes MAP(VARCHAR, VARCHAR)}") {
		t.Errorf("types %v", types)
	}
}

func same(t *testing.T, got *logIn, want *telemetry.Log) {
	t.Helper()
	ok := got.NS == want.Time && got.Service == want.Stream.Service &&
		got.Body == strings.ToValidUTF8(want.Body.Text(), "\uFFFD") &&
		optional(got.Trace) == idText(want.TraceID) && optional(got.Event) == want.EventName &&
		len(got.Attrs) == len(want.Attrs) && len(got.Res) == len(want.Stream.Resource.Attrs)
	for _, a := range want.Attrs {
		ok = ok && got.Attrs[a.Key] == a.Value.Text()
	}
	if (got.Sev == nil) != (want.Severity == 0) || got.Sev != nil && *got.Sev != int(want.Severity) {
		ok = false
	}
	if !ok {
		t.Errorf("row %+v, sent %+v", got, want)
	}
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func idText(id telemetry.TraceID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// TestSelected: only what the query, the range and the tenant select.
func TestSelected(t *testing.T) {
	s := openLocal(t)
	g := storagetest.NewGen(2)
	logs, spans := g.Logs(400), g.Spans(300)
	storagetest.WriteLogs(t, s, org, logs)
	storagetest.WriteSpans(t, s, org, spans)
	srv := serve(t, s)
	mid := time.Unix(0, logs.Logs[200].Time).UTC().Format(time.RFC3339Nano)
	for _, c := range []struct {
		params []string
		want   int
	}{
		{[]string{"query", `{service_name="service-1"}`}, countIn(logs.Logs, func(l *telemetry.Log) bool { return l.Stream.Service == "service-1" })},
		{[]string{"query", `{service_name=~".+"} |= "GET /cart"`}, countIn(logs.Logs, func(l *telemetry.Log) bool { return strings.Contains(l.Body.Text(), "GET /cart") })},
		{[]string{"query", `{service_name="nobody"}`}, 0},
		{[]string{"to", mid}, countIn(logs.Logs, func(l *telemetry.Log) bool { return l.Time < logs.Logs[200].Time })},
		{[]string{"from", mid}, countIn(logs.Logs, func(l *telemetry.Log) bool { return l.Time >= logs.Logs[200].Time })},
		{[]string{"signal", "traces"}, len(spans.Spans)},
		{[]string{"signal", "traces", "query", `{ status = error }`}, countIn(spans.Spans, func(s *telemetry.Span) bool { return s.Status == telemetry.StatusError })},
		{[]string{"signal", "traces", "query", `{ resource.service.name = "service-2" && duration > 0 }`},
			countIn(spans.Spans, func(s *telemetry.Span) bool { return s.Stream.Service == "service-2" && s.Duration() > 0 })},
	} {
		var got []struct{ N int }
		res, file, err := get(t, srv, c.params...)
		if err != nil || res.Trailer.Get(export.RowsTrailer) != fmt.Sprint(c.want) {
			t.Errorf("%q: %v, %v rows by the trailer, want %d", c.params, err, res.Trailer, c.want)
		}
		duckdbtest.Query(t, fmt.Sprintf(`select count(*) as N from '%s'`, file), &got)
		if len(got) != 1 || got[0].N != c.want {
			t.Errorf("%q: %+v rows, want %d", c.params, got, c.want)
		}
	}
}

func countIn[T any](list []T, cond func(*T) bool) (n int) {
	for i := range list {
		if cond(&list[i]) {
			n++
		}
	}
	return n
}

// TestSpans: a span's own columns, and its events and links.
func TestSpans(t *testing.T) {
	s := openLocal(t)
	sent := storagetest.NewGen(3).Spans(200)
	storagetest.WriteSpans(t, s, org, sent)
	file := exported(t, serve(t, s), "signal", "traces")
	var got []struct {
		ID, Name, Kind, Status string
		Start, End             int64
		Parent                 *string
		Events, Links, Attrs   int
		Names                  []string
	}
	duckdbtest.Query(t, fmt.Sprintf(`select span_id as ID, name as Name, kind as Kind, status as Status, epoch_ns(start_time) as Start,
		epoch_ns(end_time) as "End", parent_span_id as Parent, len(events) as Events, len(links) as Links, cardinality(attributes) as Attrs,
		[e.name for e in events] as Names from '%s'`, file), &got)
	byID := map[string]*telemetry.Span{}
	for i := range sent.Spans {
		byID[sent.Spans[i].SpanID.String()] = &sent.Spans[i]
	}
	if len(got) != len(byID) {
		t.Fatalf("%d rows, want %d", len(got), len(byID))
	}
	for _, g := range got {
		w := byID[g.ID]
		if w == nil || g.Name != w.Name || g.Kind != w.Kind.String() || g.Status != w.Status.String() || g.Start != w.Start || g.End != w.End ||
			(g.Parent == nil) != w.ParentID.IsZero() || g.Events != len(w.Events) || g.Links != len(w.Links) || g.Attrs != len(w.Attrs) ||
			len(g.Names) > 0 && g.Names[0] != w.Events[0].Name {
			t.Errorf("row %+v, sent %+v", g, w)
		}
	}
}

func TestRefuses(t *testing.T) {
	srv := serve(t, correlatetest.New())
	for _, c := range []struct {
		params []string
		want   string
	}{
		{[]string{"signal", "metrics"}, `signal \"metrics\": want logs or traces`},
		{[]string{"query", `{a=`}, "line 1, col 4"},
		{[]string{"query", `rate({a="b"}[1m])`}, "is a metric query"},
		{[]string{"query", `{a="b"} | distinct c`}, "distinct"},
		{[]string{"signal", "traces", "query", `{ a = `}, "error"},
		{[]string{"signal", "traces", "query", `{} | rate()`}, "metrics query"},
		{[]string{"signal", "traces", "query", `{} >> { .a = 1 }`}, "more than single spans"},
		{[]string{"from", "soon"}, `parameter from: \"soon\" is no time`},
		{[]string{"from", "1h", "to", "2h"}, "must be before to"},
	} {
		res, file, _ := get(t, srv, c.params...)
		body, _ := os.ReadFile(file)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), c.want) {
			t.Errorf("%q: %s %s, want %q", c.params, res.Status, body, c.want)
		}
	}
}

// TestNotWhole: a store that fails ends the answer such that nobody takes it
// for whole, and what a store leaves out is said.
func TestNotWhole(t *testing.T) {
	s := correlatetest.New()
	s.Warnings = []string{"records are missing:\na block is damaged"}
	res, file, err := get(t, serve(t, s))
	if err != nil || res.Trailer.Get(export.WarningsTrailer) != "records are missing: a block is damaged" {
		t.Errorf("%v, trailer %v", err, res.Trailer)
	}
	var meta []struct{ Value string }
	duckdbtest.Query(t, fmt.Sprintf(`select decode(value) as Value from parquet_kv_metadata('%s') where decode(key) = 'clew.warning.0'`, file), &meta)
	if len(meta) != 1 || !strings.HasPrefix(meta[0].Value, "records are missing") {
		t.Errorf("metadata %v", meta)
	}
	s.Err = io.ErrUnexpectedEOF
	if res, _, err := get(t, serve(t, s)); err == nil && res.StatusCode == http.StatusOK {
		t.Errorf("a failing store: %s", res.Status)
	}
	s.Err = storage.ErrClosed
	if res, _, err := get(t, serve(t, s)); err == nil && res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a closed store: %s", res.Status)
	}
}

// TestFailsOnTheWay: half a file ends in an error of the connection.
func TestFailsOnTheWay(t *testing.T) {
	res, _, err := get(t, serve(t, failing{openLocal(t), storagetest.NewGen(4)}))
	if err == nil {
		t.Errorf("%s, and the end looks good", res.Status)
	}
}

// failing yields more than a row group, and then an error.
type failing struct {
	storage.Store
	gen *storagetest.Gen
}

// Logs implements storage.Reader.
func (f failing) Logs(context.Context, storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return func(yield func([]telemetry.Log, error) bool) {
		for range 100 {
			if !yield(f.gen.Logs(1000).Logs, nil) {
				return
			}
		}
		yield(nil, io.ErrUnexpectedEOF)
	}
}
