package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/inflight"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/closing"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Deps is what a store needs from outside. Zero fields get the machine's own.
type Deps struct {
	FS         vfs.FS
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
	// Selectors know the languages of deletions; a store without them refuses
	// those.
	Selectors storage.Selectors
	// Retention, if set, is asked whenever it is looked for what to drop, in
	// place of Config.Retention: it may change while the store is open.
	Retention func() Retention
	// Calls are the rules by which segments of spans add their calls up. A
	// reader that asks by others is answered from the spans.
	Calls calls.Rules
}

func (d *Deps) setDefaults(cfg *Config) {
	if d.Retention == nil {
		d.Retention = func() Retention { return cfg.Retention }
	}
	if d.FS == nil {
		d.FS = vfs.Default
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Calls == (calls.Rules{}) {
		d.Calls = calls.DefaultRules()
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store is the embedded engine.
type Store struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	lock    io.Closer
	paths   *paths

	manifest *manifest.Manifest
	wal      *wal.Writer
	dedup    *dedup.Table
	budget   *budget
	disk     *disk
	pace     *pace        // of background work
	flushes  *pace        // of flushes that nobody waits for
	gentle   atomic.Bool  // the flush under way is one
	fsync    atomic.Int64 // average, nanoseconds
	runs     uint64       // number of the next run; the inserting goroutine's

	mu     sync.RWMutex // guards what follows
	active *generation
	frozen []*generation // oldest first
	logs   *signal[telemetry.Log]
	spans  *signal[telemetry.Span]

	flushing   sync.Mutex // one flush at a time
	tidying    sync.Mutex // one merge or removal at a time
	kick       chan struct{}
	background context.Context
	cancel     context.CancelFunc
	loops      sync.WaitGroup

	damages   damages
	deletions deletions
	objects   objects
	calls     inflight.Count
}

var _ storage.Store = (*Store)(nil)

// enter holds the store open for one call; leave must be called.
func (s *Store) enter() (leave func(), err error) {
	leave, ok := s.calls.Enter()
	if !ok {
		return nil, storage.ErrClosed
	}
	return leave, nil
}

// Health implements storage.Store.
func (s *Store) Health() storage.Health {
	h := storage.Health{Writable: true, Damage: s.damages.String(), Fsync: time.Duration(s.fsync.Load())}
	leave, err := s.enter()
	if err != nil {
		h.Writable, h.Err = false, err.Error()
		return h
	}
	defer leave()
	if err := s.disk.refusal(); err != nil {
		h.Writable, h.Err = false, err.Error()
	}
	return h
}

// Close implements storage.Store.
func (s *Store) Close() error {
	if !s.calls.Close() {
		return nil
	}
	s.cancel()
	s.loops.Wait()
	errs := []error{s.wal.Close()}
	whole := s.manifest.Whole()
	errs = append(errs, s.manifest.Close())
	if whole && s.wal.Whole() && errors.Join(errs...) == nil {
		// It is of use if the files are damaged later, and not needed else.
		if err := closing.Leave(s.deps.FS, s.cfg.Dir, uint64(s.deps.Now().UnixNano()), appended...); err != nil {
			s.deps.Logger.Warn("a file that is cut off later will look as after a crash", "err", err)
		}
	}
	closeSegments(s.logs)
	closeSegments(s.spans)
	if s.objects.depot != nil {
		errs = append(errs, s.objects.depot.Close())
	}
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the store in %s: %w", s.cfg.Dir, err)
	}
	return nil
}

func closeSegments[T any](sig *signal[T]) {
	for _, list := range sig.segments {
		for _, h := range list {
			h.release()
		}
	}
	sig.segments = map[string][]*handle[T]{}
}

// synced is told by the log of every group.
func (s *Store) synced(_ int, bytes int64, took time.Duration) {
	s.metrics.synced(bytes, took)
	// An average that remembers about the last eight groups.
	old := s.fsync.Load()
	s.fsync.Store(old + (int64(took)-old)/8)
}
