package wal

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A kept position is read back, and one that is damaged in any place is named
// as such.
func TestKeptPosition(t *testing.T) {
	fs := vfs.NewMem()
	if got, err := KeptPosition(fs, "drained"); err != nil || got != (Position{}) {
		t.Errorf("nothing kept: %v, %v", got, err)
	}
	want := Position{Seq: 7, Offset: 4711}
	for _, pos := range []Position{{Seq: 1, Offset: 16}, want} {
		if err := KeepPosition(fs, "drained", pos); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := KeptPosition(fs, "drained"); err != nil || got != want {
		t.Errorf("kept %v, %v, want %v", got, err, want)
	}
	whole := readAll(t, fs, "drained")
	for i := range whole {
		spoilt := append([]byte(nil), whole...)
		spoilt[i] ^= 1
		writeAll(t, fs, "drained", spoilt)
		if got, err := KeptPosition(fs, "drained"); !errors.Is(err, ErrPosition) {
			t.Errorf("byte %d spoilt: %v, %v", i, got, err)
		}
		writeAll(t, fs, "drained", whole[:i])
		if got, err := KeptPosition(fs, "drained"); !errors.Is(err, ErrPosition) {
			t.Errorf("cut to %d bytes: %v, %v", i, got, err)
		}
	}
}

func readAll(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, positionSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAll(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}
