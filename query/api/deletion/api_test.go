package deletion_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/api/deletion"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, delay time.Duration) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention = "/data", local.Retention{}
	cfg.MaintainEvery, cfg.DeletionDelay = model.Duration(time.Hour), model.Duration(delay)
	s, err := local.Open(cfg, local.Deps{FS: vfs.NewMem(), Selectors: storage.Selectors{
		Logs:  logql.New(logql.DefaultConfig(), nil, nil, nil).Select,
		Spans: traceql.New(traceql.DefaultConfig(), nil, nil, nil).Select,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func handler(s storage.Deleter) http.Handler {
	mux := http.NewServeMux()
	deletion.New(s, nil, nil).Register(mux)
	return mux
}

func ask(h http.Handler, method, target, org string) (int, string) {
	r := httptest.NewRequest(method, target, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(tenant.With(r.Context(), org)))
	return w.Code, w.Body.String()
}

func rowsLeft(t *testing.T, s *local.Store, org string) (logs []telemetry.Log, spans []telemetry.Span) {
	t.Helper()
	return storagetest.Logs(t, s, storage.LogQuery{Tenant: org}), storagetest.Spans(t, s, storage.SpanQuery{Tenant: org})
}

// TestDeletes: each protocol's query deletes exactly what it selects, of its
// tenant alone.
func TestDeletes(t *testing.T) {
	cart := func(l *telemetry.Log) bool { return strings.Contains(l.Body.Text(), "GET /cart") }
	for _, c := range []struct {
		name, method, target string
		code                 int
		log                  func(*telemetry.Log) bool
		span                 func(*telemetry.Span) bool
	}{
		{"own, logs", "POST", `/api/v1/delete?query={service_name=~".%2B"}+|=+"GET+/cart"`, 202, cart, nil},
		{"Loki's", "POST", `/loki/api/v1/delete?start=0&query={service_name=~".%2B"}+|=+"GET+/cart"`, 204, cart, nil},
		{"Loki's, in time", "PUT", `/loki/api/v1/delete?start=1769860800&end=1769860801&query={service_name="service-1"}`, 204,
			func(l *telemetry.Log) bool { return l.Stream.Service == "service-1" && l.Time <= storagetest.Base+1e9 }, nil},
		{"own, spans", "POST", `/api/v1/delete?signal=traces&query={status=error}`, 202, nil,
			func(s *telemetry.Span) bool { return s.Status == telemetry.StatusError }},
		{"own, spans of a service", "POST", `/api/v1/delete?signal=traces&query={resource.service.name="service-2"}`, 202, nil,
			func(s *telemetry.Span) bool { return s.Stream.Service == "service-2" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, 0)
			g := storagetest.NewGen(5)
			g.Spread = 1e7
			logs, spans := g.Logs(300), g.Spans(300)
			for _, org := range []string{"acme", "other"} {
				storagetest.WriteLogs(t, s, org, logs)
				storagetest.WriteSpans(t, s, org, spans)
			}
			if code, body := ask(handler(s), c.method, c.target, "acme"); code != c.code {
				t.Fatalf("%d %s", code, body)
			}
			if err := s.Tidy(context.Background()); err != nil {
				t.Fatal(err)
			}
			wantLogs, wantSpans := without(logs.Logs, c.log), without(spans.Spans, c.span)
			gotLogs, gotSpans := rowsLeft(t, s, "acme")
			if len(gotLogs) != len(wantLogs) || len(gotSpans) != len(wantSpans) || len(gotLogs)+len(gotSpans) == len(logs.Logs)+len(spans.Spans) {
				t.Errorf("%d logs and %d spans are left, want %d and %d", len(gotLogs), len(gotSpans), len(wantLogs), len(wantSpans))
			}
			if l, sp := rowsLeft(t, s, "other"); len(l) != len(logs.Logs) || len(sp) != len(spans.Spans) {
				t.Errorf("another tenant has %d logs and %d spans", len(l), len(sp))
			}
			_, body := ask(handler(s), "GET", "/api/v1/delete", "acme")
			var list struct {
				Deletions []struct {
					Status, Query, Done string
					Records             int
				}
			}
			if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Deletions) != 1 {
				t.Fatalf("%v: %s", err, body)
			}
			if d := list.Deletions[0]; d.Status != "processed" || d.Query != "" || d.Done == "" || d.Records != len(logs.Logs)+len(spans.Spans)-len(gotLogs)-len(gotSpans) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func without[T any](list []T, gone func(*T) bool) (out []T) {
	for i := range list {
		if gone == nil || !gone(&list[i]) {
			out = append(out, list[i])
		}
	}
	return out
}

// TestErrorsDoNotSelect: a filter that cannot be computed lets a line pass in a
// query. It must not be deleted for that.
func TestErrorsDoNotSelect(t *testing.T) {
	s := open(t, 0)
	g := storagetest.NewGen(6)
	b := g.Logs(2)
	b.Logs[0].Body, b.Logs[1].Body = telemetry.String(`{"took":"11s"}`), telemetry.String(`{"took":"soon"}`)
	b.Logs[0].Stream, b.Logs[1].Stream = g.Streams[0], g.Streams[0]
	storagetest.WriteLogs(t, s, "acme", storagetest.LogBatch(b.Logs))
	if code, body := ask(handler(s), "POST", `/api/v1/delete?query={service_name="service-0"}+|+json+|+took>10s`, "acme"); code != 202 {
		t.Fatalf("%d %s", code, body)
	}
	if err := s.Tidy(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left, _ := rowsLeft(t, s, "acme"); len(left) != 1 || left[0].Body.Text() != `{"took":"soon"}` {
		t.Errorf("left: %+v", left)
	}
}

func TestCancelAndList(t *testing.T) {
	s := open(t, time.Hour)
	h := handler(s)
	_, body := ask(h, "POST", `/loki/api/v1/delete?start=1&end=3&query={a="b"}`, "acme")
	if body != "" {
		t.Errorf("Loki's answer: %s", body)
	}
	var list []struct {
		ID     string  `json:"request_id"`
		Start  float64 `json:"start_time"`
		Query  string  `json:"query"`
		Status string  `json:"status"`
	}
	_, body = ask(h, "GET", "/loki/api/v1/delete", "acme")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 || list[0].Start != 1 || list[0].Query != `{a="b"}` || list[0].Status != "received" {
		t.Fatalf("%v: %s", err, body)
	}
	for _, c := range []struct {
		method, target, org string
		code                int
	}{
		{"DELETE", "/api/v1/delete/" + list[0].ID, "other", 404},
		{"DELETE", "/loki/api/v1/delete?request_id=77", "acme", 404},
		{"DELETE", "/loki/api/v1/delete", "acme", 400},
		{"DELETE", "/loki/api/v1/delete?request_id=" + list[0].ID, "acme", 204},
		{"DELETE", "/api/v1/delete/" + list[0].ID, "acme", 404},
	} {
		if code, body := ask(h, c.method, c.target, c.org); code != c.code {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.target, code, body, c.code)
		}
	}
	if _, body = ask(h, "GET", "/loki/api/v1/delete", "acme"); body != "[]\n" {
		t.Errorf("after the cancel: %s", body)
	}
}

func TestRefuses(t *testing.T) {
	h := handler(open(t, 0))
	for _, c := range []struct{ target, want string }{
		{"/api/v1/delete", "parameter query is missing"},
		{`/api/v1/delete?query={a=`, "line 1, col 4"},
		{`/api/v1/delete?query=rate({a="b"}[1m])`, "is a metric query"},
		{`/api/v1/delete?query={a="b"}&signal=metrics`, `want logs or traces`},
		{`/api/v1/delete?query={name="a"}>>{name="b"}&signal=traces`, "more than single spans"},
		{`/api/v1/delete?query={a="b"}&from=soon`, "parameter from"},
		{`/api/v1/delete?query={a="b"}&from=1h&to=2h`, "must be before to"},
		{`/loki/api/v1/delete?query={a="b"}`, "parameter start is missing"},
	} {
		if code, body := ask(h, "POST", c.target, "acme"); code != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %q", c.target, code, body, c.want)
		}
	}
}

// failing is a store that cannot.
type failing struct{ err error }

// Delete implements storage.Deleter.
func (f failing) Delete(_ context.Context, d storage.Deletion) (storage.Deletion, error) {
	return d, f.err
}

// Deletions implements storage.Deleter.
func (f failing) Deletions(context.Context, string) ([]storage.Deletion, error) { return nil, f.err }

// CancelDeletion implements storage.Deleter.
func (f failing) CancelDeletion(context.Context, string, string) error { return f.err }

func TestStoreFails(t *testing.T) {
	for err, want := range map[error]int{storage.ErrClosed: 503, storage.ErrDiskFull: 503, errors.New("broken"): 500} {
		h := handler(failing{err})
		for _, c := range [][2]string{{"POST", `/api/v1/delete?query={a="b"}`}, {"GET", "/api/v1/delete"}, {"DELETE", "/loki/api/v1/delete?request_id=1"}} {
			if code, body := ask(h, c[0], c[1], "acme"); code != want || !json.Valid([]byte(body)) {
				t.Errorf("%v, %s: %d %s", err, c, code, body)
			}
		}
	}
}

// TestBroadQueryIsConfirmed: one that may select nearly everything, as with a
// variable that was not set, is taken only where the request says that it is
// meant.
func TestBroadQueryIsConfirmed(t *testing.T) {
	s := open(t, time.Hour) // nothing is deleted in the test
	h := handler(s)
	for _, target := range []string{
		`/api/v1/delete?query={service_name=~".%2B"}|trace_id=""`,
		`/api/v1/delete?query={service_name=~".%2B"}|=""`,
		`/api/v1/delete?query={service_name=~".%2B"}`,
		`/api/v1/delete?query={span.user=""}&signal=traces`,
		`/api/v1/delete?query={}&signal=traces`,
		`/loki/api/v1/delete?start=0&query={service_name=~".%2B"}`,
	} {
		for suffix, want := range map[string]int{"": 400, "&broad=false": 400, "&broad=": 400, "&broad=perhaps": 400, "&broad=true": 202} {
			if strings.HasPrefix(target, "/loki") && want == 202 {
				want = 204
			}
			before, err := s.Deletions(context.Background(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			code, body := ask(h, "POST", target+suffix, "acme")
			if code != want || want == 400 && !strings.Contains(body, "broad") {
				t.Errorf("%s%s: %d %s, want %d", target, suffix, code, body, want)
			}
			after, err := s.Deletions(context.Background(), "acme")
			if err != nil || (len(after) > len(before)) != (want != 400) {
				t.Errorf("%s%s: %d deletions wait after %d, %v", target, suffix, len(after), len(before), err)
			}
		}
	}
}
