package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/telemetry"
)

// randomSpans makes traces with everything that queries look at, from few
// values, so that queries hit.
func randomSpans(r *rand.Rand) []telemetry.Span {
	var b strings.Builder
	for trace := 1; trace <= 1+r.IntN(8); trace++ {
		fmt.Fprintf(&b, "trace %x\n", trace)
		n := 1 + r.IntN(8)
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "span %x service=s%d name=n%d start=%dms duration=%dms", i, r.IntN(3), r.IntN(3), trace*10+r.IntN(40), r.IntN(20))
			if i > 1 || r.IntN(4) == 0 {
				fmt.Fprintf(&b, " parent=%x", 1+r.IntN(n+1)) // may be missing, itself or in a circle
			}
			fmt.Fprintf(&b, " kind=%s status=%s", pickOne(r, "server", "client", "internal"), pickOne(r, "unset", "ok", "error"))
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, " span.a=%s", pickOne(r, "1", "2", "2.5", `"x"`, "true", "[1,2]", `["x","y"]`))
			}
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, " resource.a=%s", pickOne(r, "1", `"x"`, "3"))
			}
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, " scope=lib%d", r.IntN(2))
			}
			b.WriteByte('\n')
			for range r.IntN(3) {
				fmt.Fprintf(&b, "event e%d at=%dms a=%d\n", r.IntN(2), r.IntN(9), r.IntN(3))
			}
			if r.IntN(4) == 0 {
				fmt.Fprintf(&b, "link trace=%x span=1 a=%d\n", 1+r.IntN(4), r.IntN(3))
			}
		}
	}
	spans, err := traceqltest.Parse(b.String())
	if err != nil {
		panic(err) // the test writes its own input
	}
	r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	return spans
}

func pickOne(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomCondition(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		l, rr := randomCondition(r, depth-1), randomCondition(r, depth-1)
		switch r.IntN(5) {
		case 0:
			return "!(" + l + ")"
		case 1, 2:
			return "(" + l + ") || (" + rr + ")"
		}
		return "(" + l + ") && (" + rr + ")"
	}
	return pickOne(r,
		"name = `n1`", "name != `n0`", "name =~ `n[01]`", "kind = server", "status = error", "status != ok",
		"duration > 5ms", "duration >= 10ms", "duration < 8ms", "10ms < duration",
		"resource.service.name = `s0`", "resource.service.name != `s1`", "resource.service.name =~ `s[12]`",
		"resource.a = 1", "resource.a = nil", "span.a != nil", "span.a = 2", "span.a > 1", "span.a + 1 = 3", ".a = `x`", ".a != 1",
		"event.a = 1", "event:name = `e1`", "event:timeSinceStart > 4ms", "link.a = 2", "link:traceID = `2`",
		"instrumentation:name = `lib1`", "nestedSetParent < 0", "nestedSetParent = -1", "nestedSetParent >= 0", "nestedSetParent > 1",
		"span:childCount > 1", "rootName = `n1`", "rootServiceName = `s0`", "traceDuration > 20ms",
		"trace:id = `2`", "span:id = `3`", "span:parentID = `1`", "parent.a = 1", "parent.resource.service.name = `s0`", "true", "false",
	)
}

func randomSpanset(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		op := pickOne(r, "&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~")
		return "(" + randomSpanset(r, depth-1) + ") " + op + " (" + randomSpanset(r, depth-1) + ")"
	}
	return "{ " + randomCondition(r, 2) + " }"
}

func randomQuery(r *rand.Rand) string {
	q := randomSpanset(r, 2)
	for range r.IntN(3) {
		q += " | " + pickOne(r, "count() > 1", "avg(duration) > 5ms", "max(span.a) >= 2", "{ "+randomCondition(r, 1)+" }",
			"by(resource.service.name)", "select(span.a, event.a)", "min(event.a) < 1")
	}
	return q
}

// naive evaluates a query over every trace, whole, with nothing pushed down.
func naive(spans []telemetry.Span, q *syntax.Query) []string {
	byID := map[telemetry.TraceID][]*telemetry.Span{}
	for i := range spans {
		byID[spans[i].TraceID] = append(byID[spans[i].TraceID], &spans[i])
	}
	eval := compilePipeline(q.Pipeline)
	var out []string
	for id, list := range byID {
		t := NewTrace(id, list)
		sets, err := eval(t, t.whole())
		if err != nil {
			return []string{err.Error()}
		}
		for _, s := range sets {
			out = append(out, fmt.Sprint(id, s.spans))
		}
	}
	slices.Sort(out)
	return out
}

func planned(e *Engine, q *syntax.Query) []string {
	res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q, Whole: true})
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, t := range res.Traces {
		at := map[*telemetry.Span]int32{}
		for i, s := range t.Trace.Spans {
			at[s] = int32(i)
		}
		for _, set := range t.Spansets {
			var spans []int32
			for _, s := range set.Spans {
				spans = append(spans, at[s.Span])
			}
			out = append(out, fmt.Sprint(t.TraceID, spans))
		}
	}
	slices.Sort(out)
	return out
}

// TestPlannedEqualsNaive compares a search with everything pushed down to the
// evaluation of all traces, over random traces and queries.
func TestPlannedEqualsNaive(t *testing.T) {
	hits := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		spans := randomSpans(r)
		text := randomQuery(r)
		q, err := syntax.Parse(text)
		if err != nil {
			continue // by() in front of a spanset operator and such
		}
		e := newEngine(&traceqltest.Store{Tenant: "t", All: spans})
		want, got := naive(spans, q), planned(e, q)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %s\n got: %v\nwant: %v", seed, text, got, want)
		}
		if len(want) > 0 {
			hits++
		}
	}
	if hits < 700 {
		t.Errorf("only %d queries found anything: the test tests little", hits)
	}
}

// TestMetricsEqualSearch compares counting by metrics queries, which may take
// the way without whole traces, to the spans that a search finds.
func TestMetricsEqualSearch(t *testing.T) {
	base := traceqltest.Base.UnixNano()
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 2))
		spans := randomSpans(r)
		text := randomSpanset(r, 1)
		q, err := syntax.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		m, err := syntax.Parse(text + " | count_over_time()")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		e := newEngine(&traceqltest.Store{Tenant: "t", All: spans})
		res, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: m, From: base, To: base + 2e8, Step: 1e8})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got float64
		for _, s := range res.Series {
			for _, v := range s.Values {
				got += v
			}
		}
		found, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := 0
		for _, tr := range found.Traces {
			for _, set := range tr.Spansets {
				want += set.Matched
			}
		}
		if int(got) != want {
			t.Fatalf("seed %d: %s: counted %v, found %d", seed, text, got, want)
		}
	}
}

// TestNewestFirst demands exactly the newest traces that match, whatever the
// limit, and in their order.
func TestNewestFirst(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		spans := randomSpans(r)
		q, err := syntax.Parse("{ " + randomCondition(r, 1) + " }")
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(&traceqltest.Store{Tenant: "t", All: spans})
		all, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q})
		if err != nil {
			t.Fatal(err)
		}
		limit := 1 + r.IntN(4)
		some, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		want := all.Traces[:min(limit, len(all.Traces))]
		same := slices.EqualFunc(some.Traces, want, func(a, b TraceResult) bool { return a.Start == b.Start })
		ordered := slices.IsSortedFunc(all.Traces, func(a, b TraceResult) int { return int(b.Start - a.Start) })
		if !same || !ordered {
			t.Fatalf("seed %d: %s limit %d: got %d traces, not the newest of %d", seed, q, limit, len(some.Traces), len(all.Traces))
		}
	}
}
