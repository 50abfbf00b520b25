package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/clewhq/clew/storage"
)

// reopenPause keeps a TSDB that cannot be opened from being tried on every
// request.
const reopenPause = time.Second

// errRestart is what a tenant answers whose TSDB could not be opened again.
var errRestart = errors.New("the tenant's metrics are not open")

// Tenant is one tenant's TSDB. It implements storage.TenantMetrics.
//
// The TSDB is opened again after a failed write (see the package comment), so
// everything that uses it takes a reference first, and it is closed only while
// there is none.
type Tenant struct {
	store *Store
	name  string
	dir   string
	meta  *metadataLog

	mu       sync.Mutex
	idle     *sync.Cond // signalled when refs falls to 0
	refs     int
	open     *openDB // nil where opening it again failed
	broken   error   // why writes are refused until it is opened again
	retry    time.Time
	isClosed bool
}

var _ storage.TenantMetrics = (*Tenant)(nil)

// openDB is a TSDB together with what makes its commits durable.
type openDB struct {
	*tsdb.DB
	registry *tsdbRegistry
	commits  groupSync
	logs     []*segments
}

func openTenant(s *Store, name string) (*Tenant, error) {
	t := &Tenant{store: s, name: name, dir: filepath.Join(s.cfg.Dir, name)}
	t.idle = sync.NewCond(&t.mu)
	if err := os.MkdirAll(t.dir, 0o777); err != nil {
		return nil, err
	}
	var err error
	t.meta, err = openMetadata(t.dir, s.cfg.MaxMetadataFamilies, s.deps.Fsync, s.log.With("tenant", name))
	if err != nil {
		return nil, err
	}
	if t.open, err = t.openDB(); err != nil {
		return nil, errors.Join(err, t.meta.close())
	}
	return t, nil
}

func (t *Tenant) openDB() (*openDB, error) {
	s := t.store
	db := &openDB{registry: newTSDBRegistry(s.deps.Registerer, t.name)}
	var err error
	db.DB, err = tsdb.Open(t.dir, s.log.With("tenant", t.name), db.registry, s.cfg.tsdbOptions(), tsdb.NewDBStats())
	if err != nil {
		db.registry.release()
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
func (c Config) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.WALSegmentSize = c.WALSegmentBytes
	o.WALCompression = compression.Snappy
	o.RetentionDuration = time.Duration(c.Retention).Milliseconds()
	o.MaxBytes = c.RetentionBytes
	o.MinBlockDuration = blockDuration.Milliseconds()
	o.MaxBlockDuration = max(blockDuration, min(maxBlockDuration, time.Duration(c.Retention)/10)).Milliseconds()
	o.OutOfOrderTimeWindow = time.Duration(c.OutOfOrderWindow).Milliseconds()
	o.EnableExemplarStorage = c.MaxExemplars > 0
	o.MaxExemplars = c.MaxExemplars
	o.StripeSize = c.HeadStripes
	o.HeadChunksWriteBufferSize = c.HeadWriteBufferBytes
	return o
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

func (db *openDB) close() error {
	errs := []error{db.Close()}
	for _, log := range db.logs {
		errs = append(errs, log.close())
	}
	db.registry.release()
	return errors.Join(errs...)
}

// acquire takes a reference to the TSDB, to be given back with release.
func (t *Tenant) acquire() (*openDB, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return nil, storage.ErrClosed
	}
	t.heal()
	if t.open == nil {
		return nil, fmt.Errorf("%w: %w", errRestart, t.broken)
	}
	t.refs++
	return t.open, nil
}

func (t *Tenant) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refs--
	if t.refs == 0 {
		t.heal()
		t.idle.Broadcast()
	}
}

// heal opens the TSDB again after a failed write, as soon as nobody uses it
// and the disk has room. Its replay cuts the torn record. The caller holds mu.
func (t *Tenant) heal() {
	now := t.store.deps.Now()
	if t.broken == nil || t.isClosed || t.refs > 0 || now.Before(t.retry) || t.store.room() != nil {
		return
	}
	t.retry = now.Add(reopenPause)
	log := t.store.log.With("tenant", t.name)
	if t.open != nil {
		if err := t.open.close(); err != nil {
			log.Warn("closing metrics after a failed write", "err", err)
		}
		t.open = nil
	}
	db, err := t.openDB()
	if err != nil {
		t.broken = asDiskFull(err)
		log.Error("metrics cannot be opened again after a failed write", "err", err)
		return
	}
	t.open, t.broken = db, nil
	t.store.metrics.reopened.Inc()
	log.Info("metrics opened again after a failed write")
}

// fail refuses further writes until the TSDB was opened again.
func (t *Tenant) fail(db *openDB, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != db || t.broken != nil {
		return
	}
	t.broken = err
	t.retry = t.store.deps.Now().Add(reopenPause)
	t.store.log.Error("writing metrics failed, refusing more until they are opened again", "tenant", t.name, "err", err)
}

// failure returns why writes are refused, or nil.
func (t *Tenant) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

func (t *Tenant) close() error {
	deadline := time.AfterFunc(time.Duration(t.store.cfg.CloseTimeout), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.idle.Broadcast()
	})
	defer deadline.Stop()
	end := time.Now().Add(time.Duration(t.store.cfg.CloseTimeout))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.isClosed = true
	for t.refs > 0 && time.Now().Before(end) {
		t.idle.Wait()
	}
	if t.refs > 0 {
		// Unmapping its files would crash whoever still reads them.
		return fmt.Errorf("%d readers or writers still there after %s, leaving the files open", t.refs, t.store.cfg.CloseTimeout)
	}
	errs := []error{t.meta.close()}
	if t.open != nil {
		errs = append(errs, t.open.close())
	}
	return errors.Join(errs...)
}

// Metadata implements storage.TenantMetrics.
func (t *Tenant) Metadata(family string) map[string]metadata.Metadata { return t.meta.lookup(family) }

// Querier implements promstorage.Queryable.
func (t *Tenant) Querier(mint, maxt int64) (promstorage.Querier, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	q, err := db.Querier(mint, maxt)
	if err != nil {
		t.release()
		return nil, err
	}
	return &querier{Querier: q, release: sync.OnceFunc(t.release)}, nil
}

// ChunkQuerier implements promstorage.ChunkQueryable.
func (t *Tenant) ChunkQuerier(mint, maxt int64) (promstorage.ChunkQuerier, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	q, err := db.ChunkQuerier(mint, maxt)
	if err != nil {
		t.release()
		return nil, err
	}
	return &chunkQuerier{ChunkQuerier: q, release: sync.OnceFunc(t.release)}, nil
}

// ExemplarQuerier implements promstorage.ExemplarQueryable.
func (t *Tenant) ExemplarQuerier(context.Context) (promstorage.ExemplarQuerier, error) {
	return exemplarQuerier{t}, nil
}

// Stats describes the head, for the API's status pages.
func (t *Tenant) Stats(label string, limit int) (*tsdb.Stats, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer t.release()
	return db.Head().Stats(label, limit), nil
}

// BlockMetas describes the blocks, for the API's status pages.
func (t *Tenant) BlockMetas() ([]tsdb.BlockMeta, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer t.release()
	return db.BlockMetas(), nil
}

type querier struct {
	promstorage.Querier
	release func()
}

// Close gives the reference to the TSDB back.
func (q *querier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

type chunkQuerier struct {
	promstorage.ChunkQuerier
	release func()
}

// Close gives the reference to the TSDB back.
func (q *chunkQuerier) Close() error {
	defer q.release()
	return q.ChunkQuerier.Close()
}

// exemplarQuerier has no Close, so it takes a reference per Select.
type exemplarQuerier struct{ t *Tenant }

// Select implements promstorage.ExemplarQuerier.
func (q exemplarQuerier) Select(start, end int64, matchers ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	db, err := q.t.acquire()
	if err != nil {
		return nil, err
	}
	defer q.t.release()
	eq, err := db.ExemplarQuerier(context.Background())
	if err != nil {
		return nil, err
	}
	return eq.Select(start, end, matchers...)
}
