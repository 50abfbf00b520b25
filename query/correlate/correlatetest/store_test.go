package correlatetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// read gathers what a query yields.
func read[T any](seq func(func([]T, error) bool)) (out []T, err error) {
	for batch, e := range seq {
		if e != nil {
			return out, e
		}
		out = append(out, batch...)
	}
	return out, nil
}

func TestStoreKeepsTheContract(t *testing.T) {
	s, ctx := Shop("acme"), t.Context()
	for name, c := range map[string]struct {
		q    storage.SpanQuery
		want int
	}{
		"all":           {storage.SpanQuery{Tenant: "acme"}, 10},
		"other tenant":  {storage.SpanQuery{Tenant: "other"}, 0},
		"from is in":    {storage.SpanQuery{Tenant: "acme", From: At(200)}, 1},
		"to is out":     {storage.SpanQuery{Tenant: "acme", To: At(5)}, 1},
		"trace":         {storage.SpanQuery{Tenant: "acme", TraceIDs: []telemetry.TraceID{Trace(TraceHex)}}, 9},
		"ID and links":  {storage.SpanQuery{Tenant: "acme", IDs: []string{TraceHex}}, 10},
		"long ones":     {storage.SpanQuery{Tenant: "acme", MinDuration: 80e6}, 3},
		"stream":        {storage.SpanQuery{Tenant: "acme", Stream: func(st *telemetry.Stream) bool { return st.Service == "stock" }}, 1},
		"unknown value": {storage.SpanQuery{Tenant: "acme", IDs: []string{"nothing"}}, 0},
	} {
		if got, err := read(s.Spans(ctx, c.q)); err != nil || len(got) != c.want {
			t.Errorf("%s: %d spans, want %d, %v", name, len(got), c.want, err)
		}
	}
	newest, err := read(s.Logs(ctx, storage.LogQuery{Tenant: "acme", Order: storage.NewestFirst}))
	if err != nil || len(newest) != 5 || !slices.IsSortedFunc(newest, func(a, b telemetry.Log) int { return int(b.Time - a.Time) }) {
		t.Errorf("newest first: %v, %v", newest, err)
	}
	if tenants, err := s.Tenants(ctx); err != nil || !slices.Equal(tenants, []string{"acme"}) {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	if streams, err := s.Streams(ctx, "acme", telemetry.Logs, 0, 0, nil); err != nil || len(streams) != 4 {
		t.Errorf("%d log streams, %v", len(streams), err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := read(s.Logs(canceled, storage.LogQuery{Tenant: "acme"})); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
