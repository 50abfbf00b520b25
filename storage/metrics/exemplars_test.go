package metrics

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
)

func exemplarID(n int) string { return fmt.Sprintf("%032x", n+1) }

// putExemplars commits samples from..to, each with an exemplar of its own ID.
func putExemplars(t *testing.T, tm *Tenant, from, to int) {
	t.Helper()
	app := tm.AppenderV2(context.Background())
	for i := from; i < to; i++ {
		at := base.UnixMilli() + int64(i)
		e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", exemplarID(i), "span_id", exemplarID(i)[16:]), Ts: at, HasTs: true}
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "requests"), 0, at, 1, nil, nil, promstorage.AppendV2Options{Exemplars: []exemplar.Exemplar{e}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Of what is kept nothing is denied, whenever it came; of the rest hardly
// anything is claimed.
func TestMayHaveExemplars(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MaxExemplars = 50
	s := openTest(t, cfg, Deps{})
	check := func(tm *Tenant, last int) {
		t.Helper()
		q, err := tm.ExemplarQuerier(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		all, err := q.Select(0, math.MaxInt64, []*labels.Matcher{anySeries})
		if err != nil || len(all) != 1 {
			t.Fatalf("%d series, %v", len(all), err)
		}
		for _, e := range all[0].Exemplars {
			if id := e.Labels.Get("trace_id"); !tm.MayHaveExemplars([]string{"none", id}) || !tm.MayHaveExemplars([]string{id[16:]}) {
				t.Fatalf("%s is kept, after %d", id, last)
			}
		}
		if tm.MayHaveExemplars([]string{exemplarID(last + 1), "requests", ""}) {
			t.Errorf("one that never came, after %d", last)
		}
	}
	tm := tenantOf(t, s, "anonymous").(*Tenant)
	for n := 0; n < 2000; n += 37 {
		putExemplars(t, tm, n, n+37)
		if n%5 != 0 {
			check(tm, n+37)
		}
	}
	if x := &tm.open.exemplars; len(x.known)+len(x.noted) > 4*notedPerKept*50 {
		t.Errorf("%d and %d IDs are known for 50 exemplars", len(x.known), len(x.noted))
	}
	if tm.MayHaveExemplars([]string{exemplarID(0)}) {
		t.Error("the first one is long gone")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(tenantOf(t, openTest(t, cfg, Deps{}), "anonymous").(*Tenant), 2035)
}
