package admission_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

type room struct {
	gate  *admission.Gate
	store *fake.Records
	clock *fake.Clock
	reg   *prometheus.Registry
}

func newRoom(change func(*admission.Config)) room {
	r := room{store: &fake.Records{}, clock: &fake.Clock{}, reg: prometheus.NewRegistry()}
	cfg := admission.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	r.gate = admission.New(cfg, admission.Deps{Records: r.store, Registerer: r.reg, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	return r
}

func (r room) metric(t *testing.T, name, want string) {
	t.Helper()
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}

func strs(n int, size int) telemetry.Attrs {
	var out telemetry.Attrs
	for i := range n {
		out = append(out, telemetry.Attr{Key: fmt.Sprint("k", i), Value: telemetry.String(strings.Repeat("x", size))})
	}
	return out
}

func manyLinks(n int) []telemetry.Link {
	out := make([]telemetry.Link, n)
	for i := range out {
		out[i].TraceState = strings.Repeat("x", 64)
	}
	return out
}

func TestLogsAreRejectedAlone(t *testing.T) {
	now := (&fake.Clock{}).Now().UnixNano()
	big := telemetry.NewStream(telemetry.Resource{Attrs: strs(300, 1)}, telemetry.Scope{})
	tests := []struct {
		name   string
		bad    telemetry.Log
		reason string
		says   string
	}{
		{"far future", telemetry.Log{Time: now + int64(2*time.Hour)}, admission.TooFarInFuture, "more than 1h ahead"},
		{"past the end of time", telemetry.Log{Time: -5}, admission.TooFarInFuture, "ahead"},
		{"far past", telemetry.Log{Time: now - int64(31*24*time.Hour)}, admission.TooOld, "2025-12-02T03:04:05Z"},
		{"attributes", telemetry.Log{Time: now, Attrs: strs(257, 1)}, admission.TooManyAttributes, "257 attributes, at most 256"},
		{"size", telemetry.Log{Time: now, Body: telemetry.String(strings.Repeat("x", 1<<20+1))}, admission.RecordTooLarge, "at most 1048576"},
		{"size of attributes", telemetry.Log{Time: now, Attrs: strs(2, 1<<20)}, admission.RecordTooLarge, "at most 1048576"},
		{"resource", telemetry.Log{Time: now, Stream: big}, admission.TooManyAttributes, "the resource has 300 attributes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(nil)
			good := telemetry.Log{Time: now, Body: telemetry.String("good")}
			out, err := r.gate.Logs(t.Context(), "test", otlp.AppendLogs(nil, []telemetry.Log{good, tt.bad, good}))
			if err != nil {
				t.Fatal(err)
			}
			if out.Rejected != 1 || !strings.Contains(out.Message(), tt.reason) || !strings.Contains(out.Message(), "log record 1: ") ||
				!strings.Contains(out.Message(), tt.says) {
				t.Errorf("rejected %d: %q; want 1, %s, %q", out.Rejected, out.Message(), tt.reason, tt.says)
			}
			if got := len(r.store.Logs()); got != 2 {
				t.Errorf("%d records stored, want the 2 good ones", got)
			}
			r.metric(t, "clew_collector_rejected_records_total", fmt.Sprintf(`
				# HELP clew_collector_rejected_records_total Records that were rejected alone, by reason.
				# TYPE clew_collector_rejected_records_total counter
				clew_collector_rejected_records_total{reason=%q,signal="logs"} 1
				`, tt.reason))
			r.metric(t, "clew_collector_received_records_total", `
				# HELP clew_collector_received_records_total Log records, spans and metric data points that came in, rejected ones included.
				# TYPE clew_collector_received_records_total counter
				clew_collector_received_records_total{protocol="test",signal="logs"} 3
				`)
		})
	}
}

func TestSpansAreRejectedAlone(t *testing.T) {
	now := (&fake.Clock{}).Now().UnixNano()
	id, span := telemetry.TraceID{1}, telemetry.SpanID{1}
	tests := []struct {
		name   string
		bad    telemetry.Span
		reason string
	}{
		{"no trace ID", telemetry.Span{SpanID: span, Start: now}, admission.InvalidTraceID},
		{"no span ID", telemetry.Span{TraceID: id, Start: now}, admission.InvalidSpanID},
		{"no start", telemetry.Span{TraceID: id, SpanID: span}, admission.MissingTime},
		{"far future", telemetry.Span{TraceID: id, SpanID: span, Start: now + int64(61*time.Minute)}, admission.TooFarInFuture},
		{"far past", telemetry.Span{TraceID: id, SpanID: span, Start: now - int64(15*24*time.Hour)}, admission.TooOld},
		{"attributes", telemetry.Span{TraceID: id, SpanID: span, Start: now, Attrs: strs(257, 1)}, admission.TooManyAttributes},
		{"events", telemetry.Span{TraceID: id, SpanID: span, Start: now, Events: []telemetry.Event{{Attrs: strs(1, 1<<20)}}}, admission.RecordTooLarge},
		{"links", telemetry.Span{TraceID: id, SpanID: span, Start: now, Links: manyLinks(12_000)}, admission.RecordTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(nil)
			good := telemetry.Span{TraceID: id, SpanID: span, Start: now, Name: "good"}
			out, err := r.gate.Spans(t.Context(), "test", otlp.AppendSpans(nil, []telemetry.Span{tt.bad, good}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]int{tt.reason: 1}, out.Reasons()); diff != "" || out.Rejected != 1 {
				t.Errorf("rejected %d: %s", out.Rejected, diff)
			}
			if got := r.store.Spans(); len(got) != 1 || got[0].Name != "good" {
				t.Errorf("stored %+v, want the good span", got)
			}
		})
	}
}

// Where nothing had to be changed the store gets the sender's bytes: a
// request sent again is byte-identical then.
func TestGoodRequestKeepsItsBytes(t *testing.T) {
	now := (&fake.Clock{}).Now().UnixNano()
	r := newRoom(nil)
	raw := otlp.AppendLogs(nil, []telemetry.Log{{Time: now}})
	unknown := append(raw, 15<<3, 1) // a field of a later version
	for i, dup := range []bool{false, true} {
		out, err := r.gate.Logs(t.Context(), "test", unknown)
		if err != nil || out.Duplicate != dup || out.Message() != "" {
			t.Errorf("request %d: duplicate %t, message %q, error %v", i, out.Duplicate, out.Message(), err)
		}
	}
	if len(r.store.Logs()) != 1 {
		t.Errorf("%d records stored, want 1", len(r.store.Logs()))
	}
}

func TestMissingTimes(t *testing.T) {
	r := newRoom(nil)
	now := r.clock.Now().UnixNano()
	raw := otlp.AppendLogs(nil, []telemetry.Log{{Observed: now - 7}, {Body: telemetry.String("no time at all")}})
	for i, dup := range []bool{false, true} {
		out, err := r.gate.Logs(t.Context(), "test", raw)
		if err != nil || out.Duplicate != dup {
			t.Errorf("request %d: duplicate %t, error %v", i, out.Duplicate, err)
		}
		r.clock.Move(20 * time.Second) // the second one comes a little later
	}
	got := r.store.Logs()
	if len(got) != 2 || got[0].Time != now-7 || got[1].Time != now {
		t.Errorf("stored %+v, want the observed time and the time of receipt", got)
	}
	// Much later, the same bytes are news.
	if out, err := r.gate.Logs(t.Context(), "test", raw); err != nil || out.Duplicate || len(r.store.Logs()) != 4 {
		t.Errorf("after the window: duplicate %t, error %v, %d stored", out.Duplicate, err, len(r.store.Logs()))
	}
	// Another tenant's equal request is another request.
	r.clock.Move(time.Minute)
	if _, err := r.gate.Logs(tenant.With(t.Context(), "other"), "test", raw); err != nil {
		t.Fatal(err)
	}
	if got := r.store.LogsOf("other"); got[1].Time != r.clock.Now().UnixNano() {
		t.Errorf("the other tenant's record has time %d", got[1].Time)
	}
}

// What a sender's bytes bring into an answer must not break it.
func TestAnswersAreValidText(t *testing.T) {
	r := newRoom(nil)
	spans := otlp.AppendSpans(nil, []telemetry.Span{{Name: strings.Repeat("\xff\xfeé", 1000)}})
	out, err := r.gate.Spans(t.Context(), "test", spans)
	if err != nil || out.Rejected != 1 || !utf8.ValidString(out.Message()) || len(out.Message()) > 2000 {
		t.Errorf("rejected %d, %v, message of %d bytes: %q", out.Rejected, err, len(out.Message()), out.Message())
	}
	if text := admission.Invalid("%s", strings.Repeat("\xff", 10_000)).Error(); !utf8.ValidString(text) || len(text) > 2000 {
		t.Errorf("a refusal says %d bytes", len(text))
	}
}

func TestWrongIDLengthsAreTold(t *testing.T) {
	r := newRoom(nil)
	now := r.clock.Now().UnixNano()
	message := func(num protowire.Number, fields ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), fields)
	}
	record := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), uint64(now))
	record = append(record, message(9, make([]byte, 15)...)...) // a trace ID of 15 bytes
	short := message(1, message(2, message(2, record...)...)...)
	out, err := r.gate.Logs(t.Context(), "test", short)
	if err != nil || out.Rejected != 0 || !strings.Contains(out.Message(), "record 0 is kept without its trace_id: 15 bytes, want 16") {
		t.Errorf("rejected %d, message %q, error %v", out.Rejected, out.Message(), err)
	}
}

func TestRateLimits(t *testing.T) {
	r := newRoom(func(c *admission.Config) {
		c.Limits = admission.Limits{RecordsPerSecond: 10, BytesPerSecond: 10_000, BurstSeconds: 1}
	})
	now := r.clock.Now().UnixNano()
	batch := func(n, size int) []byte {
		logs := make([]telemetry.Log, n)
		for i := range logs {
			logs[i] = telemetry.Log{Time: now, Body: telemetry.String(strings.Repeat("x", size))}
		}
		return otlp.AppendLogs(nil, logs)
	}
	steps := []struct {
		move   time.Duration
		raw    []byte
		tenant string
		says   string // "" admitted
	}{
		{0, batch(10, 1), "a", ""},
		{0, batch(5, 1), "a", "limit of 10 records per second; send again in 500ms"},
		{0, batch(5, 1), "b", ""},
		{500 * time.Millisecond, batch(5, 1), "a", ""},
		{10 * time.Second, batch(1, 9000), "a", ""},
		{0, batch(2, 1000), "a", "limit of 10000 bytes per second"},
		{10 * time.Second, batch(1000, 1), "a", ""}, // larger than the burst, bucket full
		{0, batch(1, 1), "a", "send again in"},
	}
	for i, s := range steps {
		r.clock.Move(s.move)
		_, err := r.gate.Logs(tenant.With(t.Context(), s.tenant), "test", s.raw)
		if (err == nil) != (s.says == "") || err != nil && !strings.Contains(err.Error(), s.says) {
			t.Fatalf("step %d: error %v, want %q", i, err, s.says)
		}
		if err != nil {
			refused := r.gate.Refuse(err)
			if refused.HTTP != http.StatusTooManyRequests || refused.RetryAfter <= 0 {
				t.Errorf("step %d: refused as %+v", i, refused)
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	r := newRoom(nil)
	tests := []struct {
		err    error
		http   int
		grpc   codes.Code
		retry  string
		reason string
	}{
		{fmt.Errorf("x: %w", otlp.ErrMalformed), 400, codes.InvalidArgument, "", "malformed"},
		{admission.Invalid("x"), 400, codes.InvalidArgument, "", "malformed"},
		{admission.TooLarge("x"), 413, codes.ResourceExhausted, "", "too_large"},
		{admission.Unsupported("x"), 415, codes.Unimplemented, "", "unsupported_media_type"},
		{fmt.Errorf("x: %w", storage.ErrDiskFull), 503, codes.Unavailable, "5", "disk_full"},
		{fmt.Errorf("x: %w", storage.ErrOverloaded), 429, codes.ResourceExhausted, "5", "overloaded"},
		{fmt.Errorf("x: %w", storage.ErrStuck), 503, codes.Unavailable, "5", "stuck"},
		{fmt.Errorf("x: %w", storage.ErrClosed), 503, codes.Unavailable, "5", "closing"},
		{context.Canceled, 503, codes.Canceled, "5", "canceled"},
		{context.DeadlineExceeded, 503, codes.DeadlineExceeded, "5", "deadline"},
		{errors.New("the disk is on fire"), 503, codes.Unavailable, "5", "internal"},
	}
	for _, tt := range tests {
		got := r.gate.Refuse(tt.err)
		h := http.Header{}
		got.SetHeaders(h)
		if got.HTTP != tt.http || got.GRPC != tt.grpc || got.Reason != tt.reason || h.Get("Retry-After") != tt.retry {
			t.Errorf("%v: got %d, %v, %s, Retry-After %q", tt.err, got.HTTP, got.GRPC, got.Reason, h.Get("Retry-After"))
		}
		if got.Error() != tt.err.Error() {
			t.Errorf("says %q, want %q", got.Error(), tt.err)
		}
	}
}

func TestStoreErrorsRefuseTheRequest(t *testing.T) {
	r := newRoom(nil)
	now := r.clock.Now().UnixNano()
	r.store.Fail(storage.ErrDiskFull)
	raw := otlp.AppendLogs(nil, []telemetry.Log{{Time: now}})
	if _, err := r.gate.Logs(t.Context(), "test", raw); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	spans := otlp.AppendSpans(nil, []telemetry.Span{{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Start: now}})
	if _, err := r.gate.Spans(t.Context(), "test", spans); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	r.store.Fail(nil)
	if _, err := r.gate.Logs(t.Context(), "test", raw); err != nil || len(r.store.Logs()) != 1 {
		t.Errorf("after the disk has room: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	good := admission.DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	tests := map[string]func(*admission.Config){
		"max_future":       func(c *admission.Config) { c.MaxFuture = 0 },
		"max_age":          func(c *admission.Config) { c.MaxAge.Logs = -1 },
		"max_attributes":   func(c *admission.Config) { c.MaxAttributes = 0 },
		"max_record_bytes": func(c *admission.Config) { c.MaxRecordBytes = -1 },
		"retry_after":      func(c *admission.Config) { c.RetryAfter = 0 },
		"burst_seconds":    func(c *admission.Config) { c.Limits = admission.Limits{BytesPerSecond: 1} },
		"want 0 (no limit)": func(c *admission.Config) {
			c.Limits.RecordsPerSecond = -1
		},
	}
	for want, change := range tests {
		cfg := admission.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}
