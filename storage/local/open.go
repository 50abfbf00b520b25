package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// manifestBytes is how long the manifest grows before it is written anew.
const manifestBytes = 1 << 20

// Open opens the store in cfg.Dir, making it where there is none. It replays
// what was acknowledged and is not in segments yet. Damaged files are skipped,
// counted and logged; they don't keep the store from starting.
func Open(cfg Config, deps Deps) (*Store, error) {
	s, err := open(cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func open(cfg Config, deps Deps) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	deps.setDefaults()
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, deps: deps, metrics: m,
		paths:  newPaths(deps.FS, cfg.Dir),
		dedup:  dedup.New(timeOf(cfg.DedupWindow), cfg.DedupRequests),
		budget: newBudget(cfg.HeadBytes, m.headBytes),
		disk:   newDisk(deps.FS, cfg.Dir, cfg.MinFreeBytes, deps.Now),
		pace:   newPace(cfg.TidyBytesPerSecond),
		active: newGeneration(),
		logs:   logSignal(), spans: spanSignal(),
		kick: make(chan struct{}, 1),
	}
	if err := s.makeDirs(); err != nil {
		return nil, err
	}
	if s.lock, err = deps.FS.Lock(s.paths.join(lockName)); err != nil {
		return nil, fmt.Errorf("lock the directory, another process may be using it: %w", err)
	}
	defer func() {
		if err != nil {
			s.giveUp()
		}
	}()
	if err := s.recover(); err != nil {
		return nil, err
	}
	s.background, s.cancel = context.WithCancel(context.Background())
	s.loops.Add(2)
	go s.loop(loopFlush, s.flushIfDue)
	go s.loop(loopTidy, s.tidy)
	return s, nil
}

// giveUp takes down what a failed Open has built.
func (s *Store) giveUp() {
	if s.wal != nil {
		_ = s.wal.Close()
	}
	if s.manifest != nil {
		_ = s.manifest.Close()
	}
	closeSegments(s.logs)
	closeSegments(s.spans)
	_ = s.lock.Close()
}

func (s *Store) makeDirs() error {
	if err := s.deps.FS.MkdirAll(s.cfg.Dir, dirMode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := wal.SyncDir(s.deps.FS, s.deps.FS.PathDir(s.cfg.Dir)); err != nil {
		return err
	}
	for _, dir := range []string{s.paths.wal(), s.paths.manifest(), s.paths.segments()} {
		if err := s.paths.ensure(dir); err != nil {
			return err
		}
	}
	return nil
}

// recover brings back what was there: the manifest's segments, then what the
// write-ahead log holds beyond them.
func (s *Store) recover() error {
	m, damages, err := manifest.Open(manifest.Options{
		FS: s.deps.FS, Dir: s.paths.manifest(), Now: s.deps.Now, FileBytes: manifestBytes,
	})
	if err != nil {
		return err
	}
	s.manifest = m
	for _, d := range damages {
		s.damaged(fileManifest, d)
	}
	if err := s.settle(len(damages) > 0); err != nil {
		return err
	}
	state := m.State()
	for _, meta := range state.Segments {
		switch meta.Signal {
		case telemetry.Logs:
			addHandle(s, s.logs, meta)
		case telemetry.Traces:
			addHandle(s, s.spans, meta)
		default:
			s.damaged(fileManifest, fmt.Errorf("segment %d holds %q, which this program doesn't know", meta.ID, meta.Signal))
		}
	}
	sortSegments(s, s.logs)
	sortSegments(s, s.spans)
	return s.replay(state.WAL)
}

func addHandle[T any](s *Store, sig *signal[T], meta manifest.Segment) {
	h := newHandle(s.paths, sig.codec, meta)
	sig.segments[meta.Tenant] = append(sig.segments[meta.Tenant], h)
}

func sortSegments[T any](s *Store, sig *signal[T]) {
	for _, list := range sig.segments {
		slices.SortFunc(list, func(a, b *handle[T]) int { return cmp.Compare(a.meta.ID, b.meta.ID) })
	}
	measure(s, sig)
}

// replay puts what stands behind the position in the write-ahead log into the
// head, flushes when that gets big, and begins a new file.
func (s *Store) replay(from wal.Position) error {
	if err := wal.Settle(s.deps.FS, s.paths.wal()); err != nil {
		return err
	}
	file := from.Seq
	each := func(rec wal.Record, pos wal.Position) error {
		// A flush covers whole files: what one holds is then either all in
		// segments or all in the log.
		if pos.Seq != file && from.Less(pos) && s.active.bytes >= s.cfg.FlushBytes {
			s.flushReplayed(wal.Position{Seq: pos.Seq, Offset: framing.HeaderSize})
		}
		file = pos.Seq
		if err := s.replayRecord(rec, from.Less(pos)); err != nil {
			s.damaged(fileWAL, &wal.CorruptionError{
				Dir: s.paths.wal(), Segment: wal.FileName(pos.Seq), Offset: pos.Offset,
				Err: fmt.Errorf("the record that ends here: %w", err),
			})
		}
		return nil
	}
	end, err := wal.Replay(s.deps.FS, s.paths.wal(), from, each, func(e *wal.CorruptionError) { s.damaged(fileWAL, e) })
	if err != nil {
		return err
	}
	if end.Torn > 0 {
		s.deps.Logger.Info("cut a torn tail off the write-ahead log", "at", end.TornAt.String(), "bytes", end.Torn)
	}
	w, whole, err := wal.NewWriter(wal.Options{
		FS: s.deps.FS, Dir: s.paths.wal(), FileBytes: s.cfg.WALFileBytes, GroupBytes: s.cfg.WALGroupBytes,
		Now: s.deps.Now, Synced: s.synced,
	}, end.Next, end.PrevLength, s.hashRecords())
	if err != nil {
		return err
	}
	s.wal = w
	if !whole {
		return nil // the old files are the only ones that know the requests
	}
	if err := wal.Release(s.deps.FS, s.paths.wal(), s.manifest.State().WAL.Seq); err != nil {
		s.deps.Logger.Warn("released write-ahead files are still there, the next flush removes them", "err", err)
	}
	return nil
}

// flushReplayed writes what was replayed so far to segments. Where that fails
// the replay goes on, in memory.
func (s *Store) flushReplayed(pos wal.Position) {
	s.swap(pos)
	for len(s.frozen) > 0 {
		if err := s.flushGeneration(s.frozen[0]); err != nil {
			s.deps.Logger.Error("flush while replaying", "err", err)
			return
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
