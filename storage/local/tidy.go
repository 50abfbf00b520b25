package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/clewhq/clew/storage/local/compact"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
)

// Tidy drops what is beyond the retention, deletes what was asked for, merges
// what is worth it and moves what is due to object storage. It is what the background does by itself.
func (s *Store) Tidy(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return errors.Join(s.tidy(ctx), s.moveObjects(ctx))
}

func (s *Store) tidy(ctx context.Context) error {
	s.tidying.Lock()
	defer s.tidying.Unlock()
	retention := s.deps.Retention()
	return errors.Join(
		retain(ctx, s, s.logs, retention.logs),
		retain(ctx, s, s.spans, retention.traces),
		s.delete(ctx),
		merges(ctx, s, s.logs),
		merges(ctx, s, s.spans),
	)
}

// partition is the segments of one tenant, signal and day.
type partition[T any] struct {
	tenant string
	day    record.Day
	list   []*handle[T]
}

// partitions lists them all; each handle in them is acquired.
func partitions[T any](s *Store, sig *signal[T]) []*partition[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*partition[T]
	for tenant, list := range sig.segments {
		byDay := map[record.Day]*partition[T]{}
		for _, h := range list {
			p := byDay[h.meta.Day]
			if p == nil {
				p = &partition[T]{tenant: tenant, day: h.meta.Day}
				byDay[h.meta.Day] = p
				out = append(out, p)
			}
			h.acquire()
			p.list = append(p.list, h)
		}
	}
	return out
}

func releaseAll[T any](ps []*partition[T]) {
	for _, p := range ps {
		for _, h := range p.list {
			h.release()
		}
	}
}

// merges merges what is worth it, partition by partition, until nothing is.
func merges[T any](ctx context.Context, s *Store, sig *signal[T]) error {
	for {
		all := partitions(s, sig)
		did, err := false, error(nil)
		for _, p := range all {
			if err = ctx.Err(); err != nil {
				break
			}
			var merged bool
			if merged, err = mergePartition(ctx, s, sig, p); err != nil {
				s.metrics.compactions.WithLabelValues(string(sig.kind.Signal), outcomeFailed).Inc()
				break
			}
			did = did || merged
		}
		releaseAll(all)
		if err != nil || !did {
			return err
		}
	}
}

// closedAfter is how long after its end a day counts as closed: most of what
// is late has come by then.
const closedAfter = time.Hour

func mergePartition[T any](ctx context.Context, s *Store, sig *signal[T], p *partition[T]) (bool, error) {
	var candidates []compact.Candidate
	byID := map[uint64]*handle[T]{}
	var objects []compact.Candidate
	for _, h := range p.list {
		if h.spoilt.Load() {
			continue
		}
		byID[h.meta.ID] = h
		if c := (compact.Candidate{ID: h.meta.ID, Rows: h.meta.Rows}); h.remote() {
			objects = append(objects, c)
		} else {
			candidates = append(candidates, c)
		}
	}
	policy := compact.Policy{
		Files: s.cfg.CompactFiles, Rows: s.cfg.CompactRows,
		Closed: s.deps.Now().UnixNano() > p.day.End()+int64(closedAfter),
	}
	ids := compact.Plan(policy, candidates)
	if ids == nil && len(objects) > 0 && s.objects.depot.Up() {
		// What came late moved, too: only many small ones are worth fetching.
		policy.Closed = false
		ids = compact.Plan(policy, objects)
	}
	if ids == nil {
		return false, nil
	}
	inputs := make([]*handle[T], len(ids))
	var bytes int64
	for i, id := range ids {
		inputs[i] = byID[id]
		bytes += inputs[i].meta.Bytes
	}
	slices.SortFunc(inputs, func(a, b *handle[T]) int {
		return cmp.Or(cmp.Compare(a.meta.Min, b.meta.Min), cmp.Compare(a.meta.ID, b.meta.ID))
	})
	if !s.disk.roomFor(bytes) {
		return false, nil // flushes need the room more
	}
	out, err := mergeSegments(ctx, s, sig, p, inputs, nil)
	if ctx.Err() != nil {
		return false, ctx.Err() // and says nothing about what could not be read
	}
	if away(err) {
		return false, nil // the next round tries again
	}
	if err != nil {
		// Damage in an input stays where it is, readable around it.
		var bad *segment.CorruptionError
		if errors.As(err, &bad) {
			spoil(s, inputs, bad)
			return true, nil
		}
		return false, err
	}
	replace(s, sig, out, inputs)
	s.metrics.compactions.WithLabelValues(string(sig.kind.Signal), outcomeGood).Inc()
	return true, nil
}

// spoil excludes the damaged input from merges, all of them where it is not
// clear which.
func spoil[T any](s *Store, inputs []*handle[T], bad *segment.CorruptionError) {
	s.damaged(fileSegment, bad)
	i := slices.IndexFunc(inputs, func(h *handle[T]) bool { return h.path == bad.Path })
	if i >= 0 {
		inputs = inputs[i : i+1]
	}
	for _, h := range inputs {
		h.spoilt.Store(true)
	}
}

// replace has reads see out, nil for nothing, in the place of inputs.
func replace[T any](s *Store, sig *signal[T], out *handle[T], inputs []*handle[T]) {
	var add []*handle[T]
	if out != nil {
		add = []*handle[T]{out}
	}
	s.mu.Lock()
	publish(s, sig, add, inputs)
	s.mu.Unlock()
	for _, h := range inputs {
		h.drop()
	}
}

// filter leaves rows out of a merge.
type filter[T any] struct {
	keep func(*T) bool
	// note adds to the edit that publishes the outcome.
	note func(*manifest.Edit)
}

// mergeSegments writes one segment out of several and publishes it in their
// place, in the manifest. It returns nil where the filter, which may be nil,
// left no rows.
func mergeSegments[T any](ctx context.Context, s *Store, sig *signal[T], p *partition[T], inputs []*handle[T], f *filter[T]) (*handle[T], error) {
	readers := make([]*segment.Reader[T], len(inputs))
	var want int64
	for i, h := range inputs {
		r, err := h.open(ctx)
		if err != nil {
			return nil, err
		}
		readers[i] = r
		want += r.Rows()
	}
	meta := manifest.Segment{ID: s.manifest.NewID(), Tenant: p.tenant, Signal: sig.kind.Signal, Day: p.day}
	opts := s.segmentOptions()
	opts.Replaces = removed(inputs)
	var out *handle[T]
	var err error
	left := int64(0)
	if f == nil && segment.Whole(readers, opts) {
		out, err = placeSegment(s, sig, meta, func(path string) (segment.Info, error) {
			return segment.Join(ctx, s.deps.FS, path, sig.codec, readers, opts, s.pace.wait)
		})
	} else {
		out, err = writeSegment(s, sig, meta, opts, hashed(sig.kind, mergedRows(ctx, s, sig, inputs, readers, f, &left)))
	}
	if err != nil {
		return nil, err
	}
	if out.meta.Rows+left != want {
		out.drop()
		return nil, fmt.Errorf("merge of %d segments has %d rows, want %d", len(inputs), out.meta.Rows, want-left)
	}
	edit := manifest.Edit{Remove: opts.Replaces}
	if f != nil {
		f.note(&edit)
	}
	if out.meta.Rows == 0 {
		out.drop()
		out = nil
	} else {
		edit.Add = []manifest.Segment{out.meta}
	}
	// As in flushGeneration, the file stays where this fails.
	if err := s.manifest.Apply(edit); err != nil {
		return nil, err
	}
	return out, nil
}

// mergedRows returns the rows of segments in their order, as fast as the pace
// allows, without those that the filter leaves out, which it counts.
func mergedRows[T any](ctx context.Context, s *Store, sig *signal[T], inputs []*handle[T], readers []*segment.Reader[T], f *filter[T], left *int64) iter.Seq2[*T, error] {
	var rows, bytes int64
	for _, h := range inputs {
		rows, bytes = rows+h.meta.Rows, bytes+h.meta.Bytes
	}
	out := paced(ctx, s.pace, float64(bytes)/float64(max(rows, 1)), compact.Merge(ctx, sig.kind, readers))
	if f != nil {
		out = filtered(out, f.keep, left)
	}
	return out
}

// filtered passes on the rows to keep, and counts the others.
func filtered[T any](rows iter.Seq2[*T, error], keep func(*T) bool, left *int64) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for r, err := range rows {
			if err == nil && !keep(r) {
				*left++
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
