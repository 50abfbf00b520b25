package servicemap_test

import (
	"context"
	"iter"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// plain is a store that costs nothing, for benchmarks.
type plain struct{ *correlatetest.Store }

func (p plain) Spans(_ context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) { yield(p.SpansOf[q.Tenant], nil) }
}
