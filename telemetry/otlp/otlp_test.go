package otlp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// streams are compared by what identifies them: equal resources whose
// attributes come in another order share one Stream.
var compare = cmp.Options{
	cmp.Comparer(func(a, b *telemetry.Stream) bool { return a.ID == b.ID && a.Service == b.Service }),
	cmpopts.EquateEmpty(),
}

func marshalLogs(t testing.TB, ld plog.Logs) []byte {
	t.Helper()
	raw, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func marshalTraces(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	raw, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func checkLogs(t testing.TB, ld plog.Logs) {
	t.Helper()
	raw := marshalLogs(t, ld)
	b, problems, err := otlp.CheckLogs(raw)
	if err != nil || len(problems) > 0 {
		t.Fatalf("CheckLogs: %v, problems %v", err, problems)
	}
	if !bytes.Equal(b.Raw, raw) {
		t.Fatal("the batch does not keep the request's bytes")
	}
	if diff := cmp.Diff(wantLogs(ld), b.Logs, compare); diff != "" {
		t.Fatalf("decoded logs differ from pdata's (-want +got):\n%s", diff)
	}
	again, err := otlp.DecodeLogs(otlp.AppendLogs(nil, b.Logs))
	if err != nil {
		t.Fatalf("decode what AppendLogs wrote: %v", err)
	}
	if diff := cmp.Diff(b.Logs, again.Logs, compare); diff != "" {
		t.Fatalf("logs changed on the way out and in (-want +got):\n%s", diff)
	}
	back := plogotlp.NewExportRequest()
	if err := back.UnmarshalProto(otlp.AppendLogs(nil, b.Logs)); err != nil {
		t.Fatalf("pdata cannot read what AppendLogs wrote: %v", err)
	}
	if diff := cmp.Diff(b.Logs, wantLogs(back.Logs()), compare); diff != "" {
		t.Fatalf("pdata reads something else from AppendLogs (-want +got):\n%s", diff)
	}
}

func checkSpans(t testing.TB, td ptrace.Traces) {
	t.Helper()
	b, problems, err := otlp.CheckSpans(marshalTraces(t, td))
	if err != nil || len(problems) > 0 {
		t.Fatalf("CheckSpans: %v, problems %v", err, problems)
	}
	if diff := cmp.Diff(wantSpans(td), b.Spans, compare); diff != "" {
		t.Fatalf("decoded spans differ from pdata's (-want +got):\n%s", diff)
	}
	out := otlp.AppendSpans(nil, b.Spans)
	again, err := otlp.DecodeSpans(out)
	if err != nil {
		t.Fatalf("decode what AppendSpans wrote: %v", err)
	}
	if diff := cmp.Diff(b.Spans, again.Spans, compare); diff != "" {
		t.Fatalf("spans changed on the way out and in (-want +got):\n%s", diff)
	}
	back := ptraceotlp.NewExportRequest()
	if err := back.UnmarshalProto(out); err != nil {
		t.Fatalf("pdata cannot read what AppendSpans wrote: %v", err)
	}
	if diff := cmp.Diff(b.Spans, wantSpans(back.Traces()), compare); diff != "" {
		t.Fatalf("pdata reads something else from AppendSpans (-want +got):\n%s", diff)
	}
}

func TestEqualToPdata(t *testing.T) {
	for seed := range uint64(300) {
		checkLogs(t, newDice(seed).logs())
		checkSpans(t, newDice(seed).traces())
	}
}

func FuzzEqualToPdata(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkLogs(t, newDice(seed).logs())
		checkSpans(t, newDice(seed).traces())
	})
}

// overLimit reports whether a request was refused by what this decoder alone
// bounds: depth, and memory for the request's size.
func overLimit[B any](_ *B, err error) bool {
	return err != nil && (strings.Contains(err.Error(), "are nested more than") || strings.Contains(err.Error(), "so many tiny fields"))
}

// isProto reports whether protobuf's own library takes raw for a message. pdata
// also passes over some unknown fields that are cut short.
func isProto(raw []byte, m proto.Message) bool { return proto.Unmarshal(raw, m) == nil }

// FuzzDecodeLogs feeds any bytes: no panic, every valid request is taken, but
// for the limits, and is what pdata reads.
func FuzzDecodeLogs(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(marshalLogs(f, newDice(seed).logs()))
	}
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := otlp.DecodeLogs(raw)
		ref := plogotlp.NewExportRequest()
		valid := ref.UnmarshalProto(raw) == nil && isProto(raw, &collogs.ExportLogsServiceRequest{})
		if err != nil {
			if b != nil || !errors.Is(err, otlp.ErrMalformed) || valid && !overLimit(b, err) {
				t.Fatalf("got %v, %v; valid %t", b, err, valid)
			}
			return
		}
		if valid {
			if diff := cmp.Diff(wantLogs(ref.Logs()), b.Logs, compare); diff != "" {
				t.Fatal(diff)
			}
			checkLogs(t, ref.Logs())
		}
	})
}

// FuzzDecodeSpans: see FuzzDecodeLogs.
func FuzzDecodeSpans(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(marshalTraces(f, newDice(seed).traces()))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := otlp.DecodeSpans(raw)
		ref := ptraceotlp.NewExportRequest()
		valid := ref.UnmarshalProto(raw) == nil && isProto(raw, &coltraces.ExportTraceServiceRequest{})
		if err != nil {
			if b != nil || !errors.Is(err, otlp.ErrMalformed) || valid && !overLimit(b, err) {
				t.Fatalf("got %v, %v; valid %t", b, err, valid)
			}
			return
		}
		if valid {
			if diff := cmp.Diff(wantSpans(ref.Traces()), b.Spans, compare); diff != "" {
				t.Fatal(diff)
			}
			checkSpans(t, ref.Traces())
		}
	})
}

// A request cut anywhere is either refused or decodes to what is left.
func TestCutShort(t *testing.T) {
	raw := marshalLogs(t, newDice(7).logs())
	spans := marshalTraces(t, newDice(7).traces())
	for n := range raw {
		if _, err := otlp.DecodeLogs(raw[:n]); err != nil && !errors.Is(err, otlp.ErrMalformed) {
			t.Fatalf("cut at %d: %v does not wrap ErrMalformed", n, err)
		}
	}
	for n := range spans {
		if _, err := otlp.DecodeSpans(spans[:n]); err != nil && !errors.Is(err, otlp.ErrMalformed) {
			t.Fatalf("cut at %d: %v does not wrap ErrMalformed", n, err)
		}
	}
}

// field wraps body as length-delimited field num.
func field(num byte, body ...[]byte) []byte {
	joined := bytes.Join(body, nil)
	out := []byte{num<<3 | 2}
	n := len(joined)
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), joined...)
}

func record(fields ...[]byte) []byte { return field(1, field(2, field(2, fields...))) }

func nested(depth int) []byte {
	v := field(1, []byte("deep")) // string_value
	for range depth {
		v = field(5, field(1, v)) // array_value.values
	}
	return v
}

func TestMalformedSaysWhereAndWhat(t *testing.T) {
	tests := []struct {
		name string
		raw  []byte
		want []string
	}{
		{"not protobuf", []byte(`{"resourceLogs":[]}`), []string{"field_15"}},
		{"length past the end", []byte{0x0a, 0x05, 0x00}, []string{"resource_logs[0]", "byte 1", "length 5, but 1 bytes are left"}},
		{"body is a number", record([]byte{5 << 3, 1}), []string{"resource_logs[0].scope_logs[0].log_records[0].body at byte", "wire type 0, want 2"}},
		{"second record", field(1, field(2, field(2), field(2, []byte{1<<3 | 1, 0}))), []string{"log_records[1].time_unix_nano", "cut short"}},
		{"deep", record(field(5, nested(65))), []string{"nested more than 64 deep", "body.array_value.values[0].array_value"}},
		{"number without end", record([]byte{2 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), []string{"severity_number", "more than ten bytes"}},
		{"field zero", []byte{0x00, 0x01}, []string{"request at byte 0", "field number 0"}},
		{"group without start", []byte{9<<3 | 4}, []string{"end of a group"}},
		{"attribute of a resource", field(1, field(1, field(1, []byte{1 << 3, 7}))), []string{"resource_logs[0].resource.attributes.key", "wire type 0, want 2"}},
		{"memory", field(1, field(2, bytes.Repeat(field(2), 100000))), []string{"so many tiny fields"}},
		{"memory in an array", record(field(5, field(5, bytes.Repeat(field(1), 200000)))), []string{"so many tiny fields"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := otlp.DecodeLogs(tt.raw)
			if b != nil || !errors.Is(err, otlp.ErrMalformed) {
				t.Fatalf("got batch %t, error %v; want an error that wraps ErrMalformed", b != nil, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestUnusualButValid(t *testing.T) {
	attr := func(k, v string) []byte { return field(1, field(1, []byte(k)), field(2, field(1, []byte(v)))) }
	scopes := field(2, field(2, field(3, []byte("INFO"))))
	tests := []struct {
		name string
		raw  []byte
		want string // service
	}{
		{"resource behind the records", field(1, scopes, field(1, attr("service.name", "late"))), "late"},
		{"resource in two parts", field(1, field(1, attr("service.namespace", "shop")), scopes, field(1, attr("service.name", "cart"))), "shop/cart"},
		{"unknown fields", field(1, scopes, field(1, attr("service.name", "a"), []byte{15 << 3, 1, 15<<3 | 5, 0, 0, 0, 0}), field(14, []byte("x"))), "a"},
		{"a group", append(field(1, scopes), 15<<3|3, 1<<3|3, 1<<3|4, 15<<3|4), "unknown_service"},
		{"nested as deep as allowed", field(1, scopes, field(2, field(2, field(5, nested(63))))), "unknown_service"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := otlp.DecodeLogs(tt.raw)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Logs[0].Stream.Service; got != tt.want || b.Logs[0].SeverityText != "INFO" {
				t.Errorf("service %q, severity text %q; want %q, INFO", got, b.Logs[0].SeverityText, tt.want)
			}
		})
	}
}

func TestWrongIDLengthIsAProblemOfOneRecord(t *testing.T) {
	raw := field(1, field(2, field(2, field(9, []byte("short")), field(3, []byte("kept"))), field(2, field(9, bytes.Repeat([]byte{1}, 16)))))
	b, problems, err := otlp.CheckLogs(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := []otlp.Problem{{Record: 0, Field: "trace_id", Reason: "5 bytes, want 16"}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
	if !b.Logs[0].TraceID.IsZero() || b.Logs[0].SeverityText != "kept" || b.Logs[1].TraceID.IsZero() {
		t.Errorf("got %+v", b.Logs)
	}
	spans := field(1, field(2, field(2, field(1, bytes.Repeat([]byte{1}, 8)), field(2, bytes.Repeat([]byte{1}, 8)), field(13, field(2, []byte("abc"))))))
	_, problems, err = otlp.CheckSpans(spans)
	if err != nil {
		t.Fatal(err)
	}
	want = []otlp.Problem{{0, "trace_id", "8 bytes, want 16"}, {0, "links.span_id", "3 bytes, want 8"}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsShareStreams(t *testing.T) {
	attr := func(k, v string) []byte { return field(1, field(1, []byte(k)), field(2, field(1, []byte(v)))) }
	one := field(1, field(1, attr("a", "1"), attr("b", "2")), field(2, field(2), field(2)))
	other := field(1, field(1, attr("b", "2"), attr("a", "1")), field(2, field(2)))
	b, err := otlp.DecodeLogs(append(bytes.Clone(one), other...))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Logs) != 3 || b.Logs[0].Stream != b.Logs[1].Stream || b.Logs[0].Stream != b.Logs[2].Stream {
		t.Errorf("%d records, streams %p %p %p; want one stream", len(b.Logs), b.Logs[0].Stream, b.Logs[1].Stream, b.Logs[2].Stream)
	}
}

func TestAppendWritesSubMessages(t *testing.T) {
	out := otlp.AppendSpans(nil, []telemetry.Span{{Name: "x"}})
	want := field(1, field(1), field(2, field(1), field(2, field(5, []byte("x")), field(15))))
	if !bytes.Equal(out, want) {
		t.Errorf("got %x, want %x", out, want)
	}
	if out := otlp.AppendLogs([]byte("kept"), nil); string(out) != "kept" {
		t.Errorf("appending nothing changed dst to %q", out)
	}
}
