package loki_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/collector/loki"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

type room struct {
	mux   *http.ServeMux
	store *fake.Records
	clock *fake.Clock
	reg   *prometheus.Registry
}

func newRoom() *room {
	r := &room{mux: http.NewServeMux(), store: &fake.Records{}, clock: &fake.Clock{}, reg: prometheus.NewRegistry()}
	gate := admission.New(admission.DefaultConfig(), admission.Deps{
		Records: r.store, Registerer: r.reg, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	loki.New(gate, body.Limits{MaxBytes: 10_000, MaxDecompressedBytes: 20_000}).Register(r.mux)
	return r
}

func (r *room) push(kind, encoding string, b []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", bytes.NewReader(b))
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

// The messages of a push, written by hand as they stand on the wire.

func bytesField(num protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(parts, nil))
}

func varintField(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func protoEntry(at time.Time, line string, metadata ...string) []byte {
	parts := [][]byte{
		bytesField(1, varintField(1, uint64(at.Unix())), varintField(2, uint64(at.Nanosecond()))),
		bytesField(2, []byte(line)),
	}
	for i := 0; i < len(metadata); i += 2 {
		parts = append(parts, bytesField(3, bytesField(1, []byte(metadata[i])), bytesField(2, []byte(metadata[i+1]))))
	}
	return bytesField(2, parts...)
}

func protoStream(labels string, entries ...[]byte) []byte {
	hash := varintField(3, 12345) // clients send it; it means nothing here
	return bytesField(1, bytesField(1, []byte(labels)), bytes.Join(entries, nil), hash)
}

// show writes a record in one line.
func show(l telemetry.Log) string {
	attrs := func(as telemetry.Attrs) string {
		var parts []string
		for _, a := range as {
			parts = append(parts, a.Key+"="+a.Value.Text())
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprintf("{%s} %d %q [%s] trace=%s span=%s %s", attrs(l.Stream.Resource.Attrs), l.Time, l.Body.Str(), attrs(l.Attrs), l.TraceID, l.SpanID, l.Severity)
}

func shown(logs []telemetry.Log) (out []string) {
	for _, l := range logs {
		out = append(out, show(l))
	}
	return out
}

const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

func TestPushProtobufAndJSON(t *testing.T) {
	at := (&fake.Clock{}).Now().Add(123456789)
	ns := at.UnixNano()
	proto := bytes.Join([][]byte{
		protoStream(`{service_name="cart", level="error"}`, protoEntry(at, "first ✓", "trace_id", traceID, "span_id", spanID, "user", "u1"), protoEntry(at, "second")),
		protoStream(`{app="db"}`, protoEntry(at, "upper", "traceID", strings.ToUpper(traceID), "level", "warn"), protoEntry(at, "no hex", "trace_id", "abc")),
	}, nil)
	json := fmt.Sprintf(`{"streams":[
		{"stream":{"service_name":"cart","level":"error"},"values":[["%[1]d","first ✓",{"trace_id":"%[2]s","span_id":"%[3]s","user":"u1"}],["%[1]d","second"]]},
		{"stream":{"app":"db"},"values":[["%[1]d","upper",{"traceID":"%[4]s","level":"warn"}],["%[1]d","no hex",{"trace_id":"abc"}]]}
	]}`, ns, traceID, spanID, strings.ToUpper(traceID))
	want := []string{
		fmt.Sprintf(`{level=error,service_name=cart} %d "first ✓" [user=u1] trace=%s span=%s error`, ns, traceID, spanID),
		fmt.Sprintf(`{level=error,service_name=cart} %d "second" [] trace= span= error`, ns),
		fmt.Sprintf(`{app=db} %d "upper" [level=warn,traceID=%s] trace=%s span= warn`, ns, strings.ToUpper(traceID), traceID),
		fmt.Sprintf(`{app=db} %d "no hex" [trace_id=abc] trace= span= unknown`, ns),
	}
	// Protobuf keeps the order in which metadata were sent, JSON has none.
	wantProto := append([]string(nil), want...)
	wantProto[2] = strings.ReplaceAll(want[2], "level=warn,traceID="+strings.ToUpper(traceID), "traceID="+strings.ToUpper(traceID)+",level=warn")

	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(json))
	_ = w.Close()
	tests := []struct {
		name, kind, encoding string
		body                 []byte
		want                 []string
	}{
		{"protobuf", "application/x-protobuf", "", snappy.Encode(nil, proto), wantProto},
		{"protobuf with its encoding", "application/x-protobuf", "snappy", snappy.Encode(nil, proto), wantProto},
		{"no content type", "", "", snappy.Encode(nil, proto), wantProto},
		{"JSON", "application/json", "", []byte(json), want},
		{"JSON with a charset, zipped", "application/json; charset=utf-8", "gzip", zipped.Bytes(), want},
	}
	for _, tt := range tests {
		r := newRoom()
		if w := r.push(tt.kind, tt.encoding, tt.body); w.Code != 204 || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
		if diff := cmp.Diff(tt.want, shown(r.store.Logs())); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if got := r.store.Logs()[0].Stream.Service; got != "cart" {
			t.Errorf("%s: service %q", tt.name, got)
		}
	}
}

func TestPushKeepsTheGood(t *testing.T) {
	r := newRoom()
	now := r.clock.Now()
	b := bytes.Join([][]byte{
		protoStream(`{app="a"}`, protoEntry(now, "good")),
		protoStream(`{app=}`, protoEntry(now, "bad"), protoEntry(now, "bad")),
		protoStream(`{}`, protoEntry(now, "bad")),
		protoStream(`{app="b"}`, protoEntry(now.Add(365*24*time.Hour), "bad"), protoEntry(now, "good too")),
	}, nil)
	w := r.push("", "", snappy.Encode(nil, b))
	for _, says := range []string{
		"3 rejected as invalid_labels: stream 1: could not parse labels {app=}: value of label app: want a quoted string at position 5",
		"1 rejected as too_far_in_future: log record 1: time 2027-01-02",
	} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%d %s; want 400 and %q", w.Code, w.Body, says)
		}
	}
	if got := r.store.Logs(); len(got) != 2 || got[1].Body.Str() != "good too" {
		t.Errorf("stored %q", shown(got))
	}
	want := `
		# HELP clew_collector_rejected_records_total Records that were rejected alone, by reason.
		# TYPE clew_collector_rejected_records_total counter
		clew_collector_rejected_records_total{reason="invalid_labels",signal="logs"} 3
		clew_collector_rejected_records_total{reason="too_far_in_future",signal="logs"} 1
		# HELP clew_collector_received_records_total Log records, spans and metric data points that came in, rejected ones included.
		# TYPE clew_collector_received_records_total counter
		clew_collector_received_records_total{protocol="loki",signal="logs"} 6
		`
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "clew_collector_rejected_records_total", "clew_collector_received_records_total"); err != nil {
		t.Error(err)
	}
}

func TestPushBadRequests(t *testing.T) {
	r := newRoom()
	good := snappy.Encode(nil, protoStream(`{a="b"}`, protoEntry(r.clock.Now(), "x")))
	tests := []struct {
		name, kind, encoding string
		body                 []byte
		fail                 error
		status               int
		says                 string
	}{
		{"not snappy", "", "", []byte("plain"), nil, 400, "content encoding snappy"},
		{"not protobuf", "", "", snappy.Encode(nil, []byte("plain")), nil, 400, "malformed push request"},
		{"entry", "", "", snappy.Encode(nil, bytesField(1, bytesField(2, []byte{0x0a, 9}))), nil, 400, "streams[0]: entries[0]"},
		{"nanos", "", "", snappy.Encode(nil, bytesField(1, bytesField(2, bytesField(1, varintField(2, 2e9))))), nil, 400, "want seconds not below 0 and nanos in 0..999999999"},
		{"JSON", "application/json", "", []byte(`{"streams":[`), nil, 400, "at byte 12"},
		{"JSON time", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["now","x"]]}]}`), nil, 400, `streams[0].values[0]: time "now"`},
		{"JSON elements", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1"]]}]}`), nil, 400, "1 elements"},
		{"JSON line", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1",{}]]}]}`), nil, 400, "line"},
		{"JSON metadata", "application/json", "", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"a":1}]]}]}`), nil, 400, "want an object of strings"},
		{"JSON labels", "application/json", "", []byte(`{"streams":[{"stream":{"a-b":"c"},"values":[["1","x"]]}]}`), nil, 400, `label name "a-b"`},
		{"content type", "text/plain", "", good, nil, 415, "text/plain"},
		{"encoding", "application/json", "br", good, nil, 415, "br"},
		{"too large", "", "", make([]byte, 10_001), nil, 413, "over the limit"},
		{"disk full", "", "", good, storage.ErrDiskFull, 503, "no space left"},
		{"overloaded", "", "", good, storage.ErrOverloaded, 429, "no room for more"},
	}
	for _, tt := range tests {
		r.store.Fail(tt.fail)
		w := r.push(tt.kind, tt.encoding, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s; want %d and %q", tt.name, w.Code, w.Body, tt.status, tt.says)
		}
		if got := w.Header().Get("Retry-After"); (got != "") != (tt.fail != nil) {
			t.Errorf("%s: Retry-After %q", tt.name, got)
		}
	}
	if got := r.store.Logs(); len(got) > 0 {
		t.Errorf("stored %q", shown(got))
	}
	if w := r.push("application/json", "", []byte(`{"streams":[]}`)); w.Code != 204 {
		t.Errorf("an empty push: %d %s", w.Code, w.Body)
	}
}
