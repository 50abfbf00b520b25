package wal_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/storage/local/wal"
)

const requestsFile = dir + "/requests"

func put(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Clone(b))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRequests(t *testing.T) {
	fs := newFS(t)
	if r, err := wal.KeptRequests(fs, dir); r != nil || err != nil {
		t.Errorf("nothing kept: %v, %v", r, err)
	}
	for i, list := range []string{"a list of requests", "", "another list"} {
		want := wal.Requests{Before: wal.Position{Seq: uint64(i), Offset: 48}, List: []byte(list)}
		if err := wal.KeepRequests(fs, dir, uint64(i), want); err != nil {
			t.Fatal(err)
		}
		r, err := wal.KeptRequests(fs.CrashClone(vfs.CrashCloneCfg{}), dir)
		if err != nil || r.Before != want.Before || !bytes.Equal(r.List, want.List) {
			t.Errorf("kept %v, %v; want %v", r, err, want)
		}
	}
	whole := get(t, fs, requestsFile)
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 4
		for _, b := range [][]byte{bad, whole[:i], append(bytes.Clone(whole), bad[:i+1]...)} {
			put(t, fs, requestsFile, b)
			var damage *wal.CorruptionError
			if _, err := wal.KeptRequests(fs, dir); !errors.As(err, &damage) || damage.Segment != "requests" {
				t.Fatalf("byte %d of %d: %v", i, len(b), err)
			}
		}
	}
	for range 2 {
		if err := wal.DropRequests(fs, dir); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := fs.List(dir); len(names) > 0 {
		t.Errorf("%v stay", names)
	}
}

// TestRequestsOnABadDisk: whatever operation fails, the old list or the new one
// is there.
func TestRequestsOnABadDisk(t *testing.T) {
	for at := int32(0); ; at++ {
		fs := newFS(t)
		if err := wal.KeepRequests(fs, dir, 1, wal.Requests{List: []byte("old")}); err != nil {
			t.Fatal(err)
		}
		failing := errorfs.Wrap(fs, errorfs.ErrInjected.If(errorfs.And(errorfs.Writes, errorfs.OnIndex(at))))
		err := wal.KeepRequests(failing, dir, 2, wal.Requests{List: []byte("new")})
		r, rerr := wal.KeptRequests(fs.CrashClone(vfs.CrashCloneCfg{}), dir)
		if rerr != nil || err == nil && string(r.List) != "new" || err != nil && string(r.List) != "old" && string(r.List) != "new" {
			t.Fatalf("operation %d fails: %v, then %v, %v", at, err, r, rerr)
		}
		if err == nil {
			return
		}
	}
}

func FuzzRequests(f *testing.F) {
	fs := vfs.NewMem()
	if err := errors.Join(fs.MkdirAll(dir, 0o755), wal.KeepRequests(fs, dir, 1, wal.Requests{List: []byte("a list")})); err != nil {
		f.Fatal(err)
	}
	f.Add(get(f, fs, requestsFile))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, fs, requestsFile, b)
		r, err := wal.KeptRequests(fs, dir)
		var damage *wal.CorruptionError
		if err != nil && !errors.As(err, &damage) || (err == nil) == (r == nil) {
			t.Fatal(r, err)
		}
	})
}
