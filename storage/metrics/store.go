package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// Deps is what the store is given from outside. The zero value works.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	// Now is the clock, time.Now where nil.
	Now func() time.Time
	// DiskFree returns the bytes that may still be written below a folder. It
	// asks the file system where nil.
	DiskFree func(dir string) (uint64, error)
	// Fsync makes a file or folder durable, (*os.File).Sync where nil.
	Fsync func(*os.File) error
}

func (d Deps) withDefaults() Deps {
	if d.Logger == nil {
		d.Logger = promslog.NewNopLogger()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.DiskFree == nil {
		d.DiskFree = diskFree
	}
	if d.Fsync == nil {
		d.Fsync = (*os.File).Sync
	}
	return d
}

// Store keeps the metrics of all tenants. It implements storage.Metrics.
type Store struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *storeMetrics
	fsyncs  average

	mu      sync.RWMutex
	tenants map[string]*Tenant
	closed  bool

	lock   *tsdbutil.DirLocker
	cancel context.CancelFunc
	wg     sync.WaitGroup // the maintenance
}

var _ storage.Metrics = (*Store)(nil)

// Open opens the store and the metrics of every tenant that has some, so that
// retention also reaches tenants that nobody asks for.
func Open(cfg Config, deps Deps) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	deps = deps.withDefaults()
	s := &Store{cfg: cfg, deps: deps, log: deps.Logger.With("module", "storage/metrics"), tenants: map[string]*Tenant{}}
	if err := s.lockDir(); err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	s.metrics = newStoreMetrics(deps.Registerer, func() float64 { return float64(len(s.Tenants())) })
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.openAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("open metrics: %w", err), s.Close())
	}
	s.wg.Go(func() { s.maintain(ctx) })
	return s, nil
}

// lockDir makes the folder and keeps other processes out of it.
func (s *Store) lockDir() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o777); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(s.cfg.Dir), s.deps.Fsync); err != nil {
		return err
	}
	var err error
	if s.lock, err = tsdbutil.NewDirLocker(s.cfg.Dir, "clew_metrics", s.log, nil); err != nil {
		return err
	}
	if err := s.lock.Lock(); err != nil {
		return fmt.Errorf("%s is in use by another process: %w", s.cfg.Dir, err)
	}
	return nil
}

func (s *Store) openAll() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || tenant.Check(e.Name()) != nil {
			continue
		}
		if _, err := s.open(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// maintain looks after the tenants, one after the other, until ctx ends.
func (s *Store) maintain(ctx context.Context) {
	t := time.NewTicker(time.Duration(s.cfg.MaintenanceInterval))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.maintainAll(ctx)
		}
	}
}

func (s *Store) maintainAll(ctx context.Context) {
	for _, name := range s.Tenants() {
		if ctx.Err() != nil {
			return
		}
		s.mu.RLock()
		tenant := s.tenants[name]
		s.mu.RUnlock()
		tenant.maintain(ctx)
	}
}

// Tenant implements storage.Metrics.
func (s *Store) Tenant(name string) (storage.TenantMetrics, error) {
	s.mu.RLock()
	t, closed := s.tenants[name], s.closed
	s.mu.RUnlock()
	if closed {
		return nil, storage.ErrClosed
	}
	if t != nil {
		return t, nil
	}
	if err := tenant.Check(name); err != nil {
		return nil, err
	}
	t, err := s.open(name)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// open opens the metrics of a tenant that is not open yet.
func (s *Store) open(name string) (*Tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, storage.ErrClosed
	}
	if t := s.tenants[name]; t != nil {
		return t, nil
	}
	if len(s.tenants) >= s.cfg.MaxTenants {
		return nil, fmt.Errorf("open metrics of tenant %q: there are already max_tenants = %d", name, s.cfg.MaxTenants)
	}
	t, err := openTenant(s, name)
	if err != nil {
		return nil, fmt.Errorf("open metrics of tenant %q: %w", name, asDiskFull(err))
	}
	if err := syncDir(s.cfg.Dir, s.deps.Fsync); err != nil {
		return nil, errors.Join(err, t.close())
	}
	s.tenants[name] = t
	return t, nil
}

// Tenants implements storage.Metrics.
func (s *Store) Tenants() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.tenants))
	for name := range s.tenants {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Health implements storage.Metrics.
func (s *Store) Health() storage.Health {
	h := storage.Health{Writable: true, Fsync: s.fsyncs.value()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return storage.Health{Err: storage.ErrClosed.Error()}
	}
	if err := s.room(); err != nil {
		h.Writable, h.Err = false, err.Error()
		return h
	}
	for name, t := range s.tenants {
		if err := t.failure(); err != nil {
			h.Writable, h.Err = false, fmt.Sprintf("tenant %q: %s", name, err)
			return h
		}
	}
	return h
}

// room returns an error that wraps storage.ErrDiskFull where the disk has less
// than the reserve. A file system that cannot tell is taken to have room.
func (s *Store) room() error { return s.free(s.cfg.MinFreeBytes) }

// roomToOpen is room, for opening a TSDB: replay writes a little, too. Half of
// the reserve is for that, so that a restart on a disk that is just full
// enough to refuse writes can still answer queries.
func (s *Store) roomToOpen() error { return s.free(s.cfg.MinFreeBytes / 2) }

func (s *Store) free(reserve int64) error {
	free, err := s.deps.DiskFree(s.cfg.Dir)
	if err != nil || free >= uint64(reserve) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes free below %s, min_free_bytes is %d", storage.ErrDiskFull, free, s.cfg.Dir, s.cfg.MinFreeBytes)
}

// Close waits for queries and commits under way and closes all tenants. What
// was acknowledged is on disk before.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	var errs []error
	for name, t := range s.tenants {
		if err := t.close(); err != nil {
			errs = append(errs, fmt.Errorf("close metrics of tenant %q: %w", name, err))
		}
	}
	s.metrics.release()
	if err := s.lock.Release(); err != nil {
		errs = append(errs, fmt.Errorf("release the lock of %s: %w", s.cfg.Dir, err))
	}
	return errors.Join(errs...)
}
