package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// TestCountLogGroups compares counts in groups with those of what is read: of
// segments, of what is still in memory, and of both.
func TestCountLogGroups(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir, cfg.Retention, cfg.BlockRows = "data", Retention{}, 64
	s := mustOpen(t, vfs.NewMem(), cfg)
	defer func() { _ = s.Close() }()
	g := storagetest.NewGen(5)
	ctx := context.Background()
	first, last := int64(1<<62), int64(0)
	for i := range 4 {
		b := g.Logs(150)
		for j := range b.Logs {
			first, last = min(first, b.Logs[j].Time), max(last, b.Logs[j].Time)
		}
		if _, err := s.WriteLogs(ctx, "a", b); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	span := last - first
	key := func(part string) func(string) bool { return func(k string) bool { return strings.Contains(k, part) } }
	for name, q := range map[string]storage.LogQuery{
		"all":      {From: first, To: last + 1},
		"a part":   {From: first + span/3, To: last - span/3},
		"text":     {From: first, To: last + 1, Text: []string{"a"}},
		"severity": {From: first, To: last + 1, MinSeverity: 13},
		"nothing":  {From: last + 1, To: last + 2},
	} {
		for _, by := range [][]storage.LogText{
			nil, {{Field: storage.FieldSeverityText}}, {{Key: key("e")}}, {{Field: storage.FieldEventName, Key: key("a")}, {Key: key("o")}}, {{Key: key("\x00none")}},
		} {
			for _, width := range []int64{0, span/50 + 1} {
				checkGroups(t, s, fmt.Sprintf("%s by %d texts", name, len(by)), q, width, by)
			}
		}
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	err := s.CountLogGroups(stopped, storage.LogQuery{Tenant: "a", From: first, To: last + 1}, 0, nil, func(storage.LogGroup, int64) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a count that was stopped: %v", err)
	}
}

func groupName(g storage.LogGroup) string {
	return fmt.Sprintf("%x %d %d %q", g.Stream.ID, g.Bin, g.Severity, g.Texts)
}

func checkGroups(t *testing.T, s *Store, name string, q storage.LogQuery, width int64, by []storage.LogText) {
	t.Helper()
	q.Tenant = "a"
	want := map[string]int64{}
	for batch, err := range s.Logs(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			l := &batch[i]
			if len(q.Text) > 0 && !strings.Contains(l.Body.Text(), q.Text[0]) || l.Severity != 0 && l.Severity < q.MinSeverity {
				continue
			}
			g := storage.LogGroup{Stream: l.Stream, Severity: l.Severity, Texts: []string{}}
			if width > 0 {
				g.Bin = int((l.Time - q.From) / width)
			}
			for _, x := range by {
				g.Texts = append(g.Texts, x.Of(l))
			}
			want[groupName(g)]++
		}
	}
	got := map[string]int64{}
	var stats storage.ReadStats
	q.Stats = &stats
	err := s.CountLogGroups(context.Background(), q, width, by, func(g storage.LogGroup, n int64) { got[groupName(g)] += n })
	if err != nil || !maps.Equal(got, want) || len(stats.Warnings) > 0 {
		t.Errorf("%s in bins of %d: %v, %v: %d groups, want %d", name, width, err, stats.Warnings, len(got), len(want))
	}
}

// TestLogsVersion holds that the version of a range changes with every batch
// and deletion that touches it, and stays where nothing does.
func TestLogsVersion(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir, cfg.Retention = "data", Retention{}
	s := mustOpen(t, vfs.NewMem(), cfg)
	defer func() { _ = s.Close() }()
	ctx := context.Background()
	at := func(from, to int64) storage.Version {
		v, err := s.LogsVersion(ctx, "a", from, to)
		if err != nil || v == (storage.Version{}) {
			t.Fatal(v, err)
		}
		return v
	}
	const second = int64(1e9)
	st := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
	base := storagetest.NewGen(1).Logs(1).Logs[0].Time
	write := func(tenant string, times ...int64) {
		var logs []telemetry.Log
		for _, when := range times {
			logs = append(logs, telemetry.Log{Stream: st, Time: base + when*second, Body: telemetry.String("x")})
		}
		b, err := otlp.DecodeLogs(otlp.AppendLogs(nil, logs))
		if err == nil {
			_, err = s.WriteLogs(ctx, tenant, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	lo, mid, hi := base, base+100*second, base+200*second
	write("a", 10, 20)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	old, young, all := at(lo, mid), at(mid, hi), at(lo, hi)
	if old == young || old != at(lo, mid) {
		t.Errorf("%v of what is stored, %v of nothing", old, young)
	}
	write("a", 150)
	write("b", 50)
	if at(lo, mid) != old || at(mid, hi) == young || at(lo, hi) == all {
		t.Error("a new batch has to change the versions of the ranges that it is in, and no others")
	}
	young = at(mid, hi)
	write("a", 151)
	if at(mid, hi) == young {
		t.Error("the next batch has not changed the version")
	}
	write("a", 15) // late
	if at(lo, mid) == old {
		t.Error("what came late has not changed the version")
	}
	old = at(lo, mid)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	write("a", 16)
	if at(lo, mid) == old {
		t.Error("what came after the flush has not changed the version")
	}
}
