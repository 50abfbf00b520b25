package parked_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage/elastic/parked"
	"github.com/clewhq/clew/storage/local/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ticks atomic.Int64

func options(t *testing.T, fs vfs.FS) parked.Options {
	return parked.Options{
		FS: fs, Dir: "/data/parked/logs-me", FileBytes: 200, GroupBytes: 1 << 16, KeepEvery: 100,
		Now:     func() time.Time { return time.Unix(0, ticks.Add(1)) },
		Damaged: func(e *wal.CorruptionError) { t.Error(e) },
	}
}

func record(i int) wal.Record {
	return wal.Record{Type: wal.Logs, Received: int64(i), Tenant: "me", Data: []byte(strconv.Itoa(1000 + i))}
}

func read(t *testing.T, l *parked.Log, bytes int64) (got []int64, p parked.Part) {
	t.Helper()
	p, err := l.Read(bytes, func(r wal.Record) { got = append(got, r.Received) })
	if err != nil {
		t.Fatal(err)
	}
	return got, p
}

func newFS(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if err := errors.Join(fs.MkdirAll("/data/parked", 0o755), wal.SyncDir(fs, "/"), wal.SyncDir(fs, "/data")); err != nil {
		t.Fatal(err)
	}
	return fs
}

// What waits is read again until it is done, also after a restart, and the
// files of what is done go.
func TestLog(t *testing.T) {
	fs := newFS(t)
	l, err := parked.Open(options(t, fs))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := l.Append(context.Background(), []wal.Record{record(2 * i), record(2*i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	next := int64(0)
	for next < 40 {
		got, p := read(t, l, 30)
		again, _ := read(t, l, 30)
		if len(got) == 0 || got[0] != next || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("%v, then %v, want those from %d on", got, again, next)
		}
		if err := l.Done(p); err != nil {
			t.Fatal(err)
		}
		next += int64(len(got))
		if want := 4 * (40 - next); l.Bytes() != want {
			t.Errorf("%d bytes wait, want %d", l.Bytes(), want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = parked.Open(options(t, fs)); err != nil {
			t.Fatal(err)
		}
	}
	if _, p := read(t, l, 30); !p.Empty() {
		t.Error("something is left")
	}
	if seqs, err := wal.Files(fs, "/data/parked/logs-me"); err != nil || seqs[0] < 10 {
		t.Errorf("files %v, %v", seqs, err)
	}
	if err := l.Remove(); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("/data/parked"); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestPowerCut cuts the power before every write, and looks what is there
// afterwards: all that was appended and not carried on, in its order.
func TestPowerCut(t *testing.T) {
	for cut, done := 1, false; !done; cut++ {
		mem := newFS(t)
		crashed, acked, carried, ended := life(t, mem, cut)
		done = ended
		l, err := parked.Open(options(t, crashed))
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		got, p := read(t, l, 1<<20)
		// What was under way may be there, what is done may come again.
		from, to := int64(carried), int64(acked)
		if len(got) > 0 && (got[0] > from || got[len(got)-1] < to-1) || len(got) == 0 && from < to {
			t.Fatalf("cut %d: %v, want those from %d to %d", cut, got, from, to)
		}
		for i := 1; i < len(got); i++ {
			if got[i] != got[i-1]+1 {
				t.Fatalf("cut %d: %v", cut, got)
			}
		}
		if len(got) > 0 {
			if err := l.Done(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Remove(); err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
	}
}

// life parks, carries on and removes, and tells what the disk has if the power
// goes before its nth write: how many records were durable and carried on then.
func life(t *testing.T, mem *vfs.MemFS, nth int) (crashed *vfs.MemFS, acked, carried int, ended bool) {
	t.Helper()
	var writes, ackedNow, carriedNow atomic.Int64
	cut := func() {
		if int(writes.Add(1)) == nth {
			crashed, acked, carried = mem.CrashClone(vfs.CrashCloneCfg{}), int(ackedNow.Load()), int(carriedNow.Load())
		}
	}
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			cut()
		}
		return nil
	}))
	l, err := parked.Open(options(t, fs))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if err := l.Append(context.Background(), []wal.Record{record(i)}); err != nil {
			t.Fatal(err)
		}
		ackedNow.Add(1)
		if i%3 == 2 {
			got, p := read(t, l, 6)
			carriedNow.Add(int64(len(got)))
			if err := l.Done(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, p := read(t, l, 1<<20)
	carriedNow.Add(int64(len(got)))
	if err := errors.Join(l.Done(p), l.Remove()); err != nil {
		t.Fatal(err)
	}
	if crashed == nil { // all of it was written
		return mem.CrashClone(vfs.CrashCloneCfg{}), int(ackedNow.Load()), int(carriedNow.Load()), true
	}
	return crashed, acked, carried, false
}
