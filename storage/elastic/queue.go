package elastic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// The files of the queue's directory.
const (
	lockName    = "LOCK"
	walName     = "wal"
	drainedName = "drained" // the position before which all is in Elasticsearch
	idName      = "id"      // what this log is called in the cluster
	dirMode     = 0o755
)

// queue is the write-ahead log and how far it is drained.
type queue struct {
	store *Store
	fs    vfs.FS
	dir   string // of the log
	wal   *wal.Writer
	fsync atomic.Int64 // average, nanoseconds

	mu      sync.Mutex
	acked   wal.Position           // the end of what is acknowledged
	done    wal.Position           // the end of what is in Elasticsearch
	pending int64                  // bytes between the two
	changed chan struct{}          // closed when any of them changes
	waiting int                    // readers that wait for the drain
	read    wal.Position           // the end of what the drain has read
	line    []*place               // what it has read and not ended, in the order of the log
	last    map[owner]wal.Position // the end of what each has acknowledged, as far as it is not done
	cleared uint64                 // files before it are removed
	nudge   chan struct{}          // has the drain tidy up
	space   spaceCheck

	// What deletions go by: see erase.go.
	id     string      // of this log, the same after a restart
	joined atomic.Bool // the cluster knows of it
	purged []string    // deletions that the log was emptied for
	passed []string    // those of them behind which nothing is parked either

	// The drain's own.
	kept      wal.Position // done as it stands on disk
	uncertain wal.Position // what stands before it may be in Elasticsearch already
	released  uint64       // files before it are removed
}

// spaceCheck remembers for a moment how much room the disk has.
type spaceCheck struct {
	at   time.Time
	free uint64
	ok   bool
}

// openQueue opens the log, and remembers the requests that stand in it.
func openQueue(s *Store) (*queue, error) {
	fs := s.deps.FS
	q := &queue{store: s, fs: fs, dir: fs.PathJoin(s.cfg.Dir, walName), changed: make(chan struct{}), nudge: make(chan struct{}, 1), last: map[owner]wal.Position{}}
	if err := fs.MkdirAll(q.dir, dirMode); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	for _, d := range []string{fs.PathDir(s.cfg.Dir), s.cfg.Dir} {
		if err := wal.SyncDir(fs, d); err != nil {
			return nil, err
		}
	}
	lock, err := fs.Lock(fs.PathJoin(s.cfg.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock %s, another process may be using it: %w", s.cfg.Dir, err)
	}
	s.lock = lock
	if err := q.identify(); err != nil {
		return nil, err
	}
	if q.done, err = q.readDrained(); err != nil {
		return nil, err
	}
	if err := wal.Settle(fs, q.dir); err != nil {
		return nil, err
	}
	q.kept, q.acked = q.done, q.done
	end, err := wal.Replay(fs, q.dir, q.done, q.remember, q.damaged)
	if err != nil {
		return nil, err
	}
	q.uncertain, q.released, q.read = q.acked, q.done.Seq, q.done
	if q.wal, _, err = wal.NewWriter(wal.Options{
		FS: fs, Dir: q.dir, FileBytes: s.cfg.WALFileBytes, GroupBytes: s.cfg.WALGroupBytes, Now: s.deps.Now, Synced: q.synced,
	}, end.Next, end.PrevLength, q.hashes()); err != nil {
		return nil, err
	}
	s.metrics.pending.Set(float64(q.pending))
	if q.pending > 0 {
		s.deps.Logger.Info("requests wait in the write-ahead log for Elasticsearch", "bytes", q.pending)
	}
	return q, nil
}

// remember takes in one record of the log at the start.
func (q *queue) remember(rec wal.Record, pos wal.Position) error {
	if q.acked.Less(pos) {
		q.acked = pos
		if o, ok := ownerOf(rec); ok {
			q.last[o] = pos
			q.pending += int64(len(rec.Data))
		}
	}
	switch rec.Type {
	case wal.Hashes:
		if err := q.store.dedup.Load(rec.Data); err != nil {
			q.damaged(&wal.CorruptionError{Dir: q.dir, Segment: wal.FileName(pos.Seq), Offset: pos.Offset, Err: err})
		}
	case wal.Logs:
		q.store.dedup.Seen(dedup.HashOf(rec.Tenant, telemetry.Logs, rec.Data), rec.Received)
	case wal.Traces:
		q.store.dedup.Seen(dedup.HashOf(rec.Tenant, telemetry.Traces, rec.Data), rec.Received)
	}
	return nil
}

func (q *queue) damaged(e *wal.CorruptionError) {
	q.store.metrics.corruptions.Inc()
	q.store.deps.Logger.Error("damaged data skipped", "file", "wal", "err", e)
}

// hashes is what a file begins with, so that requests of removed files stay
// known.
func (q *queue) hashes() []wal.Record {
	now := q.store.deps.Now().UnixNano()
	list := q.store.dedup.Append(nil, now)
	if len(list) == 0 {
		return nil
	}
	return []wal.Record{{Type: wal.Hashes, Received: now, Data: list}}
}

func (q *queue) synced(_ int, _ int64, took time.Duration) {
	old := q.fsync.Load()
	q.fsync.Store(old + (int64(took)-old)/8)
}

// append makes a request durable, and ends its flight.
func (q *queue) append(ctx context.Context, rec wal.Record, flight *dedup.Flight) error {
	o, _ := ownerOf(rec)
	err := q.store.parking.room(o, int64(len(rec.Data)))
	if err == nil {
		err = q.room(int64(len(rec.Data)))
	}
	if err != nil {
		flight.End(rec.Received, err)
		return err
	}
	outcome := make(chan error, 1)
	err = q.wal.Append(ctx, rec, func(pos wal.Position, err error) {
		if err == nil {
			q.change(func() {
				q.acked, q.last[o] = pos, pos
				q.pending += int64(len(rec.Data))
			})
		} else if vfs.IsNoSpaceError(err) {
			err = fmt.Errorf("%w: %w", storage.ErrDiskFull, err)
		}
		flight.End(rec.Received, err)
		outcome <- err
	})
	if err != nil {
		flight.End(rec.Received, err)
		if errors.Is(err, wal.ErrClosed) {
			return storage.ErrClosed
		}
		return err
	}
	select {
	case err = <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change changes what the lock guards, and wakes who waits for it.
func (q *queue) change(do func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	do()
	q.store.metrics.pending.Set(float64(q.pending))
	close(q.changed)
	q.changed = make(chan struct{})
}

// spaceEvery is how long a look at the disk holds.
const spaceEvery = time.Second

// room returns why n more bytes cannot be taken.
func (q *queue) room(n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &q.store.cfg
	if wait := q.pending + min(q.store.parking.total(), int64(c.ParkedShare*float64(c.WALBytes))); wait > 0 && wait+n > c.WALBytes || n == 0 && wait >= c.WALBytes {
		return fmt.Errorf("%w: %d bytes wait for Elasticsearch, storage.elasticsearch.wal_bytes is %d; the last error was: %s",
			storage.ErrOverloaded, wait, c.WALBytes, q.store.lastError())
	}
	if now := q.store.deps.Now(); now.Sub(q.space.at) >= spaceEvery {
		q.space.at = now
		usage, err := q.fs.GetDiskUsage(q.dir)
		q.space.free, q.space.ok = usage.AvailBytes, err == nil
	}
	if q.space.ok && q.space.free < uint64(c.MinFreeBytes) {
		return fmt.Errorf("%w: %d bytes are left, storage.elasticsearch.min_free_bytes is %d", storage.ErrDiskFull, q.space.free, c.MinFreeBytes)
	}
	return nil
}

func (q *queue) pendingBytes() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending
}

// settle waits until all of an owner that is acknowledged now is in
// Elasticsearch or parked. It reports how many bytes of all wait when the time
// to wait ends before that.
func (q *queue) settle(ctx context.Context, o owner, wait time.Duration) (missing int64, err error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	q.mu.Lock()
	target := q.last[o]
	if q.settled(o, target) {
		q.mu.Unlock()
		return 0, nil
	}
	q.waiting++
	close(q.changed)
	q.changed = make(chan struct{})
	defer func() {
		q.waiting--
		q.mu.Unlock()
	}()
	for !q.settled(o, target) {
		changed := q.changed
		q.mu.Unlock()
		late := false
		select {
		case <-changed:
		case <-t.C:
			late = true
		case <-ctx.Done():
			err = ctx.Err()
		case <-q.store.background.Done():
			err = storage.ErrClosed
		}
		q.mu.Lock()
		if err != nil {
			return 0, err
		}
		if late {
			return q.pending, nil
		}
	}
	return 0, nil
}

// waiting names the tenants of whom something is not in Elasticsearch yet.
func (s *Store) waiting() (tenants []string) {
	for o := range s.parking.sizes() {
		tenants = append(tenants, o.tenant)
	}
	if s.queue == nil {
		return tenants
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	for o := range s.queue.last {
		tenants = append(tenants, o.tenant)
	}
	return tenants
}

// settled reports whether the drain is done with an owner up to a position,
// whatever it still has to do for others.
func (q *queue) settled(o owner, target wal.Position) bool {
	if !q.done.Less(target) {
		return true
	}
	return !q.read.Less(target) && !slices.ContainsFunc(q.line, func(p *place) bool { return p.start.Less(target) && p.open[o] })
}

// readDrained reads the position before which all is in Elasticsearch. Where
// it cannot be read the whole log is drained again, which changes nothing.
func (q *queue) readDrained() (wal.Position, error) {
	pos, err := wal.KeptPosition(q.fs, q.drained())
	if errors.Is(err, wal.ErrPosition) {
		q.store.deps.Logger.Error("the whole write-ahead log is drained again", "err", err)
		err = nil
	}
	if err != nil || pos.Seq > 0 {
		return pos, err
	}
	return wal.First(q.fs, q.dir)
}

// drained is the file that keeps how far the log is drained.
func (q *queue) drained() string { return q.fs.PathJoin(q.store.cfg.Dir, drainedName) }

func (q *queue) close() error { return q.wal.Close() }
