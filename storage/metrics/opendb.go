package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// openDB is a TSDB together with what makes its commits durable.
//
// The TSDB panics where it cannot write a chunk of its head, in whichever
// goroutine that is, with locks held. So nothing in it may run by itself: its
// own compaction is off, maintain does that work here, where a panic is caught
// and where there is known to be room.
type openDB struct {
	*tsdb.DB
	registry *tsdbRegistry
	commits  groupSync
	// exemplars are the IDs that exemplars may name.
	exemplars exemplarIDs
	logs      []*segments
	refs      int // guarded by the tenant's mu
	panicked  atomic.Bool
}

// openTSDB opens the TSDB, and again where that repaired one of its two
// write-ahead logs: it stops reading at what it repairs, and would come up
// without what the other log holds.
func (t *Tenant) openTSDB() (*openDB, error) {
	s := t.store
	log := s.log.With("tenant", t.name)
	const attempts = 3 // a repair of each log, and then none
	for n := 1; ; n++ {
		db := &openDB{registry: newTSDBRegistry(s.deps.Registerer, t.name)}
		var err error
		db.DB, err = tsdb.Open(t.dir, log, db.registry, s.tsdbOptions(), tsdb.NewDBStats())
		if err != nil {
			db.registry.release()
			return nil, err
		}
		db.DisableCompactions()
		if !db.registry.repaired() {
			return db, nil
		}
		if n == attempts {
			return nil, errors.Join(errors.New("a write-ahead log is still corrupt after it was repaired"), db.close())
		}
		log.Warn("a write-ahead log was cut at its last whole record, reading both again")
		if err := db.close(); err != nil {
			return nil, fmt.Errorf("close after repairing a write-ahead log: %w", err)
		}
	}
}

func (t *Tenant) openDB() (*openDB, error) {
	s := t.store
	db, err := t.openTSDB()
	if err != nil {
		return nil, err
	}
	db.commits.flush = func() error { return t.flush(db) }
	dirs := []string{filepath.Join(t.dir, "wal")}
	if s.cfg.OutOfOrderWindow > 0 {
		dirs = append(dirs, filepath.Join(t.dir, wlog.WblDirName))
	}
	for _, dir := range dirs {
		log, err := openSegments(dir, s.deps.Fsync)
		if err != nil {
			return nil, errors.Join(err, db.close())
		}
		db.logs = append(db.logs, log)
	}
	for _, dir := range append(dirs, t.dir) {
		if err := syncDir(dir, s.deps.Fsync); err != nil {
			return nil, errors.Join(err, db.close())
		}
	}
	return db, nil
}

// tsdbOptions returns the TSDB's own options, sized for little memory when
// idle.
func (s *Store) tsdbOptions() *tsdb.Options {
	c := s.cfg
	o := tsdb.DefaultOptions()
	o.NoLockfile = true                   // the store has one for all tenants
	o.BlockReloadInterval = math.MaxInt64 // see openDB
	o.WALSegmentSize = c.WALSegmentBytes
	o.WALCompression = compression.Snappy
	o.RetentionDuration = time.Duration(c.Retention).Milliseconds()
	o.MaxBytes = c.RetentionBytes
	o.BlocksToDelete = s.blocksToDelete
	o.MinBlockDuration = blockDuration.Milliseconds()
	o.MaxBlockDuration = max(blockDuration, min(maxBlockDuration, time.Duration(c.Retention)/10)).Milliseconds()
	o.OutOfOrderTimeWindow = time.Duration(c.OutOfOrderWindow).Milliseconds()
	o.EnableExemplarStorage = c.MaxExemplars > 0
	o.MaxExemplars = c.MaxExemplars
	o.StripeSize = c.HeadStripes
	o.HeadChunksWriteBufferSize = c.HeadWriteBufferBytes
	return o
}

// blocksToDelete names the blocks that are merged into others, out of
// retention, or over the bound of bytes. Retention counts from now:
// Prometheus counts from its newest block, and would keep the last data of a
// tenant that sends no more.
func (s *Store) blocksToDelete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	drop := map[ulid.ULID]struct{}{}
	oldest := s.oldest()
	var total int64
	for i := len(blocks) - 1; i >= 0; i-- { // from the newest on
		b := blocks[i]
		meta := b.Meta()
		total += b.Size()
		if meta.Compaction.Deletable || meta.MaxTime < oldest || s.cfg.RetentionBytes > 0 && total > s.cfg.RetentionBytes {
			drop[meta.ULID] = struct{}{}
		}
	}
	return drop
}

// oldest is the time in milliseconds before which everything is dropped.
func (s *Store) oldest() int64 {
	return s.deps.Now().Add(-time.Duration(s.cfg.Retention)).UnixMilli()
}

// flush makes everything durable that commits wrote before. It runs in one
// goroutine at a time.
func (t *Tenant) flush(db *openDB) error {
	start := time.Now()
	defer func() {
		took := time.Since(start)
		t.store.fsyncs.add(took)
		t.store.metrics.fsync.Observe(took.Seconds())
	}()
	for _, log := range db.logs {
		if err := log.sync(); err != nil {
			return err
		}
	}
	return t.meta.sync()
}

// guard runs f, which may write chunks of the head, and turns a panic into an
// error.
func (db *openDB) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			db.panicked.Store(true)
			if cause, ok := r.(error); ok {
				err = fmt.Errorf("write a chunk: %w", cause)
			} else {
				err = fmt.Errorf("write a chunk: %v", r)
			}
		}
	}()
	return f()
}

// maintain does what a TSDB does by itself once a minute: it writes full
// chunks of the head to disk and compacts. On a disk without room it only
// drops what is out of retention: what is in memory is in the write-ahead log
// as well.
func (t *Tenant) maintain(ctx context.Context) {
	db, err := t.acquire()
	if err != nil {
		return // it is said where it is noticed
	}
	if t.store.room() == nil {
		err = db.guard(func() error {
			db.ForceHeadMMap()
			return db.Compact(ctx)
		})
	}
	if db.panicked.Load() {
		t.fail(db, asDiskFull(err))
	} else if err != nil && ctx.Err() == nil {
		t.store.log.Error("compacting metrics failed", "tenant", t.name, "err", err)
	}
	expired := false
	for _, b := range db.BlockMetas() {
		expired = expired || b.MaxTime < t.store.oldest()
	}
	t.release(db)
	if expired {
		t.dropExpired()
	}
}

// dropExpired opens the TSDB again if nobody uses it: it looks for blocks to
// drop only then and when it compacts, which it does not while nothing comes.
func (t *Tenant) dropExpired() {
	t.mu.Lock()
	defer t.mu.Unlock()
	inUse := t.open == nil || t.open.refs > 0
	if inUse || t.broken != nil || t.isClosed || t.store.roomToOpen() != nil {
		return
	}
	t.reopen("to drop blocks out of retention")
}

func (db *openDB) close() error {
	errs := []error{db.guard(db.Close)}
	for _, log := range db.logs {
		errs = append(errs, log.close())
	}
	db.registry.release()
	return errors.Join(errs...)
}
