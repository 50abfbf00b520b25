package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// How records are deleted. One process at a time holds a deletion, by a lease.
// It reads what may match, decides here as queries do, and deletes by document
// ID; a crash leaves the deletion waiting, and whoever takes it over begins
// again with what is left. Meanwhile every collector says when all that it had
// acknowledged before it saw the deletion is in Elasticsearch, and no longer in
// its write-ahead log: until then a record could still come. After the last of
// them has said so, the deleting process looks once more, finds nothing, has
// the deleted documents merged away, and only then notes the deletion as done,
// without its query.

// eraser is what carries deletions out, in a goroutine of the store.
type eraser struct {
	wanted chan struct{}
	// owner names this process among those on the cluster.
	owner  string
	delays map[string]time.Time // when a deletion that failed is tried again
	swept  map[string]bool      // nothing of it was found the last time
	// forget is set where the index of deletions has what nobody needs.
	forget atomic.Bool
}

func (e *eraser) wake() {
	select {
	case e.wanted <- struct{}{}:
	default: // it will look anyway
	}
}

// erase looks for deletions that wait, until the store stops.
func (s *Store) erase() {
	tick := time.NewTicker(time.Duration(s.cfg.DeletionEvery))
	defer tick.Stop()
	for {
		select {
		case <-s.background.Done():
			return
		case <-s.eraser.wanted:
		case <-tick.C:
		}
		// While Elasticsearch is away the drain says so.
		if err := s.eraseRound(s.background); err != nil && s.background.Err() == nil && !cluster.Passing(err) {
			s.deps.Logger.Warn("delete records in elasticsearch; trying again later", "err", err)
		}
	}
}

// eraseRound does for each deletion that waits what can be done now.
func (s *Store) eraseRound(ctx context.Context) error {
	if !s.prepared.Load() {
		return nil // the drain says why
	}
	if s.eraser.forget.Swap(false) {
		if err := s.expunge(ctx, s.names.deletions()); err != nil {
			s.eraser.forget.Store(true)
			return err
		}
	}
	list, err := s.findDeletions(ctx, []any{search.Term("kind", kindDeletion), search.Term("done", 0)})
	if err != nil || len(list) == 0 {
		return err
	}
	if err := s.passDeletions(ctx, list); err != nil {
		return err
	}
	var errs []error
	for _, k := range list {
		now := s.deps.Now()
		if now.Sub(time.Unix(0, k.doc.Created)) < time.Duration(s.cfg.DeletionDelay) || now.Before(s.eraser.delays[k.id]) {
			continue
		}
		err := s.carryOut(ctx, k.id)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.eraser.delays[k.id] = now.Add(time.Duration(s.cfg.DeletionEvery))
		_, noted := s.changeDeletion(ctx, k.id, func(d *deletionDoc) bool { d.Err = err.Error(); return true })
		errs = append(errs, err, noted)
	}
	return errors.Join(errs...)
}

// lease is how long a process has a deletion to itself without renewing that.
const lease = 2 * time.Minute

// hold takes or renews the lease, and adds to the count.
func (s *Store) hold(ctx context.Context, id string, records int64) (bool, error) {
	return s.changeDeletion(ctx, id, func(d *deletionDoc) bool {
		now := s.deps.Now()
		if d.Owner != s.eraser.owner && d.Lease > now.UnixNano() {
			d.Records += records
			return records > 0
		}
		d.Owner, d.Lease = s.eraser.owner, now.Add(lease).UnixNano()
		d.Records += records
		return true
	})
}

// carryOut does one deletion, as far as it can be done now.
func (s *Store) carryOut(ctx context.Context, id string) error {
	held, err := s.hold(ctx, id, 0)
	if err != nil || !held {
		return err
	}
	k, err := s.getDeletion(ctx, id)
	if err != nil {
		return err
	}
	if k.doc.Query == "" {
		return s.finish(ctx, &k)
	}
	waits, err := s.collectorsBehind(ctx, id)
	if err != nil {
		return err
	}
	// What comes while it is deleted is found the next time. Once every
	// collector has passed the deletion, and then nothing is found any more,
	// there is nothing.
	for n := int64(1); n > 0 && !(len(waits) > 0 && s.eraser.swept[id]); {
		if n, err = s.sweep(ctx, &k); err != nil {
			return err
		}
	}
	s.eraser.swept[id] = true
	if len(waits) > 0 {
		return fmt.Errorf("what is in Elasticsearch is deleted; records of before the deletion may still be in the write-ahead log of %s", strings.Join(waits, ", "))
	}
	return s.finish(ctx, &k)
}

// finish forgets the query, which often names who is to be forgotten, has all
// that is deleted leave Elasticsearch's files, and notes the deletion as done.
func (s *Store) finish(ctx context.Context, k *keptDeletion) error {
	if there, err := s.changeDeletion(ctx, k.id, func(d *deletionDoc) bool { d.Query = ""; return true }); err != nil || !there {
		return err
	}
	gone := []string{s.names.stream(k.doc.Signal, k.doc.Tenant), s.names.deletions()}
	if k.doc.Signal == telemetry.Traces { // sums of calls have IDs of traces and names of what was called
		if err := s.kept.Forget(ctx, k.doc.Tenant); err != nil {
			return err
		}
		gone = append(gone, s.names.calls())
	}
	if err := s.expunge(ctx, gone...); err != nil {
		return err
	}
	done, err := s.changeDeletion(ctx, k.id, func(d *deletionDoc) bool {
		d.Err, d.Owner, d.Lease, d.Done = "", "", 0, s.deps.Now().UnixNano()
		k.doc = *d
		return true
	})
	if err != nil || !done {
		return err
	}
	s.metrics.deletions.WithLabelValues(string(k.doc.Signal)).Inc()
	s.deps.Logger.Info("records are deleted", "id", k.id, "signal", k.doc.Signal, "tenant", k.doc.Tenant, "records", k.doc.Records)
	return nil
}

// doomed is a document to delete.
type doomed struct{ index, id string }

// sweep deletes what a deletion selects of what Elasticsearch has now, and
// returns how many documents that were.
func (s *Store) sweep(ctx context.Context, k *keptDeletion) (n int64, err error) {
	defer func() {
		// A query that hits a bug of its language must not end the process.
		if p := recover(); p != nil {
			err = fmt.Errorf("the query of a deletion hit a bug: %v", p)
		}
	}()
	if err := s.refresh(ctx, s.names.stream(k.doc.Signal, k.doc.Tenant)); err != nil {
		return 0, err
	}
	remove := func(list []doomed) error {
		removed, err := s.remove(ctx, list)
		n += int64(len(list))
		if err == nil {
			s.metrics.deleted.WithLabelValues(string(k.doc.Signal)).Add(float64(removed))
			_, err = s.hold(ctx, k.id, removed)
		}
		return err
	}
	if k.doc.Signal == telemetry.Logs {
		sel, err := s.deps.Selectors.Logs(k.doc.Query)
		if err != nil {
			return 0, err
		}
		q := sel.Query
		q.Tenant, q.From, q.To = k.doc.Tenant, k.doc.From, k.doc.To
		err = sift(ctx, logScan(s, q), k.doc.Created, sel.Match, remove)
		return n, err
	}
	sel, err := s.deps.Selectors.Spans(k.doc.Query)
	if err != nil {
		return 0, err
	}
	q := sel.Query
	q.Tenant, q.From, q.To = k.doc.Tenant, k.doc.From, k.doc.To
	err = sift(ctx, spanScan(s, q), k.doc.Created, sel.Match, remove)
	return n, err
}

// sift reads a scan and hands out, page by page, the documents of what matches
// and was received before a time.
func sift[T any](ctx context.Context, sc *scan[T], before int64, match func(*T) bool, each func([]doomed) error) error {
	stats := &storage.ReadStats{}
	sc.stats, sc.erases = stats, true
	var hits []doomed
	var received []int64
	sc.hit = func(h *fastjson.Value) {
		hits = append(hits, doomed{string(h.GetStringBytes("_index")), string(h.GetStringBytes("_id"))})
		received = append(received, h.GetInt64("sort", "1"))
	}
	for rows, err := range read(ctx, sc) {
		if err != nil {
			return err
		}
		var list []doomed
		for i := range rows {
			if received[i] < before && (match == nil || match(&rows[i])) {
				list = append(list, hits[i])
			}
		}
		hits, received = hits[:0], received[:0]
		if len(list) > 0 {
			if err := each(list); err != nil {
				return err
			}
		}
	}
	if len(stats.Warnings) > 0 {
		return errors.New(strings.Join(stats.Warnings, "; "))
	}
	return nil
}

// remove deletes documents, and returns how many were there.
func (s *Store) remove(ctx context.Context, list []doomed) (removed int64, err error) {
	var body []byte
	for _, d := range list {
		line, err := json.Marshal(map[string]any{"delete": map[string]string{"_index": d.index, "_id": d.id}})
		if err != nil {
			return 0, err
		}
		body = append(append(body, line...), '\n')
	}
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/_bulk", Body: body, NDJSON: true,
		Query: url.Values{"filter_path": {"items.*.status,items.*.error.type,items.*.error.reason"}}})
	if err != nil {
		return 0, fmt.Errorf("delete documents: %w", err)
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return 0, fmt.Errorf("delete documents: %w", err)
	}
	for i, item := range v.GetArray("items") {
		switch status := item.GetInt("delete", "status"); status {
		case http.StatusOK:
			removed++
		case http.StatusNotFound: // somebody else has
		default:
			err = &cluster.Error{Method: http.MethodPost, Path: "/_bulk (" + list[i].index + ")", Status: status,
				Type: string(item.GetStringBytes("delete", "error", "type")), Reason: string(item.GetStringBytes("delete", "error", "reason"))}
		}
	}
	return removed, err
}
