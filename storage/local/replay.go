package local

import (
	"errors"
	"fmt"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// replayer puts what stands in the write-ahead log into the head, and flushes
// on the way, so that a log of any size is replayed in the memory that records
// may take otherwise. While one part is flushed the next one is read. Files are
// released as soon as all that they hold is in segments.
type replayer struct {
	s    *Store
	from wal.Position
	at   wal.Position // behind the last record
	// flushed is closed when the flush under way has ended; nil for none.
	flushed chan struct{}
	// unreadable is set where the disk did not give a file back, which may be
	// whole. To go on without it would make the loss good, with the next flush.
	unreadable error
	// changed is set where a file is to be begun although nothing comes in: it
	// says how much of the last one counts, or what is remembered of requests.
	changed bool
}

// damaged notes a part that cannot be read.
func (r *replayer) damaged(e *wal.CorruptionError) {
	r.s.damaged(fileWAL, e)
	if errors.Is(e, wal.ErrUnreadable) {
		r.unreadable = errors.Join(r.unreadable, e)
	}
}

// replay brings back what stands behind the position.
func (s *Store) replay(from wal.Position) error {
	if err := wal.Settle(s.deps.FS, s.paths.wal()); err != nil {
		return err
	}
	r := &replayer{s: s, from: from, at: from}
	if err := r.remember(); err != nil {
		return fmt.Errorf("replay the write-ahead log: %w", err)
	}
	end, err := wal.Replay(s.deps.FS, s.paths.wal(), from, r.record, r.damaged)
	for _, lost := range end.Lost(s.paths.wal(), s.manifest.State().Begun) {
		r.damaged(lost)
	}
	r.wait()
	if err == nil {
		err = r.unreadable
	}
	if err != nil {
		return fmt.Errorf("replay the write-ahead log: %w", err)
	}
	if end.Torn > 0 {
		s.deps.Logger.Info("cut a torn tail off the write-ahead log", "at", end.TornAt.String(), "bytes", end.Torn)
		r.changed = true
	}
	return r.begin(end)
}

// remember loads what is kept of requests whose files were released.
func (r *replayer) remember() error {
	kept, err := wal.KeptRequests(r.s.deps.FS, r.s.paths.wal())
	r.changed = kept != nil || err != nil
	var bad *wal.CorruptionError
	if errors.As(err, &bad) && !errors.Is(err, framing.ErrVersion) {
		r.damaged(bad)
		return nil
	}
	if err != nil || kept == nil {
		return err
	}
	if r.from.Less(kept.Before) {
		return nil // the manifest lost what was flushed since: those requests are in no segment
	}
	return r.s.dedup.Load(kept.List)
}

// begin makes the log ready for what comes in. Where it is as it was left, a
// file is begun only when something does: a start that nothing follows leaves
// nothing, however often.
func (r *replayer) begin(end wal.End) error {
	s := r.s
	opts := wal.Options{
		FS: s.deps.FS, Dir: s.paths.wal(), FileBytes: s.cfg.WALFileBytes, GroupBytes: s.cfg.WALGroupBytes,
		Now: s.deps.Now, Synced: s.synced, Begun: s.begun,
	}
	oldest, err := s.paths.oldestWAL()
	if err != nil {
		return err
	}
	flushed := s.manifest.State().WAL.Seq
	if !r.changed && len(s.frozen) == 0 && oldest >= flushed {
		s.wal = wal.NewIdleWriter(opts, end.Next, end.PrevLength, s.hashRecords)
		return nil
	}
	w, whole, err := wal.NewWriter(opts, end.Next, end.PrevLength, s.hashRecords())
	if err != nil {
		return err
	}
	s.wal = w
	if !whole {
		return nil // the old files are the only ones that know the requests
	}
	if err := s.release(&generation{covers: wal.Position{Seq: flushed}}); err != nil {
		s.deps.Logger.Warn("released write-ahead files are still there, the next flush removes them", "err", err)
	}
	return nil
}

// begun has the manifest name a write-ahead file, so that it is missed where it
// is not there. Without the name it is only not missed: that stops nothing.
func (s *Store) begun(seq uint64) {
	if err := s.manifest.Apply(manifest.Edit{Begun: seq}); err != nil {
		s.deps.Logger.Warn("the manifest does not name the newest write-ahead file", "file", wal.FileName(seq), "err", err)
	}
}

// record takes the record that ends at pos in.
func (r *replayer) record(rec wal.Record, pos wal.Position) error {
	if r.unreadable != nil {
		return r.unreadable
	}
	s, missing := r.s, r.from.Less(pos)
	if missing {
		r.makeRoom(pos)
	}
	r.at = pos
	if err := s.replayRecord(rec, missing); err != nil {
		s.damaged(fileWAL, &wal.CorruptionError{
			Dir: s.paths.wal(), Segment: wal.FileName(pos.Seq), Offset: pos.Offset,
			Err: fmt.Errorf("the record that ends here: %w", err),
		})
	}
	return nil
}

// makeRoom flushes when half of the budget is used: the other half is for what
// comes in while that is written. Better is between two files, since a flush
// that covers whole files can be told from one that a crash cut short even
// where the manifest is damaged: only such a flush releases files at once.
func (r *replayer) makeRoom(next wal.Position) {
	s := r.s
	used, covers := s.active.bytes, r.at
	switch {
	case used >= s.cfg.HeadBytes/2:
	case next.Seq != r.at.Seq && used >= min(s.cfg.FlushBytes, s.cfg.HeadBytes/4):
		covers = wal.Position{Seq: next.Seq, Offset: framing.HeaderSize}
	default:
		return
	}
	r.wait()
	s.swap(covers, &wal.Requests{Before: covers, List: s.dedup.Append(nil, s.deps.Now().UnixNano())})
	done := make(chan struct{})
	r.flushed = done
	go func() {
		defer close(done)
		s.flushReplayed()
	}()
}

// wait waits for the flush under way.
func (r *replayer) wait() {
	if r.flushed != nil {
		<-r.flushed
		r.flushed = nil
	}
}

// flushReplayed writes what was replayed so far to segments. Where that fails
// the replay goes on, in memory.
func (s *Store) flushReplayed() {
	for {
		s.mu.RLock()
		frozen := s.frozen
		s.mu.RUnlock()
		if len(frozen) == 0 {
			return
		}
		if err := s.flushGeneration(frozen[0]); err != nil {
			s.deps.Logger.Error("flush while replaying", "err", err)
			return
		}
		if err := s.release(frozen[0]); err != nil {
			s.deps.Logger.Warn("released write-ahead files are still there, a later flush removes them", "err", err)
		}
	}
}

// replayRecord takes one record in. One that is in segments already only
// reminds of its request.
func (s *Store) replayRecord(rec wal.Record, missing bool) error {
	switch rec.Type {
	case wal.Hashes:
		return s.dedup.Load(rec.Data)
	case wal.Logs:
		return replayBatch(s, s.logs, rec, missing, func(raw []byte) ([]telemetry.Log, error) {
			b, err := otlp.DecodeLogs(raw)
			if err != nil {
				return nil, err
			}
			return b.Logs, nil
		})
	case wal.Traces:
		return replayBatch(s, s.spans, rec, missing, func(raw []byte) ([]telemetry.Span, error) {
			b, err := otlp.DecodeSpans(raw)
			if err != nil {
				return nil, err
			}
			return b.Spans, nil
		})
	}
	return fmt.Errorf("record of type %d, which this program doesn't know", rec.Type)
}

func replayBatch[T any](s *Store, sig *signal[T], rec wal.Record, missing bool, decode func([]byte) ([]T, error)) error {
	seen := s.dedup.Seen(dedup.HashOf(rec.Tenant, sig.kind.Signal, rec.Data), rec.Received)
	if seen || !missing {
		return nil
	}
	rows, err := decode(rec.Data)
	if err != nil || len(rows) == 0 {
		return err
	}
	run, err := head.NewRun(sig.kind, rec.Data, rows)
	if err != nil {
		return err
	}
	s.budget.force(run.Bytes)
	insert(s, sig, rec.Tenant, run)
	s.metrics.replayed.Add(float64(len(rows)))
	return nil
}
