package wal_test

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
)

// written returns the bytes of a log's only file: three records, and the mark.
func written(t *testing.T) []byte {
	t.Helper()
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	for i := range 3 {
		if err := add(t, w, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return read(t, fs, 1)
}

func read(t *testing.T, fs vfs.FS, seq uint64) []byte {
	t.Helper()
	f, err := fs.Open(fs.PathJoin(dir, wal.FileName(seq)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// logOf returns a file system with one file of these bytes.
func logOf(t *testing.T, b []byte) vfs.FS {
	t.Helper()
	fs := newFS(t)
	f, err := fs.Create(fs.PathJoin(dir, wal.FileName(1)), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	// Under the race detector the file system spoils what it was given.
	if _, err := f.Write(slices.Clone(b)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

// The last of the records, and the mark behind it, are this long.
const (
	recordSize = framing.RecordHeaderSize + 11 + len("tenant") + len("record 2")
	markSize   = framing.RecordHeaderSize + 11
)

// TestLastRecordIsMarked flips every bit of the last record, which was
// acknowledged: that is damage, named by file and offset, and no torn tail. In
// the mark behind it a flipped bit costs nothing.
func TestLastRecordIsMarked(t *testing.T) {
	b := written(t)
	mark := len(b) - markSize
	last := mark - recordSize
	for bit := range 8 * (len(b) - last) {
		at := last + bit/8
		spoilt := slices.Clone(b)
		spoilt[at] ^= 1 << (bit % 8)
		got, damages, end := replay(t, logOf(t, spoilt), wal.Position{})
		if at >= mark {
			if !slices.Equal(got, count(3)) || damages != nil || end.Torn != int64(markSize) {
				t.Fatalf("bit %d of the mark: records %v, damages %v, torn %d", bit, got, damages, end.Torn)
			}
			continue
		}
		if !slices.Equal(got, count(2)) || len(damages) != 1 || end.Torn != 0 {
			t.Fatalf("bit %d of the last record: records %v, damages %v, torn %d", bit, got, damages, end.Torn)
		}
		if d := damages[0]; d.Segment != wal.FileName(1) || d.Offset != int64(last) {
			t.Fatalf("bit %d of the last record: %v", bit, d)
		}
	}
}

// TestTornBehindMark: what was being written when the power went is cut, as
// ever, wherever it ends; the records before it are whole.
func TestTornBehindMark(t *testing.T) {
	b := written(t)
	for cut := len(b) - markSize - recordSize; cut < len(b); cut++ {
		got, damages, end := replay(t, logOf(t, b[:cut]), wal.Position{})
		want := 2
		if cut >= len(b)-markSize {
			want = 3
		}
		if !slices.Equal(got, count(want)) || damages != nil || end.PrevLength > uint64(cut) {
			t.Fatalf("cut at %d of %d: records %v, damages %v, end %+v", cut, len(b), got, damages, end)
		}
	}
}

// TestMarkIsNotWaitedFor: a mark that the power took with it is not missed,
// neither as the end of the log nor where a next file says how long this one
// is.
func TestMarkIsNotWaitedFor(t *testing.T) {
	fs := newFS(t)
	opts := options(fs)
	opts.FileBytes = 1 // a file for each record
	w := newWriter(t, opts, 1, framing.UnknownLength)
	for i := range 4 {
		if err := add(t, w, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, fs := range map[string]vfs.FS{"all is there": fs, "what was not synced is gone": fs.CrashClone(vfs.CrashCloneCfg{})} {
		got, damages, end := replay(t, fs, wal.Position{})
		if !slices.Equal(got, count(4)) || damages != nil || end.Torn != 0 {
			t.Errorf("%s: records %v, damages %v, torn %d", name, got, damages, end.Torn)
		}
	}
}
