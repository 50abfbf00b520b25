package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/storagetest"
)

// multiply makes n segments of the one that a store has: of the same day, with
// the same records.
func multiply(t testing.TB, s *Store, tenant string, n int) {
	t.Helper()
	one := s.logs.segments[tenant][0]
	var edit manifest.Edit
	for range n - 1 {
		meta := one.meta
		meta.ID = s.manifest.NewID()
		if err := vfs.Copy(s.deps.FS, one.path, s.paths.segment(&meta)); err != nil {
			t.Fatal(err)
		}
		edit.Add = append(edit.Add, meta)
	}
	if err := s.manifest.Apply(edit); err != nil {
		t.Fatal(err)
	}
}

// TestStartOfManySegments: a start reads what the manifest says of segments, and
// of the segments themselves the oldest and the newest, so that 10,000 take a
// tenth of a second. How long it took is logged; what else runs decides it, too.
func TestStartOfManySegments(t *testing.T) {
	const segments = 10_000
	fs := vfs.NewMem()
	cfg := DefaultConfig()
	cfg.Dir, cfg.Retention, cfg.MaintainEvery = "/data", Retention{}, cfg.FlushAge
	s := mustOpen(t, fs, cfg)
	b := storagetest.NewGen(1).Logs(3)
	for i := range b.Logs {
		b.Logs[i].Time = storagetest.Base // one day, one segment
	}
	b = storagetest.LogBatch(b.Logs)
	storagetest.WriteLogs(t, s, tenantA, b)
	mustFlush(t, s)
	multiply(t, s, tenantA, segments)
	mustClose(t, s)

	var read atomic.Int64
	counting := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, segmentSuffix) {
			read.Add(1)
		}
		return nil
	}))
	fastest := time.Hour
	for range 3 {
		start := time.Now()
		s = mustOpen(t, counting, cfg)
		fastest = min(fastest, time.Since(start))
		if n := len(s.logs.segments[tenantA]); n != segments {
			t.Errorf("%d segments after the start", n)
		}
		mustClose(t, s)
	}
	t.Logf("%d segments: opened in %s", segments, fastest)
	if n := read.Load(); n > 3*2 { // the oldest and the newest, to see their version
		t.Errorf("three starts opened %d segments", n)
	}
}

// TestStartsLeaveNothing: however often a store is started to which nothing is
// written, and however it ends, no file and no byte is added, and it knows the
// same requests.
func TestStartsLeaveNothing(t *testing.T) {
	for name, c := range map[string]struct {
		write, flush bool
	}{"empty": {}, "in the log": {write: true}, "in segments": {write: true, flush: true}} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", killed ", killed), func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				cfg := testConfig()
				s := mustOpen(t, fs, cfg)
				b := storagetest.NewGen(1).Logs(20)
				if c.write {
					storagetest.WriteLogs(t, s, tenantA, b)
				}
				if c.flush {
					mustFlush(t, s)
				}
				after := func() (n int, size int64) {
					if killed {
						fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
					}
					mustClose(t, s)
					for _, f := range files(t, fs, cfg.Dir) {
						n, size = n+1, size+int64(len(readFile(t, fs, f)))
					}
					s = mustOpen(t, fs, cfg)
					return n, size
				}
				after() // a manifest that was begun anew is longer
				n, size := after()
				for i := range 10 {
					if m, more := after(); m > n || more > size {
						t.Fatalf("start %d: %d files of %d bytes, were %d of %d", i, m, more, n, size)
					}
				}
				if c.write {
					if r, err := s.WriteLogs(context.Background(), tenantA, b); err != nil || !r.Duplicate {
						t.Errorf("the request again: %+v, %v", r, err)
					}
				}
				mustClose(t, s)
				if r, err := Check(cfg.Dir, fs); err != nil || !r.OK() {
					t.Errorf("check: %v, %v", err, r.Problems)
				}
			})
		}
	}
}
