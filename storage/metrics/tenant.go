package metrics

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/metadata"

	"github.com/clewhq/clew/storage"
)

// A TSDB that failed is opened again after a pause, which doubles with every
// failure that no stored commit came between.
const (
	reopenPause    = time.Second
	maxReopenPause = time.Minute
)

// errRestart is what a tenant answers whose TSDB is not open at the moment.
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
	idle     *sync.Cond // signalled when a TSDB's refs fall to 0
	open     *openDB    // nil where it could not be opened again yet
	broken   error      // why writes are refused until it is opened again
	retry    time.Time  // when that may be tried
	pause    time.Duration
	isClosed bool
}

var _ storage.TenantMetrics = (*Tenant)(nil)

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
	if t.broken = s.roomToOpen(); t.broken != nil {
		s.log.Error("metrics are not opened before the disk has room", "tenant", name, "err", t.broken)
		return t, nil
	}
	if t.open, err = t.openDB(); err != nil {
		return nil, errors.Join(err, t.meta.close())
	}
	return t, nil
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
	t.open.refs++
	return t.open, nil
}

func (t *Tenant) release(db *openDB) {
	t.mu.Lock()
	defer t.mu.Unlock()
	db.refs--
	if db.refs == 0 {
		t.heal()
		t.idle.Broadcast()
	}
}

// heal opens the TSDB again after a failed write, as soon as nobody uses it
// and the disk has room. Its replay cuts a torn record. The caller holds mu.
func (t *Tenant) heal() {
	now := t.store.deps.Now()
	inUse := t.open != nil && t.open.refs > 0
	if t.broken == nil || t.isClosed || inUse || now.Before(t.retry) || t.store.roomToOpen() != nil {
		return
	}
	t.reopen("after a failed write")
}

// reopen closes the TSDB, if it is open, and opens it again. The caller holds
// mu and knows that there are no references.
func (t *Tenant) reopen(why string) {
	log := t.store.log.With("tenant", t.name)
	if t.open != nil {
		if err := t.open.close(); err != nil {
			log.Warn("closing metrics to open them again", "why", why, "err", err)
		}
		t.open = nil
	}
	db, err := t.openDB()
	if err != nil {
		t.broken = asDiskFull(err)
		t.backOff()
		log.Error("metrics cannot be opened again", "why", why, "err", err)
		return
	}
	t.open, t.broken = db, nil
	t.store.metrics.reopened.Inc()
	log.Info("metrics opened again", "why", why)
}

// fail refuses further writes until the TSDB was opened again. A TSDB that
// panicked is left behind for good: nobody knows which of its locks are held.
func (t *Tenant) fail(db *openDB, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != db {
		return
	}
	if db.panicked.Load() {
		db.registry.release()
		t.open = nil
	} else if t.broken != nil {
		return
	}
	t.broken = err
	t.backOff()
	t.store.log.Error("writing metrics failed, refusing more until they are opened again", "tenant", t.name, "err", err)
}

// backOff sets when opening may be tried next. The caller holds mu.
func (t *Tenant) backOff() {
	t.pause = min(max(2*t.pause, reopenPause), maxReopenPause)
	t.retry = t.store.deps.Now().Add(t.pause)
}

// stored ends the doubling of pauses.
func (t *Tenant) stored() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pause = 0
}

// failure returns why writes are refused, or nil.
func (t *Tenant) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// refs counts who uses the TSDB. The caller holds mu.
func (t *Tenant) refs() int {
	if t.open == nil {
		return 0
	}
	return t.open.refs
}

func (t *Tenant) close() error {
	timeout := time.Duration(t.store.cfg.CloseTimeout)
	end := time.Now().Add(timeout)
	wake := time.AfterFunc(timeout, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.idle.Broadcast()
	})
	defer wake.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.isClosed = true
	for t.refs() > 0 && time.Now().Before(end) {
		t.idle.Wait()
	}
	if t.refs() > 0 {
		// Unmapping its files would crash whoever still reads them.
		return fmt.Errorf("%d readers or writers still there after %s, leaving the files open", t.refs(), t.store.cfg.CloseTimeout)
	}
	errs := []error{t.meta.close()}
	if t.open != nil {
		errs = append(errs, t.open.close())
	}
	return errors.Join(errs...)
}

// Metadata implements storage.TenantMetrics.
func (t *Tenant) Metadata(family string) map[string]metadata.Metadata { return t.meta.lookup(family) }
