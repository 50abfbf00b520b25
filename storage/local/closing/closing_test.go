package closing_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/storage/local/closing"
	"github.com/clewhq/clew/storage/local/wal"
)

const root = "/data"

// filled returns a directory with a few files, and a note of them.
func filled(t testing.TB) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	for _, dir := range []string{root, "/data/wal", "/data/manifest"} {
		if err := errors.Join(fs.MkdirAll(dir, 0o755), wal.SyncDir(fs, fs.PathDir(dir))); err != nil {
			t.Fatal(err)
		}
	}
	for path, size := range map[string]int{"wal/1": 100, "wal/2": 0, "manifest/M": 300} {
		write(t, fs, "/data/"+path, make([]byte, size))
	}
	for _, dir := range []string{"/data/wal", "/data/manifest"} {
		if err := wal.SyncDir(fs, dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := closing.Leave(fs, root, 77, "wal", "manifest"); err != nil {
		t.Fatal(err)
	}
	return fs
}

func write(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(slices.Clone(b)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
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

func differences(t *testing.T, fs vfs.FS) (out []string) {
	t.Helper()
	note, err := closing.Read(fs, root)
	if err != nil {
		t.Fatal(err)
	}
	list, err := note.Compare(fs, root, "wal", "manifest")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		out = append(out, d.Dir+"/"+d.File+": "+d.Error())
	}
	return out
}

// TestNote: it is there after a power cut, and says what was cut, added or
// removed since; a store that is opened removes it for good.
func TestNote(t *testing.T) {
	for name, c := range map[string]struct {
		change func(fs vfs.FS) error
		want   []string
	}{
		"nothing":  {func(vfs.FS) error { return nil }, nil},
		"cut":      {func(fs vfs.FS) error { write(t, fs, "/data/wal/1", make([]byte, 99)); return nil }, []string{"wal/1: it has 99 bytes, and had 100 when the store was closed"}},
		"extended": {func(fs vfs.FS) error { write(t, fs, "/data/wal/2", make([]byte, 1)); return nil }, []string{"wal/2: it has 1 bytes, and had 0 when the store was closed"}},
		"removed":  {func(fs vfs.FS) error { return fs.Remove("/data/manifest/M") }, []string{"manifest/M: file missing, it was there when the store was closed"}},
		"added":    {func(fs vfs.FS) error { write(t, fs, "/data/wal/3", nil); return nil }, []string{"wal/3: there was no such file when the store was closed"}},
	} {
		fs := filled(t).CrashClone(vfs.CrashCloneCfg{})
		if err := c.change(fs); err != nil {
			t.Fatal(err)
		}
		if got := differences(t, fs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if err := errors.Join(closing.Remove(fs, root), closing.Remove(fs, root)); err != nil {
			t.Fatal(err)
		}
		if got := differences(t, fs.CrashClone(vfs.CrashCloneCfg{})); got != nil {
			t.Errorf("%s, without a note: %q", name, got)
		}
	}
}

// TestDamagedNote flips every bit, and cuts and extends it: that is said.
func TestDamagedNote(t *testing.T) {
	fs := filled(t)
	path := fs.PathJoin(root, closing.Name)
	whole := read(t, fs, path)
	bad := func(what string, at int, b []byte) {
		t.Helper()
		write(t, fs, path, b)
		if _, err := closing.Read(fs, root); !errors.Is(err, closing.ErrDamaged) {
			t.Fatalf("%s %d of %d: %v", what, at, len(whole), err)
		}
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		bad("bit", bit, b)
	}
	for cut := range len(whole) {
		bad("cut at", cut, whole[:cut])
	}
	bad("extended", 1, append(slices.Clone(whole), 0))
}

// TestNoteOnABadDisk: whatever operation fails, the note is there whole, or not
// at all.
func TestNoteOnABadDisk(t *testing.T) {
	for at := int32(0); ; at++ {
		mem := filled(t)
		if err := closing.Remove(mem, root); err != nil {
			t.Fatal(err)
		}
		failing := errorfs.Wrap(mem, errorfs.ErrInjected.If(errorfs.And(errorfs.Writes, errorfs.OnIndex(at))))
		err := closing.Leave(failing, root, 77, "wal", "manifest")
		if got := differences(t, mem); got != nil {
			t.Fatalf("operation %d fails: %q", at, got)
		}
		if note, rerr := closing.Read(mem.CrashClone(vfs.CrashCloneCfg{}), root); rerr != nil || err == nil && note == nil {
			t.Fatalf("operation %d fails: %v, then %v, %v", at, err, note, rerr)
		}
		if err == nil {
			return
		}
	}
}

func FuzzRead(f *testing.F) {
	fs := filled(f)
	f.Add(read(f, fs, fs.PathJoin(root, closing.Name)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		write(t, fs, "/"+closing.Name, b)
		if _, err := closing.Read(fs, "/"); err != nil && !errors.Is(err, closing.ErrDamaged) {
			t.Fatal(err)
		}
	})
}
