package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/local/wal"
)

// kickFlush asks the background loop to flush soon.
func (s *Store) kickFlush() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *Store) flushIfBig() {
	s.mu.RLock()
	big := s.active.bytes >= s.cfg.FlushBytes
	s.mu.RUnlock()
	if big {
		s.kickFlush()
	}
}

// flushDue reports whether the active generation is big or old enough, or an
// earlier flush failed.
func (s *Store) flushDue() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.frozen) > 0 {
		return true
	}
	a := s.active
	if a.empty() {
		return false
	}
	return a.bytes >= s.cfg.FlushBytes || s.deps.Now().Sub(a.began) >= time.Duration(s.cfg.FlushAge)
}

// Flush writes everything that is in the heads to segments. It is what the
// background does by itself when the heads are big or old.
func (s *Store) Flush(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.flush(ctx)
}

func (s *Store) flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	// What an earlier flush could not write comes first: while that fails,
	// freezing more would only make more files.
	err := s.flushFrozen()
	if err == nil {
		err = s.freeze(ctx)
	}
	if err == nil {
		err = s.flushFrozen()
	}
	return s.disk.wrote(err)
}

// flushFrozen writes the frozen generations, oldest first, and releases what
// they cover of the write-ahead log.
func (s *Store) flushFrozen() error {
	for {
		s.mu.RLock()
		frozen := s.frozen
		s.mu.RUnlock()
		if len(frozen) == 0 {
			return nil
		}
		if err := s.flushGeneration(frozen[0]); err != nil {
			s.metrics.flushes.WithLabelValues(outcomeFailed).Inc()
			return err
		}
		s.metrics.flushes.WithLabelValues(outcomeGood).Inc()
		if err := s.release(frozen[0]); err != nil {
			return err
		}
	}
}

// release lets go of the write-ahead files that a flushed generation covers.
// What is remembered of their requests is made durable before, unless the file
// behind them begins with it.
func (s *Store) release(g *generation) error {
	dir := s.paths.wal()
	if g.requests == nil {
		return errors.Join(wal.Release(s.deps.FS, dir, g.covers.Seq), wal.DropRequests(s.deps.FS, dir))
	}
	if g.covers.Offset > framing.HeaderSize {
		return nil // see makeRoom
	}
	if oldest, err := s.paths.oldestWAL(); err != nil || oldest >= g.covers.Seq {
		return err
	}
	if err := wal.KeepRequests(s.deps.FS, dir, uint64(s.deps.Now().UnixNano()), *g.requests); err != nil {
		return err
	}
	return wal.Release(s.deps.FS, dir, g.covers.Seq)
}

// freeze begins a new write-ahead file and a new active generation. The log's
// committer swaps the generations, so that one holds exactly what stands
// before the new file.
func (s *Store) freeze(ctx context.Context) error {
	s.mu.RLock()
	empty := s.active.empty()
	s.mu.RUnlock()
	if empty {
		return nil
	}
	return s.rotate(ctx)
}

// rotate is freeze, also of an empty generation.
func (s *Store) rotate(ctx context.Context) error {
	outcome := make(chan error, 1)
	err := s.wal.Rotate(ctx, s.hashRecords, func(pos wal.Position, err error) {
		if err == nil {
			s.swap(pos, nil)
		}
		outcome <- err
	})
	if err != nil {
		return err
	}
	return <-outcome
}

// hashRecords is what a write-ahead file begins with, so that requests of
// released files stay known.
func (s *Store) hashRecords() []wal.Record {
	now := s.deps.Now().UnixNano()
	list := s.dedup.Append(nil, now)
	if len(list) == 0 {
		return nil
	}
	return []wal.Record{{Type: wal.Hashes, Received: now, Data: list}}
}

func (s *Store) swap(covers wal.Position, requests *wal.Requests) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active.covers, s.active.requests = covers, requests
	s.frozen = append(slices.Clip(s.frozen), s.active)
	s.active = newGeneration()
}

// flushGeneration writes the oldest frozen generation and puts its segments in
// its place.
func (s *Store) flushGeneration(g *generation) error {
	start := s.deps.Now()
	logs, err := writeHeads(s, s.logs, g)
	if err != nil {
		return err
	}
	spans, err := writeHeads(s, s.spans, g)
	if err != nil {
		discard(logs)
		return err
	}
	// Where this fails the manifest may or may not name the new segments, so
	// their files stay; a start removes what it then doesn't name.
	if err := s.manifest.Apply(manifest.Edit{Add: append(metas(logs), metas(spans)...), WAL: g.covers}); err != nil {
		return err
	}
	s.mu.Lock()
	publish(s, s.logs, logs, nil)
	publish(s, s.spans, spans, nil)
	s.frozen = s.frozen[1:]
	s.mu.Unlock()
	s.budget.give(g.bytes)
	s.deps.Logger.Debug("flushed", "segments", len(logs)+len(spans), "bytes", g.bytes, "took", s.deps.Now().Sub(start))
	return nil
}

// discard removes segments that nothing was told of.
func discard[T any](hs []*handle[T]) {
	for _, h := range hs {
		h.drop()
	}
}

// writeHeads writes a generation's heads of one signal: a segment for every
// tenant and day.
func writeHeads[T any](s *Store, sig *signal[T], g *generation) (out []*handle[T], err error) {
	defer func() {
		if err != nil {
			discard(out)
			out = nil
		}
	}()
	all := sig.heads(g)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		h := all[name]
		days := head.ByDay(h.Snapshot())
		for _, day := range slices.Sorted(maps.Keys(days)) {
			meta := manifest.Segment{ID: s.manifest.NewID(), Tenant: name, Signal: sig.kind.Signal, Day: day}
			opts := s.segmentOptions()
			opts.Covers = segment.Covers(g.covers)
			h, err := writeSegment(s, sig, meta, opts, gently(s, h.Bytes()/int64(max(h.Rows(), 1)), days[day].Rows(opts.BlockRows)))
			if err != nil {
				return out, fmt.Errorf("flush %s of tenant %s: %w", sig.kind.Signal, name, err)
			}
			out = append(out, h)
		}
	}
	return out, nil
}

func (s *Store) segmentOptions() segment.Options {
	return segment.Options{BlockRows: s.cfg.BlockRows, BlockBytes: s.cfg.BlockBytes, Calls: s.deps.Calls}
}

// writeSegment writes one segment of rows.
func writeSegment[T any](s *Store, sig *signal[T], meta manifest.Segment, opts segment.Options, rows iter.Seq2[head.Row[T], error]) (*handle[T], error) {
	return placeSegment(s, sig, meta, func(path string) (segment.Info, error) {
		w, err := segment.Create(s.deps.FS, path, sig.codec, opts)
		if err != nil {
			return segment.Info{}, err
		}
		for r, err := range rows {
			if err == nil {
				err = w.AddHashed(r.Record, r.Hashes)
			}
			if err != nil {
				w.Abort()
				return segment.Info{}, err
			}
		}
		return w.Finish()
	})
}

// placeSegment has a segment written where it belongs and makes its directory
// durable, too. meta's figures are filled in.
func placeSegment[T any](s *Store, sig *signal[T], meta manifest.Segment, write func(path string) (segment.Info, error)) (*handle[T], error) {
	dir, path := s.paths.partition(&meta), s.paths.segment(&meta)
	var info segment.Info
	err := s.paths.write(dir, func() (err error) {
		if info, err = write(path); err != nil {
			return err
		}
		if err = wal.SyncDir(s.deps.FS, dir); err != nil {
			_ = s.deps.FS.Remove(path) // nothing was told of it
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	meta.Rows, meta.Min, meta.Max, meta.Bytes = info.Rows, info.Min, info.Max, info.Bytes
	return newHandle(s.paths, sig.codec, meta), nil
}

// loop is the background: it flushes what is due, merges and drops.
func (s *Store) loop(name string, work func(context.Context) error) {
	defer s.loops.Done()
	tick := time.NewTicker(time.Duration(s.cfg.MaintainEvery))
	defer tick.Stop()
	kick := s.kick
	if name != loopFlush {
		kick = nil
	}
	for {
		select {
		case <-s.background.Done():
			return
		case <-kick:
		case <-tick.C:
		}
		if err := work(s.background); err != nil && !errors.Is(err, context.Canceled) {
			s.deps.Logger.Error("background work failed, it will be tried again", "work", name, "err", err)
		}
	}
}

// The background loops.
const (
	loopFlush = "flush"
	loopTidy  = "tidy"
	loopMove  = "move to object storage"
)

func (s *Store) flushIfDue(ctx context.Context) error {
	if !s.flushDue() && !s.overBudget() {
		return nil
	}
	s.gentle.Store(true)
	defer s.gentle.Store(false)
	return s.flush(ctx)
}

// gently passes rows on, each of about so many bytes of memory, within the
// bound of flushes while nobody waits for the flush.
func gently[T any](s *Store, bytesPerRow int64, rows iter.Seq2[head.Row[T], error]) iter.Seq2[head.Row[T], error] {
	return func(yield func(head.Row[T], error) bool) {
		n := 0
		for r, err := range rows {
			if n++; n%gentleRows == 0 && s.gentle.Load() {
				// A store that closes waits for nothing.
				_ = s.flushes.waitWhile(s.background, gentleRows*bytesPerRow, func() bool { return !s.overBudget() })
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// gentleRows is how many rows are written between two looks at the bound: some
// milliseconds of work.
const gentleRows = 1024

// overBudget reports whether writers may be waiting for a flush.
func (s *Store) overBudget() bool {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return 2*s.budget.used > s.budget.limit
}

// hashed extracts the IDs of rows that were read from segments.
func hashed[T any](k *record.Kind[T], rows iter.Seq2[*T, error]) iter.Seq2[head.Row[T], error] {
	return func(yield func(head.Row[T], error) bool) {
		var ids []uint64
		for r, err := range rows {
			if err == nil {
				ids = k.Hashes(ids[:0], r)
			}
			if !yield(head.Row[T]{Record: r, Hashes: ids}, err) {
				return
			}
		}
	}
}
