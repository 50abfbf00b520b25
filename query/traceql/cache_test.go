package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/telemetry"
)

// rainOf makes spans at a second's distance.
func rainOf(t testing.TB, seconds int) []telemetry.Span {
	t.Helper()
	var b strings.Builder
	for i := range seconds {
		fmt.Fprintf(&b, "trace %d\n  span a%d service=s%d name=n%d kind=server start=%ds duration=%dms span.n=%d\n", i+1, i, i%3, i%5, i, i%40+2, i%7)
		if i%4 == 0 {
			fmt.Fprintf(&b, "  span b%d parent=a%d service=s9 name=sub start=%ds duration=1ms status=error span.f=%d.5\n", i, i, i, i)
		}
	}
	spans, err := traceqltest.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return spans
}

func askRange(t testing.TB, e *Engine, query string, from, to, step time.Duration, exemplars int) *MetricsResult {
	t.Helper()
	base := traceqltest.Base.UnixNano()
	res, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: mustParse(t, query),
		From: base + int64(from), To: base + int64(to), Step: int64(step), Exemplars: exemplars})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestKeptIsFresh: what is answered from the cache is what would be read, for
// ranges that move and data that come late.
func TestKeptIsFresh(t *testing.T) {
	all := rainOf(t, 600)
	queries := []string{
		"{ } | rate()", "{ } | count_over_time() by (name)", "{ status = error } | rate() by (resource.service.name)",
		"{ } | avg_over_time(duration) by (name)", "{ kind = server } | quantile_over_time(duration, 0.5, 0.9) by (resource.service.name)",
		"{ } | histogram_over_time(duration)", "{ } | max_over_time(span.n) by (span.f)", "{ } | sum_over_time(span.f)",
		"{ name = `none` } | rate()", "{ } | min_over_time(span.n) by (kind, name) | topk(2)",
		"({ status = error } | rate()) / ({ } | rate())", "{ } > { status = error } | rate()", "{ } | compare({ status = error })",
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	store := &traceqltest.Store{Tenant: "t"}
	kept := New(DefaultConfig(), store, nil, nil)
	off := DefaultConfig()
	off.CacheBytes = 0
	fresh := New(off, store, nil, nil)
	for i := 0; len(all) > 0; i++ {
		n := min(len(all), rnd.IntN(60)+1)
		if i%5 == 4 { // some come late
			store.Add(all[len(all)-n:]...)
			all = all[:len(all)-n]
		} else {
			store.Add(all[:n]...)
			all = all[n:]
		}
		for range 6 {
			q := queries[rnd.IntN(len(queries))]
			from := time.Duration(rnd.IntN(300)) * time.Second
			to := from + time.Duration(rnd.IntN(400)+1)*time.Second
			step := []time.Duration{time.Second, 3 * time.Second, 10 * time.Second}[rnd.IntN(3)]
			got := strings.Join(seriesAnswer(askRange(t, kept, q, from, to, step, 0)), "\n")
			want := strings.Join(seriesAnswer(askRange(t, fresh, q, from, to, step, 0)), "\n")
			if got != want {
				t.Fatalf("%s from %s to %s by %s\n got:\n%s\nwant:\n%s", q, from, to, step, got, want)
			}
		}
	}
}

// TestKeptReadsOnlyWhatIsNew: a dashboard that asks again a little later.
func TestKeptReadsOnlyWhatIsNew(t *testing.T) {
	store := &traceqltest.Store{Tenant: "t", All: rainOf(t, 400)}
	e := New(DefaultConfig(), store, nil, nil)
	scanned := func(from, to time.Duration) (int, PlanInfo) {
		before := store.Scanned
		res := askRange(t, e, "{ } | rate() by (name)", from, to, time.Second, 10)
		return store.Scanned - before, res.Explain.Plans[0]
	}
	if n, _ := scanned(0, 300*time.Second); n < 300 {
		t.Errorf("the first time %d spans were read, want all", n)
	}
	n, plan := scanned(0, 300*time.Second)
	if n != 0 || plan.Slices == 0 || plan.KnownSlices != plan.Slices {
		t.Errorf("the second time %d spans were read, %+v, want none", n, plan)
	}
	n, plan = scanned(10*time.Second, 310*time.Second)
	if n == 0 || n > 60 || plan.KnownSlices == 0 {
		t.Errorf("ten seconds later %d spans were read, %+v, want those of the last slice", n, plan)
	}
	store.Add(store.All[10]) // late, into the first slice
	if n, _ = scanned(10*time.Second, 310*time.Second); n == 0 || n > 60 {
		t.Errorf("with a late span %d spans were read, want those of its slice", n)
	}
}

// TestKeptExemplars: a trace gives one, all together are no more than asked
// for, and each lies in the range.
func TestKeptExemplars(t *testing.T) {
	store := &traceqltest.Store{Tenant: "t", All: rainOf(t, 400)}
	e := New(DefaultConfig(), store, nil, nil)
	base := traceqltest.Base.UnixNano()
	for range 2 {
		for _, from := range []time.Duration{0, 17 * time.Second, 100 * time.Second} {
			res := askRange(t, e, "{ } | max_over_time(duration) by (name)", from, 350*time.Second, time.Second, 20)
			seen, total := map[string]bool{}, 0
			for _, s := range res.Series {
				for _, x := range s.Exemplars {
					total++
					id := x.Labels[0].Value.Str()
					if seen[id] || x.Time < base+int64(from)-int64(time.Second) || x.Time > base+int64(350*time.Second) {
						t.Errorf("exemplar %s at %d is there twice or out of range", id, x.Time-base)
					}
					seen[id] = true
				}
			}
			if total == 0 || total > 20 {
				t.Errorf("got %d exemplars, want 1 to 20", total)
			}
		}
	}
}

// TestKeptNothingPartial: an answer that is not whole, and one of a store that
// cannot tell its version, is read again.
func TestKeptNothingPartial(t *testing.T) {
	store := &traceqltest.Store{Tenant: "t", All: rainOf(t, 100)}
	cfg := DefaultConfig()
	cfg.MaxSeries = 2
	e := New(cfg, store, nil, nil)
	for range 2 {
		before := store.Scanned
		res := askRange(t, e, "{ } | rate() by (name)", 0, 90*time.Second, time.Second, 0)
		if len(res.Warnings) != 1 || len(res.Series) != 2 || store.Scanned == before {
			t.Errorf("got %d series, warnings %q, %d spans read", len(res.Series), res.Warnings, store.Scanned-before)
		}
	}
}
