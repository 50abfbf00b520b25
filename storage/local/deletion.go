package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/telemetry"
)

var _ storage.Deleter = (*Store)(nil)

// doneDeletions is how many deletions are remembered after they are done, of
// all tenants: they stand in every snapshot of the manifest.
const doneDeletions = 1000

// deletions is what is known of deletions beside what the manifest says.
type deletions struct {
	// changing is held from reading the list in the manifest to changing it.
	changing sync.Mutex
	mu       sync.Mutex // guards what follows
	progress map[uint64]*progress
}

// progress is how far a deletion is in this process.
type progress struct {
	swept  bool  // no segment has what it selects
	err    error // of the last attempt
	failed time.Time
}

// of returns what is known of a deletion; the caller holds mu.
func (d *deletions) of(id uint64) *progress {
	if d.progress == nil {
		d.progress = map[uint64]*progress{}
	}
	if d.progress[id] == nil {
		d.progress[id] = &progress{}
	}
	return d.progress[id]
}

// Delete implements storage.Deleter.
func (s *Store) Delete(_ context.Context, d storage.Deletion) (storage.Deletion, error) {
	leave, err := s.enter()
	if err != nil {
		return d, err
	}
	defer leave()
	if err := s.deps.Selectors.Check(d); err != nil {
		return d, err
	}
	m := manifest.Deletion{
		ID: s.manifest.NewID(), Tenant: d.Tenant, Signal: d.Signal, Query: d.Query,
		From: d.From, To: d.To, Created: s.deps.Now().UnixNano(),
	}
	s.deletions.changing.Lock()
	defer s.deletions.changing.Unlock()
	if err := s.disk.wrote(s.manifest.Apply(manifest.Edit{Deletions: []manifest.Deletion{m}})); err != nil {
		return d, fmt.Errorf("keep the deletion: %w", err)
	}
	s.deps.Logger.Info("records will be deleted", "id", m.ID, "signal", m.Signal, "tenant", m.Tenant)
	return s.deletion(m), nil
}

// deletion is how the outside sees it.
func (s *Store) deletion(m manifest.Deletion) storage.Deletion {
	d := storage.Deletion{
		ID: strconv.FormatUint(m.ID, 10), Tenant: m.Tenant, Signal: m.Signal, Query: m.Query,
		From: m.From, To: m.To, Created: m.Created, Done: m.Done, Records: m.Records,
	}
	s.deletions.mu.Lock()
	defer s.deletions.mu.Unlock()
	if p := s.deletions.progress[m.ID]; p != nil && p.err != nil && m.Done == 0 {
		d.Err = p.err.Error()
	}
	return d
}

// Deletions implements storage.Deleter.
func (s *Store) Deletions(_ context.Context, tenant string) ([]storage.Deletion, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []storage.Deletion
	for _, m := range s.listDeletions() {
		if m.Tenant == tenant {
			out = append(out, s.deletion(m))
		}
	}
	return out, nil
}

// listDeletions returns all of them, oldest first.
func (s *Store) listDeletions() []manifest.Deletion {
	list := slices.Collect(maps.Values(s.manifest.Deletions()))
	slices.SortFunc(list, func(a, b manifest.Deletion) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// CancelDeletion implements storage.Deleter.
func (s *Store) CancelDeletion(_ context.Context, tenant, id string) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.deletions.changing.Lock()
	defer s.deletions.changing.Unlock()
	number, err := strconv.ParseUint(id, 10, 64)
	if m, ok := s.manifest.Deletions()[number]; err != nil || !ok || m.Tenant != tenant || m.Done != 0 {
		return fmt.Errorf("%w: %q", storage.ErrNoDeletion, id)
	}
	// Its query may name somebody: no file keeps it.
	if err := errors.Join(s.manifest.ApplyAnew(manifest.Edit{Forget: []uint64{number}}), s.manifest.Prune()); err != nil {
		return fmt.Errorf("cancel the deletion: %w", err)
	}
	return nil
}

// deletionRetry is how long a deletion that failed waits: what stops one, as a
// damaged segment or a full disk, lasts.
const deletionRetry = time.Minute

// dueDeletions returns those that are to be carried out now.
func (s *Store) dueDeletions() []manifest.Deletion {
	now := s.deps.Now()
	s.deletions.mu.Lock()
	defer s.deletions.mu.Unlock()
	return slices.DeleteFunc(s.listDeletions(), func(m manifest.Deletion) bool {
		p := s.deletions.of(m.ID)
		return m.Done != 0 || now.Sub(time.Unix(0, m.Created)) < timeOf(s.cfg.DeletionDelay) ||
			p.err != nil && now.Sub(p.failed) < deletionRetry
	})
}

// delete carries out what is due. It is a part of tidying up.
func (s *Store) delete(ctx context.Context) error {
	due := s.dueDeletions()
	if len(due) == 0 {
		return nil
	}
	// Those of one tenant and signal are one pass over its segments.
	type key struct {
		tenant string
		signal telemetry.Signal
	}
	groups := map[key][]manifest.Deletion{}
	for _, m := range due {
		k := key{m.Tenant, m.Signal}
		groups[k] = append(groups[k], m)
	}
	if !s.allSwept(due) {
		if err := s.seal(ctx); err != nil {
			return s.deletionsFailed(ctx, due, err)
		}
	}
	var errs []error
	for k, group := range groups {
		err := s.sweepGroup(ctx, k.signal, group)
		if err == nil {
			err = s.finish(group)
		}
		errs = append(errs, s.deletionsFailed(ctx, group, err))
	}
	return errors.Join(errs...)
}

// sweepGroup is sweep for either signal. A query that hits a bug of its language
// must not end the process: it would again after each start.
func (s *Store) sweepGroup(ctx context.Context, sig telemetry.Signal, group []manifest.Deletion) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the query of a deletion hit a bug: %v", p)
		}
	}()
	if sig == telemetry.Logs {
		return sweep(ctx, s, s.logs, group, s.logPicks)
	}
	return sweep(ctx, s, s.spans, group, s.spanPicks)
}

func (s *Store) allSwept(list []manifest.Deletion) bool {
	s.deletions.mu.Lock()
	defer s.deletions.mu.Unlock()
	return !slices.ContainsFunc(list, func(m manifest.Deletion) bool {
		return m.Query != "" && !s.deletions.of(m.ID).swept
	})
}

// deletionsFailed keeps why they did not get through, nil for they did.
func (s *Store) deletionsFailed(ctx context.Context, list []manifest.Deletion, err error) error {
	if ctx.Err() != nil {
		return err // the store is closing
	}
	s.deletions.mu.Lock()
	defer s.deletions.mu.Unlock()
	for _, m := range list {
		p := s.deletions.of(m.ID)
		p.err, p.failed = err, s.deps.Now()
	}
	return err
}

// finish notes those as done whose files are gone. A query that still reads
// one keeps it a little longer; then the next round comes here again.
func (s *Store) finish(group []manifest.Deletion) error {
	if all, err := s.cleared(group[0].Tenant, group[0].Signal); err != nil || !all {
		return err
	}
	s.deletions.changing.Lock()
	defer s.deletions.changing.Unlock()
	all := s.manifest.Deletions()
	var queries, done manifest.Edit
	for _, g := range group {
		m, waits := all[g.ID] // with the count, and unless it was canceled
		if !waits {
			continue
		}
		m.Query = ""
		queries.Deletions = append(queries.Deletions, m)
		m.Done = s.deps.Now().UnixNano()
		done.Deletions = append(done.Deletions, m)
	}
	if len(done.Deletions) == 0 {
		return nil
	}
	// The queries often name who is to be forgotten: they go first.
	if err := errors.Join(s.manifest.ApplyAnew(queries), s.manifest.Prune()); err != nil {
		return fmt.Errorf("forget the queries of deletions: %w", err)
	}
	done.Forget = tooMany(all)
	if err := s.manifest.Apply(done); err != nil {
		return fmt.Errorf("note deletions as done: %w", err)
	}
	for _, m := range done.Deletions {
		s.deletions.mu.Lock()
		delete(s.deletions.progress, m.ID)
		s.deletions.mu.Unlock()
		s.metrics.deletions.WithLabelValues(string(m.Signal)).Inc()
		s.deps.Logger.Info("records are deleted", "id", m.ID, "signal", m.Signal, "tenant", m.Tenant, "records", m.Records)
	}
	return nil
}

// tooMany returns the IDs of the oldest done ones beyond those that are kept.
func tooMany(all map[uint64]manifest.Deletion) []uint64 {
	var done []uint64
	for id, m := range all {
		if m.Done != 0 {
			done = append(done, id)
		}
	}
	slices.Sort(done)
	return done[:max(0, len(done)-doneDeletions)]
}
