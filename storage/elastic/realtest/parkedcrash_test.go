package realtest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/local/wal"
)

// powerCuts takes, before every write to a disk, a picture of what a power cut
// would leave of it.
type powerCuts struct {
	mem   *vfs.MemFS
	acked atomic.Int64 // requests

	mu       sync.Mutex
	pictures []picture
}

type picture struct {
	disk  *vfs.MemFS
	acked int64
}

func (c *powerCuts) fs() vfs.FS {
	return errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			c.mu.Lock()
			defer c.mu.Unlock()
			acked := c.acked.Load() // before the disk: what is acknowledged stands there
			c.pictures = append(c.pictures, picture{c.mem.CrashClone(vfs.CrashCloneCfg{}), acked})
		}
		return nil
	}))
}

// waiting is the requests that a disk has behind the drained position, and
// parked.
func waiting(t *testing.T, fs vfs.FS, dir string) (found []string) {
	t.Helper()
	logs := map[string]string{fs.PathJoin(dir, "wal"): fs.PathJoin(dir, "drained")}
	names, _ := fs.List(fs.PathJoin(dir, "parked"))
	for _, n := range names {
		at := fs.PathJoin(dir, "parked", n)
		logs[at] = fs.PathJoin(at, "drained")
	}
	for at, drained := range logs {
		from, err := wal.KeptPosition(fs, drained)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(at); err != nil {
			continue
		}
		_, err = wal.Replay(fs, at, from, func(r wal.Record, pos wal.Position) error {
			if r.Type == wal.Logs && from.Less(pos) {
				found = append(found, string(r.Data))
			}
			return nil
		}, func(e *wal.CorruptionError) { t.Error(e) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestPowerCutsWhileParked cuts the power before every write while the requests
// of a tenant are parked: each that was acknowledged stands in the write-ahead
// log or is parked. Some of those disks are started with then, once the index
// takes documents again, and so are some from when they were let go: every record
// is there once, whichever it was.
func TestPowerCutsWhileParked(t *testing.T) {
	t.Parallel()
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.ParkAfter, cfg.WALFileBytes = model.Duration(20*time.Millisecond), 15_000
	cuts := &powerCuts{mem: vfs.NewCrashableMem()}
	if err := errors.Join(cuts.mem.MkdirAll(cfg.Dir, 0o755), wal.SyncDir(cuts.mem, "/")); err != nil {
		t.Fatal(err)
	}
	d.FS = cuts.fs()
	s := open(t, cfg, d)
	me := newSender(t, "me", 31)
	me.must(s)
	me.whole(s)
	index := "/logs-" + cfg.Dataset + "-me/_settings"
	call(t, "PUT", index, `{"index.blocks.write":true}`)
	var requests []string
	for range 8 {
		b := me.gen.Logs(40)
		if r, err := s.WriteLogs(t.Context(), "me", b); err != nil || r.Duplicate {
			t.Fatal(r, err)
		}
		me.acked = append(me.acked, b.Logs...)
		requests = append(requests, string(b.Raw))
		cuts.acked.Add(1)
	}
	until(t, "all to be parked", func() bool {
		_, missing := me.answer(s)
		return strings.Contains(missing, "parked") && !strings.Contains(missing, "not in Elasticsearch yet")
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	blocked := len(cuts.pictures)
	for i, p := range cuts.pictures {
		found := waiting(t, p.disk, cfg.Dir)
		for j, r := range requests[:p.acked] {
			if !slices.Contains(found, r) {
				t.Fatalf("power cut %d of %d: request %d of %d is gone", i, blocked, j, p.acked)
			}
		}
	}
	t.Logf("%d power cuts while %d requests were taken and parked", blocked, len(requests))
	s = open(t, cfg, d)
	call(t, "PUT", index, `{"index.blocks.write":null}`)
	me.once(s, cfg.Dataset)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{blocked / 2, blocked - 1, blocked + (len(cuts.pictures)-blocked)/2, len(cuts.pictures) - 1} {
		again(t, cfg, cuts.pictures[i], me)
	}
}

// again starts with the disk of a power cut.
func again(t *testing.T, cfg elastic.Config, p picture, me *sender) {
	t.Helper()
	d := deps()
	d.FS = p.disk
	s := open(t, cfg, d)
	me.once(s, cfg.Dataset)
	until(t, "all to be drained", func() bool { return s.Remote().PendingBytes == 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
