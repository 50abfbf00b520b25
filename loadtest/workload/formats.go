package workload

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// logFormat writes an entry as one kind of service writes its lines.
type logFormat func(entry) string

// nginxAccess is a proxy's access log. Half of the proxies were configured
// before tracing came, and write no trace ID.
func nginxAccess(e entry) string {
	var b strings.Builder
	at := time.Unix(0, e.time).UTC()
	fmt.Fprintf(&b, `10.0.%d.%d - - [%s] "%s %s HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux x86_64)" rt=%.3f request_id=%s`,
		e.trace[0], e.trace[1], at.Format("02/Jan/2006:15:04:05 -0700"),
		e.method, e.path, e.status, 200+int(e.trace[2])*17, e.duration.Seconds(), e.request)
	if e.trace[3]%2 == 0 {
		fmt.Fprintf(&b, " trace_id=%s", e.trace)
	}
	return b.String()
}

// logfmtLines is how the services in Go write.
func logfmtLines(e entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ts=%s level=%s msg=%s", time.Unix(0, e.time).UTC().Format(time.RFC3339Nano),
		strings.ToLower(e.level.String()), strconv.Quote(e.message))
	if e.request != "" {
		fmt.Fprintf(&b, " request_id=%s", e.request)
	}
	if e.order != "" {
		fmt.Fprintf(&b, " order_id=%s", e.order)
	}
	if e.duration > 0 {
		fmt.Fprintf(&b, " duration=%s", e.duration)
	}
	if e.failure != nil {
		fmt.Fprintf(&b, " err=%s", strconv.Quote(e.failure.message))
	}
	if !e.trace.IsZero() {
		fmt.Fprintf(&b, " trace_id=%s span_id=%s", e.trace, e.span)
	}
	return b.String()
}

// jsonLines is how the services in Node.js write.
func jsonLines(e entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"level":%q,"time":%d,"msg":%q`, strings.ToLower(e.level.String()), e.time/1e6, e.message)
	if e.request != "" {
		fmt.Fprintf(&b, `,"reqId":%q`, e.request)
	}
	if e.duration > 0 {
		fmt.Fprintf(&b, `,"responseTime":%.3f`, float64(e.duration)/1e6)
	}
	if e.failure != nil {
		fmt.Fprintf(&b, `,"err":{"type":%q,"message":%q}`, e.failure.kind, e.failure.message)
	}
	if !e.trace.IsZero() {
		fmt.Fprintf(&b, `,"trace_id":%q,"span_id":%q`, e.trace.String(), e.span.String())
	}
	b.WriteByte('}')
	return b.String()
}

// springLines is how the services in Java write: the IDs of the trace stand in
// brackets, that of the request in the sentence.
func springLines(e entry) string {
	var b strings.Builder
	ids := ""
	if !e.trace.IsZero() {
		ids = e.trace.String() + "," + e.span.String()
	}
	fmt.Fprintf(&b, "%s %5s [%s] 1 --- [nio-8080-exec-%d] c.shop.web.RequestHandler : %s",
		time.Unix(0, e.time).UTC().Format("2006-01-02 15:04:05.000"), e.level, ids, e.span[7]%16, e.message)
	if e.request != "" {
		fmt.Fprintf(&b, " for request %s", e.request)
	}
	if e.duration > 0 {
		fmt.Fprintf(&b, " in %d ms", e.duration.Milliseconds())
	}
	if e.failure != nil {
		fmt.Fprintf(&b, "\n%s", e.failure.stack())
	}
	return b.String()
}

// pythonLines is how the services in Python write: they leave the trace to
// the log record and name only the order.
func pythonLines(e entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] %s in app: %s",
		time.Unix(0, e.time).UTC().Format("2006-01-02 15:04:05,000"), e.level, e.message)
	if e.order != "" {
		fmt.Fprintf(&b, " (order %s)", e.order)
	}
	if e.duration > 0 {
		fmt.Fprintf(&b, " took %.1fms", float64(e.duration)/1e6)
	}
	if e.failure != nil {
		fmt.Fprintf(&b, ": %s: %s", e.failure.kind, e.failure.message)
	}
	return b.String()
}
