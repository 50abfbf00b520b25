package servicemap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/telemetry"
)

func TestSampledSpansStandForMore(t *testing.T) {
	for name, c := range map[string]struct {
		state string
		attrs []string
		want  float64
	}{
		"not sampled":              {want: 0},
		"half of them":             {state: "ot=th:8", want: 2},
		"one of sixteen":           {state: "vendor=x,ot=rv:1234;th:f", want: 16},
		"all":                      {state: "ot=th:0", want: 0},
		"the older form":           {state: "ot=p:3;r:5", want: 8},
		"a rate":                   {attrs: []string{"SampleRate", "20"}, want: 20},
		"a probability":            {attrs: []string{"sampling.probability", "0.25"}, want: 4},
		"nonsense":                 {state: "ot=th:zz", attrs: []string{"sampling.probability", "7"}, want: 0},
		"another one's state":      {state: "th=8,otx=th:8", want: 0},
		"a threshold out of range": {state: "ot=th:123456789012345", want: 0},
	} {
		s := correlatetest.New()
		s.AddSpans(tenant, telemetry.Span{Stream: correlatetest.Stream("a"), TraceID: correlatetest.Trace("1"), SpanID: correlatetest.Span("1"), Kind: server,
			Start: correlatetest.At(1), End: correlatetest.At(2), TraceState: c.state, Attrs: correlatetest.Attrs(c.attrs...)})
		m := mapOf(t, s, whole)
		if m.Nodes[0].Calls != 1 || m.Nodes[0].EstimatedCalls != c.want || m.Edges[0].EstimatedCalls != c.want {
			t.Errorf("%s: %+v, want an estimate of %g", name, m.Nodes[0], c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	s := correlatetest.New()
	add := func(trace, service, called string, ms int) {
		s.AddSpans(tenant, telemetry.Span{Stream: correlatetest.Stream(service), TraceID: correlatetest.Trace(trace), SpanID: correlatetest.Span("1"), Kind: client,
			Start: correlatetest.At(ms), End: correlatetest.At(ms + 10), Attrs: correlatetest.Attrs("server.address", called)})
	}
	add("1", "a", "x.example", 0)
	add("2", "a", "x.example", 1)
	add("3", "a", "old.example", 2)
	add("4", "a", "x.example", 60_000)
	add("5", "a", "new.example", 60_001)
	q := servicemap.Query{Tenant: tenant, From: correlatetest.At(60_000), To: correlatetest.At(120_000), BeforeFrom: correlatetest.At(0), BeforeTo: correlatetest.At(60_000)}
	var got []string
	for _, e := range mapOf(t, s, q).Edges {
		before := 0
		if e.Before != nil {
			before = e.Before.Calls
		}
		got = append(got, fmt.Sprintf("%s %d before %d %s", e.Target, e.Calls, before, e.Change))
	}
	if want := "new.example 1 before 0 added, old.example 0 before 1 removed, x.example 1 before 2 "; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestBetween(t *testing.T) {
	m := mapOf(t, correlatetest.Shop(tenant), whole)
	for _, c := range []struct {
		source, target string
		nodes, edges   int
	}{{"user", "stock", 4, 3}, {"gateway", "shipping", 4, 3}, {"checkout", "checkout", 1, 0}, {"shipping", "gateway", 0, 0}, {"nobody", "gateway", 0, 0}} {
		if got := m.Between(c.source, c.target); len(got.Nodes) != c.nodes || len(got.Edges) != c.edges {
			t.Errorf("between %s and %s:\n%s", c.source, c.target, text(got))
		}
	}
}

func TestUnpaired(t *testing.T) {
	m := mapOf(t, storeOf(
		spec{id: "2", parent: "1", service: "web", kind: server},
		spec{id: "3", parent: "2", service: "web", kind: client, attrs: []string{"server.address", "pay"}},
		spec{id: "4", parent: "2", service: "web", kind: client, attrs: []string{"server.address", "pay.prod.svc.cluster.local"}},
		spec{id: "5", parent: "3", service: "pay", kind: server},
		spec{id: "6", parent: "2", service: "web", kind: client},
		spec{id: "7", parent: "2", service: "web", kind: client, attrs: []string{"server.address", "api.example.com"}},
	), whole)
	var got []string
	for _, u := range m.Unpaired {
		got = append(got, fmt.Sprintf("%s %s %s %d in %d", u.Service, u.Reason, u.Target, u.Spans, len(u.SampleTraceIDs)))
	}
	if want := "web parent_not_received  1 in 1, web peer_unknown  1 in 1, web server_span_not_received pay 1 in 1"; strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// Services without spans stand on the map by the IDs in their records.
func TestEdgesFromLogs(t *testing.T) {
	s := correlatetest.New()
	line := func(service string, ms int, sev telemetry.Severity, body string) {
		s.AddLogs(tenant, telemetry.Log{Stream: correlatetest.Stream(service), Time: correlatetest.At(ms), Severity: sev, Body: telemetry.String(body)})
	}
	for i := range 10 {
		id := fmt.Sprintf("6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e%02d", i)
		line("nginx", 100*i, 9, `"GET / HTTP/1.1" 200 `+id) // a token here, a request's ID there
		line("legacy", 100*i+1, 9, "request_id="+id+" begins")
		line("legacy", 100*i+5, 9, "request_id="+id+" ends")
		if i < 3 {
			line("billing", 100*i+3, 17, `{"requestId":"`+id+`","correlation_id":"c-`+id+`"}`)
			line("legacy", 100*i+4, 9, `correlation_id=c-`+id) // another ID of the same step
		}
		line("cron", 100*i, 9, "session_id=bot user_id=7") // joins nothing
		line("cron", 100*i+1, 9, "job done")
		line("billing", 100*i, 9, "session_id=bot")
	}
	m := mapOf(t, s, whole)
	var got []string
	for _, e := range m.Edges {
		got = append(got, fmt.Sprintf("%s -> %s %d %d %s", e.Source, e.Target, e.Calls, e.Errors, e.Evidence))
	}
	if want := "legacy -> billing 3 3 logs, nginx -> legacy 10 0 logs"; strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	cfg := servicemap.DefaultConfig()
	cfg.MaxLogsPerID = 2
	m, err := servicemap.New(cfg, s).Map(t.Context(), whole)
	if err != nil || len(m.Edges) > 0 && m.Edges[0].Source == "nginx" {
		t.Errorf("an ID in more records than a request has: %v, %v", m.Edges, err)
	}
	cfg.MaxLogs = 0
	if m, err := servicemap.New(cfg, s).Map(t.Context(), whole); err != nil || len(m.Edges) > 0 || len(m.Nodes) < 4 {
		t.Errorf("turned off: %v, %v", m, err)
	}
	cfg = servicemap.DefaultConfig()
	cfg.MaxLogs = 5
	if m, err := servicemap.New(cfg, s).Map(t.Context(), whole); err != nil || !m.Partial {
		t.Errorf("over the bound: %v, %v", m, err)
	}
}
