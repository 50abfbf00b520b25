package local

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/closing"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var (
	damageSeeds = flag.Uint64("damage.seeds", 400, "how many seeds the damage test runs")
	damageFirst = flag.Uint64("damage.first", 1, "the first of them")
)

// spoiled is a file of a store, and what becomes of it.
type spoiled struct {
	fs          *vfs.MemFS
	path, other string // other is another file of the store
	r           *rand.Rand
}

func (f *spoiled) read(t *testing.T) []byte { return []byte(string(readFile(t, f.fs, f.path))) }

// inPlace changes the bytes of the file, which has some, from a random one on.
func inPlace(do func(b []byte, at int, r *rand.Rand) []byte) func(*testing.T, *spoiled) {
	return func(t *testing.T, f *spoiled) {
		b := f.read(t)
		writeFile(t, f.fs, f.path, do(b, f.r.IntN(len(b)), f.r))
	}
}

// spoilers are what becomes of files on bad disks, and in careless hands.
var spoilers = []struct {
	name string
	do   func(*testing.T, *spoiled)
}{
	{"a flipped bit", inPlace(func(b []byte, at int, r *rand.Rand) []byte {
		b[at] ^= 1 << r.IntN(8)
		return b
	})},
	{"a sector of zeros", inPlace(func(b []byte, at int, _ *rand.Rand) []byte {
		clear(b[at:min(at+512, len(b))])
		return b
	})},
	{"rubbish", inPlace(func(b []byte, at int, r *rand.Rand) []byte {
		for i := at; i < min(at+1+r.IntN(600), len(b)); i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	})},
	{"cut off", inPlace(func(b []byte, at int, _ *rand.Rand) []byte { return b[:at] })},
	{"another place's bytes", inPlace(func(b []byte, at int, r *rand.Rand) []byte {
		from := r.IntN(len(b))
		copy(b[at:], b[from:min(from+64, len(b))])
		return b
	})},
	{"extended", inPlace(func(b []byte, at int, r *rand.Rand) []byte {
		for range 1 + r.IntN(100) {
			b = append(b, byte(r.Uint32()))
		}
		return b
	})},
	{"twice", inPlace(func(b []byte, _ int, _ *rand.Rand) []byte { return append(b, b...) })},
	{"an older copy", func(t *testing.T, f *spoiled) {
		b := f.read(t)
		writeFile(t, f.fs, f.path, b[:olderEnd(b, f.r)])
	}},
	{"removed", func(t *testing.T, f *spoiled) {
		if err := f.fs.Remove(f.path); err != nil {
			t.Fatal(err)
		}
	}},
	{"another file's content", func(t *testing.T, f *spoiled) {
		writeFile(t, f.fs, f.path, []byte(string(readFile(t, f.fs, f.other))))
	}},
	{"swapped with another file", func(t *testing.T, f *spoiled) {
		b := f.read(t)
		writeFile(t, f.fs, f.path, []byte(string(readFile(t, f.fs, f.other))))
		writeFile(t, f.fs, f.other, b)
	}},
}

// olderEnd is where the file ended at some time before: behind one of its
// records, where it has such, or anywhere.
func olderEnd(b []byte, r *rand.Rand) int64 {
	ends := []int64{framing.HeaderSize}
	for _, magic := range [][4]byte{wal.Magic, manifest.Magic} {
		h, err := framing.ParseHeader(b, magic)
		if err != nil {
			continue
		}
		rd := framing.NewReader(bytes.NewReader(b), h.Salt, framing.HeaderSize, int64(len(b)), framing.UnknownLength)
		for _, _, err := rd.Next(); err == nil; _, _, err = rd.Next() {
			ends = append(ends, rd.Offset())
		}
	}
	return min(ends[r.IntN(max(1, len(ends)-1))], int64(len(b)))
}

// TestDamage spoils a file of a closed store at random: of its segments, local
// and in object storage, its log, its manifest, its note, and the copies that it
// keeps of objects. Check says so and names the file; the store starts, or says
// what is wrong; nothing that reads give is wrong or twice; what is missing was
// in that file, and is counted.
func TestDamage(t *testing.T) {
	for _, objects := range []bool{false, true} {
		t.Run(fmt.Sprintf("objects %v", objects), func(t *testing.T) {
			t.Parallel()
			n := *damageSeeds / 2
			if testing.Short() || underRace {
				n /= 5
			}
			d := newDeletionTest(t)
			d.cfg.WALFileBytes = 20_000 // more than one
			if objects {
				d.cfg.Objects = directoryConfig()
			}
			whole := vfs.NewCrashableMem()
			d.fill(whole)
			if objects {
				d.clock.at.Add(int64(20 * 24 * time.Hour)) // days are over, so that they move
				mustTidy(t, d.s)
			}
			mustClose(t, d.s)
			for seed := *damageFirst; seed < *damageFirst+n && !t.Failed(); seed++ {
				spoilOne(t, d, whole, seed)
			}
		})
	}
}

func spoilOne(t *testing.T, d *deletionTest, whole *vfs.MemFS, seed uint64) {
	t.Helper()
	paths := files(t, whole, "/data")
	if d.cfg.Objects.On() {
		paths = append(paths, files(t, whole, "/archive")...)
	}
	r := rand.New(rand.NewPCG(seed, 5))
	f := &spoiled{fs: whole.CrashClone(vfs.CrashCloneCfg{}), path: paths[r.IntN(len(paths))], other: paths[r.IntN(len(paths))], r: r}
	before, sp := f.read(t), spoilers[r.IntN(len(spoilers))]
	if len(before) == 0 {
		return
	}
	sp.do(t, f)
	if _, err := f.fs.Stat(f.path); err == nil && meansTheSame(before, f.read(t)) {
		return
	}
	defer func() { // also of a test that ended at once
		if t.Failed() {
			t.Errorf("seed %d (-run TestDamage -damage.first %d -damage.seeds 2): %s: %s, %d bytes, with %s", seed, seed, sp.name, f.path, len(before), f.other)
		}
	}()
	testSpoilt(t, d, f, sp.name == "swapped with another file")
}

// meansTheSame reports whether the files differ in nothing, or in the bytes of
// a framed file's header that say nothing.
func meansTheSame(a, b []byte) bool {
	const unused = framing.HeaderSize - 4
	return bytes.Equal(a, b) || len(a) == len(b) && len(a) >= framing.HeaderSize && slices.Contains([]string{string(wal.Magic[:]), string(manifest.Magic[:])}, string(a[:4])) &&
		bytes.Equal(a[:unused], b[:unused]) && bytes.Equal(a[framing.HeaderSize:], b[framing.HeaderSize:])
}

// expendable reports whether a file is a copy that is made again, or says
// nothing when it is gone, or has a text for people in it.
func expendable(f *spoiled) bool {
	if _, err := f.fs.Stat(f.path); err != nil && (strings.HasSuffix(f.path, "/"+closing.Name) || strings.Contains(f.path, "/objects/tails/")) {
		return true
	}
	return strings.Contains(f.path, "/objects/cache/") || strings.HasSuffix(f.path, object.OwnerKey)
}

func testSpoilt(t *testing.T, d *deletionTest, f *spoiled, both bool) {
	t.Helper()
	report, err := CheckAll(context.Background(), "/data", f.fs, d.cfg.Objects)
	switch {
	case err != nil:
		if !strings.Contains(f.path, "/objects/") && !strings.Contains(f.path, "/archive/") && !both {
			t.Fatalf("check: %v", err)
		}
	case !namesIt(report, f.path) && !expendable(f) && !(both && (namesIt(report, f.other) || expendable(&spoiled{fs: f.fs, path: f.other}))):
		t.Errorf("check names it not: %v, notes %v", report.Problems, report.Notes)
	}
	s, oerr := Open(d.cfg, Deps{FS: f.fs, Now: d.clock.now, Selectors: testSelectors})
	if oerr != nil {
		if !errors.Is(oerr, object.ErrNotOwner) && !strings.Contains(oerr.Error(), "read the store's ID") || err == nil && report.OK() {
			t.Fatalf("open: %v", oerr) // only for not knowing whose the objects are
		}
		return
	}
	defer mustClose(t, s)
	var stats storage.ReadStats
	logs := storagetestLogs(t, s, &stats)
	missing := wrongOrMissing(t, logs, d.all, func(l *telemetry.Log) int64 { return l.Time }, storagetest.DiffLog)
	wrongOrMissing(t, storagetestSpans(t, s), d.allSpans, func(s *telemetry.Span) int64 { return s.Start }, storagetest.DiffSpan)
	counted := 0.0
	for _, kind := range []string{fileWAL, fileSegment, fileManifest} {
		counted += testutil.ToFloat64(s.metrics.corruptions.WithLabelValues(kind))
	}
	if missing > 0 && counted == 0 && len(stats.Warnings) == 0 {
		t.Errorf("%d records are missing and nothing counts it", missing)
	}
	if both {
		return // it was in either
	}
	if missing > 0 && strings.HasSuffix(f.path, segmentSuffix) && len(stats.Warnings) == 0 && counted == 0 {
		t.Errorf("%d records are missing without a warning", missing)
	}
	if missing > 0 && strings.Contains(f.path, "/traces/") {
		t.Errorf("%d logs are missing, and a file of spans is damaged", missing)
	}
	if missing > 0 && (strings.Contains(f.path, manifestDir) || strings.HasSuffix(f.path, closing.Name)) {
		t.Errorf("%d records are lost to a damaged manifest or note", missing)
	}
}

func namesIt(r Report, path string) bool {
	for _, p := range r.Problems {
		if strings.Contains(p.File, path[strings.LastIndexByte(path, '/')+1:]) {
			return true
		}
	}
	return false
}

func storagetestLogs(t *testing.T, s *Store, stats *storage.ReadStats) (out []telemetry.Log) {
	t.Helper()
	for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Stats: stats}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch...)
	}
	return out
}

func storagetestSpans(t *testing.T, s *Store) (out []telemetry.Span) {
	t.Helper()
	for batch, err := range s.Spans(context.Background(), storage.SpanQuery{Tenant: tenantA}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch...)
	}
	return out
}

// wrongOrMissing returns how many of want are missing. Times are unique.
func wrongOrMissing[T any](t *testing.T, got, want []T, time func(*T) int64, diff func(a, b *T) string) int {
	t.Helper()
	known := map[int64]*T{}
	for i := range want {
		known[time(&want[i])] = &want[i]
	}
	seen := map[int64]bool{}
	for i := range got {
		at := time(&got[i])
		w, ok := known[at]
		if !ok || seen[at] {
			t.Fatalf("the record at %d: known %v, twice %v", at, ok, seen[at])
		}
		if d := diff(&got[i], w); d != "" {
			t.Fatalf("the record at %d: %s", at, d)
		}
		seen[at] = true
	}
	return len(want) - len(seen)
}

// TestCheckWithoutADirectory: where a directory is gone, or a file in its place,
// the check says so, goes on, and names what it misses.
func TestCheckWithoutADirectory(t *testing.T) {
	for name, c := range map[string]struct {
		dir   string
		spoil func(fs *vfs.MemFS, dir string) error
		want  []string
	}{
		"no segments":        {segmentsDir, (*vfs.MemFS).RemoveAll, []string{"/data/segments, offset 0: the directory is missing", "the manifest names it, but the file is missing"}},
		"no write-ahead log": {walDir, (*vfs.MemFS).RemoveAll, []string{"/data/wal, offset 0: the directory is missing"}},
		"a file for the segments": {segmentsDir, func(fs *vfs.MemFS, dir string) error {
			if err := fs.RemoveAll(dir); err != nil {
				return err
			}
			f, err := fs.Create(dir, vfs.WriteCategoryUnspecified)
			return errors.Join(err, f.Close())
		}, []string{"/data/segments, offset 0: it is a file, and a directory is wanted", "the manifest names it, but the file is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			fs, cfg := vfs.NewMem(), testConfig()
			s := mustOpen(t, fs, cfg)
			storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(1).Logs(50))
			mustFlush(t, s)
			mustClose(t, s)
			if err := c.spoil(fs, fs.PathJoin(cfg.Dir, c.dir)); err != nil {
				t.Fatal(err)
			}
			r, err := Check(cfg.Dir, fs)
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(r.Problems)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %s", want, text)
				}
			}
		})
	}
}

// TestADirectoryInThePlaceOfAFile: a start that cannot go on names what is in
// the way, and what helps; with that out of the way the next one goes on.
func TestADirectoryInThePlaceOfAFile(t *testing.T) {
	for _, file := range []string{lockName, closing.Name, "wal/" + wal.FileName(2), "manifest/MANIFEST-0000000000000001"} {
		t.Run(file, func(t *testing.T) {
			fs, cfg := vfs.Default, testConfig()
			cfg.Dir = t.TempDir()
			s := mustOpen(t, fs, cfg)
			storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(1).Logs(50))
			mustFlush(t, s)
			mustClose(t, s)
			path := fs.PathJoin(cfg.Dir, file)
			if err := errors.Join(fs.Remove(path), fs.MkdirAll(path, dirMode)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(cfg, Deps{FS: fs})
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
				t.Fatalf("open: %v, want one that names %s and what helps", err, path)
			}
			if err := fs.Remove(path); err != nil {
				t.Fatal(err)
			}
			mustClose(t, mustOpen(t, fs, cfg))
		})
	}
}
