package local

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var damageSeeds = flag.Uint64("damage.seeds", 400, "how many seeds the damage test runs")

// spoilers are what becomes of files on bad disks.
var spoilers = []struct {
	name string
	do   func(b []byte, at int, r *rand.Rand) []byte
}{
	{"a flipped bit", func(b []byte, at int, r *rand.Rand) []byte {
		b[at] ^= 1 << r.IntN(8)
		return b
	}},
	{"a sector of zeros", func(b []byte, at int, _ *rand.Rand) []byte {
		clear(b[at:min(at+512, len(b))])
		return b
	}},
	{"rubbish", func(b []byte, at int, r *rand.Rand) []byte {
		for i := at; i < min(at+1+r.IntN(600), len(b)); i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{"cut off", func(b []byte, at int, _ *rand.Rand) []byte { return b[:at] }},
	{"another place's bytes", func(b []byte, at int, r *rand.Rand) []byte {
		from := r.IntN(len(b))
		copy(b[at:], b[from:min(from+64, len(b))])
		return b
	}},
}

// TestDamage spoils a file of a store at random. Check says so and names the
// file; the store starts; nothing that reads give is wrong or twice; what is
// missing was in that file, and the answer says that it is not whole.
func TestDamage(t *testing.T) {
	t.Parallel()
	n := *damageSeeds
	if testing.Short() || underRace {
		n /= 5
	}
	d := newDeletionTest(t)
	whole := vfs.NewCrashableMem()
	d.fill(whole)
	mustClose(t, d.s)
	paths := files(t, whole, "/data")
	for seed := uint64(1); seed <= n && !t.Failed(); seed++ {
		r := rand.New(rand.NewPCG(seed, 5))
		path := paths[r.IntN(len(paths))]
		fs := whole.CrashClone(vfs.CrashCloneCfg{})
		before := readFile(t, fs, path)
		sp := spoilers[r.IntN(len(spoilers))]
		after := sp.do([]byte(string(before)), r.IntN(len(before)), r)
		if string(after) == string(before) {
			continue
		}
		writeFile(t, fs, path, after)
		testSpoilt(t, d, fs, path)
		if t.Failed() {
			t.Fatalf("seed %d: %s in %s, %d bytes", seed, sp.name, path, len(before))
		}
	}
}

func testSpoilt(t *testing.T, d *deletionTest, fs vfs.FS, path string) {
	t.Helper()
	report, err := Check("/data", fs)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	isWAL, isManifest := strings.HasSuffix(path, ".wal"), strings.Contains(path, manifestDir)
	if named := namesIt(report, path); !named && !isWAL && !isManifest {
		t.Errorf("check names it not: %v", report.Problems)
	}
	s, err := Open(d.cfg, Deps{FS: fs, Now: d.clock.now, Selectors: testSelectors})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer mustClose(t, s)
	var stats storage.ReadStats
	logs := storagetestLogs(t, s, &stats)
	missing := wrongOrMissing(t, logs, d.all, func(l *telemetry.Log) int64 { return l.Time }, storagetest.DiffLog)
	counted := 0.0
	for _, kind := range []string{fileWAL, fileSegment, fileManifest} {
		counted += testutil.ToFloat64(s.metrics.corruptions.WithLabelValues(kind))
	}
	torn := isWAL && len(report.Notes) > 0 // the end of the last file cannot be told from a torn write
	if missing > 0 && counted == 0 && !torn {
		t.Errorf("%d records are missing and nothing counts it", missing)
	}
	if missing > 0 && strings.HasSuffix(path, segmentSuffix) && len(stats.Warnings) == 0 {
		t.Errorf("%d records are missing without a warning", missing)
	}
	if missing > 0 && strings.Contains(path, "/traces/") {
		t.Errorf("%d logs are missing, and a file of spans is damaged", missing)
	}
	if isManifest && missing > 0 {
		t.Errorf("%d records are lost to a damaged manifest", missing)
	}
}

func namesIt(r Report, path string) bool {
	for _, p := range r.Problems {
		if p.File == path {
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
