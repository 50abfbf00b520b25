package wal_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
)

func idleWriter(t *testing.T, opts wal.Options, end wal.End) *wal.Writer {
	t.Helper()
	return wal.NewIdleWriter(opts, end.Next, end.PrevLength, func() []wal.Record {
		return []wal.Record{{Type: wal.Hashes, Received: 1000, Data: []byte("requests")}}
	})
}

// TestIdleWriter: a log to which nothing is appended stays as it is; the first
// append begins a file, with what a file begins with.
func TestIdleWriter(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	if err := add(t, w, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _, end := replay(t, fs, wal.Position{})
		w := idleWriter(t, options(fs), end)
		if err := w.Close(); err != nil || !w.Whole() {
			t.Fatalf("close: %v, whole %v", err, w.Whole())
		}
	}
	if seqs, err := wal.Files(fs, dir); err != nil || !slices.Equal(seqs, []uint64{1}) {
		t.Fatalf("files %v, %v", seqs, err)
	}
	_, _, end := replay(t, fs, wal.Position{})
	w = idleWriter(t, options(fs), end)
	for i := 1; i < 4; i++ {
		if err := add(t, w, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !w.Whole() {
		t.Fatalf("close: %v, whole %v", err, w.Whole())
	}
	got, damages, end := replay(t, fs, wal.Position{})
	if !slices.Equal(got, []int64{0, 1000, 1, 2, 3}) || len(damages) > 0 || end.Next != 3 {
		t.Errorf("records %v, damages %v, next file %d", got, damages, end.Next)
	}
}

// TestIdleWriterOnAFullDisk: what a file begins with stands in the first file
// that there is room for, also where an append before failed.
func TestIdleWriterOnAFullDisk(t *testing.T) {
	fs := newFS(t)
	var full atomic.Bool
	disk := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite) {
			return errNoSpace
		}
		return nil
	}))
	w := idleWriter(t, options(disk), wal.End{Next: 1, PrevLength: framing.UnknownLength})
	full.Store(true)
	if err := add(t, w, 0); err == nil {
		t.Fatal("a full disk takes a record")
	}
	full.Store(false)
	if err := add(t, w, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, damages, _ := replay(t, fs, wal.Position{}); !slices.Equal(got, []int64{1000, 1}) || len(damages) > 0 {
		t.Errorf("records %v, damages %v", got, damages)
	}
}
