package wal_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
)

// addAt appends a record and returns where it ends.
func addAt(t *testing.T, w *wal.Writer, i int) (end wal.Position) {
	t.Helper()
	outcome := make(chan error, 1)
	if err := w.Append(context.Background(), record(i), func(pos wal.Position, err error) { end = pos; outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Fatal(err)
	}
	return end
}

// drain reads up to a position.
func drain(t *testing.T, tail *wal.Tail, to wal.Position) (got []int64) {
	t.Helper()
	for {
		rec, err := tail.Next(to)
		if errors.Is(err, io.EOF) {
			if tail.Position().Less(to) {
				t.Fatalf("ended at %s, before %s", tail.Position(), to)
			}
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec.Received)
	}
}

// TestTailReadsWhatIsWritten reads behind a writer in steps of all sizes, over
// file ends, and starts anew from where it was.
func TestTailReadsWhatIsWritten(t *testing.T) {
	fs := newFS(t)
	opts := options(fs)
	opts.FileBytes = 300
	w := newWriter(t, opts, 1, framing.UnknownLength)
	tail := wal.NewTail(fs, dir, wal.Position{})
	var got, want []int64
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		want = append(want, int64(i))
		end := addAt(t, w, i)
		if r.IntN(5) > 0 {
			continue
		}
		got = append(got, drain(t, tail, end)...)
		if !slices.Equal(got, want) {
			t.Fatalf("after %d: %v", i, got)
		}
		if r.IntN(4) == 0 {
			tail.Close()
			tail = wal.NewTail(fs, dir, tail.Position())
		}
	}
	tail.Close()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTailStepByStep reads at every pair of places of a log of many files,
// from its start: what is read first must not decide what is read next.
func TestTailStepByStep(t *testing.T) {
	const records = 12
	for first := 1; first < records; first++ {
		for second := first + 1; second <= records; second++ {
			fs := newFS(t)
			opts := options(fs)
			opts.FileBytes = 300
			w := newWriter(t, opts, 1, framing.UnknownLength)
			tail := wal.NewTail(fs, dir, wal.Position{})
			var got, want []int64
			for i := 1; i <= records; i++ {
				want = append(want, int64(i))
				if end := addAt(t, w, i); i == first || i == second || i == records {
					got = append(got, drain(t, tail, end)...)
				}
			}
			tail.Close()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("read after %d, %d and %d records: %v", first, second, records, got)
			}
		}
	}
}

// TestTailOverARestart goes on in the file of the next writer, past a torn end.
func TestTailOverARestart(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	first := addAt(t, w, 1)
	addAt(t, w, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	appendGarbage(t, fs, wal.FileName(1))
	_, _, end := replay(t, fs, wal.Position{})
	w = newWriter(t, options(fs), end.Next, end.PrevLength)
	last := addAt(t, w, 3)
	tail := wal.NewTail(fs, dir, first)
	defer tail.Close()
	if got := drain(t, tail, last); !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("read %v", got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTailSkipsDamage names it, and goes on behind it.
func TestTailSkipsDamage(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 1, framing.UnknownLength)
	at := addAt(t, w, 1).Offset // and there a mark may stand, or the next record
	end := addAt(t, w, 2).Offset
	last := addAt(t, w, 3)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fs.OpenReadWrite(fs.PathJoin(dir, wal.FileName(1)), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, end-1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	tail := wal.NewTail(fs, dir, wal.Position{})
	defer tail.Close()
	var got []int64
	damages := 0
	for {
		rec, err := tail.Next(last)
		var bad *wal.CorruptionError
		if errors.As(err, &bad) {
			damages++
			if bad.Offset < at || bad.Offset >= end {
				t.Errorf("damage at %d, want it from %d to %d", bad.Offset, at, end)
			}
			continue
		}
		if err != nil {
			break
		}
		got = append(got, rec.Received)
	}
	if damages != 1 || !slices.Equal(got, []int64{1, 3}) {
		t.Errorf("%d damages, read %v", damages, got)
	}
}

// TestTailWithoutItsFile goes on with the next one that is there.
func TestTailWithoutItsFile(t *testing.T) {
	fs := newFS(t)
	w := newWriter(t, options(fs), 7, framing.UnknownLength)
	last := addAt(t, w, 1)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tail := wal.NewTail(fs, dir, wal.Position{Seq: 3, Offset: 100})
	defer tail.Close()
	var bad *wal.CorruptionError
	if _, err := tail.Next(last); !errors.As(err, &bad) || bad.Segment != wal.FileName(3) {
		t.Errorf("the missing file: %v", err)
	}
	if got := drain(t, tail, last); !slices.Equal(got, []int64{1}) {
		t.Errorf("read %v", got)
	}
}

func appendGarbage(t *testing.T, fs *vfs.MemFS, name string) {
	t.Helper()
	path := fs.PathJoin(dir, name)
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("torn off"), info.Size()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
