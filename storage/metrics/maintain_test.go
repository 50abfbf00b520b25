package metrics

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/clewhq/clew/storage"
)

// blockAges returns how old the ends of the tenant's blocks are.
func blockAges(t *testing.T, tm *Tenant, now time.Time) []time.Duration {
	t.Helper()
	metas, err := tm.BlockMetas()
	if err != nil {
		t.Fatal(err)
	}
	var ages []time.Duration
	for _, m := range metas {
		ages = append(ages, now.Sub(time.UnixMilli(m.MaxTime)))
	}
	return ages
}

func TestMaintenanceCompactsAndDropsTheDataOfAnIdleTenant(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	cfg := testConfig(t.TempDir())
	cfg.Retention = model.Duration(24 * time.Hour)
	s := openTest(t, cfg, Deps{Now: now})
	tm := tenantOf(t, s, "x").(*Tenant)
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	for at := now().Add(-12 * time.Hour); at.Before(now()); at = at.Add(10 * time.Minute) {
		if err := put(tm, ls, at, 1); err != nil {
			t.Fatal(err)
		}
	}
	s.maintainAll(t.Context())
	if got := blockAges(t, tm, now()); len(got) == 0 {
		t.Fatal("nothing was compacted")
	}
	before := len(samples(t, tm))
	if before != 72 {
		t.Errorf("want 72 samples, got %d", before)
	}

	clock.Add(int64(30 * time.Hour)) // nothing comes any more
	q, err := tm.Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	s.maintainAll(t.Context())
	if got := blockAges(t, tm, now()); len(got) == 0 {
		t.Error("blocks were dropped under a reader")
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	// Opening drops the blocks, but reads from the write-ahead log what it
	// still has of them; the next compaction drops that.
	s.maintainAll(t.Context())
	s.maintainAll(t.Context())
	opened := testutil.ToFloat64(s.metrics.reopened)
	s.maintainAll(t.Context())
	if again := testutil.ToFloat64(s.metrics.reopened); opened != 1 || again != opened {
		t.Errorf("want it opened again once, got %g times and then %g", opened, again)
	}
	for _, age := range blockAges(t, tm, now()) {
		if age > time.Duration(cfg.Retention) {
			t.Errorf("a block is left that ended %s ago", age)
		}
	}
	if after := len(samples(t, tm)); after >= before {
		t.Errorf("want fewer than %d samples, got %d", before, after)
	}
}

func TestBoundOfBytes(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.RetentionBytes = 1
	s := openTest(t, cfg, Deps{})
	tm := tenantOf(t, s, "x").(*Tenant)
	for at := time.Now().Add(-12 * time.Hour); at.Before(time.Now()); at = at.Add(10 * time.Minute) {
		if err := put(tm, labels.FromStrings(model.MetricNameLabel, "m"), at, 1); err != nil {
			t.Fatal(err)
		}
	}
	s.maintainAll(t.Context())
	if got := blockAges(t, tm, time.Now()); len(got) != 0 {
		t.Errorf("no block fits into a byte, but there are %d", len(got))
	}
	if got := samples(t, tm); len(got) == 0 {
		t.Error("what is in the head must stay")
	}
}

// On a disk without room a store opens nothing, says why, and comes up by
// itself when there is room.
func TestOpeningOnAFullDisk(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MinFreeBytes = 1000
	s := openTest(t, cfg, Deps{})
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if err := put(tenantOf(t, s, "x"), ls, base, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var free atomic.Uint64
	s = openTest(t, cfg, Deps{DiskFree: func(string) (uint64, error) { return free.Load(), nil }})
	tm := tenantOf(t, s, "x")
	if _, err := tm.Querier(0, 1); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("reading: want ErrDiskFull, got %v", err)
	}
	if err := put(tm, ls, base, 1); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("writing: want ErrDiskFull, got %v", err)
	}
	if h := s.Health(); h.Writable {
		t.Errorf("health: %+v", h)
	}
	free.Store(600) // enough to read, not to write
	if got := samples(t, tm); len(got) != 1 {
		t.Errorf("reading again: %v", got)
	}
	if err := put(tm, ls, base.Add(time.Second), 1); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("writing: want ErrDiskFull, got %v", err)
	}
	free.Store(2000)
	if err := put(tm, ls, base.Add(time.Second), 1); err != nil {
		t.Errorf("writing again: %v", err)
	}
}

func TestTwoProcessesCannotShareAFolder(t *testing.T) {
	cfg := testConfig(t.TempDir())
	openTest(t, cfg, Deps{})
	if _, err := Open(cfg, Deps{}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("want an error about the other process, got %v", err)
	}
}

func TestAPanicIsContained(t *testing.T) {
	now := time.Now()
	s := openTest(t, testConfig(t.TempDir()), Deps{Now: func() time.Time { return now }})
	tm := tenantOf(t, s, "x").(*Tenant)
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if err := put(tm, ls, base, 1); err != nil {
		t.Fatal(err)
	}
	left := tm.open
	cause := errors.New("no chunk today")
	err := left.guard(func() error { panic(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("want the cause, got %v", err)
	}
	tm.fail(left, err)
	if _, err := tm.Querier(0, 1); !errors.Is(err, cause) {
		t.Errorf("a database that panicked is still in use: %v", err)
	}
	now = now.Add(reopenPause)
	if got := samples(t, tm); len(got) != 1 {
		t.Errorf("after opening anew: %v", got)
	}
	if err := put(tm, ls, base.Add(time.Second), 2); err != nil {
		t.Error(err)
	}
	if err := left.Close(); err != nil { // for the leak check; it is left behind otherwise
		t.Error(err)
	}
	for _, log := range left.logs {
		if err := log.close(); err != nil {
			t.Error(err)
		}
	}
	if err := left.guard(func() error { panic("a word") }); err == nil || !strings.Contains(err.Error(), "a word") {
		t.Errorf("got %v", err)
	}
}

func TestPausesDouble(t *testing.T) {
	now := time.Now()
	s := openTest(t, testConfig(t.TempDir()), Deps{Now: func() time.Time { return now }})
	tm := tenantOf(t, s, "x").(*Tenant)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		tm.fail(tm.open, errWriteFailed)
		if got := tm.retry.Sub(now); got != want*time.Second {
			t.Errorf("want a pause of %ds, got %s", want, got)
		}
		now = tm.retry
		if db, err := tm.acquire(); err != nil {
			t.Fatal(err)
		} else {
			tm.release(db)
		}
	}
	if err := put(tm, labels.FromStrings(model.MetricNameLabel, "m"), base, 1); err != nil {
		t.Fatal(err)
	}
	if tm.pause != 0 {
		t.Errorf("a stored commit ends the doubling, got %s", tm.pause)
	}
}
