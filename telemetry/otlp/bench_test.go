package otlp_test

import (
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/telemetry/otlp"
)

const benchRecords = 1000

func benchLogs() plog.Logs {
	ld := plog.NewLogs()
	for s := range 4 {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("service-%d", s))
		rl.Resource().Attributes().PutStr("host.name", "node-1")
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("app")
		for i := range benchRecords / 4 {
			r := sl.LogRecords().AppendEmpty()
			r.SetTimestamp(pcommon.Timestamp(1.7e18 + float64(i)))
			r.SetObservedTimestamp(r.Timestamp())
			r.SetSeverityNumber(9)
			r.SetSeverityText("INFO")
			r.Body().SetStr(fmt.Sprintf("order %d paid by customer %d in 42 ms", i, i*7))
			r.Attributes().PutStr("request.id", fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i))
			r.Attributes().PutStr("http.request.method", "POST")
			r.Attributes().PutInt("http.response.status_code", 200)
			r.Attributes().PutStr("url.path", "/api/orders")
			r.SetTraceID(pcommon.TraceID{1, byte(i)})
			r.SetSpanID(pcommon.SpanID{1, byte(i)})
		}
	}
	return ld
}

func benchTraces() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	ss := rs.ScopeSpans().AppendEmpty()
	for i := range benchRecords {
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i)})
		s.SetSpanID(pcommon.SpanID{2, byte(i)})
		s.SetName("POST /api/orders")
		s.SetStartTimestamp(1.7e18)
		s.SetEndTimestamp(1.7e18 + 1e6)
		s.Attributes().PutStr("http.request.method", "POST")
		s.Attributes().PutInt("http.response.status_code", 200)
		s.Attributes().PutStr("server.address", "orders.shop.svc")
		s.Attributes().PutStr("url.path", "/api/orders")
		e := s.Events().AppendEmpty()
		e.SetName("exception")
		e.Attributes().PutStr("exception.message", "time out")
	}
	return td
}

func BenchmarkDecodeLogs(b *testing.B) {
	raw := marshalLogs(b, benchLogs())
	b.Run("clew", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := otlp.DecodeLogs(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pdata", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if err := plogotlp.NewExportRequest().UnmarshalProto(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeSpans(b *testing.B) {
	raw := marshalTraces(b, benchTraces())
	b.Run("clew", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := otlp.DecodeSpans(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pdata", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if err := ptraceotlp.NewExportRequest().UnmarshalProto(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendLogs(b *testing.B) {
	raw := marshalLogs(b, benchLogs())
	batch, err := otlp.DecodeLogs(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	dst := make([]byte, 0, len(raw)+1024)
	for b.Loop() {
		otlp.AppendLogs(dst, batch.Logs)
	}
}

// BenchmarkHostileJSON reads bodies made to be slow, of two sizes: what a byte
// costs must not grow with the size.
func BenchmarkHostileJSON(b *testing.B) {
	const value, shut, depth = `{"arrayValue":{"values":[`, `]}}`, 60
	nested := func(inner string) string {
		return `{"body":` + strings.Repeat(value, depth) + inner + strings.Repeat(shut, depth) + `}`
	}
	for name, record := range map[string]func(n int) string{
		"escapes":        func(n int) string { return `{"severityText":"` + strings.Repeat(`\\\"\u0041`, n/10) + `"}` },
		"JSON in JSON":   func(n int) string { return `{"body":{"stringValue":"` + strings.Repeat(`{\\\"a\\\":`, n/10) + `"}}` },
		"a deep value":   func(n int) string { return nested(`{"stringValue":"` + strings.Repeat("x", n) + `"}`) },
		"a wide value":   func(n int) string { return nested(strings.Repeat(`{"intValue":1},`, n/15) + `{}`) },
		"empty objects":  func(n int) string { return `{"attributes":[` + strings.Repeat(`{},`, n/3) + `{}]}` },
		"unknown fields": func(n int) string { return `{"x":` + strings.Repeat(`[1,`, n/3%200) + strings.Repeat(`[],`, n/3) },
		"a field often": func(n int) string {
			return `{` + strings.Repeat(`"body":{"arrayValue":{"values":[{}]}},`, n/38) + `"x":1}`
		},
		"a long number": func(n int) string { return `{"timeUnixNano":1` + strings.Repeat("0", n) + `}` },
		"no IDs":        func(n int) string { return strings.Repeat(`{"traceId":"zz"},`, n/17) + `{}` },
	} {
		for _, size := range []int{1 << 16, 1 << 20} {
			body := logJSON(record(size))
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					if raw, err := otlp.LogsFromJSON(body); err == nil {
						_, _, _ = otlp.CheckLogs(raw) // refused or not, it has been read
					}
				}
			})
		}
	}
}
