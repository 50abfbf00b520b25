package elastic

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage/local/wal"
)

// drain carries the write-ahead log to Elasticsearch, in its order, until the
// store stops. Several bulk requests are under way at once; the drained
// position moves when all before it are done.
func (s *Store) drain() {
	q := s.queue
	tail := wal.NewTail(q.fs, q.dir, q.done)
	defer tail.Close()
	var under sync.WaitGroup
	defer under.Wait()
	line := &line{queue: q}
	for {
		to, ok := q.next(s.background, tail.Position(), s.cfg.BulkBytes, time.Duration(s.cfg.BulkLinger))
		if !ok {
			break
		}
		for tail.Position().Less(to) {
			if s.flow.acquire(s.background) != nil {
				return
			}
			uncertain := tail.Position().Less(q.uncertain)
			b := batches.Get().(*batch)
			err := s.readBatch(b, tail, to)
			if err != nil {
				s.deps.Logger.Error("the write-ahead log cannot be read; trying again", "err", err)
				s.flow.release()
				if wait.About(s.background, time.Duration(s.cfg.RetryBackoffMax)) != nil {
					return
				}
				continue
			}
			ended := line.begin(tail.Position(), b.bytes)
			under.Go(func() {
				defer s.flow.release()
				if s.bulk(s.background, b.items, true, uncertain) == nil {
					b.release()
					ended()
				}
			})
		}
		q.tidy(false)
	}
	under.Wait()
	q.tidy(true)
}

// readBatch reads requests up to about bulk_bytes, and makes documents of them.
func (s *Store) readBatch(b *batch, tail *wal.Tail, to wal.Position) error {
	for docs := 0; docs < s.cfg.BulkBytes; {
		rec, err := tail.Next(to)
		var bad *wal.CorruptionError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			s.queue.damaged(bad)
			continue
		case err != nil && len(b.items) > 0:
			return nil // these first
		case err != nil:
			return err
		}
		before := len(b.items)
		if err := s.decode(b, rec); err != nil {
			s.queue.damaged(&wal.CorruptionError{Dir: s.queue.dir, Segment: wal.FileName(tail.Position().Seq), Offset: tail.Position().Offset, Err: err})
		}
		if rec.Type != wal.Hashes {
			b.bytes += int64(len(rec.Data))
		}
		docs += size(b.items[before:])
	}
	return nil
}

// next waits for something to drain behind pos, and a little longer for more
// of it, and returns its end. It reports false when ctx ends.
func (q *queue) next(ctx context.Context, pos wal.Position, enough int, linger time.Duration) (wal.Position, bool) {
	var lingered <-chan time.Time
	for {
		q.mu.Lock()
		to, changed := q.acked, q.changed
		urgent := q.waiting > 0 || q.pending >= int64(enough)
		q.mu.Unlock()
		some := pos.Less(to)
		if some && (urgent || linger == 0) {
			return to, true
		}
		if some && lingered == nil {
			t := time.NewTimer(linger)
			defer t.Stop()
			lingered = t.C
		}
		select {
		case <-changed:
		case <-lingered:
			return to, true
		case <-q.nudge:
			return to, true
		case <-ctx.Done():
			return to, false
		}
	}
}

// line is the batches under way, in the order of the log.
type line struct {
	queue *queue
	mu    sync.Mutex
	list  []*place
}

type place struct {
	end   wal.Position
	bytes int64
	ended bool
}

// begin adds a batch that ends at a position; the function that it returns is
// called when all of it is in Elasticsearch.
func (l *line) begin(end wal.Position, bytes int64) func() {
	p := &place{end: end, bytes: bytes}
	l.mu.Lock()
	l.list = append(l.list, p)
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		p.ended = true
		for len(l.list) > 0 && l.list[0].ended {
			first := l.list[0]
			l.list = l.list[1:]
			l.queue.change(func() {
				l.queue.done = first.end
				l.queue.pending -= first.bytes
			})
		}
	}
}

// tidy keeps the drained position on disk, and removes the files before it.
// The requests that they held stay known: a new file begins with their hashes.
func (q *queue) tidy(last bool) {
	q.mu.Lock()
	done := q.done
	q.mu.Unlock()
	if q.kept == done || !last && done.Seq == q.kept.Seq && q.kept.Seq > 0 && done.Offset-q.kept.Offset < keepEvery {
		return
	}
	log := q.store.deps.Logger
	if err := wal.KeepPosition(q.fs, q.drained(), done); err != nil {
		log.Error("keep the drained position; a restart sends more again than it has to", "err", err)
		return
	}
	q.kept = done
	if done.Seq <= q.released || last {
		return
	}
	rotated := make(chan error, 1)
	err := q.wal.Rotate(q.store.background, q.hashes, func(_ wal.Position, err error) { rotated <- err })
	if err == nil {
		err = <-rotated
	}
	if err == nil {
		err = wal.Release(q.fs, q.dir, done.Seq)
	}
	if err != nil {
		log.Error("remove drained write-ahead files; trying again with the next one", "err", err)
		return
	}
	q.released = done.Seq
	q.change(func() { q.cleared = done.Seq })
}

// keepEvery is how much is drained before the position is kept: what a crash
// has sent again at most.
const keepEvery = 4 << 20
