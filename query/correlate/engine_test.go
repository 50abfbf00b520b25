package correlate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

const tenant = "anonymous"

func ask(t *testing.T, s storage.Reader, q correlate.Request) *correlate.Answer {
	t.Helper()
	if q.Tenant == "" {
		q.Tenant = tenant
	}
	a, err := correlate.New(correlate.DefaultConfig(), s, nil).Correlate(t.Context(), q)
	if err != nil {
		t.Fatalf("correlate %q: %v", q.ID, err)
	}
	return a
}

// story renders what matters of an answer, one line each.
func story(a *correlate.Answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s partial=%v truncated=%v\n", a.Kind, a.ID, a.Partial, a.Truncated)
	for _, id := range a.IDs {
		fmt.Fprintf(&b, "id %s %s via %s\n", id.Kind, id.ID, id.Via)
	}
	for _, s := range a.Services {
		fmt.Fprintf(&b, "service %s spans=%d logs=%d errors=%d\n", s.Name, s.Spans, s.Logs, s.Errors)
	}
	for _, e := range a.Edges {
		fmt.Fprintf(&b, "edge %s -> %s calls=%d errors=%d %s\n", e.Source, e.Target, e.Calls, e.Errors, e.Evidence)
	}
	for _, tr := range a.Traces {
		fmt.Fprintf(&b, "trace %s root=%s %q spans=%d errors=%d %dms\n", tr.TraceID[:4], tr.RootService, tr.RootName, tr.Spans, tr.Errors, tr.DurationNS/1e6)
	}
	for _, e := range a.Timeline {
		fmt.Fprintf(&b, "%d %s %s %s %q\n", e.Time.Sub(correlatetest.Epoch).Milliseconds(), e.Type, e.Service, e.Severity, e.Text)
	}
	for _, w := range a.Warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

const shopStory = `trace_id 4bf92f3577b34da6a3ce929d0e0e4736 partial=false truncated=false
id trace_id 4bf92f3577b34da6a3ce929d0e0e4736 via query
id request_id req-8f3a2b via span of gateway, attribute http.request.header.x_request_id
id order_id ord_123abc via span of checkout, attribute order.id
id trace_id aaaa0000bbbb1111cccc2222dddd3333 via span of shipping, trace context
service gateway spans=2 logs=1 errors=0
service checkout spans=6 logs=1 errors=1
service audit spans=0 logs=1 errors=0
service stock spans=1 logs=1 errors=2
service shipping spans=1 logs=0 errors=0
edge checkout -> shipping calls=1 errors=0 spans
edge checkout -> stock calls=1 errors=1 spans
edge gateway -> audit calls=1 errors=0 logs
edge gateway -> checkout calls=1 errors=0 spans
trace 4bf9 root=gateway "POST /orders" spans=9 errors=2 100ms
trace aaaa root=shipping "orders process" spans=1 errors=0 40ms
0 span gateway  "POST /orders"
1 log gateway info "10.0.0.7 \"POST /orders\" 201 req-8f3a2b"
5 span gateway  "POST checkout"
10 span checkout  "POST /checkout"
12 log checkout info "placing order"
15 span checkout  "SELECT orders"
30 log audit info "{\"requestId\":\"req-8f3a2b\",\"actor\":\"jo\"}"
40 span checkout error "stock.Reserve"
42 span stock error "Reserve"
55 event stock error "exception: OutOfStock: sku-9 is sold out"
56 log stock error "sku-9 is sold out"
62 span checkout  "price"
63 span checkout  "POST /charge"
70 span checkout  "orders publish"
200 span shipping  "orders process"
`

func TestTraceTellsTheWholeStory(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	for _, id := range []string{correlatetest.TraceHex, strings.ToUpper(correlatetest.TraceHex), "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736", ` "` + correlatetest.TraceHex + `" `,
		"00-" + correlatetest.TraceHex + "-00000000000000a1-01"} {
		if got := story(ask(t, shop, correlate.Request{ID: id, Hops: -1})); got != shopStory {
			t.Errorf("%s:\n%s", id, diff(shopStory, got))
		}
	}
}

func diff(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range w {
		if !slices.Contains(g, l) {
			b.WriteString("- " + l + "\n")
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			b.WriteString("+ " + l + "\n")
		}
	}
	return b.String() + "\ngot\n" + got
}

func TestOtherWaysIn(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	for _, c := range []struct {
		id, kind string
		hops     int
		records  int
		services []string
	}{
		{"req-8f3a2b", "request_id", 2, 15, []string{"gateway", "checkout", "audit", "stock", "shipping"}},
		{"ord_123abc", "order_id", 2, 15, []string{"gateway", "checkout", "audit", "stock", "shipping"}},
		{"ord_123abc", "order_id", 0, 13, []string{"gateway", "checkout", "stock", "shipping"}},
		{"00000000000000a6", "span_id", 2, 15, []string{"gateway", "checkout", "audit", "stock", "shipping"}},
		{"a6", "span_id", 1, 13, []string{"gateway", "checkout", "stock", "shipping"}},
		{"req-other1", "request_id", 2, 1, []string{"audit"}},
	} {
		a := ask(t, shop, correlate.Request{ID: c.id, Hops: c.hops})
		var names []string
		for _, s := range a.Services {
			names = append(names, s.Name)
		}
		if a.Kind != c.kind || len(a.Timeline) != c.records || !slices.Equal(names, c.services) {
			t.Errorf("%s with %d hops: %s", c.id, c.hops, story(a))
		}
		if a.IDs[0].Via != "query" || a.IDs[0].Kind != c.kind {
			t.Errorf("%s: the first ID is %+v", c.id, a.IDs[0])
		}
	}
}

// IDs of 64 bits are found however they are written.
func TestShortIDs(t *testing.T) {
	s := correlatetest.New()
	s.AddSpans(tenant, telemetry.Span{Stream: correlatetest.Stream("api"), TraceID: correlatetest.Trace("112210f47de98115"), SpanID: correlatetest.Span("2"), Start: correlatetest.At(0), End: correlatetest.At(1)})
	for _, id := range []string{"112210f47de98115", "112210F47DE98115", "0000000000000000112210f47de98115", "1234567890123456789"} {
		if a := ask(t, s, correlate.Request{ID: id, Hops: 2}); len(a.Timeline) != 1 || a.Kind != "trace_id" {
			t.Errorf("%s: %s", id, story(a))
		}
	}
}

func TestNotFound(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	e := correlate.New(correlate.DefaultConfig(), shop, nil)
	for id, want := range map[string]string{
		"ffffeeee11112222ffffeeee11112222": "no stored log",
		"hello":                            "does not look like an ID",
		"req-nothing1":                     "no stored log",
	} {
		_, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: id})
		if !errors.Is(err, correlate.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
	if _, err := e.Correlate(t.Context(), correlate.Request{Tenant: "other", ID: correlatetest.TraceHex}); !errors.Is(err, correlate.ErrNotFound) {
		t.Errorf("another tenant's trace: %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	e := correlate.New(correlate.DefaultConfig(), correlatetest.New(), nil)
	for _, q := range []correlate.Request{
		{ID: ""}, {ID: `" "`}, {ID: "x", Hops: 99}, {ID: "x", Limit: -1}, {ID: "x", Limit: 1 << 30}, {ID: "x", From: 5, To: 5}, {ID: "x", From: -1},
	} {
		if _, err := e.Correlate(t.Context(), q); !errors.Is(err, correlate.ErrBadRequest) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestTimeRangeAndLimit(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	a := ask(t, shop, correlate.Request{ID: correlatetest.TraceHex, Hops: -1, From: correlatetest.At(40), To: correlatetest.At(60)})
	if len(a.Timeline) != 4 {
		t.Errorf("between 40 and 60 ms: %s", story(a))
	}
	a = ask(t, shop, correlate.Request{ID: correlatetest.TraceHex, Hops: -1, Limit: 3})
	if !a.Truncated || len(a.Timeline) != 3 || a.Timeline[2].Text != "POST checkout" || a.Services[0].Spans != 2 {
		t.Errorf("limit of 3: %s", story(a))
	}
	if got := a.Range.To.Sub(correlatetest.Epoch).Milliseconds(); got != 240 {
		t.Errorf("the range ends at %d ms, want 240 whatever the limit", got)
	}
}

// Equal records were sent more than once on purpose: all of them are told,
// whatever the number of IDs that lead to them.
func TestEqualRecordsAreKept(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	line := telemetry.Log{Stream: st, Time: correlatetest.At(1), TraceID: correlatetest.Trace("a1b2"), Body: telemetry.String("request_id=r1 correlation_id=c1 again")}
	s.AddLogs(tenant, line, line, line)
	for _, id := range []string{"r1", "c1", "a1b2"} {
		if a := ask(t, s, correlate.Request{ID: id, Hops: 5}); len(a.Timeline) != 3 {
			t.Errorf("%s: %s", id, story(a))
		}
	}
}

func TestIDsThatJoinTheWorld(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i := range 150 {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), TraceID: correlatetest.Trace(fmt.Sprintf("a1%030x", i+1)),
			Body: telemetry.String("x"), Attrs: correlatetest.Attrs("request_id", "health", "correlation_id", "ffffffff-ffff-ffff-ffff-ffffffffffff", "session.id", "bot-1")})
	}
	a := ask(t, s, correlate.Request{ID: fmt.Sprintf("a1%030x", 7), Hops: 3})
	if len(a.Timeline) != 1 || len(a.Traces) != 0 {
		t.Errorf("a trace joined to others: %s", story(a))
	}
	text := strings.Join(a.Warnings, "\n")
	if !strings.Contains(text, "request_id health") || !strings.Contains(text, "more than 100 traces") || !strings.Contains(text, "is a constant") {
		t.Errorf("warnings: %s", text)
	}
	a = ask(t, s, correlate.Request{ID: "bot-1", Hops: 3})
	if len(a.Warnings) == 0 {
		t.Error("no warning")
	}
	if len(a.Timeline) != 150 || a.Partial || len(a.Traces) != 0 {
		t.Errorf("a session that was asked for: %d entries, %v", len(a.Timeline), a.Warnings)
	}
}

// Bounds cut the story, say so, and leave what is within them whole.
func TestBoundsAreSaid(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	trace := correlatetest.Trace("c0ffee")
	for i := range 20 {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), Body: telemetry.String(fmt.Sprintf("session_id=s1 request_id=r%d", i))})
	}
	s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(50), TraceID: trace, Body: telemetry.String("session_id=s1")})
	s.AddSpans(tenant, telemetry.Span{Stream: st, TraceID: trace, SpanID: correlatetest.Span("1"), Start: correlatetest.At(40), End: correlatetest.At(60)})
	for name, c := range map[string]struct {
		change  func(*correlate.Config)
		warning string
		entries int
	}{
		"request IDs": {func(c *correlate.Config) { c.MaxIDs = 3 }, "more than 3 request and correlation IDs", 22},
		"records":     {func(c *correlate.Config) { c.MaxRecords = 5 }, "more than 5 carry the ID", 5},
		"traces":      {func(c *correlate.Config) { c.MaxStoryTraces = 0 }, "joins more than 0 traces", 21},
		"listed IDs":  {func(c *correlate.Config) { c.MaxListed = 2 }, "", 22},
	} {
		cfg := correlate.DefaultConfig()
		c.change(&cfg)
		a, err := correlate.New(cfg, s, nil).Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: "s1", Hops: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Timeline) != c.entries || !strings.Contains(strings.Join(a.Warnings, "\n"), c.warning) || !a.Partial && !a.Truncated {
			t.Errorf("%s: %d entries, partial %v, truncated %v, %q", name, len(a.Timeline), a.Partial, a.Truncated, a.Warnings)
		}
	}
}

// 42 is a request here and an order there: found in passing it does not join
// them; asked for, it leads to both.
func TestOneValueOfTwoKinds(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i, body := range []string{"request_id=42 correlation_id=c1", "order_id=42", "order_id=42 correlation_id=c1", "request_id=42", "request_id=req-8f3a2b correlation_id=c1", "order_id=req-8f3a2b"} {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), Body: telemetry.String(body)})
	}
	for id, want := range map[string]int{"c1": 5, "42": 5} {
		if a := ask(t, s, correlate.Request{ID: id, Hops: 1}); len(a.Timeline) != want {
			t.Errorf("%s: %d records, want %d: %s", id, len(a.Timeline), want, story(a))
		}
	}
}

// What a program writes where it has no trace is not a trace to follow.
func TestTraceIDsThatAreNone(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i := range 120 {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), TraceID: correlatetest.Trace(fmt.Sprintf("b2%030x", i+1)), Body: telemetry.String("trace_id=%s")})
	}
	a := ask(t, s, correlate.Request{ID: fmt.Sprintf("b2%030x", 3), Hops: 3})
	if len(a.Timeline) != 1 || len(a.Warnings) != 1 {
		t.Errorf("%s", story(a))
	}
}

func TestCyclesEnd(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i := range 10 {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), Body: telemetry.String(fmt.Sprintf("request_id=r%d correlation_id=r%d", i, (i+1)%10))})
	}
	for hops, want := range map[int]int{0: 2, 1: 4, 2: 6, 5: 10} {
		if a := ask(t, s, correlate.Request{ID: "r0", Hops: hops}); len(a.Timeline) != want {
			t.Errorf("%d hops: %d records, want %d", hops, len(a.Timeline), want)
		}
	}
}

func TestLogsAloneMakeEdges(t *testing.T) {
	s := correlatetest.New()
	for i, service := range []string{"edge", "shop", "edge", "bank", "shop", "mail"} {
		s.AddLogs(tenant, telemetry.Log{Stream: correlatetest.Stream(service), Time: correlatetest.At(i), Body: telemetry.String("request_id=r1 correlation_id=c1")})
	}
	a := ask(t, s, correlate.Request{ID: "r1", Hops: 2})
	want := []correlate.Edge{
		{Source: "edge", Target: "bank", Calls: 1, Evidence: "logs"}, {Source: "edge", Target: "shop", Calls: 1, Evidence: "logs"},
		{Source: "shop", Target: "mail", Calls: 1, Evidence: "logs"},
	}
	if !reflect.DeepEqual(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
}

// A line without trace context is in the trace that it names, unless it names
// several.
func TestLinesThatNameTheirTrace(t *testing.T) {
	const one, two = "4bf92f3577b34da6a3ce929d0e0e4736", "aaaa0000bbbb1111cccc2222dddd3333"
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i, body := range []string{"trace_id=" + one + " span_id=00000000000000a1 r", "traceparent=00-" + one + "-00000000000000a2-01", "trace_id=" + one + " trace_id=" + two, "seen " + one} {
		s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(i), Body: telemetry.String(body)})
	}
	s.AddLogs(tenant, telemetry.Log{Stream: st, Time: correlatetest.At(9), Body: telemetry.String("x"), Attrs: correlatetest.Attrs("traceId", strings.ToUpper(one))})
	var got []string
	for _, e := range ask(t, s, correlate.Request{ID: one}).Timeline {
		got = append(got, e.TraceID+" "+e.SpanID)
	}
	if want := []string{one + " 00000000000000a1", one + " 00000000000000a2", " ", " ", one + " "}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// noSpans gives no spans back.
type noSpans struct {
	*correlatetest.Store
	why error
}

// Logs implements storage.Reader.
func (s noSpans) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	well := *s.Store
	well.Err = nil
	return well.Logs(ctx, q)
}

// Spans implements storage.Reader.
func (s noSpans) Spans(context.Context, storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) { yield(nil, s.why) }
}

func TestStoreErrorsAndWarnings(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	shop.Warnings = []string{"segment 7 is corrupt"}
	if a := ask(t, shop, correlate.Request{ID: correlatetest.TraceHex}); !a.Partial || !slices.Equal(a.Warnings, shop.Warnings) {
		t.Errorf("partial=%v warnings=%q", a.Partial, a.Warnings)
	}
	shop.Warnings, shop.Err = nil, storage.ErrBudget
	if a := ask(t, shop, correlate.Request{ID: correlatetest.TraceHex}); !a.Partial || len(a.Timeline) == 0 {
		t.Errorf("over budget: %s", story(a))
	}
	shop.Err = errors.New("disk on fire")
	if _, err := correlate.New(correlate.DefaultConfig(), shop, nil).Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex}); !errors.Is(err, shop.Err) {
		t.Errorf("error of the store: %v", err)
	}
	if a := ask(t, noSpans{shop, shop.Err}, correlate.Request{ID: correlatetest.TraceHex}); !a.Partial || len(a.Timeline) == 0 || !strings.Contains(strings.Join(a.Warnings, "; "), "spans are missing: read spans: disk on fire") {
		t.Errorf("without spans: %s", story(a))
	}
	shop.Err = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := correlate.New(correlate.DefaultConfig(), shop, nil).Correlate(ctx, correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// The answer does not depend on the order in which records were stored.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		shop := correlatetest.Shop(tenant)
		spans, logs := shop.SpansOf[tenant], shop.LogsOf[tenant]
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		r.Shuffle(len(logs), func(i, j int) { logs[i], logs[j] = logs[j], logs[i] })
		a := ask(t, shop, correlate.Request{ID: correlatetest.TraceHex, Hops: -1})
		slices.SortStableFunc(a.IDs[1:], func(x, y correlate.FoundID) int { return slices.Index(order, x.ID) - slices.Index(order, y.ID) })
		for i := range a.IDs {
			a.IDs[i].Via = via[a.IDs[i].ID]
		}
		if got := story(a); got != shopStory {
			t.Fatal(diff(shopStory, got))
		}
	}
}

var order = []string{"req-8f3a2b", "ord_123abc", "aaaa0000bbbb1111cccc2222dddd3333"}

var via = map[string]string{
	correlatetest.TraceHex: "query", order[0]: "span of gateway, attribute http.request.header.x_request_id",
	order[1]: "span of checkout, attribute order.id", order[2]: "span of shipping, trace context",
}

// The keys are the API's contract.
func TestJSONHasTheContractsKeys(t *testing.T) {
	text, err := json.Marshal(ask(t, correlatetest.Shop(tenant), correlate.Request{ID: "req-other1"}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"req-other1","kind":"request_id","partial":false,"warnings":[],"range":{"from":"2031-03-01T10:00:00.5Z","to":"2031-03-01T10:00:00.5Z"},` +
		`"ids":[{"id":"req-other1","kind":"request_id","via":"query"}],` +
		`"services":[{"name":"audit","spans":0,"logs":1,"errors":0,"first":"2031-03-01T10:00:00.5Z","last":"2031-03-01T10:00:00.5Z"}],` +
		`"edges":[],"traces":[],"timeline":[{"time":"2031-03-01T10:00:00.5Z","type":"log","service":"audit","severity":"info",` +
		`"text":"{\"requestId\":\"req-other1\",\"actor\":\"jo\"}","trace_id":"","span_id":"","parent_span_id":"","duration_ns":0,"status":"",` +
		`"attributes":{},"resource":{"service.name":"audit"}}],"truncated":false,"critical_path":[],"gaps":[],"clock_skew":[],"missing":[],"nearby":[]}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestConfig(t *testing.T) {
	if err := correlate.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*correlate.Config){
		func(c *correlate.Config) { c.DefaultHops = -1 }, func(c *correlate.Config) { c.MaxHops = 1 }, func(c *correlate.Config) { c.DefaultLimit = 0 },
		func(c *correlate.Config) { c.MaxLimit = 1 }, func(c *correlate.Config) { c.MaxRecords = 0 }, func(c *correlate.Config) { c.MaxTraces = 0 },
	} {
		c := correlate.DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
