package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

const dir = "/m"

func newFS(t testing.TB) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if err := errors.Join(fs.MkdirAll(dir, 0o755), wal.SyncDir(fs, "/")); err != nil {
		t.Fatal(err)
	}
	return fs
}

func open(t testing.TB, fs vfs.FS) *manifest.Manifest {
	t.Helper()
	m, damages, err := manifest.Open(manifest.Options{FS: fs, Dir: dir, Now: time.Now, FileBytes: 500})
	if err != nil || damages != nil {
		t.Fatalf("open: %v, %v", damages, err)
	}
	return m
}

func segment(id uint64) manifest.Segment {
	return manifest.Segment{
		ID: id, Tenant: fmt.Sprint("t", id%3), Signal: telemetry.Logs, Day: 20000, Rows: int64(id), Min: -5, Max: 1 << 60, Bytes: 77,
	}
}

func apply(t testing.TB, m *manifest.Manifest, e manifest.Edit) {
	t.Helper()
	if err := m.Apply(e); err != nil {
		t.Fatal(err)
	}
}

func add(ids ...uint64) (e manifest.Edit) {
	for _, id := range ids {
		e.Add = append(e.Add, segment(id))
	}
	return e
}

func sameState(a, b manifest.State) bool {
	return a.WAL == b.WAL && maps.Equal(a.Segments, b.Segments)
}

// TestLife applies edits, reopening and cutting the power on the way.
func TestLife(t *testing.T) {
	fs := newFS(t)
	m := open(t, fs)
	for i := range 60 {
		e := add(m.NewID(), m.NewID())
		if i%3 == 2 {
			e.Remove = []uint64{e.Add[0].ID - 1, e.Add[0].ID - 2}
		}
		e.WAL = wal.Position{Seq: uint64(i), Offset: 48}
		apply(t, m, e)
		want := m.State()
		if i%5 != 4 {
			continue
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			fs = crashed
		}
		m = open(t, fs)
		if got := m.State(); !sameState(got, want) || got.NextID < want.NextID {
			t.Fatalf("edit %d: %+v, want %+v", i, got, want)
		}
		names, err := fs.List(dir)
		if err != nil || len(names) > 3 {
			t.Errorf("files %v, %v", names, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedEdit: an edit that failed does not hold, whatever reached the
// disk; after the next one that works it never will.
func TestFailedEdit(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpRename, errorfs.OpCreate} {
		fs := newFS(t)
		var fail atomic.Bool
		m := open(t, errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if fail.Load() && op.Kind == kind {
				return errorfs.ErrInjected
			}
			return nil
		})))
		apply(t, m, add(1))
		fail.Store(true)
		failed := 0
		for id := range uint64(3) {
			if err := m.Apply(add(10 + id)); err != nil {
				failed++
			}
		}
		fail.Store(false)
		held := m.State()
		if len(held.Segments) != 1+3-failed {
			t.Errorf("%v: %d segments after %d failures", kind, len(held.Segments), failed)
		}
		apply(t, m, add(2))
		want := m.State()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if got := open(t, fs.CrashClone(vfs.CrashCloneCfg{})).State(); !sameState(got, want) {
			t.Errorf("%v: %v, want %v", kind, slices.Sorted(maps.Keys(got.Segments)), slices.Sorted(maps.Keys(want.Segments)))
		}
	}
}

func read(t testing.TB, fs vfs.FS, path string) []byte {
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

func write(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamage flips every byte that is in use: it is reported, and other edits
// hold. The mark at the end says nothing that is missed.
func TestDamage(t *testing.T) {
	fs := newFS(t)
	m := open(t, fs)
	for id := range uint64(3) {
		apply(t, m, add(id+1))
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	good := read(t, fs, fs.PathJoin(dir, manifest.FileName(1)))
	const unused = framing.HeaderSize - 4 // the last bytes of the header
	for i := range len(good) - markSize {
		b := slices.Clone(good)
		b[i] ^= 0x20
		if s, damages := load(t, b); len(damages) == 0 && (i < unused || i >= framing.HeaderSize) || len(s.Segments) > 3 {
			t.Errorf("byte %d of %d: no damage, %d segments", i, len(good), len(s.Segments))
		}
	}
}

// TestOldFileHelps: where the newest file is damaged as a whole, the one before
// it is better than nothing.
func TestOldFileHelps(t *testing.T) {
	fs := newFS(t)
	m := open(t, fs)
	apply(t, m, add(1))
	old := read(t, fs, fs.PathJoin(dir, manifest.FileName(1)))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, fs)
	apply(t, m, add(2))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, fs, fs.PathJoin(dir, manifest.FileName(1)), old)
	write(t, fs, fs.PathJoin(dir, manifest.FileName(2)), []byte("rubbish"))
	f, err := manifest.Load(fs, dir)
	if err != nil || len(f.Damages) != 1 || f.Damages[0].File != manifest.FileName(2) || len(f.Segments) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

func deletion(id uint64, query string) manifest.Deletion {
	return manifest.Deletion{ID: id, Tenant: "t", Signal: telemetry.Traces, Query: query, From: -1, To: 1 << 60, Created: 5, Records: 3}
}

// TestDeletions: they last until they are forgotten, and the query of one that
// is done stands in no file.
func TestDeletions(t *testing.T) {
	fs := newFS(t)
	m := open(t, fs)
	id := m.NewID()
	apply(t, m, manifest.Edit{Add: add(m.NewID()).Add, Deletions: []manifest.Deletion{deletion(id, "who is who"), deletion(id+10, "other")}})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	if got := m.Deletions(); len(got) != 2 || got[id] != deletion(id, "who is who") || m.NewID() <= id+10 {
		t.Fatalf("after a crash: %+v", got)
	}
	m = open(t, fs)
	if err := errors.Join(m.ApplyAnew(manifest.Edit{Deletions: []manifest.Deletion{deletion(id, "")}, Forget: []uint64{id + 10}}), m.Prune()); err != nil {
		t.Fatal(err)
	}
	want := m.State()
	if len(want.Deletions) != 1 || want.Deletions[id].Query != "" || len(want.Segments) != 1 {
		t.Errorf("%+v", want)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("files %v, %v", names, err)
	}
	if b := read(t, fs, fs.PathJoin(dir, names[0])); bytes.Contains(b, []byte("who is who")) || bytes.Contains(b, []byte("other")) {
		t.Error("a query is still there")
	}
	if got := open(t, fs).State(); !maps.Equal(got.Deletions, want.Deletions) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUnreadable: what the disk does not give back is not given up for lost.
func TestUnreadable(t *testing.T) {
	fs := newFS(t)
	m := open(t, fs)
	apply(t, m, add(1))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []errorfs.OpKind{errorfs.OpOpen, errorfs.OpFileReadAt, errorfs.OpFileStat} {
		bad := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind && strings.Contains(op.Path, "MANIFEST") {
				return errorfs.ErrInjected
			}
			return nil
		}))
		if _, _, err := manifest.Open(manifest.Options{FS: bad, Dir: dir, Now: time.Now}); !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("%v: %v", kind, err)
		}
	}
	if got := open(t, fs).State(); len(got.Segments) != 1 {
		t.Errorf("%+v", got)
	}
}

func FuzzLoad(f *testing.F) {
	fs := newFS(f)
	m := open(f, fs)
	apply(f, m, add(1, 2))
	apply(f, m, manifest.Edit{Remove: []uint64{1}, Deletions: []manifest.Deletion{deletion(9, "q")}, Forget: []uint64{8}})
	f.Add(read(f, fs, fs.PathJoin(dir, manifest.FileName(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := newFS(t)
		write(t, fs, fs.PathJoin(dir, manifest.FileName(1)), b)
		if _, err := manifest.Load(fs, dir); err != nil {
			t.Fatal(err)
		}
	})
}
