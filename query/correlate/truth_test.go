package correlate_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// A layout is how a system writes its lines. What stands in <> is filled with
// what a request has: its trace in some spelling, its span, its request ID. A
// line of a layout that joins gets its trace from its text.
type layout struct {
	name, text string
	joins      bool
}

var layouts = []layout{
	{"nginx", `10.0.0.7 - - [01/Mar/2031:10:11:12 +0000] "POST /orders/<n> HTTP/1.1" 201 <n> "-" "curl/8" 0.012 "<traceparent>"`, true},
	{"nginx with a request ID", `10.0.0.7 - - [01/Mar/2031:10:11:12 +0000] "GET /a?x=<n> HTTP/1.1" 200 <n> "-" "curl/8" <req>`, false},
	{"envoy", `[2031-03-01T10:11:12.345Z] "POST /orders HTTP/1.1" 201 - 12 <n> 14 13 "10.0.0.7" "curl/8" "<req>" "orders:8080" "10.0.2.1:80"`, false},
	{"istio", `[2031-03-01T10:11:12.345Z] "GET /<n> HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/8" "<req>" "httpbin:8000" "10.44.1.27:80" inbound|8000|| default traceID=<trace>`, true},
	{"spring", `2031-03-01 10:11:12.345  INFO [checkout,<trace>,<span>] 17 --- [nio-8080-exec-3] c.e.CheckoutService : Charging card <n>`, true},
	{"logback JSON", `{"@timestamp":"2031-03-01T10:11:12.345Z","message":"placed <n>","thread_name":"http-1","mdc":{"traceId":"<trace>","spanId":"<span>","requestId":"<req>"}}`, true},
	{"zap", "2031-03-01T10:11:12.345Z\tinfo\torders/place.go:17\tplaced\t" + `{"trace_id": "<TRACE>", "n": <n>, "error": "timeout after 5s"}`, true},
	{"zerolog", `{"level":"info","trace_id":"<trace>","span_id":"<span>","n":<n>,"time":1930212672,"message":"placed"}`, true},
	{"lograge", `method=GET path=/orders format=html controller=OrdersController action=index status=200 duration=12.3 n=<n> request_id=<req>`, false},
	{"Datadog in Rails", `[dd.env=prod dd.service=shop dd.trace_id=<decimal> dd.span_id=<spandecimal>] Completed <n> OK in 12ms`, true},
	{"django", `INFO 2031-03-01 10:11:12,345 views 17 140123 [trace_id=<trace> span_id=<span>] "POST /orders/<n> HTTP/1.1" 201 512`, true},
	{"serilog", `{"@t":"2031-03-01T10:11:12.345Z","@mt":"placed {N}","N":<n>,"@tr":"<trace>","@sp":"<span>","RequestId":"<req>"}`, true},
	{"structlog", `2031-03-01 10:11:12 [info     ] order placed                   n=<n> span_id=<span> trace_id=<trace>`, true},
	{"haproxy", `<134>1 2031-03-01T10:11:12.345+00:00 lb1 haproxy 17 - - 10.0.0.7:51041 [01/Mar/2031:10:11:12.345] http-in~ api/web-3 0/0/1/12/13 200 <n> - - ---- {<traceparent>|curl/8} "POST /orders HTTP/1.1"`, true},
	{"traefik", `{"DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/orders/<n>","SpanId":"<span>","TraceId":"<trace>","level":"info","msg":"","time":"2031-03-01T10:11:12Z"}`, true},
	{"AWS ALB", `http 2031-03-01T10:11:12.345678Z app/lb/50dc6c495c0c9188 10.0.0.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 <n> "GET http://shop:80/ HTTP/1.1" "curl/8" - - "Root=<xray>" "-" "-" 0`, true},
	{"caddy", `{"level":"info","logger":"http.log.access.log0","msg":"handled request","request":{"method":"GET","uri":"/o/<n>","headers":{"Traceparent":["<traceparent>"]}},"status":200}`, true},
	{"b3", `b3: <trace>-<span>-1 n=<n>`, true},
	{"jaeger in a URL's escapes", `hop n=<n> uber-trace-id=<trace>%3A<span>%3A0%3A1`, true},
	{"google", `{"n":<n>,"message":"placed","logging.googleapis.com/trace":"projects/shop/traces/<trace>","logging.googleapis.com/spanId":"<span>"}`, true},
	{"protobuf's JSON", `{"n":<n>,"traceId":"<base64>","body":"x"}`, true},
	{"docker's JSON", `{"log":"{\"trace_id\":\"<trace>\",\"n\":<n>}","stream":"stdout"}`, true},
	{"prose about a trace", `could not upload <n> spans, trace <trace> is cut`, false},
	{"prose about a request", `retry <n> of (<req>), then give up.`, false},
	{"a URL", `GET /callback?state=<n>&next=%2Forders%3Frequest_id%3D<req>%26x%3D1`, false},
	{"in colours", "\x1b[2m10:11\x1b[0m \x1b[36mn\x1b[0m=<n> \x1b[36mrequest_id\x1b[0m=\x1b[35m<req>\x1b[0m", false},
}

// request is one request of the made-up load, and what carries its IDs.
type request struct {
	trace   telemetry.TraceID
	span    telemetry.SpanID // its root
	id      string           // its request ID, as the first service wrote it
	others  []string         // and as others did
	order   string
	spans   int
	logs    []string // the bodies of all its lines
	joined  map[string]bool
	session string
}

func randomHex(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0], b[n-1] = b[0]&0x1f|0x60, b[n-1]&0x0f|0xc0
	return hex.EncodeToString(b)
}

// newRequest draws a request whose IDs are of the kind-th kind.
func newRequest(r *rand.Rand, kind int) *request {
	q := &request{joined: map[string]bool{}, order: fmt.Sprintf("ord_%d", 10_000_000+r.IntN(80_000_000)), session: "s-" + randomHex(r, 4)}
	q.trace = correlatetest.Trace(randomHex(r, 16))
	if kind%5 == 4 {
		q.trace = correlatetest.Trace(randomHex(r, 8)) // of 64 bits, as Zipkin's and Datadog's may be
	}
	q.span = correlatetest.Span(randomHex(r, 8))
	switch kind % 4 {
	case 0:
		h := randomHex(r, 16)
		q.id = h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
		q.others = []string{strings.ToUpper(q.id), strings.ReplaceAll(q.id, "-", ""), "{" + q.id + "}", "urn:uuid:" + q.id, `"` + q.id + `"`, " " + q.id}
	case 1:
		const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
		b := []byte("01")
		for range 24 {
			b = append(b, letters[r.IntN(len(letters))])
		}
		q.id = string(b)
		q.others = []string{strings.ToLower(q.id)}
	case 2:
		q.id = "req-" + randomHex(r, 5)
		q.others = []string{strings.ToUpper(q.id)}
	case 3:
		q.id = "req-" + strconv.Itoa(1+r.IntN(1_000_000_000))
		q.others = []string{strings.ToUpper(q.id)}
	}
	return q
}

// line fills a layout for q; n makes it the only one of its kind.
func (q *request) line(l layout, n int, span telemetry.SpanID) string {
	t, s := q.trace.String(), span.String()
	return strings.NewReplacer("<traceparent>", "00-"+t+"-"+s+"-01", "<trace>", t, "<TRACE>", strings.ToUpper(t), "<span>", s, "<req>", q.id,
		"<xray>", "1-"+t[:8]+"-"+t[8:], "<decimal>", fmt.Sprint(binary.BigEndian.Uint64(q.trace[8:])),
		"<spandecimal>", fmt.Sprint(binary.BigEndian.Uint64(span[:])), "<base64>", base64.StdEncoding.EncodeToString(q.trace[:]),
		"<n>", strconv.Itoa(n)).Replace(l.text)
}

// spellings are all ways to ask for q.
func (q *request) spellings() []string {
	t, s := q.trace.String(), q.span.String()
	half := binary.BigEndian.Uint64(q.trace[8:])
	out := append([]string{q.id, q.order,
		t, strings.ToUpper(t), "0x" + t, t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:], `"` + t + `"`,
		"00-" + t + "-" + s + "-01", t + "-" + s + "-1", t + "-" + s + "-1-" + s, t + ":" + s + ":0:1", t + "%3A" + s + "%3A0%3A1",
		"1-" + t[:8] + "-" + t[8:], "Root=1-" + t[:8] + "-" + t[8:] + ";Parent=" + s + ";Sampled=1", t + "/17;o=1", "projects/shop/traces/" + t,
		base64.StdEncoding.EncodeToString(q.trace[:]), t[16:], strconv.FormatUint(half, 10),
		s, strings.ToUpper(s), strconv.FormatUint(binary.BigEndian.Uint64(q.span[:]), 10), base64.StdEncoding.EncodeToString(q.span[:]),
	}, q.others...)
	if n := new(big.Int).SetBytes(q.trace[:]).String(); len(n) > 32 {
		out = append(out, n)
	}
	return out
}

// made is a load with known truth.
type made struct {
	requests []*request
	logs     []telemetry.Log
	spans    []telemetry.Span
}

func makeLoad(r *rand.Rand, requests int) *made {
	m := &made{}
	services := []string{"gateway", "checkout", "stock", "payment"}
	n := 0
	for i := range requests {
		q := newRequest(r, i)
		start := i * 50
		parent := telemetry.SpanID{}
		for depth := range 2 + r.IntN(3) {
			sp := telemetry.Span{Stream: correlatetest.Stream(services[depth%len(services)]), TraceID: q.trace, SpanID: correlatetest.Span(randomHex(r, 8)), ParentID: parent,
				Kind: telemetry.SpanKindServer, Name: "op", Start: correlatetest.At(start + depth), End: correlatetest.At(start + 40 - depth)}
			switch depth {
			case 0:
				sp.SpanID = q.span
				sp.Attrs = correlatetest.Attrs("http.request.header.x_request_id", q.id, "session.id", q.session)
			case 1:
				sp.Events = []telemetry.Event{{Time: sp.Start, Name: "placed", Attrs: correlatetest.Attrs("note", "as "+q.order+".")}}
			}
			parent = sp.SpanID
			q.spans++
			m.spans = append(m.spans, sp)
		}
		for range 4 + r.IntN(4) {
			n++
			l := layouts[n%len(layouts)]
			rec := telemetry.Log{Stream: correlatetest.Stream(services[r.IntN(len(services))]), Time: correlatetest.At(start + r.IntN(40)), Body: telemetry.String(q.line(l, n, parent))}
			c, ok := correlation.FindContext(&rec) // as it is when it comes in
			if ok {
				rec.TraceID, rec.SpanID = c.TraceID, c.SpanID
			}
			q.logs = append(q.logs, rec.Body.Str())
			q.joined[rec.Body.Str()] = l.joins
			m.logs = append(m.logs, rec)
		}
		m.requests = append(m.requests, q)
	}
	return m
}

// store writes the load as it may come: in any order, every request split over
// several batches, of which some are sent again.
func (m *made) store(t *testing.T, r *rand.Rand) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir = t.TempDir()
	s, err := local.Open(cfg, local.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r.Shuffle(len(m.logs), func(i, j int) { m.logs[i], m.logs[j] = m.logs[j], m.logs[i] })
	r.Shuffle(len(m.spans), func(i, j int) { m.spans[i], m.spans[j] = m.spans[j], m.spans[i] })
	write := func(logs []telemetry.Log, spans []telemetry.Span) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		lb, err := otlp.DecodeLogs(otlp.AppendLogs(nil, logs))
		if err != nil {
			t.Fatal(err)
		}
		sb, err := otlp.DecodeSpans(otlp.AppendSpans(nil, spans))
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(2) { // the same request again is the same request
			if _, err := s.WriteLogs(ctx, tenant, lb); err != nil {
				t.Fatal(err)
			}
			if _, err := s.WriteSpans(ctx, tenant, sb); err != nil {
				t.Fatal(err)
			}
		}
	}
	const parts = 7
	for i := range parts {
		write(m.logs[i*len(m.logs)/parts:(i+1)*len(m.logs)/parts], m.spans[i*len(m.spans)/parts:(i+1)*len(m.spans)/parts])
	}
	return s
}

// Every ID in every spelling gives all of its request and nothing of another's.
func TestEverySpellingTellsTheWholeStory(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	m := makeLoad(r, 60)
	e := correlate.New(correlate.DefaultConfig(), m.store(t, r), nil)
	asked, wrong := 0, 0
	for _, q := range m.requests {
		for _, id := range q.spellings() {
			asked++
			a, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: id, Hops: -1})
			if err != nil {
				t.Errorf("%q of %s: %v", id, q.trace, err)
				wrong++
				continue
			}
			if d := q.differs(a); d != "" {
				if wrong++; wrong < 10 {
					t.Errorf("%q of trace %s, request %s: %s", id, q.trace, q.id, d)
				}
			}
		}
	}
	t.Logf("%d questions about %d spans and %d lines of %d layouts: %d wrong answers", asked, len(m.spans), len(m.logs), len(layouts), wrong)
}

// differs says how an answer is not the story of q.
func (q *request) differs(a *correlate.Answer) string {
	var spans int
	var logs []string
	for _, e := range a.Timeline {
		switch e.Type {
		case correlate.TypeSpan:
			if spans++; e.TraceID != q.trace.String() {
				return "a span of trace " + e.TraceID
			}
		case correlate.TypeLog:
			logs = append(logs, e.Text)
		}
	}
	want := slices.Sorted(slices.Values(q.logs))
	slices.Sort(logs)
	switch {
	case spans != q.spans:
		return fmt.Sprintf("%d spans of %d", spans, q.spans)
	case !slices.Equal(logs, want):
		return diff(strings.Join(want, "\n"), strings.Join(logs, "\n"))
	case len(a.Warnings) > 0 || a.Partial || a.Truncated:
		return fmt.Sprintf("partial %v, truncated %v, %q", a.Partial, a.Truncated, a.Warnings)
	case len(a.Traces) != 1:
		return fmt.Sprintf("%d traces", len(a.Traces))
	}
	return ""
}

// Every line of a layout that tells its trace is joined to that one, and no
// other line to any.
func TestLinesAreJoinedAsTheirLayoutsTell(t *testing.T) {
	m := makeLoad(rand.New(rand.NewPCG(23, 24)), 400)
	joined := map[string]bool{}
	of := map[string]*request{}
	for _, q := range m.requests {
		for body, joins := range q.joined {
			joined[body], of[body] = joins, q
		}
	}
	for i := range m.logs {
		body := m.logs[i].Body.Str()
		got, want := m.logs[i].TraceID, of[body].trace
		half := telemetry.TraceID{}
		copy(half[8:], want[8:])
		switch {
		case !joined[body] && !got.IsZero():
			t.Errorf("joined to %s: %s", got, body)
		case joined[body] && got != want && got != half:
			t.Errorf("joined to %q instead of %s: %s", got, want, body)
		}
	}
	t.Logf("%d lines of %d layouts", len(m.logs), len(layouts))
}
