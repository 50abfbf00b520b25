package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/telemetry"
)

func randomSpanset(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		op := traceqltest.PickOne(r, "&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~")
		return "(" + randomSpanset(r, depth-1) + ") " + op + " (" + randomSpanset(r, depth-1) + ")"
	}
	return "{ " + traceqltest.RandomCondition(r, 2) + " }"
}

func randomQuery(r *rand.Rand) string {
	q := randomSpanset(r, 2)
	for range r.IntN(3) {
		q += " | " + traceqltest.PickOne(r, "count() > 1", "avg(duration) > 5ms", "max(span.a) >= 2", "{ "+traceqltest.RandomCondition(r, 1)+" }",
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
		spans := traceqltest.RandomSpans(r)
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
		spans := traceqltest.RandomSpans(r)
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
		spans := traceqltest.RandomSpans(r)
		q, err := syntax.Parse("{ " + traceqltest.RandomCondition(r, 1) + " }")
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
