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
// position moves when all before it are done. What an index does not take goes
// to a place of its own, parked, and holds up nothing.
func (s *Store) drain() {
	q := s.queue
	tail := wal.NewTail(q.fs, q.dir, q.done)
	defer tail.Close()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		to, ok := q.next(s.background, tail.Position(), s.cfg.BulkBytes, time.Duration(s.cfg.BulkLinger))
		if !ok || !s.drainTo(tail, to, &under) {
			break
		}
		q.tidy(false)
	}
	under.Wait()
	q.tidy(true)
}

// drainTo has everything before a position under way. It reports false when the
// store stops.
func (s *Store) drainTo(tail *wal.Tail, to wal.Position, under *sync.WaitGroup) bool {
	q := s.queue
	for tail.Position().Less(to) {
		if !q.few(s.background, 2*s.cfg.BulkConcurrency) || s.flow.Acquire(s.background) != nil {
			return false
		}
		b := batches.Get().(*batch)
		b.place = &place{start: tail.Position(), open: map[owner]bool{}}
		b.uncertain = b.place.start.Less(q.uncertain)
		if err := s.readBatch(b, tail, to); err != nil {
			b.release()
			s.flow.Release()
			s.deps.Logger.Error("the write-ahead log cannot be read; trying again", "err", err)
			if wait.About(s.background, time.Duration(s.cfg.RetryBackoffMax)) != nil {
				return false
			}
			continue
		}
		p := b.place
		p.end = tail.Position()
		q.change(func() {
			q.line = append(q.line, p)
			q.read = p.end
		})
		under.Go(func() {
			defer s.flow.Release()
			if s.carry(b) {
				b.release()
				q.ended(p)
			}
		})
	}
	return true
}

// readBatch reads requests up to about bulk_bytes, and makes documents of them;
// not of those whose index is known to take none.
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
		case err != nil && b.place.bytes > 0:
			return nil // these first
		case err != nil:
			return err
		}
		o, ok := ownerOf(rec)
		if !ok {
			continue
		}
		b.place.bytes += int64(len(rec.Data))
		if s.parking.parks(o) {
			b.park(o, nil)
			docs += len(rec.Data)
			continue
		}
		before := len(b.items)
		if err := s.decode(b, rec); err != nil {
			s.queue.damaged(&wal.CorruptionError{Dir: s.queue.dir, Segment: wal.FileName(tail.Position().Seq), Offset: tail.Position().Offset, Err: err})
		}
		b.place.open[o] = true
		docs += size(b.items[before:])
	}
	return nil
}

// carry brings a batch to Elasticsearch, and parks what is refused there. It
// reports false where the store stops before.
func (s *Store) carry(b *batch) bool {
	refused, err := s.bulk(s.background, delivery{items: b.items, patient: true, uncertain: b.uncertain, waiting: func(left map[owner]bool) {
		s.queue.change(func() { b.place.open = left })
	}})
	if err != nil {
		return false
	}
	for o, why := range refused {
		b.park(o, why)
	}
	for pause := time.Duration(s.cfg.RetryBackoff); len(b.parks) > 0; pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax)) {
		err := s.park(b)
		if err == nil {
			break
		}
		s.deps.Logger.Error("requests cannot be parked; trying again", "err", err)
		if wait.About(s.background, pause) != nil {
			return false
		}
	}
	return true
}

// park reads a batch once more, and puts by what is parked of it.
func (s *Store) park(b *batch) error {
	tail := wal.NewTail(s.queue.fs, s.queue.dir, b.place.start)
	defer tail.Close()
	requests := map[owner][]wal.Record{}
	for {
		rec, err := tail.Next(b.place.end)
		var bad *wal.CorruptionError
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.As(err, &bad) {
			continue // it was told of when it was read first
		}
		if err != nil {
			return err
		}
		o, ok := ownerOf(rec)
		if _, parked := b.parks[o]; ok && parked {
			requests[o] = append(requests[o], rec)
		}
	}
	for o, list := range requests {
		if err := s.parking.put(s.background, o, list, b.parks[o]); err != nil {
			return err
		}
		delete(b.parks, o)
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

// few waits until fewer than so many batches are in memory. One that waits for
// an index has no place among the bulk requests, and is not to be followed by
// ever more of them.
func (q *queue) few(ctx context.Context, most int) bool {
	for {
		q.mu.Lock()
		n, changed := 0, q.changed
		for _, p := range q.line {
			if !p.ended {
				n++
			}
		}
		q.mu.Unlock()
		if n < most {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// place is where a batch stands in the log.
type place struct {
	start, end wal.Position
	bytes      int64          // of its requests
	open       map[owner]bool // of whom something is not in Elasticsearch yet
	ended      bool
}

// ended notes that all of a batch is in Elasticsearch or parked, and moves the
// drained position as far as there is nothing before it.
func (q *queue) ended(p *place) {
	q.change(func() {
		p.ended, p.open = true, nil
		for len(q.line) > 0 && q.line[0].ended {
			q.done = q.line[0].end
			q.pending -= q.line[0].bytes
			q.line = q.line[1:]
		}
	})
}

// tidy keeps the drained position on disk, and removes the files before it.
// The requests that they held stay known: a new file begins with their hashes.
func (q *queue) tidy(last bool) {
	q.mu.Lock()
	done := q.done
	for o, pos := range q.last {
		if !done.Less(pos) {
			delete(q.last, o)
		}
	}
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
