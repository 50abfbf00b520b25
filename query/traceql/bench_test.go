package traceql

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// benchStore yields the same spans again and again, without a copy, so that a
// benchmark measures the engine and not its test store.
type benchStore struct {
	*traceqltest.Store
	batch  []telemetry.Span
	rounds int
}

func (b *benchStore) Spans(_ context.Context, _ storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) {
		for range b.rounds {
			if !yield(b.batch, nil) {
				return
			}
		}
	}
}

// BenchmarkMetrics measures metrics queries that need single spans only, in
// spans a second.
func BenchmarkMetrics(b *testing.B) {
	text := ""
	for i := range 1000 {
		text += fmt.Sprintf("trace %x\nspan %x service=s%d name=n%d start=%dms duration=%dus span.http.method=GET span.http.status_code=%d resource.region=eu span.user=u%d\n",
			i+1, i+1, i%10, i%20, i*50, i*37, 200+i%5*100, i)
	}
	spans, err := traceqltest.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	base := traceqltest.Base.UnixNano()
	for _, q := range []string{
		"{ } | rate()",
		"{ resource.service.name = `s1` } | rate()",
		"{ span.http.status_code >= 500 } | rate() by (resource.service.name, name)",
		"{ name =~ `n1.*` && duration > 1ms } | quantile_over_time(duration, .5, .99) by (resource.service.name)",
	} {
		b.Run(q, func(b *testing.B) {
			store := &benchStore{&traceqltest.Store{Tenant: "t"}, spans, 100}
			e := New(DefaultConfig(), store, nil, nil)
			parsed := mustParse(b, q)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n += store.rounds * len(spans)
				if _, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: parsed, From: base, To: base + 60e9, Step: 1e9}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "spans/s")
		})
	}
}
