package wal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errNoSpace is what the system answers on a full disk.
var errNoSpace error = syscall.ENOSPC

const dir = "/wal"

func newFS(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := wal.SyncDir(fs, "/"); err != nil {
		t.Fatal(err)
	}
	return fs
}

var ticks atomic.Int64

func options(fs vfs.FS) wal.Options {
	return wal.Options{
		FS: fs, Dir: dir, FileBytes: 1 << 20, GroupBytes: 1 << 16,
		Now: func() time.Time { return time.Unix(0, ticks.Add(1)) },
	}
}

func newWriter(t *testing.T, opts wal.Options, next uint64, prev uint64, first ...wal.Record) *wal.Writer {
	t.Helper()
	w, whole, err := wal.NewWriter(opts, next, prev, first)
	if err != nil || !whole {
		t.Fatalf("new writer: %v, %v", whole, err)
	}
	return w
}

func record(i int) wal.Record {
	return wal.Record{Type: wal.Logs, Received: int64(i), Tenant: "tenant", Data: fmt.Append(nil, "record ", i)}
}

// add appends a record and returns its outcome.
func add(t *testing.T, w *wal.Writer, i int) error {
	t.Helper()
	outcome := make(chan error, 1)
	if err := w.Append(context.Background(), record(i), func(_ wal.Position, err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	return <-outcome
}

// replay returns the numbers of the records and the damages.
func replay(t *testing.T, fs vfs.FS, from wal.Position) (got []int64, damages []*wal.CorruptionError, end wal.End) {
	t.Helper()
	last := wal.Position{}
	end, err := wal.Replay(fs, dir, from, func(r wal.Record, pos wal.Position) error {
		if !last.Less(pos) {
			t.Errorf("position %s after %s", pos, last)
		}
		last = pos
		if r.Type == wal.Logs && (r.Tenant != "tenant" || string(r.Data) != fmt.Sprint("record ", r.Received)) {
			t.Errorf("record %+v", r)
		}
		got = append(got, r.Received)
		return nil
	}, func(e *wal.CorruptionError) { damages = append(damages, e) })
	if err != nil {
		t.Fatal(err)
	}
	return got, damages, end
}

func count(n int) (out []int64) {
	for i := range n {
		out = append(out, int64(i))
	}
	return out
}

func TestAppendAndReplay(t *testing.T) {
	fs := newFS(t)
	opts := options(fs)
	opts.FileBytes = 300
	var groups atomic.Int64
	opts.Synced = func(int, int64, time.Duration) { groups.Add(1) }
	w := newWriter(t, opts, 1, framing.UnknownLength)
	for i := range 50 {
		if err := add(t, w, i); err != nil {
			t.Fatal(err)
		}
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if groups.Load() == 0 {
		t.Error("nobody was told of a sync")
	}
	for name, fs := range map[string]vfs.FS{"closed": fs, "power cut": crashed} {
		got, damages, end := replay(t, fs, wal.Position{})
		if !slices.Equal(got, count(50)) || damages != nil || end.Torn != 0 {
			t.Errorf("%s: %d records, damages %v, torn %d", name, len(got), damages, end.Torn)
		}
		seqs, err := wal.Files(fs, dir)
		if err != nil || len(seqs) < 5 || end.Next != seqs[len(seqs)-1]+1 {
			t.Errorf("%s: files %v, next %d, %v", name, seqs, end.Next, err)
		}
	}
}

// TestGroups: many appends at once share syncs, and callbacks run in the order
// of the file.
func TestGroups(t *testing.T) {
	fs := newFS(t)
	opts := options(fs)
	var syncs, order atomic.Int64
	opts.Synced = func(int, int64, time.Duration) { syncs.Add(1) }
	w := newWriter(t, opts, 1, framing.UnknownLength)
	var wg sync.WaitGroup
	last := wal.Position{}
	for i := range 200 {
		wg.Add(1)
		go func() {
			err := w.Append(context.Background(), record(i), func(pos wal.Position, err error) {
				defer wg.Done()
				if err != nil || !last.Less(pos) {
					t.Errorf("%v: position %s after %s", err, pos, last)
				}
				last = pos
				order.Add(1)
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, _, _ := replay(t, fs, wal.Position{})
	if slices.Sort(got); !slices.Equal(got, count(200)) || order.Load() != 200 {
		t.Errorf("%d records", len(got))
	}
	if syncs.Load() > 200 {
		t.Errorf("%d syncs for 200 records", syncs.Load())
	}
}

// TestFailedWrite: a record that failed does not come back, and what follows
// is in a new file.
func TestFailedWrite(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileSyncData} {
		fs := newFS(t)
		var fail atomic.Bool
		broken := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if fail.Load() && op.Kind == kind {
				return errorfs.ErrInjected
			}
			return nil
		}))
		w := newWriter(t, options(broken), 1, framing.UnknownLength)
		if err := add(t, w, 0); err != nil {
			t.Fatal(err)
		}
		fail.Store(true)
		if err := add(t, w, 77); !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("append on a broken disk: %v", err)
		}
		fail.Store(false)
		if err := add(t, w, 1); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, damages, _ := replay(t, fs, wal.Position{})
		if !slices.Equal(got, count(2)) || damages != nil {
			t.Errorf("records %v, damages %v", got, damages)
		}
	}
}

func TestRotateAndRelease(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	if err := add(t, w, 0); err != nil {
		t.Fatal(err)
	}
	var at wal.Position
	outcome := make(chan error, 1)
	first := func() []wal.Record { return []wal.Record{{Type: wal.Hashes, Received: 100}} }
	if err := w.Rotate(context.Background(), first, func(pos wal.Position, err error) { at = pos; outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil || at != (wal.Position{Seq: 2, Offset: framing.HeaderSize}) {
		t.Fatalf("rotated to %s, %v", at, err)
	}
	if err := add(t, w, 1); err != nil {
		t.Fatal(err)
	}
	if err := wal.Release(fs, dir, at.Seq); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, damages, _ := replay(t, fs, at); !slices.Equal(got, []int64{100, 1}) || damages != nil {
		t.Errorf("records %v, damages %v", got, damages)
	}
}

// TestMissingFiles: a gap is damage where data are missing, none where they
// are in segments.
func TestMissingFiles(t *testing.T) {
	fs := newFS(t)
	opts := options(fs)
	opts.FileBytes = 1
	w := newWriter(t, opts, 1, framing.UnknownLength)
	for i := range 6 {
		if err := add(t, w, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove(fs.PathJoin(dir, wal.FileName(3))); err != nil {
		t.Fatal(err)
	}
	got, damages, _ := replay(t, fs, wal.Position{Seq: 1, Offset: framing.HeaderSize})
	if len(got) != 5 || len(damages) != 1 || damages[0].Segment != wal.FileName(3) {
		t.Errorf("records %v, damages %v", got, damages)
	}
	got, damages, _ = replay(t, fs, wal.Position{Seq: 4, Offset: framing.HeaderSize})
	if !slices.Equal(got, []int64{0, 3, 4, 5}) || damages != nil {
		t.Errorf("records %v, damages %v", got, damages)
	}
	_, damages, end := replay(t, fs, wal.Position{Seq: 9, Offset: framing.HeaderSize})
	if len(damages) != 1 || end.Next != 10 {
		t.Errorf("the position's file is missing: damages %v, next %d", damages, end.Next)
	}
}

func TestFullDiskAtStart(t *testing.T) {
	fs := newFS(t)
	var full atomic.Bool
	full.Store(true)
	disk := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWrite {
			return errNoSpace
		}
		return nil
	}))
	w, whole, err := wal.NewWriter(options(disk), 5, 123, nil)
	if err != nil || whole {
		t.Fatalf("%v, %v", whole, err)
	}
	if err := add(t, w, 9); !vfs.IsNoSpaceError(err) {
		t.Errorf("append: %v", err)
	}
	full.Store(false)
	if err := add(t, w, 0); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := replay(t, fs, wal.Position{}); !slices.Equal(got, count(1)) {
		t.Errorf("records %v", got)
	}
}

func TestRefusals(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	long := wal.Record{Tenant: string(make([]byte, 300))}
	if err := w.Append(context.Background(), long, nil); err == nil {
		t.Error("a tenant's name of 300 bytes was taken")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(context.Background(), record(1), nil); !errors.Is(err, wal.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		f.Fatal(err)
	}
	w, _, err := wal.NewWriter(options(fs), 1, framing.UnknownLength, []wal.Record{record(1), record(2)})
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	name := fs.PathJoin(dir, wal.FileName(1))
	file, err := fs.Open(name)
	if err != nil {
		f.Fatal(err)
	}
	b := make([]byte, 1000)
	n, _ := file.ReadAt(b, 0)
	f.Add(b[:n])
	f.Add(b[:n-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(b); err != nil {
			t.Fatal(err)
		}
		_, err = wal.Replay(fs, dir, wal.Position{}, func(wal.Record, wal.Position) error { return nil }, func(*wal.CorruptionError) {})
		if err != nil {
			t.Fatal(err)
		}
	})
}
