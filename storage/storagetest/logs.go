package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func logsEqual(t *testing.T, s storage.Store) {
	all := fill(t, s, NewGen(1), 6, 150)
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant}), all); d != "" {
		t.Fatal(d)
	}
}

func logOrder(t *testing.T, s storage.Store) {
	g := NewGen(2)
	all := fill(t, s, g, 8, 100)
	slices.SortFunc(all, func(a, b telemetry.Log) int { return int(a.Time - b.Time) })
	from, to := all[150].Time, all[500].Time
	for _, c := range []struct {
		name     string
		from, to int64
		want     []telemetry.Log
	}{
		{"all", 0, 0, all},
		{"from is in", from, 0, all[150:]},
		{"to is out", 0, to, all[:500]},
		{"both", from, to, all[150:500]},
		{"one nanosecond", from, from + 1, all[150:151]},
		{"nothing", 1, 2, nil},
	} {
		for _, order := range []storage.Order{storage.OrderAny, storage.OldestFirst, storage.NewestFirst} {
			got := Logs(t, s, storage.LogQuery{Tenant: Tenant, From: c.from, To: c.to, Order: order})
			want := slices.Clone(c.want)
			if order == storage.NewestFirst {
				slices.Reverse(want)
			}
			if order != storage.OrderAny {
				for i := range min(len(got), len(want)) {
					if got[i].Time != want[i].Time {
						t.Fatalf("%s, order %d: record %d is at %d, want %d", c.name, order, i, got[i].Time, want[i].Time)
					}
				}
			}
			if d := DiffLogs(got, want); d != "" {
				t.Fatalf("%s, order %d: %s", c.name, order, d)
			}
		}
	}
}

// sameNanosecond asks in pages, as clients do: the order of records of one
// nanosecond must not depend on the range, nor on the store. It is that of their
// streams, and within one that of their arrival.
func sameNanosecond(t *testing.T, s storage.Store) {
	g := NewGen(3)
	var want []telemetry.Log
	for range 4 {
		logs := make([]telemetry.Log, 50)
		for i := range logs {
			logs[i] = g.Log()
			logs[i].Time = Base + int64(i%5)
		}
		want = append(want, logs...)
		WriteLogs(t, s, Tenant, LogBatch(logs))
	}
	slices.SortStableFunc(want, func(a, b telemetry.Log) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]))
	})
	for _, order := range []storage.Order{storage.OldestFirst, storage.NewestFirst} {
		if order == storage.NewestFirst {
			slices.Reverse(want)
		}
		sameOrder(t, s, storage.LogQuery{Tenant: Tenant, Order: order}, want)
		for ns := range int64(5) {
			q := storage.LogQuery{Tenant: Tenant, Order: order, From: Base + ns, To: Base + ns + 1}
			sameOrder(t, s, q, where(want, func(l *telemetry.Log) bool { return l.Time == Base+ns }))
		}
	}
}

func sameOrder(t *testing.T, s storage.Store, q storage.LogQuery, want []telemetry.Log) {
	t.Helper()
	got := Logs(t, s, q)
	if len(got) != len(want) {
		t.Fatalf("order %d from %d to %d: %d records, want %d", q.Order, q.From, q.To, len(got), len(want))
	}
	for i := range got {
		if d := DiffLog(&got[i], &want[i]); d != "" {
			at := slices.IndexFunc(want, func(l telemetry.Log) bool { return DiffLog(&got[i], &l) == "" })
			t.Fatalf("order %d from %d to %d: record %d is that of place %d: %s", q.Order, q.From, q.To, i, at, d)
		}
	}
}

func earlyStop(t *testing.T, s storage.Store) {
	all := fill(t, s, NewGen(4), 10, 200)
	newest := all[0].Time
	for i := range all {
		newest = max(newest, all[i].Time)
	}
	for range 20 {
		for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: Tenant, Order: storage.NewestFirst}) {
			if err != nil || len(batch) == 0 {
				t.Fatalf("%d records, %v", len(batch), err)
			}
			if batch[0].Time != newest {
				t.Fatalf("the first record is at %d, want the newest, at %d", batch[0].Time, newest)
			}
			break
		}
	}
}

func logsByID(t *testing.T, s storage.Store) {
	g := NewGen(5)
	all := fill(t, s, g, 6, 120)
	carrying := map[string][]telemetry.Log{}
	for i := range all {
		for _, id := range correlation.AppendLog(nil, &all[i]) {
			carrying[id.Value] = append(carrying[id.Value], all[i])
		}
	}
	if len(carrying) < 500 {
		t.Fatalf("only %d IDs in the generated records", len(carrying))
	}
	tried := 0
	for id, want := range carrying {
		if tried++; tried > 60 {
			break
		}
		if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant, IDs: []string{id}}), want); d != "" {
			t.Fatalf("ID %s: %s", id, d)
		}
		if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant, IDs: []string{strings.ToUpper(id), "no-such-id-1234567890"}, Order: storage.NewestFirst}), want); d != "" &&
			correlation.Normalize(strings.ToUpper(id)) == id {
			t.Fatalf("ID %s in capitals: %s", id, d)
		}
	}
	if got := Logs(t, s, storage.LogQuery{Tenant: Tenant, IDs: []string{g.RequestID()}}); len(got) != 0 {
		t.Fatalf("%d records with an ID that none carries", len(got))
	}
}

func logsByStream(t *testing.T, s storage.Store) {
	g := NewGen(6)
	all := fill(t, s, g, 5, 100)
	wanted := map[telemetry.StreamID]bool{g.Streams[1].ID: true, g.Streams[3].ID: true}
	q := storage.LogQuery{Tenant: Tenant, Stream: func(s *telemetry.Stream) bool { return wanted[s.ID] }, Order: storage.OldestFirst}
	if d := DiffLogs(Logs(t, s, q), where(all, func(l *telemetry.Log) bool { return wanted[l.Stream.ID] })); d != "" {
		t.Fatal(d)
	}
	q.Stream = func(*telemetry.Stream) bool { return false }
	if got := Logs(t, s, q); len(got) != 0 {
		t.Fatalf("%d records of no stream", len(got))
	}
}

// hints let a store skip, but nothing that the reader might want.
func hints(t *testing.T, s storage.Store) {
	all := fill(t, s, NewGen(7), 5, 100)
	contains := func(list []telemetry.Log, want *telemetry.Log) bool {
		return slices.ContainsFunc(list, func(l telemetry.Log) bool { return l.Time == want.Time && DiffLog(&l, want) == "" })
	}
	texts := Logs(t, s, storage.LogQuery{Tenant: Tenant, Text: []string{"request", "ms"}})
	severe := Logs(t, s, storage.LogQuery{Tenant: Tenant, MinSeverity: telemetry.SeverityError})
	for i := range all {
		l := &all[i]
		if text := l.Body.Text(); strings.Contains(text, "request") && strings.Contains(text, "ms") && !contains(texts, l) {
			t.Fatalf("the record at %d has the text and is missing", l.Time)
		}
		if (l.Severity == 0 || l.Severity >= telemetry.SeverityError) && !contains(severe, l) {
			t.Fatalf("the record at %d has severity %d and is missing", l.Time, l.Severity)
		}
	}
}

func projection(t *testing.T, s storage.Store) {
	all := fill(t, s, NewGen(8), 3, 100)
	slices.SortFunc(all, func(a, b telemetry.Log) int { return int(a.Time - b.Time) })
	got := Logs(t, s, storage.LogQuery{Tenant: Tenant, Order: storage.OldestFirst, Columns: storage.ColSeverity})
	if len(got) != len(all) {
		t.Fatalf("%d records, want %d", len(got), len(all))
	}
	for i := range got {
		g, w := &got[i], &all[i]
		if g.Stream.ID != w.Stream.ID || g.Time != w.Time || g.TraceID != w.TraceID || g.SpanID != w.SpanID ||
			g.Severity != w.Severity || g.SeverityText != w.SeverityText {
			t.Fatalf("record %d is %+v, want %+v", i, g, w)
		}
	}
}
