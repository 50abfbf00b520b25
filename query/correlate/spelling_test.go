package correlate_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/telemetry"
)

// datadog is a trace of 128 bits whose services log its lower half in decimal,
// as Datadog's libraries do, one of them joined when it came in.
func datadog() *correlatetest.Store {
	s := correlatetest.New()
	trace := correlatetest.Trace("4bf92f3577b34da6a3ce929d0e0e4736")
	half := correlatetest.Trace("a3ce929d0e0e4736")
	s.AddSpans(tenant,
		telemetry.Span{Stream: correlatetest.Stream("web"), TraceID: trace, SpanID: correlatetest.Span("1"), Start: correlatetest.At(0), End: correlatetest.At(9)},
		telemetry.Span{Stream: correlatetest.Stream("web"), TraceID: trace, SpanID: correlatetest.Span("2"), ParentID: correlatetest.Span("1"), Start: correlatetest.At(1), End: correlatetest.At(2)})
	s.AddLogs(tenant,
		telemetry.Log{Stream: correlatetest.Stream("web"), Time: correlatetest.At(3), Body: telemetry.String("[dd.trace_id=11803532876627986230 dd.span_id=2] plain")},
		telemetry.Log{Stream: correlatetest.Stream("pay"), Time: correlatetest.At(4), TraceID: half, Attrs: correlatetest.Attrs("clew.trace.source", "body, dd.trace_id"), Body: telemetry.String("dd.trace_id=11803532876627986230 joined")},
		telemetry.Log{Stream: correlatetest.Stream("pay"), Time: correlatetest.At(5), Body: telemetry.String("dd.trace_id=11803532876627986231 another one's")})
	return s
}

func TestDatadogsNumbersLeadBothWays(t *testing.T) {
	for _, id := range []string{"4bf92f3577b34da6a3ce929d0e0e4736", "11803532876627986230", "a3ce929d0e0e4736", "0000000000000000a3ce929d0e0e4736"} {
		a := ask(t, datadog(), correlate.Request{ID: id, Hops: 2})
		for _, e := range a.Timeline {
			if e.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" && e.Service == "pay" {
				t.Errorf("%s: %q stands in trace %s", id, e.Text, e.TraceID)
			}
		}
		if len(a.Timeline) != 4 || a.Kind != "trace_id" || len(a.Warnings) > 0 {
			t.Errorf("%s: %s", id, story(a))
		}
		var traces []string
		for _, i := range a.IDs {
			if i.Kind == "trace_id" && i.ID != a.ID {
				traces = append(traces, i.ID)
			}
		}
		if len(traces) > 2 {
			t.Errorf("%s: the same trace is listed as %v", id, traces)
		}
	}
}

func TestHeadersAreQuestions(t *testing.T) {
	const span = "00000000000000a1"
	for _, id := range []string{
		correlatetest.TraceHex + ":" + span + ":0:1", correlatetest.TraceHex + "/161;o=1", correlatetest.TraceHex + "-" + span + "-1",
		"Root=1-" + correlatetest.TraceHex[:8] + "-" + correlatetest.TraceHex[8:] + ";Parent=" + span, "projects/shop/traces/" + correlatetest.TraceHex,
		"1-" + correlatetest.TraceHex[:8] + "-" + correlatetest.TraceHex[8:],
	} {
		if a := ask(t, correlatetest.Shop(tenant), correlate.Request{ID: id, Hops: -1}); len(a.Timeline) != 15 {
			t.Errorf("%s: %s", id, story(a))
		}
	}
}

func TestFollowWhereAsked(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("api")
	for i, trace := range []string{"11112222333344445555666677778888", "99998888777766665555444433332222"} {
		s.AddSpans(tenant, telemetry.Span{Stream: st, TraceID: correlatetest.Trace(trace), SpanID: correlatetest.Span("1"), Start: correlatetest.At(i),
			End: correlatetest.At(i + 1), Attrs: correlatetest.Attrs("session.id", "s-1")})
	}
	if a := ask(t, s, correlate.Request{ID: "11112222333344445555666677778888", Hops: 2}); len(a.Traces) != 1 {
		t.Errorf("unasked: %s", story(a))
	}
	if a := ask(t, s, correlate.Request{ID: "11112222333344445555666677778888", Hops: 2, Follow: []correlation.Kind{correlation.SessionID}}); len(a.Traces) != 2 {
		t.Errorf("asked for the session: %s", story(a))
	}
}

// The answer is the same however the records lie in the store.
func TestAnswersDoNotDependOnTheStoresOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	shop := correlatetest.Shop(tenant)
	for i := range shop.SpansOf[tenant] { // an ID everywhere, so that its via is a choice
		shop.SpansOf[tenant][i].Attrs = append(shop.SpansOf[tenant][i].Attrs, correlatetest.Attrs("correlation.id", "corr-1", "order.id", "ord_123abc")...)
	}
	want := ""
	for range 30 {
		rng.Shuffle(len(shop.SpansOf[tenant]), func(i, j int) {
			shop.SpansOf[tenant][i], shop.SpansOf[tenant][j] = shop.SpansOf[tenant][j], shop.SpansOf[tenant][i]
		})
		slices.Reverse(shop.LogsOf[tenant])
		got := story(ask(t, shop, correlate.Request{ID: "req-8f3a2b", Hops: -1}))
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("%s", diff(want, got))
		}
	}
}
