package elastic_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/elastic"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

type room struct {
	mux   *http.ServeMux
	store *fake.Records
	clock *fake.Clock
}

func newRoom() *room {
	r := &room{mux: http.NewServeMux(), store: &fake.Records{}, clock: &fake.Clock{}}
	gate := admission.New(admission.DefaultConfig(), admission.Deps{Records: r.store, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	elastic.New(gate, body.DefaultLimits()).Register(r.mux)
	return r
}

func (r *room) do(t *testing.T, method, path, kind, b string) (int, map[string]any) {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(b))
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s %s: %d, no JSON: %v\n%s", method, path, w.Code, err, w.Body)
	}
	if w.Header().Get("X-Elastic-Product") != "Elasticsearch" {
		t.Errorf("%s %s: clients check X-Elastic-Product", method, path)
	}
	return w.Code, out
}

const ndjson = "application/x-ndjson"

func TestBulk(t *testing.T) {
	r := newRoom()
	now := r.clock.Now()
	code, out := r.do(t, http.MethodPost, "/elastic/logs-app/_bulk", ndjson, fmt.Sprintf(`{"create":{}}
{"@timestamp":%q,"message":"card refused","log":{"level":"warn"},"service":{"name":"pay"},"trace.id":"0af7651916cd43dd8448eb211c80319c","order":{"id":"o-1","items":[1,"a",{"b":2.5}]},"ok":true,"none":null}

{"index":{"_index":"other","_id":"7"}}
{"@timestamp":%d,"message":"plain"}
`, now.Format("2006-01-02T15:04:05.000Z"), now.UnixMilli()))
	if code != 200 || out["errors"] != false || len(out["items"].([]any)) != 2 {
		t.Fatalf("%d %v", code, out)
	}
	second := out["items"].([]any)[1].(map[string]any)["index"].(map[string]any)
	if second["_id"] != "7" || second["_index"] != "other" || second["status"] != 201.0 || second["result"] != "created" {
		t.Errorf("item %v", second)
	}
	got := r.store.Logs()
	if len(got) != 2 {
		t.Fatalf("%d stored", len(got))
	}
	l := got[0]
	if l.Time != now.UnixNano() || l.Body.Str() != "card refused" || l.Severity != telemetry.SeverityWarn || l.SeverityText != "warn" ||
		l.Stream.Service != "pay" || l.TraceID.String() != "0af7651916cd43dd8448eb211c80319c" || l.Attrs.Text("order.id") != "o-1" ||
		l.Attrs.Text("order.items") != `[1,"a",{"b":2.5}]` || l.Attrs.Text("ok") != "true" || len(l.Attrs) != 3 ||
		l.Stream.Resource.Attrs.Text("elasticsearch.index") != "logs-app" {
		t.Errorf("stored %+v of %+v", l, l.Stream)
	}
	if got[1].Time != now.UnixNano() || got[1].Body.Str() != "plain" {
		t.Errorf("stored %+v", got[1])
	}
}

func TestBulkAnswersPerItem(t *testing.T) {
	r := newRoom()
	code, out := r.do(t, http.MethodPost, "/elastic/_bulk", ndjson, `{"create":{"_index":"a"}}
{"message":"good, and without a time"}
{"create":{"_index":"a"}}
not json
{"delete":{"_index":"a","_id":"1"}}
{"update":{"_index":"a","_id":"1"}}
{"doc":{}}
{"create":{"_index":"a"}}
{"@timestamp":"2031-01-01T00:00:00Z","message":"far ahead"}
{"create":{"_index":"a"}}
{"@timestamp":"yesterday"}
{"create":{"_index":"a"}}
{"message":"good"}
`)
	if code != 200 || out["errors"] != true {
		t.Fatalf("%d %v", code, out)
	}
	want := []struct {
		action string
		status float64
		kind   string
	}{
		{"create", 201, ""}, {"create", 400, "document_parsing_exception"}, {"delete", 400, "action_request_validation_exception"},
		{"update", 400, "action_request_validation_exception"}, {"create", 400, "too_far_in_future"},
		{"create", 400, "document_parsing_exception"}, {"create", 201, ""},
	}
	items := out["items"].([]any)
	if len(items) != len(want) {
		t.Fatalf("%d items: %v", len(items), items)
	}
	for i, w := range want {
		item := items[i].(map[string]any)[w.action].(map[string]any)
		kind := ""
		if e, ok := item["error"].(map[string]any); ok {
			kind = e["type"].(string)
		}
		if item["status"] != w.status || kind != w.kind {
			t.Errorf("item %d: %v, want %v", i, item, w)
		}
	}
	if got := r.store.Logs(); len(got) != 2 || got[0].Time != r.clock.Now().UnixNano() {
		t.Errorf("stored %+v", got)
	}
}

func TestBulkBadRequests(t *testing.T) {
	r := newRoom()
	tests := []struct {
		name, kind, body string
		fail             error
		status           int
		says             string
	}{
		{"action", ndjson, "what\n{}\n", nil, 400, "line 1: want an action"},
		{"two actions", ndjson, `{"create":{},"index":{}}` + "\n{}\n", nil, 400, "want one action"},
		{"no document", ndjson, `{"create":{}}` + "\n", nil, 400, "line 1: no document"},
		{"third line", ndjson, "{\"create\":{}}\n{}\nwhat\n", nil, 400, "line 3"},
		{"content type", "text/plain", "", nil, 415, "text/plain"},
		{"disk full", ndjson, "{\"create\":{}}\n{}\n", storage.ErrDiskFull, 503, "no space left"},
		{"overloaded", ndjson, "{\"create\":{}}\n{}\n", storage.ErrOverloaded, 429, "no room for more"},
	}
	for _, tt := range tests {
		r.store.Fail(tt.fail)
		code, out := r.do(t, http.MethodPost, "/elastic/_bulk", tt.kind, tt.body)
		e, _ := out["error"].(map[string]any)
		if reason, _ := e["reason"].(string); code != tt.status || !strings.Contains(reason, tt.says) {
			t.Errorf("%s: %d %v", tt.name, code, out)
		}
	}
}

func TestWhatClientsAsk(t *testing.T) {
	r := newRoom()
	code, out := r.do(t, http.MethodGet, "/elastic/", "", "")
	if code != 200 || !strings.HasPrefix(out["version"].(map[string]any)["number"].(string), "8.") {
		t.Errorf("%d %v", code, out)
	}
	if code, _ := r.do(t, http.MethodGet, "/elastic/_license", "", ""); code != 200 {
		t.Errorf("license: %d", code)
	}
	if code, out := r.do(t, http.MethodGet, "/elastic/a/_search", "", ""); code != 501 || !strings.Contains(fmt.Sprint(out), "_bulk") {
		t.Errorf("search: %d %v", code, out)
	}
}

func FuzzBulk(f *testing.F) {
	f.Add("{\"create\":{}}\n{\"message\":\"x\",\"a\":{\"b\":[1,null,{}]}}\n")
	f.Add("{\"create\":{}}\n" + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40))
	f.Fuzz(func(t *testing.T, b string) {
		if code, _ := newRoom().do(t, http.MethodPost, "/elastic/_bulk", ndjson, b); code != 200 && code != 400 {
			t.Errorf("status %d", code)
		}
	})
}
