package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage/local/compact"
	"github.com/clewhq/clew/storage/local/depot"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/segment"
)

// How segments become objects. A key is put on the manifest's list of doomed
// objects first; then the segment is uploaded and read back; one edit says that
// the segment is that object and takes the key off the list; only then the local
// file goes. An object that is not needed any more comes on the list with the
// edit that drops its segment, and off it when it is deleted. So after a crash
// the list names every object that no segment needs, and nobody has to look
// through the bucket.

const objectsDir = "objects"

// objects is what the store keeps of its object storage.
type objects struct {
	depot   *depot.Depot // nil: there is none
	metrics *object.Metrics
	round   sync.Mutex // one round of moving at a time

	mu        sync.Mutex // guards what follows
	uploading map[string]bool
	retryAt   time.Time // no move before
}

// openObjects opens the depot, if there is to be one, and makes sure that it
// is this store's.
func (s *Store) openObjects(state manifest.State) error {
	live := map[string]bool{}
	for _, m := range state.Segments {
		if m.Object != "" {
			live[m.Object] = true
		}
	}
	cfg := &s.cfg.Objects
	if !cfg.On() {
		if len(live) > 0 || len(state.Doomed) > 0 {
			return fmt.Errorf("%d segments are in object storage, and objects.kind is %s: say where they are", len(live)+len(state.Doomed), object.KindNone)
		}
		return nil
	}
	var err error
	if s.objects.metrics, err = object.NewMetrics(s.deps.Registerer); err != nil {
		return err
	}
	s.objects.uploading = map[string]bool{}
	s.paths.depot, err = depot.Open(*cfg, depot.Deps{
		FS: s.deps.FS, Dir: s.paths.join(objectsDir), Now: s.deps.Now, Logger: s.deps.Logger,
		Metrics: s.objects.metrics, Room: s.disk.roomFor,
	}, live)
	if err != nil {
		return fmt.Errorf("open object storage: %w", err)
	}
	s.objects.depot = s.paths.depot
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Timeout))
	defer cancel()
	err = s.objects.depot.Claim(ctx, len(live) > 0)
	if errors.Is(err, object.ErrNotOwner) || errors.Is(err, object.ErrRefused) {
		return err
	}
	if err != nil {
		s.deps.Logger.Warn("object storage is not available: what is there is missing in answers until it is", "err", err)
	}
	return nil
}

// ObjectStorage returns the state of object storage, false where there is none.
func (s *Store) ObjectStorage() (object.Health, bool) {
	if s.objects.depot == nil {
		return object.Health{}, false
	}
	return s.objects.depot.Health(), true
}

// ObjectBreaker returns the circuit breaker of object storage, false where
// there is none.
func (s *Store) ObjectBreaker() (guard.Switch, bool) {
	if s.objects.depot == nil {
		return nil, false
	}
	return s.objects.depot.Breaker(), true
}

// openSegment opens a segment wherever it is, and makes sure that it is the one
// that the manifest names.
func openSegment[T any](ctx context.Context, h *handle[T]) (*segment.Reader[T], error) {
	r, err := openAny(ctx, h)
	if err != nil {
		return nil, err
	}
	if err := differs(r.Info(), &h.meta); err != nil {
		_ = r.Close()
		return nil, &segment.CorruptionError{Path: h.path, Part: "file", Err: err}
	}
	return r, nil
}

// differs says how a segment is not the one that the manifest names.
func differs(info segment.Info, meta *manifest.Segment) error {
	if info.Rows == meta.Rows && info.Bytes == meta.Bytes && info.Min == meta.Min && info.Max == meta.Max {
		return nil
	}
	return fmt.Errorf("it has %d records in %d bytes, from %d to %d, and the manifest says %d in %d, from %d to %d: it is another one's content",
		info.Rows, info.Bytes, info.Min, info.Max, meta.Rows, meta.Bytes, meta.Min, meta.Max)
}

func openAny[T any](ctx context.Context, h *handle[T]) (*segment.Reader[T], error) {
	key, d := h.meta.Object, h.paths.depot
	if key == "" {
		return segment.Open(ctx, h.fs, h.path, h.codec)
	}
	r, err := segment.Open(ctx, d.Files(key, h.meta.Bytes, true), h.path, h.codec)
	if err == nil {
		return r, nil
	}
	// The local copy of its end is missing or wrong: it is made again.
	if r, err = segment.Open(ctx, d.Files(key, h.meta.Bytes, false), h.path, h.codec); err != nil {
		return nil, err
	}
	if d.RestoreTail(ctx, key, h.meta.Bytes, r.IndexOffset()) == nil {
		if better, err := segment.Open(ctx, d.Files(key, h.meta.Bytes, true), h.path, h.codec); err == nil {
			_ = r.Close()
			return better, nil
		}
	}
	return r, nil
}

// away reports whether an error says nothing about data: object storage cannot
// be asked at the moment.
func away(err error) bool { return errors.Is(err, object.ErrUnavailable) }

// objectsRetry is how long moving rests after it failed.
const objectsRetry = 30 * time.Second

// moveIfReady is what the background does by itself.
func (s *Store) moveIfReady(ctx context.Context) error {
	s.objects.mu.Lock()
	rests := s.deps.Now().Before(s.objects.retryAt)
	s.objects.mu.Unlock()
	if rests {
		return nil
	}
	return s.moveObjects(ctx)
}

// moveObjects moves what is due, and deletes objects that are not needed.
func (s *Store) moveObjects(ctx context.Context) error {
	o := &s.objects
	if o.depot == nil {
		return nil
	}
	o.round.Lock()
	defer o.round.Unlock()
	if !s.workForObjects() {
		return nil
	}
	err := o.depot.Claim(ctx, s.hasObjects())
	if err == nil {
		err = errors.Join(moves(ctx, s, s.logs), moves(ctx, s, s.spans))
	}
	if err == nil {
		_, err = s.sweepObjects(ctx, true, func(depot.Place) bool { return true })
	}
	if err != nil && ctx.Err() == nil {
		o.metrics.MoveFailure.Inc()
		o.mu.Lock()
		o.retryAt = s.deps.Now().Add(objectsRetry)
		o.mu.Unlock()
		return fmt.Errorf("move segments to object storage: %w", err)
	}
	return err
}

func (s *Store) hasObjects() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return hasObjects(s.logs) || hasObjects(s.spans)
}

func hasObjects[T any](sig *signal[T]) bool {
	for _, list := range sig.segments {
		if slices.ContainsFunc(list, (*handle[T]).remote) {
			return true
		}
	}
	return false
}

// remote reports whether the segment is an object.
func (h *handle[T]) remote() bool { return h.meta.Object != "" }

// workForObjects reports whether there is anything to move or to delete.
func (s *Store) workForObjects() bool {
	if len(s.manifest.Doomed()) > 0 {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return anyMoves(s, s.logs) || anyMoves(s, s.spans)
}

func anyMoves[T any](s *Store, sig *signal[T]) bool {
	for _, list := range sig.segments {
		if slices.ContainsFunc(list, func(h *handle[T]) bool { return movable(s, h) }) {
			return true
		}
	}
	return false
}

// movable reports whether a segment's day is over for long enough.
func movable[T any](s *Store, h *handle[T]) bool {
	wait := max(timeOf(s.cfg.Objects.MoveAfter), closedAfter)
	return !h.remote() && !h.spoilt.Load() && s.deps.Now().UnixNano() > h.meta.Day.End()+int64(wait)
}

// moves moves the segments of days that are due, oldest first.
func moves[T any](ctx context.Context, s *Store, sig *signal[T]) error {
	all := partitions(s, sig)
	defer releaseAll(all)
	slices.SortFunc(all, func(a, b *partition[T]) int { return cmp.Compare(a.day, b.day) })
	for _, p := range all {
		due := slices.DeleteFunc(slices.Clone(p.list), func(h *handle[T]) bool { return !movable(s, h) })
		if len(due) == 0 || s.wantsMerge(candidates(due)) {
			continue // it moves when it is merged
		}
		for _, h := range due {
			if err := move(ctx, s, sig, h); err != nil {
				return err
			}
		}
	}
	return nil
}

func candidates[T any](list []*handle[T]) (out []compact.Candidate) {
	for _, h := range list {
		out = append(out, compact.Candidate{ID: h.meta.ID, Rows: h.meta.Rows})
	}
	return out
}

// wantsMerge reports whether segments of a closed day are to be merged still.
func (s *Store) wantsMerge(list []compact.Candidate) bool {
	return compact.Plan(compact.Policy{Files: s.cfg.CompactFiles, Rows: s.cfg.CompactRows, Closed: true}, list) != nil
}

// move makes one segment an object.
func move[T any](ctx context.Context, s *Store, sig *signal[T], h *handle[T]) error {
	r, err := h.open(ctx)
	if err != nil {
		return nil // it is damaged, and noted as such now
	}
	key := depot.Key(depot.Place{
		Tenant: h.meta.Tenant, Signal: string(h.meta.Signal), Day: h.meta.Day.String(), ID: h.meta.ID,
	}, s.deps.Now().UnixNano())
	s.objects.upload(key, true)
	defer s.objects.upload(key, false)
	if err := s.manifest.Apply(manifest.Edit{Doom: []string{key}}); err != nil {
		return err
	}
	f, err := s.deps.FS.Open(h.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := s.objects.depot.Upload(ctx, key, f, h.meta.Bytes, r.IndexOffset(), s.pace.wait); err != nil {
		return err
	}
	return moved(s, sig, h, key)
}

func (o *objects) upload(key string, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if on {
		o.uploading[key] = true
	} else {
		delete(o.uploading, key)
	}
}

// moved has the store read the object in the place of the file, unless the
// segment was dropped or merged meanwhile.
func moved[T any](s *Store, sig *signal[T], h *handle[T], key string) error {
	s.tidying.Lock()
	defer s.tidying.Unlock()
	s.mu.RLock()
	live := slices.Contains(sig.segments[h.meta.Tenant], h)
	s.mu.RUnlock()
	if !live {
		return nil
	}
	meta := h.meta
	meta.Object = key
	if err := s.manifest.Apply(manifest.Edit{Add: []manifest.Segment{meta}, Gone: []string{key}}); err != nil {
		return err
	}
	s.mu.Lock()
	publish(s, sig, []*handle[T]{newHandle(s.paths, sig.codec, meta)}, []*handle[T]{h})
	s.mu.Unlock()
	h.drop()
	s.objects.metrics.Moved.WithLabelValues(string(meta.Signal)).Inc()
	s.objects.metrics.MovedBytes.WithLabelValues(string(meta.Signal)).Add(float64(meta.Bytes))
	s.deps.Logger.Debug("moved a segment to object storage", "key", key, "bytes", meta.Bytes)
	return nil
}

// sweepObjects deletes the doomed objects that which picks and that nobody
// reads. It reports whether none of them is left. lock says that the caller
// does not hold tidying.
func (s *Store) sweepObjects(ctx context.Context, lock bool, which func(depot.Place) bool) (bool, error) {
	keys, left := s.sweepable(lock, which)
	s.objects.metrics.Doomed.Set(float64(len(s.manifest.Doomed())))
	if len(keys) == 0 {
		return !left, nil
	}
	// An edit that failed may yet be on the disk and need one of them. The
	// manifest that this is written to does not have it.
	if err := s.manifest.Apply(manifest.Edit{Doom: keys}); err != nil {
		return false, err
	}
	var gone []string
	var err error
	for _, key := range keys {
		if err = s.objects.depot.Delete(ctx, key); err != nil {
			break
		}
		gone = append(gone, key)
		s.objects.metrics.Deleted.Inc()
	}
	if len(gone) > 0 {
		err = errors.Join(err, s.manifest.Apply(manifest.Edit{Gone: gone}))
	}
	s.objects.metrics.Doomed.Set(float64(len(s.manifest.Doomed())))
	return !left && err == nil, err
}

// sweepable lists the keys to delete now, and says whether others must wait.
func (s *Store) sweepable(lock bool, which func(depot.Place) bool) (keys []string, left bool) {
	if lock { // what takes a segment out of the store is through with it then
		s.tidying.Lock()
		defer s.tidying.Unlock()
	}
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.manifest.Doomed())) {
		place, _ := depot.ParseKey(key)
		switch {
		case !which(place):
		case s.objects.uploading[key] || s.paths.holds(s.objects.depot.Name(key)):
			left = true
		default:
			keys = append(keys, key)
		}
	}
	return keys, left
}
