package storagetest

import (
	"testing"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func spansEqual(t *testing.T, s storage.Store) {
	all := fillSpans(t, s, NewGen(11), 6, 120)
	if d := DiffSpans(Spans(t, s, storage.SpanQuery{Tenant: Tenant}), all); d != "" {
		t.Fatal(d)
	}
}

func spansByTrace(t *testing.T, s storage.Store) {
	g := NewGen(12)
	all := fillSpans(t, s, g, 5, 100)
	for i := 0; i < len(all); i += 17 {
		ids := []telemetry.TraceID{all[i].TraceID, all[len(all)-1-i].TraceID, g.TraceID()}
		want := where(all, func(s *telemetry.Span) bool { return s.TraceID == ids[0] || s.TraceID == ids[1] })
		if d := DiffSpans(Spans(t, s, storage.SpanQuery{Tenant: Tenant, TraceIDs: ids}), want); d != "" {
			t.Fatalf("traces %v: %s", ids, d)
		}
	}
	if got := Spans(t, s, storage.SpanQuery{Tenant: Tenant, TraceIDs: []telemetry.TraceID{g.TraceID()}}); len(got) != 0 {
		t.Fatalf("%d spans of a trace that there is not", len(got))
	}
}

func spansByID(t *testing.T, s storage.Store) {
	all := fillSpans(t, s, NewGen(13), 4, 80)
	carrying := map[string][]telemetry.Span{}
	for i := range all {
		for _, id := range correlation.AppendSpan(nil, &all[i]) {
			carrying[id.Value] = append(carrying[id.Value], all[i])
		}
	}
	tried := 0
	for id, want := range carrying {
		if tried++; tried > 60 {
			break
		}
		if d := DiffSpans(Spans(t, s, storage.SpanQuery{Tenant: Tenant, IDs: []string{id}}), want); d != "" {
			t.Fatalf("ID %s: %s", id, d)
		}
		both := storage.SpanQuery{Tenant: Tenant, IDs: []string{id}, TraceIDs: []telemetry.TraceID{want[0].TraceID}}
		narrow := where(want, func(s *telemetry.Span) bool { return s.TraceID == want[0].TraceID })
		if d := DiffSpans(Spans(t, s, both), narrow); d != "" {
			t.Fatalf("ID %s within a trace: %s", id, d)
		}
	}
	if tried < 60 {
		t.Fatalf("only %d IDs in the generated spans", tried)
	}
}

func spansByDuration(t *testing.T, s storage.Store) {
	all := fillSpans(t, s, NewGen(14), 5, 100)
	from, to := all[100].Start, all[300].Start
	least := 700 * time.Millisecond
	q := storage.SpanQuery{Tenant: Tenant, From: from, To: to, MinDuration: least}
	want := where(all, func(s *telemetry.Span) bool { return s.Start >= from && s.Start < to && s.Duration() >= least })
	if d := DiffSpans(Spans(t, s, q), want); d != "" || len(want) == 0 {
		t.Fatalf("%d expected: %s", len(want), d)
	}
	q.Stream = func(st *telemetry.Stream) bool { return st.Service == "service-2" }
	want = where(want, func(s *telemetry.Span) bool { return s.Stream.Service == "service-2" })
	if d := DiffSpans(Spans(t, s, q), want); d != "" {
		t.Fatalf("of one service: %s", d)
	}
}
