package local

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// days writes so many days of logs, a segment each, and returns a day's size
// at most, and all records.
func writeDays(t *testing.T, s *Store, tenant string, n int) (size int64, all []telemetry.Log) {
	t.Helper()
	g := storagetest.NewGen(uint64(n))
	for d := range n {
		b := g.Logs(60)
		for i := range b.Logs {
			b.Logs[i].Time += int64(d) * int64(day)
		}
		storagetest.WriteLogs(t, s, tenant, storagetest.LogBatch(b.Logs))
		mustFlush(t, s)
		all = append(all, b.Logs...)
	}
	for _, h := range s.logs.segments[tenant] {
		size = max(size, h.meta.Bytes)
	}
	return size, all
}

func keptDays(t *testing.T, s *Store, tenant string) (days []record.Day, bytes int64) {
	t.Helper()
	for _, h := range s.logs.segments[tenant] {
		days = append(days, h.meta.Day)
		bytes += h.meta.Bytes
	}
	slices.Sort(days)
	return slices.Compact(days), bytes
}

// TestRetentionBySize: each tenant has its own bound, and the oldest days go.
func TestRetentionBySize(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig()
	s := mustOpen(t, fs, cfg)
	size, all := writeDays(t, s, "big", 6)
	writeDays(t, s, "small", 2)
	writeDays(t, s, "own", 6)
	storagetest.WriteSpans(t, s, "big", storagetest.NewGen(1).Spans(500))
	mustFlush(t, s)
	mustClose(t, s)

	cfg.Retention = Retention{LogsBytes: 3 * size, Tenants: map[string]TenantRetention{"own": {LogsBytes: 0}}}
	s = mustOpen(t, fs, cfg)
	defer mustClose(t, s)
	mustTidy(t, s)
	for tenant, want := range map[string]int{"big": 3, "small": 2, "own": 6} {
		days, bytes := keptDays(t, s, tenant)
		if len(days) < want || tenant != "own" && bytes > 3*size {
			t.Errorf("%s keeps %v in %d bytes, want %d days within %d", tenant, days, bytes, want, 3*size)
		}
	}
	days, _ := keptDays(t, s, "big")
	left := storagetest.Logs(t, s, storage.LogQuery{Tenant: "big", Order: storage.OldestFirst})
	want := slices.DeleteFunc(slices.Clone(all), func(l telemetry.Log) bool { return record.DayOf(l.Time) < days[0] })
	if d := storagetest.DiffLogs(left, want); d != "" || len(left) == len(all) {
		t.Errorf("the newest are left: %s", d)
	}
	if n := len(storagetest.Spans(t, s, storage.SpanQuery{Tenant: "big"})); n < 500 {
		t.Errorf("%d spans, which have no bound", n)
	}
	if testutil.ToFloat64(s.metrics.partitionsDropped.WithLabelValues("logs", tooMuch)) == 0 ||
		testutil.ToFloat64(s.metrics.droppedBytes.WithLabelValues("logs", tooMuch)) == 0 {
		t.Error("the metrics don't count it")
	}
	for _, path := range files(t, fs, "/data/segments/big/logs") {
		if !strings.Contains(path, "/"+days[0].String()+"/") && !slices.ContainsFunc(days, func(d record.Day) bool { return strings.Contains(path, "/"+d.String()+"/") }) {
			t.Errorf("%s is still there", path)
		}
	}
}

// TestRetentionBySizeInADay: a day that is too big by itself loses its oldest
// segments; the newest stays whatever its size.
func TestRetentionBySizeInADay(t *testing.T) {
	cfg := testConfig()
	cfg.CompactFiles = 100
	cfg.Retention = Retention{TracesBytes: 1, LogsBytes: 1}
	s := mustOpen(t, vfs.NewMem(), cfg)
	defer mustClose(t, s)
	g := storagetest.NewGen(1)
	var last *telemetry.LogBatch
	for range 4 {
		last = g.Logs(50)
		storagetest.WriteLogs(t, s, tenantA, last)
		mustFlush(t, s)
	}
	mustTidy(t, s)
	expect(t, s, last)
	mustTidy(t, s)
	expect(t, s, last)
}

// TestRetentionOnABadDisk: while the manifest cannot be written nothing is
// dropped; a crash on the way leaves either.
func TestRetentionOnABadDisk(t *testing.T) {
	mem := vfs.NewCrashableMem()
	f := &switched{err: errorfs.ErrInjected}
	cfg := testConfig()
	cfg.Retention = Retention{LogsBytes: 1, Logs: model.Duration(10000 * 24 * time.Hour)}
	s := mustOpen(t, errorfs.Wrap(mem, f), cfg)
	_, all := writeDays(t, s, tenantA, 3)
	f.on.Store(true)
	if err := s.Tidy(context.Background()); err == nil {
		t.Error("no error")
	}
	f.on.Store(false)
	expect(t, s, storagetest.LogBatch(all))
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	mustTidy(t, s)
	expect(t, s, storagetest.LogBatch(all[120:]))
	mustClose(t, s)
	again := mem.CrashClone(vfs.CrashCloneCfg{})
	s = mustOpen(t, again, cfg)
	expect(t, s, storagetest.LogBatch(all[120:]))
	mustClose(t, s)
	mustCheck(t, again)
	s = mustOpen(t, crashed, cfg)
	expect(t, s, storagetest.LogBatch(all))
	mustClose(t, s)
}

// TestPace: background work keeps to its bytes per second, and stops with its
// context.
func TestPace(t *testing.T) {
	p := newPace(1000)
	began := time.Now()
	if err := p.wait(context.Background(), 300); err != nil || time.Since(began) < 150*time.Millisecond {
		t.Errorf("300 bytes at 1000 a second: %v, %s", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p.wait(ctx, 10_000) == nil || newPace(0).wait(ctx, 1) == nil {
		t.Error("a context that has ended does not end the wait")
	}
	if err := newPace(0).wait(context.Background(), 1<<60); err != nil {
		t.Error(err)
	}
}

// TestRetentionOfTenants: a tenant keeps its records longer or shorter than
// others, and what is asked for changes while the store is open.
func TestRetentionOfTenants(t *testing.T) {
	days := func(n int) *model.Duration {
		d := model.Duration(time.Duration(n) * 24 * time.Hour)
		return &d
	}
	clock, cfg := newClock(), testConfig()
	keep := Retention{Logs: *days(4), Tenants: map[string]TenantRetention{
		"short": {Logs: days(2)}, "long": {Logs: days(0), Traces: days(1)}, "sized": {LogsBytes: 1 << 40},
	}}
	s, err := Open(cfg, Deps{FS: vfs.NewMem(), Now: clock.now, Retention: func() Retention { return keep }})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	tenants := []string{"any", "short", "long", "sized"}
	for _, tenant := range tenants {
		writeDays(t, s, tenant, 8)
	}
	clock.advance(8 * 24 * time.Hour)
	check := func(want map[string]int) {
		t.Helper()
		mustTidy(t, s)
		for _, tenant := range tenants {
			if got, _ := keptDays(t, s, tenant); len(got) != want[tenant] {
				t.Errorf("%s keeps %v, want %d days", tenant, got, want[tenant])
			}
		}
	}
	all, _ := keptDays(t, s, "long")
	check(map[string]int{"any": 4, "sized": 4, "short": 2, "long": len(all)})
	keep.Tenants["long"] = TenantRetention{Logs: days(3)}
	keep.Logs = *days(1)
	check(map[string]int{"any": 1, "sized": 1, "short": 2, "long": 3})
	keep.Tenants["short"] = TenantRetention{Logs: days(-1), LogsBytes: -1}
	if err := keep.Validate(); err == nil || !strings.Contains(err.Error(), "tenants.short.logs:") || !strings.Contains(err.Error(), "tenants.short.logs_bytes") {
		t.Errorf("a negative retention: %v", err)
	}
}

// TestFlushHurries: a flush that nobody waits for takes its time, but not when
// half of the memory for records is in use, and not when the store closes.
func TestFlushHurries(t *testing.T) {
	for name, hurry := range map[string]func(s *Store){
		"memory": func(s *Store) { s.budget.force(s.cfg.HeadBytes) },
		"close":  func(s *Store) { s.cancel() },
	} {
		cfg := testConfig()
		cfg.FlushBytes, cfg.HeadBytes, cfg.FlushBytesPerSecond = 1, 1<<40, 16 // a flush would take days
		s := mustOpen(t, vfs.NewMem(), cfg)
		b := storagetest.NewGen(1).Logs(3 * gentleRows)
		storagetest.WriteLogs(t, s, tenantA, b)
		done := make(chan error, 1)
		go func() { done <- s.flushIfDue(context.Background()) }()
		hurry(s)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		expect(t, s, b)
		mustClose(t, s)
	}
}
