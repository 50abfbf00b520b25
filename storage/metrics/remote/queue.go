package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/wal"
)

// The files of the store's directory.
const (
	lockName    = "LOCK"
	walName     = "wal"
	drainedName = "drained" // the position before which all was sent
	dirMode     = 0o755
)

// queue is the write-ahead log and how far it is drained. It is safe for
// concurrent use but for what is the drain's own.
type queue struct {
	cfg     Config
	fs      vfs.FS
	now     func() time.Time
	dir     string // of the log
	log     *slog.Logger
	metrics *storeMetrics
	wal     *wal.Writer
	fsync   atomic.Int64 // average, nanoseconds

	mu      sync.Mutex
	acked   wal.Position  // the end of what is acknowledged
	done    wal.Position  // the end of what was sent
	pending int64         // bytes between the two
	changed chan struct{} // closed when any of them changes
	looked  time.Time     // when the disk's room was asked for
	free    uint64
	known   bool // free is known

	// The drain's own.
	kept     wal.Position // done as it stands on disk
	released uint64       // files before it are removed
}

// openQueue opens the log and counts what waits in it.
func openQueue(cfg Config, deps Deps, m *storeMetrics) (*queue, error) {
	fs := deps.FS
	q := &queue{cfg: cfg, fs: fs, now: deps.Now, dir: fs.PathJoin(cfg.Dir, walName), log: deps.Logger, metrics: m, changed: make(chan struct{})}
	if err := fs.MkdirAll(q.dir, dirMode); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	for _, d := range []string{fs.PathDir(cfg.Dir), cfg.Dir} {
		if err := wal.SyncDir(fs, d); err != nil {
			return nil, err
		}
	}
	var err error
	if q.done, err = q.drained(); err != nil {
		return nil, err
	}
	if err := wal.Settle(fs, q.dir); err != nil {
		return nil, err
	}
	q.kept, q.acked, q.released = q.done, q.done, q.done.Seq
	end, err := wal.Replay(fs, q.dir, q.done, q.count, q.damaged)
	if err != nil {
		return nil, err
	}
	q.wal, _, err = wal.NewWriter(wal.Options{
		FS: fs, Dir: q.dir, FileBytes: cfg.WALFileBytes, GroupBytes: cfg.WALGroupBytes, Now: deps.Now, Synced: q.synced,
	}, end.Next, end.PrevLength, nil)
	if err != nil {
		return nil, err
	}
	m.pending.Set(float64(q.pending))
	if q.pending > 0 {
		q.log.Info("samples wait in the write-ahead log for the metrics store", "bytes", q.pending)
	}
	return q, nil
}

// drained is where the drain begins: where it ended, or else with the oldest
// file that is there, which sends samples again that are known already.
func (q *queue) drained() (wal.Position, error) {
	pos, err := wal.KeptPosition(q.fs, q.fs.PathJoin(q.cfg.Dir, drainedName))
	if errors.Is(err, wal.ErrPosition) {
		q.log.Error("the whole write-ahead log is sent again", "err", err)
		err = nil
	}
	if err != nil || pos.Seq > 0 {
		return pos, err
	}
	seqs, err := wal.Files(q.fs, q.dir)
	if err != nil || len(seqs) == 0 {
		return wal.Position{}, err
	}
	return wal.Position{Seq: seqs[0]}, nil
}

// count takes in one record of the log at the start.
func (q *queue) count(rec wal.Record, pos wal.Position) error {
	if q.acked.Less(pos) {
		q.acked = pos
		q.pending += int64(len(rec.Data))
	}
	return nil
}

func (q *queue) damaged(e *wal.CorruptionError) {
	q.metrics.corruptions.Inc()
	q.log.Error("damaged samples skipped", "err", e)
}

func (q *queue) synced(_ int, _ int64, took time.Duration) {
	old := q.fsync.Load()
	q.fsync.Store(old + (int64(took)-old)/8)
}

// append makes a request durable.
func (q *queue) append(tenant string, data []byte) error {
	if err := q.room(int64(len(data))); err != nil {
		return err
	}
	outcome := make(chan error, 1)
	rec := wal.Record{Type: wal.Samples, Received: q.now().UnixNano(), Tenant: tenant, Data: data}
	err := q.wal.Append(context.Background(), rec, func(pos wal.Position, err error) {
		if err == nil {
			q.change(func() {
				q.acked = pos
				q.pending += int64(len(data))
			})
		}
		outcome <- err
	})
	if err == nil {
		err = <-outcome
	}
	switch {
	case errors.Is(err, wal.ErrClosed):
		return storage.ErrClosed
	case err != nil && vfs.IsNoSpaceError(err):
		return fmt.Errorf("%w: %w", storage.ErrDiskFull, err)
	}
	return err
}

// change changes what the lock guards, and wakes who waits for it.
func (q *queue) change(do func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	do()
	q.metrics.pending.Set(float64(q.pending))
	close(q.changed)
	q.changed = make(chan struct{})
}

// spaceEvery is how long a look at the disk holds.
const spaceEvery = time.Second

// room returns why n more bytes cannot be taken.
func (q *queue) room(n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending > 0 && q.pending+n > q.cfg.WALBytes || n == 0 && q.pending >= q.cfg.WALBytes {
		return fmt.Errorf("%w: %d bytes wait for the metrics store, storage.metrics.remote.wal_bytes is %d", storage.ErrOverloaded, q.pending, q.cfg.WALBytes)
	}
	if now := q.now(); now.Sub(q.looked) >= spaceEvery {
		q.looked = now
		usage, err := q.fs.GetDiskUsage(q.dir)
		q.free, q.known = usage.AvailBytes, err == nil
	}
	if q.known && q.free < uint64(q.cfg.MinFreeBytes) {
		return fmt.Errorf("%w: %d bytes are left, storage.metrics.remote.min_free_bytes is %d", storage.ErrDiskFull, q.free, q.cfg.MinFreeBytes)
	}
	return nil
}

// settle waits until all that is acknowledged now was sent. It reports how
// many bytes were not when the time to wait is over.
func (q *queue) settle(ctx context.Context, wait time.Duration) (int64, error) {
	q.mu.Lock()
	target := q.acked
	q.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		q.mu.Lock()
		ready, pending, changed := !q.done.Less(target), q.pending, q.changed
		q.mu.Unlock()
		if ready {
			return 0, nil
		}
		select {
		case <-changed:
		case <-t.C:
			return pending, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// next waits for something behind pos and returns its end, false when ctx
// ends.
func (q *queue) next(ctx context.Context, pos wal.Position) (wal.Position, bool) {
	for {
		q.mu.Lock()
		to, changed := q.acked, q.changed
		q.mu.Unlock()
		if pos.Less(to) {
			return to, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return to, false
		}
	}
}

// keepEvery is how much is sent before the position is kept: what a crash has
// sent again at most.
const keepEvery = 4 << 20

// sent moves the drained position. Now and then it is kept on disk, and the
// files before it are removed.
func (q *queue) sent(pos wal.Position, bytes int64) {
	empty := false
	q.change(func() {
		q.done = pos
		q.pending -= bytes
		if empty = !pos.Less(q.acked); empty {
			q.pending = 0 // what was damaged was never counted off
		}
	})
	if pos.Seq == q.kept.Seq && pos.Offset-q.kept.Offset < keepEvery && !empty {
		return
	}
	if err := wal.KeepPosition(q.fs, q.fs.PathJoin(q.cfg.Dir, drainedName), pos); err != nil {
		q.log.Error("keep the drained position; a restart sends more again than it has to", "err", err)
		return
	}
	q.kept = pos
	if pos.Seq == q.released {
		return
	}
	if err := wal.Release(q.fs, q.dir, pos.Seq); err != nil {
		q.log.Error("remove drained write-ahead files; trying again with the next one", "err", err)
		return
	}
	q.released = pos.Seq
}
