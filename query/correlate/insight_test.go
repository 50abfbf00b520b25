package correlate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/telemetry"
)

func path(a *correlate.Answer) string {
	var out []string
	for _, s := range a.CriticalPath {
		out = append(out, fmt.Sprintf("%d %s %s %d", s.From.Sub(correlatetest.Epoch).Milliseconds(), s.Service, s.Name, s.DurationNS/1e6))
	}
	return strings.Join(out, ", ")
}

func gapsOf(a *correlate.Answer) string {
	var out []string
	for _, g := range a.Gaps {
		out = append(out, fmt.Sprintf("%d+%d after %s before %s", g.From.Sub(correlatetest.Epoch).Milliseconds(), g.DurationNS/1e6, g.After, g.Before))
	}
	return strings.Join(out, ", ")
}

func missingOf(a *correlate.Answer) string {
	var out []string
	for _, m := range a.Missing {
		out = append(out, m.What+" "+m.Service+" "+strings.TrimLeft(m.SpanID, "0")+" "+m.Text)
	}
	return strings.Join(out, "; ")
}

func TestInsightsOfTheShop(t *testing.T) {
	a := ask(t, correlatetest.Shop(tenant), correlate.Request{ID: correlatetest.TraceHex, Hops: -1})
	want := "0 gateway POST /orders 5, 5 gateway POST checkout 5, 10 checkout POST /checkout 5, 15 checkout SELECT orders 10, 25 checkout POST /checkout 15, " +
		"40 checkout stock.Reserve 2, 42 stock Reserve 16, 58 checkout stock.Reserve 2, 60 checkout POST /checkout 2, 62 checkout price 1, " +
		"63 checkout POST /charge 2, 65 checkout price 1, 66 checkout POST /checkout 4, 70 checkout orders publish 2, 72 checkout POST /checkout 18, " +
		"90 gateway POST checkout 5, 95 gateway POST /orders 5, 200 shipping orders process 40"
	if got := path(a); got != want {
		t.Errorf("critical path\n%s\nwant\n%s", got, want)
	}
	if got := gapsOf(a); got != "100+100 after span of gateway: POST /orders before span of shipping: orders process" {
		t.Errorf("gaps: %s", got)
	}
	if got := missingOf(a); got != "spans audit  audit wrote 1 of the story's log records and has no span in it" {
		t.Errorf("missing: %s", got)
	}
	if len(a.ClockSkew)+len(a.Nearby) > 0 {
		t.Errorf("skew %v, nearby %v", a.ClockSkew, a.Nearby)
	}
	var sum int64
	for _, s := range a.CriticalPath[:len(a.CriticalPath)-1] {
		sum += s.DurationNS
	}
	if sum != int64(100*time.Millisecond) {
		t.Errorf("the path of the first trace takes %s, the trace 100ms", time.Duration(sum))
	}
}

// sp makes a span of a trace of its own for these tests.
func sp(st *telemetry.Stream, id, parent string, kind telemetry.SpanKind, from, to int, attrs ...string) telemetry.Span {
	return telemetry.Span{Stream: st, TraceID: correlatetest.Trace("77"), SpanID: correlatetest.Span(id), ParentID: correlatetest.Span(parent), Kind: kind,
		Name: "op" + id, Start: correlatetest.At(from), End: correlatetest.At(to), Attrs: correlatetest.Attrs(attrs...)}
}

const (
	server = telemetry.SpanKindServer
	client = telemetry.SpanKindClient
)

func TestMissing(t *testing.T) {
	web, pay, db := correlatetest.Stream("web"), correlatetest.Stream("pay"), correlatetest.Stream("ledger")
	s := correlatetest.New()
	s.AddSpans(tenant,
		sp(web, "2", "1", server, 0, 50), sp(web, "9", "1", server, 1, 2), // their parent was lost
		sp(web, "3", "2", client, 5, 20, "server.address", "pay"), sp(pay, "4", "3", server, 6, 19),
		sp(web, "5", "2", client, 25, 40, "server.address", "pay.shop.svc"), // answered by nobody
		sp(pay, "6", "4", client, 7, 9, "server.address", "db-1", "db.system", "mysql"))
	s.AddLogs(tenant, telemetry.Log{Stream: db, TraceID: correlatetest.Trace("77"), Time: correlatetest.At(8), Body: telemetry.String("booked")})
	a := ask(t, s, correlate.Request{ID: "77"})
	want := `parent_span web 1 the parent of "op2" (and of 1 more) was not received; root_span web  the trace has no root; its earliest span is "op2" of web; ` +
		`server_span pay 5 web called pay ("op5"); pay sent no span of it; spans ledger  ledger wrote 1 of the story's log records and has no span in it`
	if got := missingOf(a); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestClockSkew(t *testing.T) {
	web := correlatetest.Stream("web", "host.name", "a")
	pay, led := correlatetest.Stream("pay", "host.name", "b"), correlatetest.Stream("ledger", "host.name", "c")
	const ahead, behind = 500, -300 // of pay before web, and of ledger before pay
	s := correlatetest.New()
	for i := range 3 {
		id := func(n int) string { return fmt.Sprintf("%x", 16*i+n) }
		base := 100 * i
		s.AddSpans(tenant, sp(web, id(1), "", server, base, base+90), sp(web, id(2), id(1), client, base+10, base+60),
			sp(pay, id(3), id(2), server, base+15+ahead, base+55+ahead), sp(pay, id(4), id(3), client, base+20+ahead, base+50+ahead),
			sp(led, id(5), id(4), server, base+25+ahead+behind, base+45+ahead+behind))
	}
	s.AddLogs(tenant, telemetry.Log{Stream: pay, TraceID: correlatetest.Trace("77"), Time: correlatetest.At(20 + ahead), Body: telemetry.String("paid")})
	a := ask(t, s, correlate.Request{ID: "77"})
	var got []string
	for _, k := range a.ClockSkew {
		got = append(got, fmt.Sprintf("%s on %s to %s %dms by %d", k.Service, k.Host, k.RelativeTo, k.OffsetNS/1e6, k.Spans))
	}
	if want := "ledger on c to pay -300ms by 3, pay on b to web 500ms by 3"; strings.Join(got, ", ") != want {
		t.Errorf("skew %v, want %s", got, want)
	}
	for _, e := range a.Timeline {
		want := map[string]int64{"web": 0, "pay": ahead, "ledger": ahead + behind}[e.Service]
		if e.ClockOffsetNS != want*int64(time.Millisecond) {
			t.Errorf("%s of %s: offset %d ms, want %d", e.Text, e.Service, e.ClockOffsetNS/1e6, want)
		}
	}
	if first := path(a); !strings.HasPrefix(first, "0 web op1 10, 10 web op2 5, 15 pay op3 5, 20 pay op4 5, 25 ledger op5 20, 45 pay op4 5") {
		t.Errorf("the critical path goes by corrected times: %s", first)
	}
	for i := range s.SpansOf[tenant] { // what times are stored is what times are shown
		sp := &s.SpansOf[tenant][i]
		if !slices.ContainsFunc(a.Timeline, func(e correlate.Entry) bool {
			return e.SpanID == sp.SpanID.String() && e.Time.UnixNano() == sp.Start
		}) {
			t.Errorf("span %s is not at its time", sp.SpanID)
		}
	}
}

func TestClocksThatAgree(t *testing.T) {
	web, pay := correlatetest.Stream("web", "host.name", "a"), correlatetest.Stream("pay", "host.name", "b")
	s := correlatetest.New()
	s.AddSpans(tenant, sp(web, "1", "", server, 0, 90), sp(web, "2", "1", client, 10, 60), sp(pay, "3", "2", server, 11, 59),
		sp(web, "4", "1", client, 61, 70), sp(pay, "5", "4", server, 62, 400)) // went on behind the caller's timeout
	if a := ask(t, s, correlate.Request{ID: "77"}); len(a.ClockSkew) > 0 {
		t.Errorf("skew %v", a.ClockSkew)
	}
}

func TestInsightConfig(t *testing.T) {
	for _, change := range []func(*correlate.Config){
		func(c *correlate.Config) { c.GapAtLeast = -1 }, func(c *correlate.Config) { c.Nearby = -1 }, func(c *correlate.Config) { c.MaxBatch = 0 }, func(c *correlate.Config) { c.MaxGaps = -1 },
	} {
		c := correlate.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%+v passes", c)
		}
	}
	cfg := correlate.DefaultConfig()
	cfg.MaxListed, cfg.Nearby = 3, 0
	a, err := correlate.New(cfg, correlatetest.Shop(tenant), nil).Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex, Hops: -1})
	if err != nil || len(a.CriticalPath) != 3 || a.Nearby == nil {
		t.Errorf("with small bounds: %v, %+v", err, a)
	}
	broken := correlatetest.Shop(tenant)
	broken.Err = errors.New("disk on fire")
	if _, err := correlate.New(cfg, broken, nil).Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex}); err == nil {
		t.Error("an error of the store is swallowed")
	}
}
