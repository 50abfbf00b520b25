package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// longLog is a store that was killed with a write-ahead log of several files, of
// which nothing is in segments, and a configuration that flushes while it is
// replayed.
type longLog struct {
	fs      *vfs.MemFS
	cfg     Config
	batches []*telemetry.LogBatch
	all     []telemetry.Log
}

func newLongLog(t *testing.T, batches int) *longLog {
	l := &longLog{fs: vfs.NewCrashableMem(), cfg: testConfig()}
	l.cfg.WALFileBytes = 6 << 10
	s := mustOpen(t, l.fs, l.cfg)
	g := storagetest.NewGen(11)
	for range batches {
		b := g.Logs(6)
		l.batches, l.all = append(l.batches, b), append(l.all, b.Logs...)
		storagetest.WriteLogs(t, s, tenantA, b)
	}
	killed := l.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	mustClose(t, s)
	l.fs = killed
	l.cfg.FlushBytes = 1 << 10
	return l
}

func (l *longLog) logFiles(t *testing.T, fs vfs.FS) []uint64 {
	t.Helper()
	seqs, err := wal.Files(fs, path.Join(l.cfg.Dir, walDir))
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

// whole makes sure that a store has every record once, and knows every request.
func (l *longLog) whole(t *testing.T, s *Store, when string) {
	t.Helper()
	if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA}), l.all); d != "" {
		t.Fatalf("%s: %s", when, d)
	}
	for i, b := range l.batches {
		if r, err := s.WriteLogs(context.Background(), tenantA, b); err != nil || !r.Duplicate {
			t.Fatalf("%s: request %d again: %+v, %v", when, i, r, err)
		}
	}
}

// TestReplayReleases: a replay gives the files of the log back one by one, so
// that the disk need not hold log and segments.
func TestReplayReleases(t *testing.T) {
	l := newLongLog(t, 40)
	before := len(l.logFiles(t, l.fs))
	var mu sync.Mutex
	var left []int // files of the log whenever a segment is begun
	watched := errorfs.Wrap(l.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, segmentSuffix) {
			mu.Lock()
			left = append(left, len(l.logFiles(t, l.fs)))
			mu.Unlock()
		}
		return nil
	}))
	s := mustOpen(t, watched, l.cfg)
	if len(left) < 5 || left[0] != before || left[len(left)-1] > 3 {
		t.Errorf("of %d files of the log there are %v while segments are written", before, left)
	}
	l.whole(t, s, "after the replay")
	mustClose(t, s)
	if r, err := Check(l.cfg.Dir, l.fs); err != nil || !r.OK() {
		t.Errorf("check: %v, %v", err, r.Problems)
	}
}

// cutAt lets the power go before the n-th operation that writes.
type cutAt struct {
	t    *testing.T
	l    *longLog
	n    int
	rand *rand.Rand
	mu   sync.Mutex
	seen int
	cut  *vfs.MemFS // what is left
}

func (c *cutAt) MaybeError(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		if c.seen == c.n {
			c.cut = powerCut(c.t, c.l.fs, 100*(c.n%2), c.rand)
		}
		c.seen++
	}
	return nil
}

func (c *cutAt) String() string { return "power cut" }

// TestPowerCutsWhileReplaying: wherever the power goes while files of the log
// are released, the next start has everything once, and knows the requests
// whose files are gone.
func TestPowerCutsWhileReplaying(t *testing.T) {
	released := 0
	for n := 0; ; n++ {
		l := newLongLog(t, 9)
		before := l.logFiles(t, l.fs)
		c := &cutAt{t: t, l: l, n: n, rand: rand.New(rand.NewPCG(uint64(n), 1))}
		mustClose(t, mustOpen(t, errorfs.Wrap(l.fs, c), l.cfg))
		if c.cut == nil {
			if n < 60 || released < 5 {
				t.Errorf("%d operations, %d with files released: the test tests nothing", n, released)
			}
			return
		}
		when := fmt.Sprintf("power cut before operation %d", n)
		if left := l.logFiles(t, c.cut); len(left) > 0 && left[0] > before[0] && left[len(left)-1] == before[len(before)-1] {
			released++
		}
		if r, err := Check(l.cfg.Dir, c.cut); err != nil || !r.OK() {
			t.Errorf("%s: check: %v, %v", when, err, r.Problems)
		}
		s := mustOpen(t, c.cut, l.cfg)
		l.whole(t, s, when)
		mustClose(t, s)
		s = mustOpen(t, c.cut, l.cfg)
		l.whole(t, s, when+", started again")
		mustClose(t, s)
	}
}

// TestKeptRequests: what is remembered in a file of its own is not taken for
// what the manifest does not know of, and damage in it is named.
func TestKeptRequests(t *testing.T) {
	const kept = "/data/wal/requests"
	l := newLongLog(t, 9)
	s := mustOpen(t, l.fs, l.cfg)
	list := s.dedup.Append(nil, s.deps.Now().UnixNano())
	killed := newLongLog(t, 9)
	mustClose(t, s)
	// The manifest knows nothing of what was flushed: the log is all there is.
	if err := wal.KeepRequests(killed.fs, "/data/wal", 7, wal.Requests{Before: wal.Position{Seq: 2, Offset: 48}, List: list}); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, killed.fs, killed.cfg)
	killed.whole(t, s, "requests of a later place")
	mustClose(t, s)
	if _, err := killed.fs.Stat(kept); err == nil {
		t.Error("the file stays though a newer one knows the requests")
	}

	writeFile(t, killed.fs, kept, []byte("nonsense"))
	if r, err := Check("/data", killed.fs); err != nil || len(r.Problems) == 0 || !strings.Contains(fmt.Sprint(r.Problems), kept) {
		t.Errorf("check of a damaged file: %v, %v", r.Problems, err)
	}
	s = mustOpen(t, killed.fs, killed.cfg)
	killed.whole(t, s, "a damaged file of requests")
	mustClose(t, s)
	if r, err := Check("/data", killed.fs); err != nil || !r.OK() {
		t.Errorf("check after the start: %v, %v", r.Problems, err)
	}
}
