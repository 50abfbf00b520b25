package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

const tenantA = "a"

// switched fails operations that write while it is on.
type switched struct {
	on    atomic.Bool
	err   error
	kinds func(errorfs.Op) bool
}

func (f *switched) String() string { return "switched" }

func (f *switched) MaybeError(op errorfs.Op) error {
	if f.on.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && (f.kinds == nil || f.kinds(op)) {
		return f.err
	}
	return nil
}

func isWrite(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite }

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

// TestFaultsOfTheDisk: while the disk fails, writes are refused and nothing of
// them shows; reads go on; afterwards everything works by itself, and after a
// power cut what was acknowledged is there and what was refused is not.
func TestFaultsOfTheDisk(t *testing.T) {
	for name, f := range map[string]*switched{
		"full, write":   {err: syscall.ENOSPC, kinds: isWrite},
		"full, all":     {err: syscall.ENOSPC},
		"broken, write": {err: errorfs.ErrInjected, kinds: isWrite},
		"broken, sync":  {err: errorfs.ErrInjected, kinds: isSync},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			s := mustOpen(t, errorfs.Wrap(mem, f), testConfig())
			g := storagetest.NewGen(1)
			first, refused, last := g.Logs(20), g.Logs(20), g.Logs(20)
			storagetest.WriteLogs(t, s, tenantA, first)
			f.on.Store(true)
			for range 3 {
				_, err := s.WriteLogs(context.Background(), tenantA, refused)
				if err == nil || errors.Is(err, storage.ErrDiskFull) != errors.Is(f.err, syscall.ENOSPC) {
					t.Fatalf("write on a failing disk: %v", err)
				}
			}
			if h := s.Health(); h.Writable == errors.Is(f.err, syscall.ENOSPC) {
				t.Errorf("health %+v", h)
			}
			if err := s.Flush(context.Background()); err == nil {
				t.Error("flush on a failing disk succeeded")
			}
			expect(t, s, first)
			f.on.Store(false)
			storagetest.WriteLogs(t, s, tenantA, last)
			if h := s.Health(); !h.Writable {
				t.Errorf("health %+v", h)
			}
			expect(t, s, first, last)
			crashed := mem.CrashClone(vfs.CrashCloneCfg{})
			if err := s.Flush(context.Background()); err != nil {
				t.Error(err)
			}
			expect(t, s, first, last)
			mustClose(t, s)

			s = mustOpen(t, crashed, testConfig())
			expect(t, s, first, last)
			storagetest.WriteLogs(t, s, tenantA, refused)
			expect(t, s, first, last, refused)
			mustClose(t, s)
			mustCheck(t, crashed)
		})
	}
}

func expect(t *testing.T, s *Store, batches ...*telemetry.LogBatch) {
	t.Helper()
	var want []telemetry.Log
	for _, b := range batches {
		want = append(want, b.Logs...)
	}
	if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA, Order: storage.NewestFirst}), want); d != "" {
		t.Fatal(d)
	}
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustCheck(t *testing.T, fs vfs.FS) Report {
	t.Helper()
	r, err := Check("/data", fs)
	if err != nil || !r.OK() {
		t.Fatalf("check: %v, %v", err, r.Problems)
	}
	return r
}

// smallDisk says that as much is free as it is told.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load(), TotalBytes: 1 << 40}, nil
}

func TestMinFreeBytes(t *testing.T) {
	cfg := testConfig()
	cfg.MinFreeBytes = 1000
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(2000)
	now := atomic.Int64{}
	s, err := Open(cfg, Deps{FS: disk, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	g := storagetest.NewGen(1)
	storagetest.WriteLogs(t, s, tenantA, g.Logs(1))
	disk.free.Store(999)
	now.Add(10)
	_, err = s.WriteLogs(context.Background(), tenantA, g.Logs(1))
	if !errors.Is(err, storage.ErrDiskFull) || !strings.Contains(err.Error(), "999 bytes free") {
		t.Errorf("write: %v", err)
	}
	if h := s.Health(); h.Writable || h.Err == "" {
		t.Errorf("health %+v", h)
	}
	if n := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA})); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	disk.free.Store(1000)
	now.Add(10)
	storagetest.WriteLogs(t, s, tenantA, g.Logs(1))
}

func TestOverloaded(t *testing.T) {
	cfg := testConfig()
	cfg.FlushBytes, cfg.HeadBytes = 50_000, 100_000
	cfg.WriteWait = model.Duration(time.Millisecond)
	f := &switched{err: errorfs.ErrInjected, kinds: func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, segmentSuffix) }}
	f.on.Store(true)
	s := mustOpen(t, errorfs.Wrap(vfs.NewMem(), f), cfg)
	defer mustClose(t, s)
	g := storagetest.NewGen(1)
	var acked []*telemetry.LogBatch
	for {
		b := g.Logs(20)
		_, err := s.WriteLogs(context.Background(), tenantA, b)
		if errors.Is(err, storage.ErrOverloaded) {
			break
		}
		if err != nil || len(acked) > 100 {
			t.Fatalf("write %d: %v", len(acked), err)
		}
		acked = append(acked, b)
	}
	expect(t, s, acked...)
	if s.budget.peak > cfg.HeadBytes {
		t.Errorf("the head took %d bytes, head_bytes is %d", s.budget.peak, cfg.HeadBytes)
	}
	// It recovers by itself once segments can be written.
	f.on.Store(false)
	b := g.Logs(20)
	for range 1000 {
		_, err := s.WriteLogs(context.Background(), tenantA, b)
		if err == nil {
			expect(t, s, append(acked, b)...)
			return
		}
		if !errors.Is(err, storage.ErrOverloaded) {
			t.Fatal(err)
		}
	}
	t.Error("still overloaded after the disk works again")
}

// files returns the paths of all files below dir.
func files(t testing.TB, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range names {
		path := fs.PathJoin(dir, n)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			out = append(out, files(t, fs, path)...)
		} else if n != lockName {
			out = append(out, path)
		}
	}
	return out
}

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedFiles flips a byte here and there in every file of a store that
// holds data in segments and in the log. The store starts all the same; what
// it still gives is equal; where something is missing, it says so; and Check
// names the file.
func TestDamagedFiles(t *testing.T) {
	build := func() (*vfs.MemFS, map[int64]telemetry.Log) {
		fs := vfs.NewCrashableMem()
		s := mustOpen(t, fs, testConfig())
		g := storagetest.NewGen(1)
		want := map[int64]telemetry.Log{}
		for i := range 6 {
			b := g.Logs(30)
			storagetest.WriteLogs(t, s, tenantA, b)
			for _, l := range b.Logs {
				want[l.Time] = l
			}
			if i == 2 || i == 3 {
				if err := s.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		mustClose(t, s)
		return fs, want
	}
	fs, _ := build()
	paths := files(t, fs, "/data")
	if len(paths) < 4 {
		t.Fatalf("only %v", paths)
	}
	for _, path := range paths {
		size := len(readFile(t, fs, path))
		for k := range 12 {
			at := k * (size - 1) / 11
			if at >= 44 && at < 48 {
				at = 48 // the end of a framed file's header means nothing
			}
			t.Run(fmt.Sprintf("%s at %d", path, at), func(t *testing.T) {
				fs, want := build()
				b := readFile(t, fs, path)
				b[min(at, len(b)-1)] ^= 0x10 // lengths differ with the clock's digits
				writeFile(t, fs, path, b)
				testDamaged(t, fs, path, want)
			})
		}
	}
}

func testDamaged(t *testing.T, fs vfs.FS, path string, want map[int64]telemetry.Log) {
	report, err := Check("/data", fs)
	if err != nil {
		t.Fatal(err)
	}
	named := len(report.Notes) > 0
	for _, p := range report.Problems {
		named = named || p.File == path
	}
	if !named {
		t.Errorf("check doesn't name it: %v", report.Problems)
	}
	reg := prometheus.NewRegistry()
	s, err := Open(testConfig(), Deps{FS: fs, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	var stats storage.ReadStats
	got := map[int64]bool{}
	for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Stats: &stats}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			w, ok := want[batch[i].Time]
			if d := storagetest.DiffLog(&batch[i], &w); !ok || d != "" || got[batch[i].Time] {
				t.Fatalf("the record at %d: known %v, twice %v, %s", batch[i].Time, ok, got[batch[i].Time], d)
			}
			got[batch[i].Time] = true
		}
	}
	missing := len(want) - len(got)
	counted := testutil.ToFloat64(s.metrics.corruptions.WithLabelValues(fileWAL)) +
		testutil.ToFloat64(s.metrics.corruptions.WithLabelValues(fileSegment)) +
		testutil.ToFloat64(s.metrics.corruptions.WithLabelValues(fileManifest))
	torn := strings.HasSuffix(path, ".wal") // the end of the last file cannot be told from a torn write
	if missing > 0 && counted == 0 && !torn {
		t.Errorf("%d records are missing and nothing says so", missing)
	}
	if strings.HasSuffix(path, segmentSuffix) && missing > 0 && len(stats.Warnings) == 0 {
		t.Errorf("%d records are missing without a warning", missing)
	}
	if strings.Contains(path, manifestDir) && missing > 0 {
		t.Errorf("%d records are lost to a damaged manifest", missing)
	}
	// A damaged store goes on, and merges nothing away.
	storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(99).Logs(5))
	if err := errors.Join(s.Flush(context.Background()), s.Tidy(context.Background())); err != nil {
		t.Error(err)
	}
}
