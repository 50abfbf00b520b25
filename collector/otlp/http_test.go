package otlp_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/otlp"
	"github.com/clewhq/clew/storage"
)

const (
	pbType   = "application/x-protobuf"
	jsonType = "application/json"
)

// logsRequest holds a good record and, if asked for, one of next year.
func logsRequest(now time.Time, bad bool) plogotlp.ExportRequest {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	r := records.AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(now))
	r.Body().SetStr("order paid ✓")
	r.SetTraceID(pcommon.TraceID{1, 2, 3})
	r.SetSpanID(pcommon.SpanID{4, 5, 6})
	r.Attributes().PutInt("n", 1<<60)
	r.Attributes().PutEmptyBytes("b").FromRaw([]byte{0, 255})
	if bad {
		records.AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now.Add(365 * 24 * time.Hour)))
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}

func tracesRequest(now time.Time, bad bool) ptraceotlp.ExportRequest {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	s := spans.AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{2})
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
	if bad {
		spans.AppendEmpty().SetName("no IDs")
	}
	return ptraceotlp.NewExportRequestFromTraces(td)
}

type marshaler interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

func encode(t testing.TB, m marshaler, kind string) []byte {
	t.Helper()
	f := m.MarshalProto
	if kind == jsonType {
		f = m.MarshalJSON
	}
	b, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (r *room) do(t *testing.T, method, path, kind string, b []byte, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.http.URL+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, out}
}

func TestHTTPTakesEverySignalAndEncoding(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	pack := map[string]func([]byte) []byte{
		"": func(b []byte) []byte { return b },
		"gzip": func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, _ = w.Write(b)
			_ = w.Close()
			return out.Bytes()
		},
		"zstd": func(b []byte) []byte {
			w, _ := zstd.NewWriter(nil)
			defer w.Close()
			return w.EncodeAll(b, nil)
		},
	}
	md := pmetric.NewMetrics()
	md.ResourceMetrics().AppendEmpty()
	n := 0
	for encoding, pack := range pack {
		for _, kind := range []string{pbType, jsonType, "application/json; charset=utf-8"} {
			for _, prefix := range []string{"", "/otlp"} {
				n++
				now := r.clock.Now().Add(time.Duration(n)) // every request is another one
				for path, m := range map[string]marshaler{
					"/v1/logs": logsRequest(now, false), "/v1/traces": tracesRequest(now, false),
					"/v1/metrics": pmetricotlp.NewExportRequestFromMetrics(md),
				} {
					wire, _, _ := strings.Cut(kind, ";")
					got := r.do(t, http.MethodPost, prefix+path, kind, pack(encode(t, m, wire)), "Content-Encoding", encoding)
					wantBody := map[string]string{pbType: "", jsonType: "{}"}[wire]
					if got.status != 200 || got.header.Get("Content-Type") != wire || string(got.body) != wantBody {
						t.Errorf("%s%s as %s in %q: %d %s %q", prefix, path, kind, encoding, got.status, got.header.Get("Content-Type"), got.body)
					}
				}
			}
		}
	}
	if len(r.store.Logs()) != n || len(r.store.Spans()) != n || len(r.metrics) != n {
		t.Fatalf("%d logs, %d spans, %d metrics requests; want %d of each", len(r.store.Logs()), len(r.store.Spans()), len(r.metrics), n)
	}
	for _, l := range r.store.Logs() {
		if l.Stream.Service != "checkout" || l.Body.Str() != "order paid ✓" || l.TraceID.String() != "01020300000000000000000000000000" ||
			l.Attrs.Text("n") != "1152921504606846976" || l.Attrs.Text("b") != "AP8=" {
			t.Errorf("stored %+v", l)
		}
	}
}

func TestHTTPPartialSuccess(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	now := r.clock.Now()
	got := r.do(t, http.MethodPost, "/v1/logs", pbType, encode(t, logsRequest(now, true), pbType))
	response := plogotlp.NewExportResponse()
	if err := response.UnmarshalProto(got.body); err != nil || got.status != 200 {
		t.Fatalf("%d %q: %v", got.status, got.body, err)
	}
	if p := response.PartialSuccess(); p.RejectedLogRecords() != 1 || !strings.Contains(p.ErrorMessage(), "too_far_in_future: log record 1: time 2027-01-02") {
		t.Errorf("rejected %d: %s", p.RejectedLogRecords(), p.ErrorMessage())
	}
	got = r.do(t, http.MethodPost, "/v1/traces", jsonType, encode(t, tracesRequest(now, true), jsonType))
	traces := ptraceotlp.NewExportResponse()
	if err := traces.UnmarshalJSON(got.body); err != nil || got.status != 200 {
		t.Fatalf("%d %q: %v", got.status, got.body, err)
	}
	if p := traces.PartialSuccess(); p.RejectedSpans() != 1 || !strings.Contains(p.ErrorMessage(), `span "no IDs" has no trace ID`) {
		t.Errorf("rejected %d: %s", p.RejectedSpans(), p.ErrorMessage())
	}
	if len(r.store.Logs()) != 1 || len(r.store.Spans()) != 1 {
		t.Errorf("%d logs, %d spans stored; want the good ones", len(r.store.Logs()), len(r.store.Spans()))
	}
	r.expect(t, "clew_collector_rejected_records_total", "Records that were rejected alone, by reason.",
		`clew_collector_rejected_records_total{reason="invalid_trace_id",signal="traces"} 1`,
		`clew_collector_rejected_records_total{reason="too_far_in_future",signal="logs"} 1`)
}

func TestHTTPBadRequests(t *testing.T) {
	limits := body.Limits{MaxBytes: 2000, MaxDecompressedBytes: 3000}
	now := newRoom(t, limits, otlp.CORS{}).clock.Now()
	good := encode(t, logsRequest(now, false), pbType)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 10_000))
	_ = w.Close()
	tests := []struct {
		name       string
		method     string
		kind       string
		encoding   string
		body       []byte
		fail       error
		status     int
		code       int32
		says       string
		retryAfter string
		reason     string
	}{
		{name: "malformed protobuf", kind: pbType, body: []byte{0x0a, 0x05, 0x00}, status: 400, code: 3, says: "resource_logs[0] at byte 1", reason: "malformed"},
		{name: "JSON called protobuf", kind: pbType, body: []byte(`{"resourceLogs":[]}`), status: 400, code: 3, says: "malformed OTLP", reason: "malformed"},
		{name: "malformed JSON", kind: jsonType, body: []byte(`{"resourceLogs":[`), status: 400, code: 3, says: "resourceLogs[0] at byte 17: end of the body", reason: "malformed"},
		{name: "JSON of a wrong type", kind: jsonType, body: []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":5}]}]}]}`), status: 400, code: 3, says: "resourceLogs[0].scopeLogs[0].logRecords[0].traceId at byte 57: 5, want an ID of 32 hex digits", reason: "malformed"},
		{name: "no content type", kind: "", body: good, status: 415, code: 12, says: `content type "" is not supported`, reason: "unsupported_media_type"},
		{name: "wrong content type", kind: "text/plain", body: good, status: 415, code: 12, says: "text/plain", reason: "unsupported_media_type"},
		{name: "unknown encoding", kind: pbType, encoding: "br", body: good, status: 415, code: 12, says: `"br"`, reason: "unsupported_media_type"},
		{name: "not gzip", kind: pbType, encoding: "gzip", body: good, status: 400, code: 3, says: "gzip", reason: "malformed"},
		{name: "too large", kind: pbType, body: make([]byte, 2001), status: 413, code: 8, says: "over the limit of 2000", reason: "too_large"},
		{name: "bomb", kind: pbType, encoding: "gzip", body: bomb.Bytes(), status: 413, code: 8, says: "over the limit of 3000", reason: "too_large"},
		{name: "disk full", kind: pbType, body: good, fail: storage.ErrDiskFull, status: 503, code: 14, says: "no space left", retryAfter: "5", reason: "disk_full"},
		{name: "overloaded", kind: jsonType, body: encode(t, logsRequest(now, false), jsonType), fail: storage.ErrOverloaded, status: 429, code: 8, says: "no room for more", retryAfter: "5", reason: "overloaded"},
		{name: "closing", kind: pbType, body: good, fail: storage.ErrClosed, status: 503, code: 14, says: "closed", retryAfter: "5", reason: "closing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, limits, otlp.CORS{})
			r.store.Fail(tt.fail)
			got := r.do(t, http.MethodPost, "/v1/logs", tt.kind, tt.body, "Content-Encoding", tt.encoding)
			wantKind := jsonType
			var status spb.Status
			var err error
			if tt.kind == pbType {
				wantKind, err = pbType, proto.Unmarshal(got.body, &status)
			} else {
				err = protojson.Unmarshal(got.body, &status)
			}
			if err != nil || got.header.Get("Content-Type") != wantKind {
				t.Fatalf("the body is no Status as %s: %v\n%s", wantKind, err, hex.Dump(got.body))
			}
			if got.status != tt.status || status.Code != tt.code || !strings.Contains(status.Message, tt.says) {
				t.Errorf("%d, code %d, %q; want %d, %d, %q", got.status, status.Code, status.Message, tt.status, tt.code, tt.says)
			}
			if got.header.Get("Retry-After") != tt.retryAfter {
				t.Errorf("Retry-After %q, want %q", got.header.Get("Retry-After"), tt.retryAfter)
			}
			if len(r.store.Logs()) > 0 {
				t.Error("something was stored")
			}
			protocol := "otlp_http"
			if tt.kind == jsonType {
				protocol = "otlp_http_json"
			}
			r.expect(t, "clew_collector_refused_requests_total", "Requests that were refused as a whole, by reason.",
				fmt.Sprintf(`clew_collector_refused_requests_total{protocol=%q,reason=%q,signal="logs"} 1`, protocol, tt.reason))
		})
	}
}

func TestHTTPMethods(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		got := r.do(t, method, "/v1/traces", pbType, nil)
		var status map[string]any
		if err := json.Unmarshal(got.body, &status); err != nil || got.status != 405 || got.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q, %q: %v", method, got.status, got.header.Get("Allow"), got.body, err)
		}
	}
	if got := r.do(t, http.MethodPost, "/v1/profiles", pbType, nil); got.status != 404 {
		t.Errorf("an unknown path: %d", got.status)
	}
}

func TestHTTPTenants(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	raw := encode(t, logsRequest(r.clock.Now(), false), pbType)
	for _, name := range []string{"blue", "green", "green"} {
		if got := r.do(t, http.MethodPost, "/v1/logs", pbType, raw, "X-Scope-OrgID", name); got.status != 200 {
			t.Errorf("%d %q", got.status, got.body)
		}
	}
	if b, g, a := len(r.store.LogsOf("blue")), len(r.store.LogsOf("green")), len(r.store.Logs()); b != 1 || g != 1 || a != 0 {
		t.Errorf("blue has %d, green %d, anonymous %d", b, g, a)
	}
}

func TestCORS(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{AllowedOrigins: []string{"https://shop.example"}, AllowedHeaders: []string{"X-Page"}})
	raw := encode(t, tracesRequest(r.clock.Now(), false), pbType)
	for origin, allowed := range map[string]string{"https://shop.example": "https://shop.example", "https://evil.example": ""} {
		ask := r.do(t, http.MethodOptions, "/v1/traces", "", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
		if ask.status != 204 || ask.header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("%s asks: %d, allowed %q", origin, ask.status, ask.header.Get("Access-Control-Allow-Origin"))
		}
		if h := ask.header.Get("Access-Control-Allow-Headers"); allowed != "" && (!strings.Contains(h, "Content-Type") || !strings.Contains(h, "X-Page")) {
			t.Errorf("allowed headers %q", h)
		}
		sent := r.do(t, http.MethodPost, "/v1/traces", pbType, raw, "Origin", origin)
		if sent.status != 200 || sent.header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("%s sends: %d, allowed %q", origin, sent.status, sent.header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, bad := range []string{"shop.example", "https://shop.example/", ""} {
		if c := (otlp.CORS{AllowedOrigins: []string{bad}}); c.Validate() == nil {
			t.Errorf("origin %q passed", bad)
		}
	}
}
