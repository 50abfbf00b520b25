package metrics

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/clewhq/clew/storage"
)

func TestGroupSyncSharesFlushes(t *testing.T) {
	const callers = 50
	var written, flushes atomic.Int64
	var synced atomic.Int64
	enter, proceed := make(chan struct{}), make(chan struct{})
	g := &groupSync{flush: func() error {
		if flushes.Add(1) == 1 {
			close(enter)
			<-proceed
		}
		synced.Store(written.Load())
		return nil
	}}
	var wg sync.WaitGroup
	call := func() {
		defer wg.Done()
		mine := written.Add(1)
		if _, err := g.wait(); err != nil {
			t.Error(err)
		}
		if got := synced.Load(); got < mine {
			t.Errorf("write %d was acknowledged, but only %d are synced", mine, got)
		}
	}
	wg.Add(1)
	go call()
	<-enter // the first flush runs; all others must wait for the next
	wg.Add(callers)
	for range callers {
		go call()
	}
	for { // until all of them have joined the second round
		g.mu.Lock()
		joined := 0
		if g.next != nil {
			joined = g.next.members
		}
		g.mu.Unlock()
		if joined == callers {
			break
		}
	}
	close(proceed)
	wg.Wait()
	if got := flushes.Load(); got != 2 {
		t.Errorf("want 2 flushes for %d callers, got %d", callers+1, got)
	}
}

func TestGroupSyncTellsEveryoneOfAnError(t *testing.T) {
	broken := errors.New("disk on fire")
	g := &groupSync{flush: func() error { return broken }}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := g.wait(); !errors.Is(err, broken) {
				t.Errorf("want the flush's error, got %v", err)
			}
		})
	}
	wg.Wait()
}

// syncRecorder remembers which files were fsynced, and with how many bytes.
type syncRecorder struct {
	mu    sync.Mutex
	sizes map[string]int64
}

func (r *syncRecorder) fsync(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sizes == nil {
		r.sizes = map[string]int64{}
	}
	r.sizes[f.Name()] = st.Size()
	return nil
}

// An acknowledgement means that every byte of both logs, whichever segment it
// is in, and the names of the segments are on disk.
func TestEveryByteIsSyncedBeforeTheAcknowledgement(t *testing.T) {
	rec := &syncRecorder{}
	cfg := testConfig(t.TempDir())
	cfg.WALSegmentBytes = walPage
	s := openTest(t, cfg, Deps{Fsync: rec.fsync})
	tm := tenantOf(t, s, "x")
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		at := base.Add(time.Duration(i) * time.Second)
		if i%3 == 2 {
			at = at.Add(-30 * time.Minute)
		}
		ls := labels.FromStrings(model.MetricNameLabel, "m", "n", fmt.Sprint(i%7), "padding", incompressible(rnd, 500))
		if err := put(tm, ls, at, 1); err != nil {
			t.Fatal(err)
		}
		checkSynced(t, rec, filepath.Join(cfg.Dir, "x", "wal"))
		checkSynced(t, rec, filepath.Join(cfg.Dir, "x", wlog.WblDirName))
	}
	if _, last, err := wlog.Segments(filepath.Join(cfg.Dir, "x", "wal")); err != nil || last < 3 {
		t.Errorf("the test is to span some segments, got %d, %v", last, err)
	}
}

func incompressible(rnd *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + rnd.IntN(75))
	}
	return string(b)
}

func checkSynced(t *testing.T, rec *syncRecorder, dir string) {
	t.Helper()
	first, last, err := wlog.Segments(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := rec.sizes[dir]; !ok {
		t.Fatalf("folder %s was never synced", dir)
	}
	for i := first; i <= last; i++ {
		name := wlog.SegmentName(dir, i)
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := rec.sizes[name]; got != st.Size() {
			t.Fatalf("%s: %d bytes, %d of them synced", name, st.Size(), got)
		}
	}
}

func TestFailedFsyncIsNotAcknowledgedAndHeals(t *testing.T) {
	broken := errors.New("input/output error")
	var failing atomic.Bool
	now := time.Now()
	s := openTest(t, testConfig(t.TempDir()), Deps{
		Now: func() time.Time { return now },
		Fsync: func(f *os.File) error {
			if failing.Load() {
				return broken
			}
			return f.Sync()
		},
	})
	tm := tenantOf(t, s, "x")
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if err := put(tm, ls, base, 1); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	if err := put(tm, ls, base.Add(time.Second), 2); !errors.Is(err, broken) {
		t.Fatalf("want the fsync's error, got %v", err)
	}
	failing.Store(false)
	// An fsync after a failed one proves nothing, so writes stay refused ...
	if err := put(tm, ls, base.Add(2*time.Second), 3); !errors.Is(err, broken) {
		t.Errorf("want writes refused after a failed fsync, got %v", err)
	}
	if h := s.Health(); h.Writable || !strings.Contains(h.Err, `tenant "x"`) {
		t.Errorf("health: %+v", h)
	}
	if got := samples(t, tm); len(got) == 0 {
		t.Error("reads must go on")
	}
	now = now.Add(reopenPause) // ... until the log was read back from the disk
	if err := put(tm, ls, base.Add(3*time.Second), 4); err != nil {
		t.Errorf("want writes to go on after reopening, got %v", err)
	}
	if h := s.Health(); !h.Writable {
		t.Errorf("health after healing: %+v", h)
	}
}

func TestHealingWaitsForReaders(t *testing.T) {
	now := time.Now()
	s := openTest(t, testConfig(t.TempDir()), Deps{Now: func() time.Time { return now }})
	tm := tenantOf(t, s, "x").(*Tenant)
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if err := put(tm, ls, base, 1); err != nil {
		t.Fatal(err)
	}
	q, err := tm.Querier(0, now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	tm.fail(tm.open, errWriteFailed)
	now = now.Add(time.Hour)
	if err := put(tm, ls, base.Add(time.Second), 2); !errors.Is(err, errWriteFailed) {
		t.Errorf("want writes refused while a reader is there, got %v", err)
	}
	if err := q.Close(); err != nil { // the last one out heals
		t.Fatal(err)
	}
	if err := tm.failure(); err != nil {
		t.Errorf("still refusing: %v", err)
	}
	if err := put(tm, ls, base.Add(2*time.Second), 3); err != nil {
		t.Error(err)
	}
}

func TestFullDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	cfg := testConfig(t.TempDir())
	cfg.MinFreeBytes = 1 << 20
	s := openTest(t, cfg, Deps{DiskFree: func(string) (uint64, error) { return free.Load(), nil }})
	tm := tenantOf(t, s, "x")
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	if err := put(tm, ls, base, 1); err != nil {
		t.Fatal(err)
	}
	free.Store(1 << 10)
	if err := put(tm, ls, base.Add(time.Second), 2); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("want ErrDiskFull, got %v", err)
	}
	if h := s.Health(); h.Writable || !strings.Contains(h.Err, "min_free_bytes") {
		t.Errorf("health: %+v", h)
	}
	if got := samples(t, tm); len(got) != 1 {
		t.Errorf("reads must go on, got %v", got)
	}
	free.Store(1 << 30)
	if err := put(tm, ls, base.Add(2*time.Second), 3); err != nil {
		t.Errorf("want writes to go on by themselves, got %v", err)
	}
	if got := samples(t, tm); len(got) != 2 {
		t.Errorf("want the first and third sample, got %v", got)
	}
}

func TestRollback(t *testing.T) {
	s := openTest(t, testConfig(t.TempDir()), Deps{})
	tm := tenantOf(t, s, "x")
	app := tm.Appender(t.Context())
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m"), base.UnixMilli(), 1); err != nil {
		t.Fatal(err)
	}
	if err := app.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err == nil {
		t.Error("committing after a rollback was accepted")
	}
	if got := samples(t, tm); len(got) != 0 {
		t.Errorf("rolled back, but stored: %v", got)
	}
}

// BenchmarkCommit shows what sharing an fsync brings: commits per second grow
// with the writers although each waits for the disk.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d/samples=100", writers), func(b *testing.B) {
			s := openTest(b, testConfig(b.TempDir()), Deps{})
			tm := tenantOf(b, s, "x")
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				series := make([]labels.Labels, 100)
				for i := range series {
					series[i] = labels.FromStrings(model.MetricNameLabel, "m", "writer", fmt.Sprint(w), "i", fmt.Sprint(i))
				}
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						app := tm.Appender(b.Context())
						for _, ls := range series {
							if _, err := app.Append(0, ls, base.UnixMilli()+n, float64(n)); err != nil {
								b.Error(err)
							}
						}
						if err := app.Commit(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

func TestSegmentsOfAMissingFolder(t *testing.T) {
	if _, err := openSegments(filepath.Join(t.TempDir(), "nothing"), (*os.File).Sync); err == nil {
		t.Error("a folder that is not there was opened")
	}
}
