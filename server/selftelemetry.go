package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// selfHeader marks clew's own exports, which are not traced in turn.
const selfHeader = "X-Clew-Self"

// selfTelemetry sends clew's own spans and logs to clew, over OTLP like
// everybody else's.
type selfTelemetry struct {
	traces *sdktrace.TracerProvider
	logs   *sdklog.LoggerProvider
}

// newSelfTelemetry exports to endpoint, an OTLP/HTTP listener's host:port,
// with the given extra headers (credentials).
func newSelfTelemetry(ctx context.Context, endpoint, version string, headers map[string]string) (*selfTelemetry, error) {
	with := map[string]string{selfHeader: "1"}
	for k, v := range headers {
		with[k] = v
	}
	te, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure(), otlptracehttp.WithHeaders(with))
	if err != nil {
		return nil, fmt.Errorf("make the exporter of clew's own spans: %w", err)
	}
	le, err := otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure(), otlploghttp.WithHeaders(with))
	if err != nil {
		return nil, fmt.Errorf("make the exporter of clew's own logs: %w", err)
	}
	res, err := resource.New(ctx, resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attribute.String("service.name", "clew"), attribute.String("service.version", version)))
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe this process: %w", err)
	}
	return &selfTelemetry{
		traces: sdktrace.NewTracerProvider(sdktrace.WithBatcher(te, sdktrace.WithBatchTimeout(time.Second)), sdktrace.WithResource(res)),
		logs:   sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(le)), sdklog.WithResource(res)),
	}, nil
}

// stop sends what is left while the listeners still serve.
func (s *selfTelemetry) stop(ctx context.Context) error {
	return errors.Join(s.traces.Shutdown(ctx), s.logs.Shutdown(ctx))
}

// wrap gives every request a span, a request ID and a line in the log.
func (s *selfTelemetry) wrap(h http.Handler, l *slog.Logger) http.Handler {
	logged := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" {
			id = newRequestID()
		}
		w.Header().Set("X-Request-Id", id)
		path := withoutID(r.URL.Path)
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("request.id", id), attribute.String("url.path", path))
		sw := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		start := time.Now()
		h.ServeHTTP(sw, r)
		level := slog.LevelDebug
		if sw.code >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		line := fmt.Sprintf("%s %s answered %d in %s", r.Method, path, sw.code, time.Since(start).Round(10*time.Microsecond))
		l.LogAttrs(r.Context(), level, line, slog.String("request.id", id))
	})
	traced := otelhttp.NewHandler(logged, "http",
		otelhttp.WithTracerProvider(s.traces), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + withoutID(r.URL.Path) }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(selfHeader) != "" || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			h.ServeHTTP(w, r)
			return
		}
		traced.ServeHTTP(w, r)
	})
}

// withoutID returns path without the ID that a question for one ends in: who
// asks for an ID must not become part of its story.
func withoutID(path string) string {
	i := strings.LastIndexByte(path, '/') + 1
	for _, asks := range []string{"/correlate/", "/traces/", "/trace/"} {
		if strings.HasSuffix(path[:i], asks) && i < len(path) {
			return path[:i] + "{id}"
		}
	}
	return path
}

func newRequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return "req-" + hex.EncodeToString(b[:])
}

// handler sends log lines to next and, whatever next's level, to clew.
func (s *selfTelemetry) handler(next slog.Handler) slog.Handler {
	return &selfHandler{next: next, out: s.logs.Logger("github.com/clewhq/clew/server")}
}

type selfHandler struct {
	next  slog.Handler
	out   log.Logger
	attrs []log.KeyValue
	group string
}

func (h *selfHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *selfHandler) Handle(ctx context.Context, r slog.Record) error {
	var rec log.Record
	rec.SetTimestamp(r.Time)
	rec.SetBody(log.StringValue(r.Message))
	rec.SetSeverity(log.Severity(int(r.Level) + int(log.SeverityInfo)))
	rec.SetSeverityText(r.Level.String())
	rec.AddAttributes(h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		rec.AddAttributes(h.convert(a))
		return true
	})
	h.out.Emit(ctx, rec)
	if h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

func (h *selfHandler) convert(a slog.Attr) log.KeyValue {
	return log.String(h.group+a.Key, a.Value.Resolve().String())
}

func (h *selfHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.next = h.next.WithAttrs(attrs)
	out.attrs = append([]log.KeyValue(nil), h.attrs...)
	for _, a := range attrs {
		out.attrs = append(out.attrs, h.convert(a))
	}
	return &out
}

func (h *selfHandler) WithGroup(name string) slog.Handler {
	out := *h
	out.next = h.next.WithGroup(name)
	out.group = h.group + name + "."
	return &out
}
