package local

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/depot"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// How records are deleted. First everything acknowledged goes to segments, and
// the write-ahead files that had it are released. Then each segment that has a
// record to delete is written anew without those, and takes the old one's place
// in the manifest, by the same edit that counts them; the old file is removed
// with its last reader. Only then is the deletion noted as done, in a manifest
// file that never had its query. A crash on the way leaves the deletion waiting,
// and it begins again with what is left.

// pick is what one deletion selects.
type pick[T any] struct {
	id    uint64
	query *record.Query[T]
	match func(*T) bool
}

func (p *pick[T]) wants(k *record.Kind[T], r *T) bool {
	return p.query.InRange(k.Time(r)) && (p.query.Stream == nil || p.query.Stream(k.Stream(r))) &&
		(p.match == nil || p.match(r))
}

func (s *Store) logPicks(list []manifest.Deletion) ([]pick[telemetry.Log], error) {
	var out []pick[telemetry.Log]
	for _, m := range list {
		sel, err := s.deps.Selectors.Logs(m.Query)
		if err != nil {
			return nil, fmt.Errorf("deletion %d: %w", m.ID, err)
		}
		q := record.LogQuery(sel.Query)
		q.From, q.To, q.Columns = m.From, m.To, storage.ColAll
		out = append(out, pick[telemetry.Log]{m.ID, q, sel.Match})
	}
	return out, nil
}

func (s *Store) spanPicks(list []manifest.Deletion) ([]pick[telemetry.Span], error) {
	var out []pick[telemetry.Span]
	for _, m := range list {
		sel, err := s.deps.Selectors.Spans(m.Query)
		if err != nil {
			return nil, fmt.Errorf("deletion %d: %w", m.ID, err)
		}
		q := record.SpanQuery(sel.Query)
		q.From, q.To, q.Columns = m.From, m.To, storage.ColAll
		out = append(out, pick[telemetry.Span]{m.ID, q, sel.Match})
	}
	return out, nil
}

// seal writes everything acknowledged to segments and releases all write-ahead
// files that had it, also those of requests that were refused.
func (s *Store) seal(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	err := s.flushFrozen()
	if err == nil {
		err = s.rotate(ctx)
	}
	if err == nil {
		err = s.flushFrozen()
	}
	return s.disk.wrote(err)
}

// sweep rewrites every segment of a tenant that has what the deletions of the
// group select. A segment that cannot be read is left, and is an error at the
// end.
func sweep[T any](ctx context.Context, s *Store, sig *signal[T], group []manifest.Deletion, picksOf func([]manifest.Deletion) ([]pick[T], error)) error {
	group = slices.DeleteFunc(slices.Clone(group), func(m manifest.Deletion) bool { return s.allSwept([]manifest.Deletion{m}) })
	if len(group) == 0 {
		return nil
	}
	picks, err := picksOf(group)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range partitions(s, sig) {
		defer releaseAll([]*partition[T]{p})
		if p.tenant != group[0].Tenant {
			continue
		}
		for _, h := range p.list {
			if err := erase(ctx, s, sig, p, h, picks); err != nil {
				errs = append(errs, fmt.Errorf("delete from %s: %w", h.path, err))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	s.deletions.mu.Lock()
	defer s.deletions.mu.Unlock()
	for _, m := range group {
		s.deletions.of(m.ID).swept = true
	}
	return nil
}

// erase rewrites one segment if it has to be.
func erase[T any](ctx context.Context, s *Store, sig *signal[T], p *partition[T], h *handle[T], picks []pick[T]) error {
	if hit, err := hits(ctx, s, h, picks); err != nil || !hit {
		return err
	}
	if !s.disk.roomFor(h.meta.Bytes) {
		return fmt.Errorf("%w: %d bytes are needed to write it anew", storage.ErrDiskFull, h.meta.Bytes)
	}
	counts := map[uint64]int64{}
	keep := func(r *T) bool {
		for i := range picks {
			if picks[i].wants(sig.kind, r) {
				counts[picks[i].id]++
				return false
			}
		}
		return true
	}
	changing := false
	out, err := mergeSegments(ctx, s, sig, p, []*handle[T]{h}, &filter[T]{keep: keep, note: func(e *manifest.Edit) {
		s.deletions.changing.Lock()
		changing = true
		for id, m := range s.manifest.Deletions() {
			if n := counts[id]; n > 0 && m.Done == 0 {
				m.Records += n
				e.Deletions = append(e.Deletions, m)
			}
		}
	}})
	if changing {
		s.deletions.changing.Unlock()
	}
	if err != nil {
		return err
	}
	replace(s, sig, out, []*handle[T]{h})
	for i := range picks {
		s.metrics.deletedRecords.WithLabelValues(string(sig.kind.Signal)).Add(float64(counts[picks[i].id]))
	}
	return nil
}

// hits reports whether a segment has a record to delete. It reads what the
// indexes leave.
func hits[T any](ctx context.Context, s *Store, h *handle[T], picks []pick[T]) (bool, error) {
	r, err := h.open(ctx)
	if err != nil {
		return false, err
	}
	for i := range picks {
		q := *picks[i].query
		stats := storage.ReadStats{}
		q.Stats = &stats
		parts, _, err := r.Plan(&q)
		if err != nil {
			return false, err
		}
		for _, part := range parts {
			before := stats.Bytes
			found, err := r.Read(&q, part)
			var rows []T
			if err == nil && found.Len() > 0 {
				rows, err = found.Take(0, found.Len(), storage.ColAll)
			}
			if err != nil {
				return false, err
			}
			for k := range rows {
				if picks[i].match == nil || picks[i].match(&rows[k]) {
					return true, nil
				}
			}
			if err := s.pace.wait(ctx, stats.Bytes-before); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// cleared removes the segment files of a tenant and signal that the manifest
// does not name: what was written anew, and what a failed flush or merge left.
// It reports whether none is left; one that is still read goes with its reader.
func (s *Store) cleared(tenant string, sig telemetry.Signal) (bool, error) {
	s.flushing.Lock() // nobody writes one meanwhile: tidying is held
	defer s.flushing.Unlock()
	named := s.manifest.State().Segments
	all := true
	var errs []error
	err := s.paths.findSegments(func(f found) {
		if m, ok := named[f.id]; ok && m.Object == "" || f.tenant != tenant || f.signal != sig {
			return
		}
		if s.paths.holds(f.path) {
			all = false
			return
		}
		if err := s.deps.FS.Remove(f.path); err != nil {
			errs = append(errs, fmt.Errorf("remove a segment that was replaced: %w", err))
		}
	}, func(string) {})
	if s.objects.depot != nil {
		gone, serr := s.sweepObjects(s.background, false, func(p depot.Place) bool { return p.Tenant == tenant && p.Signal == string(sig) })
		all, errs = all && gone, append(errs, serr)
	}
	return all, errors.Join(append(errs, err)...)
}
