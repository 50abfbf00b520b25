package local

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func mustFlush(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func mustTidy(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Tidy(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// testClock is a clock that tests move.
type testClock struct{ at atomic.Int64 }

func newClock() *testClock {
	c := &testClock{}
	c.at.Store(storagetest.Base)
	return c
}

func (c *testClock) now() time.Time { return time.Unix(0, c.at.Add(1000)) }

func (c *testClock) advance(d time.Duration) { c.at.Add(int64(d)) }

// TestDuplicatesAcrossRestarts: a request stays known within the window,
// through flushes, restarts and power cuts, and no longer.
func TestDuplicatesAcrossRestarts(t *testing.T) {
	fs, clock := vfs.NewCrashableMem(), newClock()
	cfg := testConfig()
	cfg.DedupWindow = model.Duration(time.Hour)
	open := func() *Store {
		s, err := Open(cfg, Deps{FS: fs, Now: clock.now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	b := storagetest.NewGen(1).Logs(10)
	storagetest.WriteLogs(t, s, tenantA, b)
	again := func(what string) {
		t.Helper()
		if r, err := s.WriteLogs(context.Background(), tenantA, b); err != nil || !r.Duplicate {
			t.Fatalf("%s: %+v, %v", what, r, err)
		}
	}
	again("at once")
	for i, step := range []func(){
		func() {},
		func() { mustFlush(t, s) },
		func() { storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(2).Logs(3)); mustFlush(t, s) },
		func() {},
	} {
		step()
		again("before the restart")
		mustClose(t, s)
		if i%2 == 1 {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
		}
		s = open()
		again("after the restart")
	}
	clock.advance(time.Hour)
	if r, err := s.WriteLogs(context.Background(), tenantA, b); err != nil || r.Duplicate {
		t.Errorf("after the window: %+v, %v", r, err)
	}
	if n := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA})); n != 23 {
		t.Errorf("%d records, want 23", n)
	}
	mustClose(t, s)
	s = open()
	if n := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA})); n != 23 {
		t.Errorf("%d records after a restart, want 23", n)
	}
	mustClose(t, s)
}

func TestRetention(t *testing.T) {
	fs, clock := vfs.NewMem(), newClock()
	cfg := testConfig()
	cfg.Retention = Retention{Logs: model.Duration(48 * time.Hour)}
	s, err := Open(cfg, Deps{FS: fs, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	g := storagetest.NewGen(1)
	g.Spread = int64(6 * time.Hour)
	logs, spans := g.Logs(20), g.Spans(20)
	storagetest.WriteLogs(t, s, tenantA, logs)
	storagetest.WriteSpans(t, s, tenantA, spans)
	mustFlush(t, s)
	last := logs.Logs[19].Time
	clock.at.Store(last)
	// A read that began before keeps its files.
	n := 0
	for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Stream: func(*telemetry.Stream) bool {
		if n == 0 {
			n = -20
			mustTidy(t, s)
		}
		return true
	}}) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(batch)
	}
	if n != 0 {
		t.Errorf("a read during the removal misses %d of 20 records", -n)
	}
	kept := youngerThan(t, logs.Logs, last-int64(48*time.Hour))
	check := func() {
		t.Helper()
		if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA}), kept); d != "" {
			t.Error(d)
		}
		if d := storagetest.DiffSpans(storagetest.Spans(t, s, storage.SpanQuery{Tenant: tenantA}), spans.Spans); d != "" {
			t.Error(d)
		}
	}
	check()
	if got := testutil.ToFloat64(s.metrics.partitionsDropped.WithLabelValues("logs", tooOld)); got == 0 {
		t.Error("no dropped partition is counted")
	}
	days, err := fs.List("/data/segments/a/logs")
	if err != nil || len(days) > 4 {
		t.Errorf("directories left: %v, %v", days, err)
	}
	mustClose(t, s)
	s, err = Open(cfg, Deps{FS: fs, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	check()
	// The day may come back.
	storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(2).Logs(5))
	mustFlush(t, s)
	mustClose(t, s)
	mustCheck(t, fs)
}

// youngerThan returns the records of days that end after the limit.
func youngerThan(t *testing.T, logs []telemetry.Log, limit int64) (kept []telemetry.Log) {
	t.Helper()
	for _, l := range logs {
		if endOfDay := (l.Time/dayNanos + 1) * dayNanos; endOfDay > limit {
			kept = append(kept, l)
		}
	}
	if len(kept) == 0 || len(kept) == len(logs) {
		t.Fatalf("the test keeps %d of %d records", len(kept), len(logs))
	}
	return kept
}

const dayNanos = int64(24 * time.Hour)

// TestMerge: many flushes make few files, in which everything still is, and a
// read under way goes on.
func TestMerge(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig()
	cfg.CompactFiles = 4
	s, err := Open(cfg, Deps{FS: fs, Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	g := storagetest.NewGen(1)
	var batches []*telemetry.LogBatch
	for range 40 {
		b := g.Logs(30)
		batches = append(batches, b)
		storagetest.WriteLogs(t, s, tenantA, b)
		mustFlush(t, s)
		if len(batches) == 20 {
			mustTidy(t, s)
		}
	}
	next, stop := iter.Pull2(s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Order: storage.NewestFirst}))
	defer stop()
	first, err, _ := next()
	if err != nil {
		t.Fatal(err)
	}
	mustTidy(t, s)
	n := len(first)
	for batch, err, ok := next(); ok; batch, err, ok = next() {
		if err != nil {
			t.Fatal(err)
		}
		n += len(batch)
	}
	if n != 40*30 {
		t.Errorf("a read during the merge sees %d records, want %d", n, 40*30)
	}
	expect(t, s, batches...)
	segments := 0
	for _, path := range files(t, fs, "/data/segments") {
		if strings.HasSuffix(path, segmentSuffix) {
			segments++
		}
	}
	if segments > 8 {
		t.Errorf("%d files after 40 flushes and merges", segments)
	}
	mustClose(t, s)
	s = mustOpen(t, fs, cfg)
	expect(t, s, batches...)
	mustClose(t, s)
	if r := mustCheck(t, fs); r.Records != 40*30 {
		t.Errorf("check counts %d records", r.Records)
	}
}

// TestClosedDayMergesWhole: yesterday ends up in one file.
func TestClosedDayMergesWhole(t *testing.T) {
	clock := newClock()
	s, err := Open(testConfig(), Deps{FS: vfs.NewMem(), Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	g := storagetest.NewGen(1)
	var batches []*telemetry.LogBatch
	for range 2 {
		batches = append(batches, g.Logs(5))
		storagetest.WriteLogs(t, s, tenantA, batches[len(batches)-1])
		mustFlush(t, s)
	}
	mustTidy(t, s)
	if n := len(s.logs.segments[tenantA]); n != 2 {
		t.Fatalf("%d segments of an open day, want 2", n)
	}
	clock.advance(48 * time.Hour)
	mustTidy(t, s)
	if n := len(s.logs.segments[tenantA]); n != 1 {
		t.Errorf("%d segments of a closed day, want 1", n)
	}
	expect(t, s, batches...)
}

// TestFlushByAge: the background flushes by itself what is old.
func TestFlushByAge(t *testing.T) {
	clock := newClock()
	cfg := testConfig()
	cfg.FlushAge = model.Duration(time.Minute)
	s, err := Open(cfg, Deps{FS: vfs.NewMem(), Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	b := storagetest.NewGen(1).Logs(5)
	storagetest.WriteLogs(t, s, tenantA, b)
	if s.flushDue() {
		t.Error("a flush is due at once")
	}
	clock.advance(2 * time.Minute)
	if !s.flushDue() {
		t.Error("no flush is due after two minutes")
	}
	if err := s.flushIfDue(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(s.logs.segments[tenantA]) != 1 {
		t.Error("nothing was flushed")
	}
	expect(t, s, b)
}

// TestReplayFlushes: a log bigger than the memory for the head is replayed
// into segments on the way.
func TestReplayFlushes(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := testConfig()
	cfg.WALFileBytes = 10_000
	s := mustOpen(t, fs, cfg)
	g := storagetest.NewGen(1)
	var batches []*telemetry.LogBatch
	for range 60 {
		b := g.Logs(20)
		batches = append(batches, b)
		storagetest.WriteLogs(t, s, tenantA, b)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, s)
	cfg.FlushBytes = 40_000
	s = mustOpen(t, crashed, cfg)
	if n := len(s.logs.segments[tenantA]); n < 3 {
		t.Errorf("%d segments after the replay", n)
	}
	expect(t, s, batches...)
	again := crashed.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, s)
	s = mustOpen(t, again, cfg)
	expect(t, s, batches...)
	if r, err := s.WriteLogs(context.Background(), tenantA, batches[0]); err != nil || !r.Duplicate {
		t.Errorf("a request of before: %+v, %v", r, err)
	}
	mustClose(t, s)
}

func TestOneProcessOnly(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, fs, testConfig())
	if _, err := Open(testConfig(), Deps{FS: fs}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second open: %v", err)
	}
	if _, err := Check("/data", fs); err == nil {
		t.Error("a running store was checked")
	}
	mustClose(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if _, err := Check("/nowhere", fs); err == nil {
		t.Error("a directory that is no store was checked")
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{}.Validate()
	for _, key := range []string{"dir", "flush_bytes", "block_rows", "compact_files", "maintain_every"} {
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("%s is not refused: %v", key, err)
		}
	}
	if _, err := Open(Config{}, Deps{FS: vfs.NewMem()}); err == nil {
		t.Error("an empty configuration was taken")
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := Open(testConfig(), Deps{FS: vfs.NewMem(), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	g := storagetest.NewGen(1)
	b := g.Logs(7)
	storagetest.WriteLogs(t, s, tenantA, b)
	_, err = s.WriteLogs(context.Background(), tenantA, b)
	mustFlush(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got, want float64
	}{
		"records":    {testutil.ToFloat64(s.metrics.records.WithLabelValues("logs")), 7},
		"batches":    {testutil.ToFloat64(s.metrics.batches.WithLabelValues("logs")), 1},
		"duplicates": {testutil.ToFloat64(s.metrics.duplicates.WithLabelValues("logs")), 1},
		"flushes":    {testutil.ToFloat64(s.metrics.flushes.WithLabelValues(outcomeGood)), 1},
		"segments":   {testutil.ToFloat64(s.metrics.segments.WithLabelValues("logs")), 1},
		"head":       {testutil.ToFloat64(s.metrics.headBytes), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	if _, err := Open(testConfig(), Deps{FS: vfs.NewMem(), Registerer: reg}); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

// TestNestedRead: a reader that asks again while it iterates does not hang,
// not even while the store is being closed.
func TestNestedRead(t *testing.T) {
	s := mustOpen(t, vfs.NewMem(), testConfig())
	storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(1).Logs(300))
	closed := make(chan error, 1)
	first := true
	for _, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA}) {
		if err != nil {
			t.Fatal(err)
		}
		if first {
			first = false
			go func() { closed <- s.Close() }()
		}
		if _, err := s.Tenants(context.Background()); err != nil && !errors.Is(err, storage.ErrClosed) {
			t.Fatal(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestOnRealFiles runs a short life on the machine's own file system.
func TestOnRealFiles(t *testing.T) {
	cfg := testConfig()
	cfg.Dir = t.TempDir() + "/deep/er"
	s := mustOpen(t, vfs.Default, cfg)
	g := storagetest.NewGen(1)
	batches := []*telemetry.LogBatch{g.Logs(100), g.Logs(100)}
	storagetest.WriteLogs(t, s, tenantA, batches[0])
	mustFlush(t, s)
	storagetest.WriteLogs(t, s, tenantA, batches[1])
	expect(t, s, batches...)
	mustClose(t, s)
	s = mustOpen(t, nil, cfg)
	expect(t, s, batches...)
	mustClose(t, s)
	if r, err := Check(cfg.Dir, nil); err != nil || !r.OK() || r.Records != 100 || r.WALRecords != 1 {
		t.Errorf("check: %+v, %v", r, err)
	}
	if !slices.Equal(batches[0].Raw, storagetest.NewGen(1).Logs(100).Raw) {
		t.Error("the store changed the batch")
	}
}
