package zipkin_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/collector/zipkin"
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
	zipkin.New(gate, body.DefaultLimits()).Register(r.mux)
	return r
}

func (r *room) post(kind, b string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/zipkin/api/v2/spans", strings.NewReader(b))
	req.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

func TestSpans(t *testing.T) {
	r := newRoom()
	micros := r.clock.Now().UnixMicro()
	w := r.post("application/json", fmt.Sprintf(`[
		{"traceId":"463ac35c9f6413ad","id":"a2fb4a1d1a96d312","name":"get /cart","kind":"SERVER","timestamp":%[1]d,"duration":2500,
		 "localEndpoint":{"serviceName":"cart","ipv4":"10.0.0.1","port":8080},
		 "tags":{"http.method":"GET","error":"time out"},"annotations":[{"timestamp":%[1]d,"value":"wr"}]},
		{"traceId":"463ac35c9f6413ad463ac35c9f6413ad","id":"b","parentId":"a2fb4a1d1a96d312","kind":"client","timestamp":%[1]d,
		 "localEndpoint":{"serviceName":"auth"},"remoteEndpoint":{"serviceName":"db","ipv6":"::1","port":5432}}
	]`, micros))
	if w.Code != 202 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := r.store.Spans()
	if len(got) != 2 {
		t.Fatalf("%d spans", len(got))
	}
	auth, cart := got[0], got[1]
	if cart.Stream.Service != "cart" || cart.TraceID.String() != "0000000000000000463ac35c9f6413ad" || cart.SpanID.String() != "a2fb4a1d1a96d312" ||
		cart.Kind != telemetry.SpanKindServer || cart.Duration() != 2500*time.Microsecond || cart.Start != micros*1000 ||
		cart.Status != telemetry.StatusError || cart.StatusMessage != "time out" || cart.Attrs.Text("http.method") != "GET" ||
		cart.Attrs.Text("network.local.address") != "10.0.0.1" || len(cart.Events) != 1 || cart.Events[0].Name != "wr" {
		t.Errorf("stored %+v", cart)
	}
	if auth.ParentID != cart.SpanID || auth.Kind != telemetry.SpanKindClient || auth.Attrs.Text("peer.service") != "db" ||
		auth.Attrs.Text("network.peer.address") != "::1" || auth.Attrs.Text("network.peer.port") != "5432" || auth.Duration() != 0 ||
		auth.SpanID.String() != "000000000000000b" {
		t.Errorf("stored %+v", auth)
	}
}

func TestBadRequests(t *testing.T) {
	r := newRoom()
	micros := r.clock.Now().UnixMicro()
	good := fmt.Sprintf(`{"traceId":"1","id":"2","timestamp":%d}`, micros)
	tests := []struct {
		name, kind, body string
		fail             error
		status           int
		says             string
		stored           int
	}{
		{"malformed", "application/json", `[{"traceId"`, nil, 400, "at byte 11", 0},
		{"not a list", "application/json", `{}`, nil, 400, "malformed Zipkin spans", 0},
		{"thrift", "application/x-thrift", `[]`, nil, 415, "application/json", 0},
		{"one without an ID", "application/json", `[` + good + `,{"traceId":"xyz","id":"2","timestamp":1}]`, nil, 400, "1 rejected as invalid_trace_id", 1},
		{"one without a time", "application/json", `[{"traceId":"1","id":"3"}]`, nil, 400, "missing_time", 1},
		{"disk full", "application/json", `[` + good + `]`, storage.ErrDiskFull, 503, "no space left", 1},
		{"empty", "application/json", `[]`, nil, 202, "", 1},
	}
	for _, tt := range tests {
		r.store.Fail(tt.fail)
		w := r.post(tt.kind, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || len(r.store.Spans()) != tt.stored {
			t.Errorf("%s: %d %s, %d stored", tt.name, w.Code, w.Body, len(r.store.Spans()))
		}
	}
}

func FuzzSpans(f *testing.F) {
	f.Add(`[{"traceId":"1","id":"2","timestamp":9223372036854775807,"duration":9223372036854775807}]`)
	f.Add(`[{"tags":{"error":""},"localEndpoint":null,"annotations":[{}]}]`)
	f.Fuzz(func(t *testing.T, b string) {
		if w := newRoom().post("application/json", b); w.Code != 202 && w.Code != 400 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

// A span that is none costs the others nothing.
func TestMalformedSpansAreRejectedAlone(t *testing.T) {
	r := newRoom()
	micros := r.clock.Now().UnixMicro()
	w := r.post("application/json", fmt.Sprintf(`[
		{"traceId":"463ac35c9f6413ad","id":"1","timestamp":"soon"}, 5,
		{"traceId":"463ac35c9f6413ad","id":"2","timestamp":%[1]d,"tags":{"n":5}},
		{"traceId":"463ac35c9f6413ad","id":"3","timestamp":%[1]d}]`, micros))
	if text := w.Body.String(); w.Code != 400 || !strings.Contains(text, "3 rejected as invalid_record: span 0: ") || !strings.Contains(text, "timestamp") {
		t.Errorf("%d %s", w.Code, text)
	}
	if got := r.store.Spans(); len(got) != 1 || got[0].SpanID.String() != "0000000000000003" {
		t.Errorf("stored %+v", got)
	}
}
