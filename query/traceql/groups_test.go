package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
)

// seriesText is all of a metrics query's series with their exemplars.
func seriesText(t *testing.T, e *Engine, q *syntax.Query, exemplars int) string {
	t.Helper()
	base := traceqltest.Base.UnixNano()
	res, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: q, From: base, To: base + 1e8, Step: 2e7, Exemplars: exemplars})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	var out strings.Builder
	for i := range res.Series {
		fmt.Fprintf(&out, "%s %v %v\n", res.Series[i].PromLabels(), res.Series[i].Values, res.Series[i].Exemplars)
	}
	return out.String() + strings.Join(res.Warnings, ";")
}

// TestGroupsEqualSpans asks a store that tells of spans in groups, and one that
// hands them out.
func TestGroupsEqualSpans(t *testing.T) {
	grouped := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 4))
		store := &traceqltest.Store{Tenant: "t", All: traceqltest.RandomSpans(r)}
		groups := &traceqltest.Grouper{Store: store}
		text := traceqltest.RandomMetrics(r)
		q, err := syntax.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		limit := r.IntN(3) * 5
		want := seriesText(t, newEngine(store), q, limit)
		got := seriesText(t, newEngine(groups), q, limit)
		if got != want {
			t.Fatalf("seed %d: %s\n got: %s\nwant: %s", seed, text, got, want)
		}
		if groups.Groups > 0 {
			grouped++
		}
	}
	if grouped < 500 {
		t.Errorf("only %d queries were answered by groups: the test tests little", grouped)
	}
}
