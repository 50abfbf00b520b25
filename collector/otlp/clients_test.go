package otlp_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/otlp"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// The exporters of OpenTelemetry's Go SDK send, and what they sent is there.

func traceExporters(t *testing.T, r *room) map[string]sdktrace.SpanExporter {
	t.Helper()
	overHTTP, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(r.http.URL+"/otlp/v1/traces"),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	overGRPC, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(r.grpc), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithCompressor("gzip"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]sdktrace.SpanExporter{"http": overHTTP, "grpc": overGRPC}
}

func TestSDKTraces(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	for name, exporter := range traceExporters(t, r) {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter),
			sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "cart-"+name))))
		start := r.clock.Now()
		_, span := provider.Tracer("shop", trace.WithInstrumentationVersion("1.2")).Start(t.Context(), "GET /cart",
			trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start), trace.WithAttributes(attribute.Int("n", 3)))
		span.AddEvent("checked", trace.WithTimestamp(start))
		span.SetStatus(codes.Error, "time out")
		span.End(trace.WithTimestamp(start.Add(time.Second)))
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.store.Spans()
		s := got[len(got)-1]
		want := span.SpanContext()
		if s.TraceID != telemetry.TraceID(want.TraceID()) || s.SpanID != telemetry.SpanID(want.SpanID()) || s.Stream.Service != "cart-"+name ||
			s.Stream.Scope.Name != "shop" || s.Stream.Scope.Version != "1.2" || s.Name != "GET /cart" || s.Kind != telemetry.SpanKindServer ||
			s.Duration() != time.Second || s.Status != telemetry.StatusError || s.StatusMessage != "time out" ||
			s.Attrs.Text("n") != "3" || len(s.Events) != 1 || s.Events[0].Name != "checked" {
			t.Errorf("over %s: stored %+v", name, s)
		}
	}
}

func TestSDKLogs(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	overHTTP, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(r.http.URL+"/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	overGRPC, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(r.grpc), otlploggrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	for name, exporter := range map[string]sdklog.Exporter{"http": overHTTP, "grpc": overGRPC} {
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exporter)),
			sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "pay-"+name))))
		var rec log.Record
		rec.SetTimestamp(r.clock.Now())
		rec.SetObservedTimestamp(r.clock.Now())
		rec.SetSeverity(log.SeverityWarn)
		rec.SetBody(log.StringValue("card refused"))
		rec.AddAttributes(log.String("order.id", "o-17"))
		provider.Logger("pay").Emit(t.Context(), rec)
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.store.Logs()
		l := got[len(got)-1]
		if l.Stream.Service != "pay-"+name || l.Body.Str() != "card refused" || l.Severity != telemetry.SeverityWarn ||
			l.Attrs.Text("order.id") != "o-17" || l.Time != r.clock.Now().UnixNano() {
			t.Errorf("over %s: stored %+v", name, l)
		}
	}
}

func dial(t *testing.T, r *room, options ...grpc.CallOption) plogotlp.GRPCClient {
	t.Helper()
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(options...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return plogotlp.NewGRPCClient(conn)
}

func TestGRPCCompressors(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	for i, name := range []string{"identity", gzip.Name, "zstd", "snappy", "zstd"} {
		client := dial(t, r, grpc.UseCompressor(name))
		if _, err := client.Export(t.Context(), logsRequest(r.clock.Now().Add(time.Duration(i)), false)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(r.store.Logs()); got != 5 {
		t.Errorf("%d records stored, want 5", got)
	}
}

func TestGRPCPartialSuccess(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	res, err := dial(t, r).Export(t.Context(), logsRequest(r.clock.Now(), true))
	if err != nil {
		t.Fatal(err)
	}
	if p := res.PartialSuccess(); p.RejectedLogRecords() != 1 || !strings.Contains(p.ErrorMessage(), "too_far_in_future") {
		t.Errorf("rejected %d: %s", p.RejectedLogRecords(), p.ErrorMessage())
	}
}

func TestGRPCErrors(t *testing.T) {
	tests := []struct {
		err   error
		code  grpccodes.Code
		retry bool
	}{
		{storage.ErrDiskFull, grpccodes.Unavailable, true},
		{storage.ErrOverloaded, grpccodes.ResourceExhausted, true},
		{storage.ErrClosed, grpccodes.Unavailable, true},
		{errors.New("unknown trouble"), grpccodes.Unavailable, true},
		{context.DeadlineExceeded, grpccodes.DeadlineExceeded, false},
	}
	for _, tt := range tests {
		r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
		r.store.Fail(tt.err)
		_, err := dial(t, r).Export(t.Context(), logsRequest(r.clock.Now(), false))
		st := status.Convert(err)
		if st.Code() != tt.code || !strings.Contains(st.Message(), tt.err.Error()) {
			t.Errorf("%v: %v", tt.err, err)
		}
		retry := false
		for _, d := range st.Details() {
			info, ok := d.(*errdetails.RetryInfo)
			retry = retry || ok && info.RetryDelay.AsDuration() == 5*time.Second
		}
		if retry != tt.retry {
			t.Errorf("%v: retry info %t, want %t", tt.err, retry, tt.retry)
		}
	}
}

func TestGRPCMalformedAndTooLarge(t *testing.T) {
	r := newRoom(t, body.Limits{MaxBytes: 1000, MaxDecompressedBytes: 1000}, otlp.CORS{})
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Any message whose bytes are no ExportLogsServiceRequest.
	bad := &errdetails.RetryInfo{}
	bad.ProtoReflect().SetUnknown([]byte{0x0a, 0x05, 0x00})
	const method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	err = conn.Invoke(t.Context(), method, bad, &errdetails.RetryInfo{})
	if status.Code(err) != grpccodes.InvalidArgument || !strings.Contains(err.Error(), "resource_logs[0] at byte 1") {
		t.Errorf("malformed: %v", err)
	}
	err = conn.Invoke(t.Context(), method, &errdetails.ErrorInfo{Reason: strings.Repeat("x", 2000)}, &errdetails.RetryInfo{})
	if status.Code(err) != grpccodes.ResourceExhausted {
		t.Errorf("too large: %v", err)
	}
	err = conn.Invoke(t.Context(), "/opentelemetry.proto.collector.logs.v1.LogsService/Nothing", &errdetails.RetryInfo{}, &errdetails.RetryInfo{})
	if status.Code(err) != grpccodes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
}

// TestGRPCCrowd: a message for which there is no room is refused with a time to
// come again, before it is read, and taken when others have ended.
func TestGRPCCrowd(t *testing.T) {
	r := newRoom(t, body.DefaultLimits(), otlp.CORS{})
	cfg := admission.DefaultConfig()
	cfg.InFlightBytes, cfg.InFlightWait = 4<<20, 0
	gate := admission.New(cfg, admission.Deps{Records: r.store, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	r.serveGRPC(t, gate, nil, body.DefaultLimits())
	client := dial(t, r)
	request := logsRequest(r.clock.Now(), false)
	other := gate.InFlight().Begin()
	if err := other.Use(t.Context(), 3<<20); err != nil {
		t.Fatal(err)
	}
	_, err := client.Export(t.Context(), request)
	s := status.Convert(err)
	if s.Code() != grpccodes.ResourceExhausted || len(s.Details()) != 1 || !strings.Contains(s.Message(), "in_flight_bytes") {
		t.Errorf("beside a crowd: %v, details %v", err, s.Details())
	}
	other.End()
	for range 3 { // none of them keeps what it had
		if _, err := client.Export(t.Context(), request); err != nil {
			t.Error(err)
		}
	}
	if len(r.store.Logs()) == 0 {
		t.Error("nothing is stored")
	}
}
