package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/outbound"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// Deps is what the store is given from outside. The zero value works.
type Deps struct {
	FS         vfs.FS
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

func (d Deps) withDefaults() Deps {
	if d.FS == nil {
		d.FS = vfs.Default
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	d.Logger = d.Logger.With("module", "storage/metrics/remote")
	return d
}

// Store is the metrics of all tenants in another store. It implements
// storage.Metrics.
type Store struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	writeURL string
	queue    *queue
	caller   *caller
	metrics  *storeMetrics
	lock     io.Closer

	mu      sync.Mutex
	tenants map[string]*Tenant
	closed  bool

	commits sync.RWMutex // held for reading by commits, so that Close waits for them
	stop    context.CancelFunc
	drained sync.WaitGroup
}

var _ storage.Metrics = (*Store)(nil)

// Open opens the log and begins to carry it to the store, which may be away.
func Open(cfg Config, deps Deps) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open remote metrics: %w", err)
	}
	deps = deps.withDefaults()
	s := &Store{cfg: cfg, log: deps.Logger, now: deps.Now, writeURL: cfg.WriteURL, tenants: map[string]*Tenant{}, metrics: newStoreMetrics(deps.Registerer)}
	if s.writeURL == "" {
		s.writeURL = s.below("/api/v1/write")
	}
	defer func() {
		if err != nil && s.lock != nil {
			err = errors.Join(err, s.lock.Close())
		}
	}()
	if s.caller, err = newCaller(cfg, deps, s.metrics); err != nil {
		return nil, fmt.Errorf("open remote metrics: %w", err)
	}
	if err = deps.FS.MkdirAll(cfg.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("open remote metrics: %w", err)
	}
	if s.lock, err = deps.FS.Lock(deps.FS.PathJoin(cfg.Dir, lockName)); err != nil {
		return nil, fmt.Errorf("open remote metrics: lock %s, another process may be using it: %w", cfg.Dir, err)
	}
	if s.queue, err = openQueue(cfg, deps, s.metrics); err != nil {
		return nil, fmt.Errorf("open remote metrics: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.drained.Go(func() { s.drain(ctx) })
	return s, nil
}

// below returns the URL of a path of the store's API.
func (s *Store) below(path string) string { return strings.TrimSuffix(s.cfg.QueryURL, "/") + path }

// Tenant implements storage.Metrics.
func (s *Store) Tenant(name string) (storage.TenantMetrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, storage.ErrClosed
	}
	if t := s.tenants[name]; t != nil {
		return t, nil
	}
	if err := tenant.Check(name); err != nil {
		return nil, err
	}
	t, err := newTenant(s, name)
	if err != nil {
		return nil, fmt.Errorf("open remote metrics of tenant %q: %w", name, err)
	}
	s.tenants[name] = t
	return t, nil
}

// Tenants implements storage.Metrics: those that this process has heard of.
func (s *Store) Tenants() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.tenants))
	for name := range s.tenants {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Health implements storage.Metrics. It tells of what is acknowledged; that
// the store is away is in Remote.
func (s *Store) Health() storage.Health {
	if err := s.queue.room(0); err != nil {
		return storage.Health{Err: err.Error(), Fsync: time.Duration(s.queue.fsync.Load())}
	}
	return storage.Health{Writable: true, Fsync: time.Duration(s.queue.fsync.Load())}
}

// Remote is how the store is doing.
type Remote struct {
	URL       string
	Breaker   string // closed, open or half_open
	LastError string // "" where the last request succeeded
	Pending   int64  // bytes that wait for it
	// Average is how long the last requests took, Expected how long one may.
	Average, Expected time.Duration
}

// Remote returns how the store is doing.
func (s *Store) Remote() Remote {
	s.queue.mu.Lock()
	pending := s.queue.pending
	s.queue.mu.Unlock()
	return Remote{
		URL: outbound.Redact(s.cfg.QueryURL), Breaker: s.caller.guard.State(), LastError: s.caller.guard.LastError(), Pending: pending,
		Average: s.caller.guard.Average(), Expected: time.Duration(s.cfg.RequestTimeout),
	}
}

// Renew prepares other credentials for the store elsewhere. Once use is called
// they hold for every request that begins.
func (s *Store) Renew(to Credentials) (use func(), err error) {
	return s.caller.way.Prepare(to.outbound())
}

// Switch is the circuit breaker, for an operator.
func (s *Store) Switch() guard.Switch { return s.caller.guard }

// Close waits for commits under way and stops. What is not sent stays in the
// log for the next start.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.drained.Wait()
	s.commits.Lock()
	defer s.commits.Unlock()
	err := s.queue.wal.Close()
	s.caller.close()
	return errors.Join(err, s.lock.Close())
}
