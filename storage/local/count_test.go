package local

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// TestCountLogs compares counts with those of what is read: of segments, of
// what is still in memory, and of both.
func TestCountLogs(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Dir, cfg.Retention, cfg.BlockRows = "data", Retention{}, 64
	s := mustOpen(t, vfs.NewMem(), cfg)
	defer func() { _ = s.Close() }()
	g := storagetest.NewGen(3)
	ctx := context.Background()
	var all []telemetry.Log
	for i := range 6 {
		b := g.Logs(300)
		all = append(all, b.Logs...)
		if _, err := s.WriteLogs(ctx, "a", b); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 && i < 5 {
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, last := all[0].Time, all[0].Time
	for i := range all {
		first, last = min(first, all[i].Time), max(last, all[i].Time)
	}
	span := last - first
	some := func(st *telemetry.Stream) bool { return st.ID[0]%2 == 0 }
	long := func(text string) bool { return len(text) > 3 }
	for name, q := range map[string]storage.LogQuery{
		"all":       {From: first, To: last + 1},
		"a part":    {From: first + span/3, To: last - span/3},
		"streams":   {From: first, To: last + 1, Stream: some},
		"text":      {From: first, To: last + 1, Text: []string{"a"}, MinSeverity: 9},
		"a field":   {From: first, To: last + 1, Where: []storage.Condition{{Field: storage.FieldSeverityText, Accept: long}}},
		"attribute": {From: first, To: last + 1, Where: []storage.Condition{{Key: func(k string) bool { return strings.Contains(k, "e") }, Accept: long}}},
		"nothing":   {From: last + 1, To: last + 2},
	} {
		for _, width := range []int64{0, span/7 + 1, span/1000 + 1, span + 2} {
			checkCounts(t, s, name, q, width)
		}
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	err := s.CountLogs(stopped, storage.LogQuery{Tenant: "a", From: first, To: last + 1}, 0, func(*telemetry.Stream, int, int64) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a count that was stopped: %v", err)
	}
}

type countKey struct {
	stream telemetry.StreamID
	bin    int
}

func checkCounts(t *testing.T, s *Store, name string, q storage.LogQuery, width int64) {
	t.Helper()
	q.Tenant = "a"
	want := map[countKey]int64{}
	exact := q
	exact.MinSeverity = 0
	for batch, err := range s.Logs(context.Background(), exact) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			bin := 0
			if width > 0 {
				bin = int((batch[i].Time - q.From) / width)
			}
			if len(q.Text) == 0 || strings.Contains(batch[i].Body.Text(), q.Text[0]) {
				want[countKey{batch[i].Stream.ID, bin}]++
			}
		}
	}
	got := map[countKey]int64{}
	var stats storage.ReadStats
	q.Stats = &stats
	err := s.CountLogs(context.Background(), q, width, func(st *telemetry.Stream, bin int, n int64) { got[countKey{st.ID, bin}] += n })
	if err != nil || !maps.Equal(got, want) || len(stats.Warnings) > 0 {
		t.Errorf("%s in bins of %d: %v, %v: %d counts, want %d", name, width, err, stats.Warnings, len(got), len(want))
	}
}
