package manifest_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/manifest"
)

// markSize is the mark behind each edit.
const markSize = framing.RecordHeaderSize + 2

// marked returns a manifest's only file, and where the newest edit starts.
func marked(t *testing.T, newest manifest.Edit) (b []byte, last int) {
	t.Helper()
	fs := newFS(t)
	m := open(t, fs)
	apply(t, m, add(1, 2))
	last = len(read(t, fs, fs.PathJoin(dir, manifest.FileName(1))))
	apply(t, m, newest)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return read(t, fs, fs.PathJoin(dir, manifest.FileName(1))), last
}

func load(t *testing.T, b []byte) (manifest.State, []*manifest.Damage) {
	t.Helper()
	fs := newFS(t)
	write(t, fs, fs.PathJoin(dir, manifest.FileName(1)), slices.Clone(b))
	f, err := manifest.Load(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return f.State, f.Damages
}

// TestNewestEditIsMarked flips every bit of the newest edit, which was
// acknowledged: that is damage, named by file and offset, and not a write that
// was cut short. In the mark behind it a flipped bit costs nothing.
func TestNewestEditIsMarked(t *testing.T) {
	b, last := marked(t, manifest.Edit{Deletions: []manifest.Deletion{deletion(9, "who is who")}, Begun: 4})
	mark := len(b) - markSize
	for bit := range 8 * (len(b) - last) {
		at := last + bit/8
		spoilt := slices.Clone(b)
		spoilt[at] ^= 1 << (bit % 8)
		s, damages := load(t, spoilt)
		if at >= mark {
			if len(damages) != 0 || len(s.Deletions) != 1 || s.Begun != 4 {
				t.Fatalf("bit %d of the mark: %v, %+v", bit, damages, s)
			}
			continue
		}
		if len(damages) != 1 || damages[0].Offset != int64(last) || damages[0].File != manifest.FileName(1) {
			t.Fatalf("bit %d of the newest edit: %v", bit, damages)
		}
		if len(s.Segments) != 2 || len(s.Deletions) != 0 {
			t.Fatalf("bit %d of the newest edit: %+v", bit, s)
		}
	}
}

// TestSnapshotIsMarked: the first edit of a file is the newest one, too.
func TestSnapshotIsMarked(t *testing.T) {
	b, last := marked(t, add(3))
	b = b[:last]
	for at := framing.HeaderSize; at < last-markSize; at++ {
		spoilt := slices.Clone(b)
		spoilt[at] ^= 1
		if s, damages := load(t, spoilt); len(damages) == 0 || len(s.Segments) != 0 {
			t.Fatalf("byte %d of the snapshot: %v, %+v", at, damages, s)
		}
	}
}

// TestTornEditIsNoDamage: an edit that the power cut short never took effect,
// and nobody misses a mark.
func TestTornEditIsNoDamage(t *testing.T) {
	b, last := marked(t, add(3))
	for cut := last - markSize; cut < len(b); cut++ {
		s, damages := load(t, b[:cut])
		want := 2
		if cut >= len(b)-markSize {
			want = 3
		}
		if len(damages) != 0 || len(s.Segments) != want {
			t.Fatalf("cut at %d of %d: %v, %d segments, want %d", cut, len(b), damages, len(s.Segments), want)
		}
	}
	fs := newFS(t)
	m := open(t, fs)
	apply(t, m, add(1))
	apply(t, m, add(2))
	want := m.State()
	if got := open(t, fs.CrashClone(vfs.CrashCloneCfg{})).State(); !maps.Equal(got.Segments, want.Segments) {
		t.Errorf("after a crash that took the mark: %+v", got)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
