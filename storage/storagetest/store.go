package storagetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func streams(t *testing.T, s storage.Store) {
	g := NewGen(21)
	all := fill(t, s, g, 5, 100)
	got, err := s.Streams(context.Background(), Tenant, telemetry.Logs, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(got, func(a, b storage.StreamInfo) int { return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]) }) {
		t.Error("the streams are not in the order of their IDs")
	}
	if len(got) != len(g.Streams) {
		t.Fatalf("%d streams, want %d", len(got), len(g.Streams))
	}
	for _, in := range got {
		mine := where(all, func(l *telemetry.Log) bool { return l.Stream.ID == in.Stream.ID })
		first, last := mine[0].Time, mine[0].Time
		for i := range mine {
			first, last = min(first, mine[i].Time), max(last, mine[i].Time)
		}
		if in.Records != int64(len(mine)) || in.First != first || in.Last != last || in.Bytes <= 0 {
			t.Errorf("stream %s: %+v, want %d records from %d to %d", in.Stream.Service, in, len(mine), first, last)
		}
		if d := DiffStream(in.Stream, mine[0].Stream); d != "" {
			t.Error(d)
		}
	}
	if got, err := s.Streams(context.Background(), Tenant, telemetry.Logs, 1, 2, nil); err != nil || len(got) != 0 {
		t.Errorf("streams of a time without any: %v, %v", got, err)
	}
	if got, err := s.Streams(context.Background(), Tenant, telemetry.Traces, 0, 0, nil); err != nil || len(got) != 0 {
		t.Errorf("streams of a signal without any: %v, %v", got, err)
	}
}

// streamsWithin: a stream of logs whose records are before and after a range is
// not of it, though they may stand in the same part of the store.
func streamsWithin(t *testing.T, s storage.Store) {
	g := NewGen(24)
	at := func(i, second int) telemetry.Log {
		return telemetry.Log{Stream: g.Streams[i], Time: Base + int64(second)*1e9, Body: telemetry.String("x")}
	}
	var logs []telemetry.Log
	for i, seconds := range [][]int{{1, 9}, {1, 5, 9}, {4}, {3, 6}, {1, 2, 8, 9}} {
		for _, second := range seconds {
			logs = append(logs, at(i, second))
		}
	}
	WriteLogs(t, s, Tenant, LogBatch(logs))
	// Two have the record that tells in another part.
	WriteLogs(t, s, Tenant, LogBatch([]telemetry.Log{at(4, 5), at(0, 6)}))
	for _, c := range []struct {
		from, to int
		want     []int
	}{
		{4, 6, []int{1, 2, 4}}, {0, 10, []int{0, 1, 2, 3, 4}}, {2, 4, []int{3, 4}}, {5, 9, []int{0, 1, 3, 4}}, {7, 8, nil},
	} {
		got, err := s.Streams(context.Background(), Tenant, telemetry.Logs, Base+int64(c.from)*1e9, Base+int64(c.to)*1e9, nil)
		if err != nil {
			t.Fatal(err)
		}
		var found []int
		for _, in := range got {
			found = append(found, slices.IndexFunc(g.Streams, func(st *telemetry.Stream) bool { return st.ID == in.Stream.ID }))
		}
		slices.Sort(found)
		if !slices.Equal(found, c.want) {
			t.Errorf("streams from second %d to %d: %v, want %v", c.from, c.to, found, c.want)
		}
	}
}

func tenants(t *testing.T, s storage.Store) {
	g := NewGen(22)
	mine, yours := g.Logs(50), g.Logs(60)
	WriteLogs(t, s, "mine", mine)
	WriteLogs(t, s, "yours", yours)
	// The same bytes of another tenant are not a duplicate.
	WriteLogs(t, s, "yours", mine)
	spans := g.Spans(10)
	WriteSpans(t, s, "third", spans)
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: "mine"}), mine.Logs); d != "" {
		t.Error(d)
	}
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: "yours"}), append(slices.Clone(yours.Logs), mine.Logs...)); d != "" {
		t.Error(d)
	}
	if got := Logs(t, s, storage.LogQuery{Tenant: "nobody"}); len(got) != 0 {
		t.Errorf("%d records of nobody", len(got))
	}
	if got := Spans(t, s, storage.SpanQuery{Tenant: "mine", TraceIDs: []telemetry.TraceID{spans.Spans[0].TraceID}}); len(got) != 0 {
		t.Errorf("%d spans of another tenant", len(got))
	}
	got, err := s.Tenants(context.Background())
	if want := []string{"mine", "third", "yours"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("tenants %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "../up", "a/b", "a b"} {
		if _, err := s.WriteLogs(context.Background(), bad, g.Logs(1)); err == nil {
			t.Errorf("a tenant named %q was taken", bad)
		}
	}
}

func duplicates(t *testing.T, s storage.Store) {
	g := NewGen(23)
	logs, spans := g.Logs(40), g.Spans(40)
	for try := range 3 {
		r, err := s.WriteLogs(context.Background(), Tenant, logs)
		if err != nil || r.Duplicate != (try > 0) {
			t.Fatalf("logs, try %d: %+v, %v", try, r, err)
		}
		if r, err = s.WriteSpans(context.Background(), Tenant, spans); err != nil || r.Duplicate != (try > 0) {
			t.Fatalf("spans, try %d: %+v, %v", try, r, err)
		}
	}
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant}), logs.Logs); d != "" {
		t.Error(d)
	}
	if d := DiffSpans(Spans(t, s, storage.SpanQuery{Tenant: Tenant}), spans.Spans); d != "" {
		t.Error(d)
	}
}

func duplicatesTogether(t *testing.T, s storage.Store) {
	g := NewGen(24)
	for range 10 {
		b := g.Logs(20)
		var wg sync.WaitGroup
		stored := make(chan bool, 8)
		for range cap(stored) {
			wg.Go(func() {
				r, err := s.WriteLogs(context.Background(), Tenant, b)
				if err != nil {
					t.Errorf("write: %v", err)
				}
				stored <- !r.Duplicate
			})
		}
		wg.Wait()
		close(stored)
		n := 0
		for first := range stored {
			if first {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d of 8 copies were stored", n)
		}
	}
	if got := Logs(t, s, storage.LogQuery{Tenant: Tenant}); len(got) != 200 {
		t.Fatalf("%d records, want 200", len(got))
	}
}

func empty(t *testing.T, s storage.Store) {
	if r, err := s.WriteLogs(context.Background(), Tenant, &telemetry.LogBatch{}); err != nil || r.Duplicate {
		t.Errorf("logs: %+v, %v", r, err)
	}
	if r, err := s.WriteSpans(context.Background(), Tenant, &telemetry.SpanBatch{}); err != nil || r.Duplicate {
		t.Errorf("spans: %+v, %v", r, err)
	}
	if got, err := s.Tenants(context.Background()); err != nil || len(got) != 0 {
		t.Errorf("tenants of an empty store: %v, %v", got, err)
	}
	if h := s.Health(); !h.Writable || h.Err != "" {
		t.Errorf("health %+v", h)
	}
}

func manyDays(t *testing.T, s storage.Store) {
	g := NewGen(25)
	g.Spread = 3600e9
	all := fill(t, s, g, 4, 50)
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant, Order: storage.NewestFirst}), all); d != "" {
		t.Fatal(d)
	}
	spans := fillSpans(t, s, g, 4, 50)
	if d := DiffSpans(Spans(t, s, storage.SpanQuery{Tenant: Tenant}), spans); d != "" {
		t.Fatal(d)
	}
}

func contextEnds(t *testing.T, s storage.Store) {
	fill(t, s, NewGen(26), 10, 300)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	batches := 0
	for batch, err := range s.Logs(ctx, storage.LogQuery{Tenant: Tenant, Order: storage.OldestFirst}) {
		if last = err; err == nil {
			batches++
			if len(batch) == 0 {
				t.Error("an empty batch")
			}
		} else if batch != nil {
			t.Error("an error with a batch")
		}
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the read ended with %v after %d batches, want the context's error", last, batches)
	}
	if _, err := s.WriteLogs(ctx, Tenant, NewGen(27).Logs(1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
}

// concurrent checks that each read sees what was acknowledged before it began,
// once.
func concurrent(t *testing.T, s storage.Store) {
	const writers, batches, size = 4, 15, 20
	var mu sync.Mutex
	var acked []telemetry.Log
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			g := NewGen(uint64(100 + w))
			g.n = int64(w) * 1e6
			for range batches {
				b := g.Logs(size)
				if _, err := s.WriteLogs(context.Background(), Tenant, b); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				mu.Lock()
				acked = append(acked, b.Logs...)
				mu.Unlock()
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for range 15 {
				mu.Lock()
				before := slices.Clone(acked)
				mu.Unlock()
				seen := map[int64]int{}
				var stats storage.ReadStats
				for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: Tenant, Stats: &stats}) {
					if err != nil {
						t.Errorf("read: %v", err)
						return
					}
					for i := range batch {
						seen[batch[i].Time]++
					}
				}
				if len(stats.Warnings) > 0 {
					t.Errorf("the answer is not whole: %v", stats.Warnings)
				}
				for i := range before {
					if n := seen[before[i].Time]; n != 1 {
						t.Errorf("an acknowledged record came %d times", n)
						return
					}
				}
				for at, n := range seen {
					if n != 1 {
						t.Errorf("the record at %d came %d times", at, n)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if d := DiffLogs(Logs(t, s, storage.LogQuery{Tenant: Tenant}), acked); d != "" {
		t.Fatal(d)
	}
}

func closed(t *testing.T, s storage.Store) {
	g := NewGen(28)
	WriteLogs(t, s, Tenant, g.Logs(10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteLogs(context.Background(), Tenant, g.Logs(1)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("write: %v, want %v", err, storage.ErrClosed)
	}
	for _, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: Tenant}) {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("read: %v, want %v", err, storage.ErrClosed)
		}
	}
}
