package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/closing"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// manifestBytes is how long the manifest grows before it is written anew.
const manifestBytes = 1 << 20

// Open opens the store in cfg.Dir, making it where there is none. It replays
// what was acknowledged and is not in segments yet. Damaged files are skipped,
// counted and logged; they don't keep the store from starting.
func Open(cfg Config, deps Deps) (*Store, error) {
	s, err := open(cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", cfg.Dir, withRemedy(err))
	}
	return s, nil
}

// withRemedy says what helps where careless hands have made a directory of the
// name of a file.
func withRemedy(err error) error {
	if errors.Is(err, syscall.EISDIR) {
		return fmt.Errorf("%w: a directory stands in the place of a file of the store; move it away, and put the file back from a copy, or go on without what only that file had", err)
	}
	return err
}

func open(cfg Config, deps Deps) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	deps.setDefaults(&cfg)
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, deps: deps, metrics: m,
		paths:  newPaths(deps.FS, cfg.Dir),
		dedup:  dedup.New(timeOf(cfg.DedupWindow), cfg.DedupRequests),
		budget: newBudget(cfg.HeadBytes, m.headBytes, m.headPeak),
		disk:   newDisk(deps.FS, cfg.Dir, cfg.MinFreeBytes, deps.Now),
		pace:   newPace(cfg.TidyBytesPerSecond), flushes: newPace(cfg.FlushBytesPerSecond),
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
	note, cut, err := s.missed()
	if err == nil {
		err = s.recover(cut)
	}
	if note != nil && errors.Is(err, framing.ErrVersion) {
		err = errors.Join(err, note.Restore(deps.FS, cfg.Dir)) // the right version opens what is as it was
	}
	if err != nil {
		return nil, err
	}
	s.background, s.cancel = context.WithCancel(context.Background())
	s.loops.Add(3)
	go s.loop(loopFlush, s.flushIfDue)
	go s.loop(loopTidy, s.tidy)
	go s.loop(loopMove, s.moveIfReady)
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
	if s.objects.depot != nil {
		_ = s.objects.depot.Close()
	}
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

// appended are the directories whose files are only ever appended to.
var appended = []string{walDir, manifestDir}

// missed compares the files with the note that the store left when it was
// closed, if it was, and removes it. It reports whether the manifest is not what
// it was.
func (s *Store) missed() (note *closing.Note, manifestCut bool, err error) {
	note, err = closing.Read(s.deps.FS, s.cfg.Dir)
	if errors.Is(err, closing.ErrDamaged) {
		s.damaged(fileClosing, fmt.Errorf("%s: %w", s.paths.join(closing.Name), err))
		err = nil
	}
	var differences []*closing.Difference
	if err == nil {
		differences, err = note.Compare(s.deps.FS, s.cfg.Dir, appended...)
	}
	if err != nil {
		return nil, false, err
	}
	for _, d := range differences {
		kind := fileWAL
		if d.Dir == manifestDir {
			kind, manifestCut = fileManifest, true
		}
		s.damaged(kind, fmt.Errorf("%s: %w", s.paths.join(d.Dir, d.File), d))
	}
	return note, manifestCut, closing.Remove(s.deps.FS, s.cfg.Dir)
}

// recover brings back what was there: the manifest's segments, then what the
// write-ahead log holds beyond them. manifestCut says that a part of the
// manifest is known to be gone.
func (s *Store) recover(manifestCut bool) error {
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
	if err := s.checkVersion(m.State()); err != nil {
		return err
	}
	if err := s.openObjects(m.State()); err != nil {
		return err
	}
	if err := s.settle(manifestCut || len(damages) > 0); err != nil {
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
