package elastic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/inflight"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/callkeep"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/local/dedup"
)

// Deps is what a store needs from outside. Zero fields get the machine's own.
type Deps struct {
	FS         vfs.FS
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
	// Selectors tell what the queries of deletions select; of a signal without
	// one nothing is deleted on request.
	Selectors storage.Selectors
	// Missing, if set, says what other processes have acknowledged and not
	// brought to Elasticsearch: answers are marked as partial with it.
	Missing func() []string
	// Transport, if set, carries the requests to Elasticsearch.
	Transport http.RoundTripper
}

func (d *Deps) setDefaults() {
	if d.FS == nil {
		d.FS = vfs.Default
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store keeps logs and spans in Elasticsearch.
type Store struct {
	cfg     Config
	deps    Deps
	names   names
	metrics *metrics
	es      *cluster.Client
	dedup   *dedup.Table
	lock    io.Closer
	queue   *queue // nil where Elasticsearch acknowledges
	trail   trail
	streams *catalog
	fresh   *freshness
	flow    *cluster.Flow
	parking *parking
	eraser  *eraser
	kept    *callkeep.Shelf

	// refusal is why documents are not taken at the moment, "" where they are.
	refusal   atomic.Value
	prepared  atomic.Bool
	preparing sync.Mutex
	ilm       atomic.Bool
	made      sync.Map    // names of data streams and indices that are there
	listed    atomic.Bool // made has those of before the start
	// partialPIT is set where a point in time may lack shards.
	partialPIT atomic.Bool

	background context.Context
	cancel     context.CancelFunc
	loops      sync.WaitGroup
	calls      inflight.Count
}

var _ storage.Store = (*Store)(nil)

// Open opens the store. Where Elasticsearch cannot be used it waits in the
// background and takes data meanwhile, unless cfg says to fail.
func Open(ctx context.Context, cfg Config, deps Deps) (*Store, error) {
	s, err := open(ctx, cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("open the store in Elasticsearch: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config, deps Deps) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	deps.setDefaults()
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	es, err := cluster.New(cfg.Config, cluster.Deps{Logger: deps.Logger, Registerer: deps.Registerer, Transport: deps.Transport})
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, deps: deps, names: names{cfg.Dataset}, metrics: m, es: es,
		dedup: dedup.New(time.Duration(cfg.DedupWindow), cfg.DedupRequests),
		fresh: newFreshness(), flow: cluster.NewFlow(cfg.BulkConcurrency, m.window),
		eraser: &eraser{wanted: make(chan struct{}, 1), owner: rand.Text(), delays: map[string]time.Time{}, swept: map[string]bool{}},
	}
	s.kept = callkeep.New(es, s.names.calls(), cfg.CallsBytes)
	s.parking = newParking(s)
	s.streams = &catalog{store: s, known: map[streamKey]bool{}}
	s.background, s.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.cancel()
			if s.lock != nil {
				_ = s.lock.Close()
			}
			es.Close()
		}
	}()
	if err := s.prepare(ctx); err != nil {
		if cfg.Startup == StartupFail || ctx.Err() != nil {
			return nil, err
		}
		deps.Logger.Warn("elasticsearch cannot be used yet; requests wait in the write-ahead log", "err", err)
	}
	if cfg.Acknowledge == AckWAL {
		if s.queue, err = openQueue(s); err != nil {
			return nil, err
		}
		s.eraser.owner = s.queue.id // the same after a restart
		if err := s.parking.open(); err != nil {
			return nil, errors.Join(err, s.parking.close(), s.queue.close())
		}
		s.parking.run()
		s.loops.Go(s.drain)
	}
	s.loops.Go(s.maintain)
	s.loops.Go(s.erase)
	return s, nil
}

// enter holds the store open for one call; leave must be called.
func (s *Store) enter() (leave func(), err error) {
	leave, ok := s.calls.Enter()
	if !ok {
		return nil, storage.ErrClosed
	}
	return leave, nil
}

// Health implements storage.Store. With a write-ahead log, writes go on while
// Elasticsearch is away.
func (s *Store) Health() storage.Health {
	h := storage.Health{Writable: true}
	leave, err := s.enter()
	if err != nil {
		return storage.Health{Err: err.Error()}
	}
	defer leave()
	if s.queue == nil {
		h.Fsync = s.es.Average()
		if s.es.Breaker() == "open" {
			h.Writable, h.Err = false, "elasticsearch cannot be reached: "+s.lastError()
		}
		return h
	}
	h.Fsync = time.Duration(s.queue.fsync.Load())
	if err := s.queue.room(0); err != nil {
		h.Writable, h.Err = false, err.Error()
	}
	return h
}

// Renew prepares other credentials for Elasticsearch. Once use is called they
// hold for every request that begins.
func (s *Store) Renew(to cluster.Credentials) (use func(), err error) { return s.es.Renew(to) }

// Remote is how the calls to Elasticsearch fare.
type Remote struct {
	Addresses    []string
	Average      time.Duration // of a request
	Expected     time.Duration
	Breaker      string // closed, open or half_open
	LastError    string
	PendingBytes int64 // acknowledged and not in Elasticsearch yet
	// Stuck names those whose index takes nothing, with the remedy; "" where there
	// are none. It stands in LastError too, where there is no worse one.
	Stuck string
}

// lastError is why the last request failed or documents are not taken, "" where
// all is well: a request that Elasticsearch answers may have taken none.
func (s *Store) lastError() string {
	if why := s.es.LastError(); why != "" {
		return why
	}
	if why, _ := s.refusal.Load().(string); why != "" {
		return why
	}
	return s.parking.tells()
}

// Remote tells how the calls to Elasticsearch fare.
func (s *Store) Remote() Remote {
	r := Remote{
		Addresses: s.cfg.Addresses, Average: s.es.Average(), Expected: s.es.Expected(),
		Breaker: s.es.Breaker(), LastError: s.lastError(), Stuck: s.parking.tells(),
	}
	if s.queue != nil {
		r.PendingBytes = s.queue.pendingBytes() + s.parking.total()
	}
	return r
}

// Switch is the circuit breaker of Elasticsearch, for an operator: while it is
// open nothing is called, requests wait in the write-ahead log, and queries
// fail.
func (s *Store) Switch() guard.Switch { return s.es.Switch() }

// Close implements storage.Store. What waits in the write-ahead log stays
// there for the next start.
func (s *Store) Close() error {
	if !s.calls.Close() {
		return nil
	}
	s.cancel()
	s.loops.Wait()
	var errs []error
	if s.queue != nil {
		errs = append(errs, s.withdraw(), s.parking.close(), s.queue.close(), s.lock.Close())
	}
	s.es.Close()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the store in Elasticsearch: %w", err)
	}
	return nil
}
