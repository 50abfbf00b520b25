package elastic

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// Requests to delete records stand in an index of their own, so that any clew
// process on the cluster carries them out, and another one goes on where one
// dies. erase.go carries them out.

var _ storage.Deleter = (*Store)(nil)

// doneDeletions is how many deletions are listed, of a tenant.
const doneDeletions = 1000

// deletionDoc is a request to delete, as it stands in the index.
type deletionDoc struct {
	Kind    string           `json:"kind"` // kindDeletion
	Tenant  string           `json:"tenant"`
	Signal  telemetry.Signal `json:"signal"`
	Query   string           `json:"query,omitempty"`
	From    int64            `json:"from,omitempty"`
	To      int64            `json:"to,omitempty"`
	Created int64            `json:"created"`
	Done    int64            `json:"done"`
	Records int64            `json:"records"`
	Err     string           `json:"error,omitempty"`
	// Owner carries it out until Lease, Unix nanoseconds, and renews that.
	Owner string `json:"owner,omitempty"`
	Lease int64  `json:"lease,omitempty"`
}

// The kinds of documents in the index of deletions.
const (
	kindDeletion  = "deletion"
	kindCollector = "collector"
)

// Delete implements storage.Deleter.
func (s *Store) Delete(ctx context.Context, d storage.Deletion) (storage.Deletion, error) {
	leave, err := s.enter()
	if err != nil {
		return d, err
	}
	defer leave()
	if err := s.deps.Selectors.Check(d); err != nil {
		return d, err
	}
	if err := s.prepare(ctx); err != nil {
		return d, err
	}
	m := deletionDoc{
		Kind: kindDeletion, Tenant: d.Tenant, Signal: d.Signal, Query: d.Query, From: d.From, To: d.To, Created: s.deps.Now().UnixNano(),
	}
	id := strconv.FormatInt(m.Created, 36) + strings.ToLower(rand.Text()[:8])
	body, err := json.Marshal(m)
	if err != nil {
		return d, err
	}
	if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: s.deletionPath(id), Body: body, Query: url.Values{"refresh": {"true"}}}); err != nil {
		return d, fmt.Errorf("keep the deletion: %w", err)
	}
	s.deps.Logger.Info("records will be deleted", "id", id, "signal", m.Signal, "tenant", m.Tenant)
	s.eraser.wake()
	return m.shown(id), nil
}

func (s *Store) deletionPath(id string) string {
	return "/" + s.names.deletions() + "/_doc/" + url.PathEscape(id)
}

// shown is how the outside sees it.
func (m *deletionDoc) shown(id string) storage.Deletion {
	return storage.Deletion{
		ID: id, Tenant: m.Tenant, Signal: m.Signal, Query: m.Query, From: m.From, To: m.To,
		Created: m.Created, Done: m.Done, Records: m.Records, Err: m.Err,
	}
}

// Deletions implements storage.Deleter.
func (s *Store) Deletions(ctx context.Context, tenant string) ([]storage.Deletion, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	found, err := s.findDeletions(ctx, []any{search.Term("kind", kindDeletion), search.Term("tenant", tenant)})
	if err != nil {
		return nil, err
	}
	out := make([]storage.Deletion, len(found))
	for i := range found {
		out[i] = found[i].doc.shown(found[i].id)
	}
	return out, nil
}

// CancelDeletion implements storage.Deleter.
func (s *Store) CancelDeletion(ctx context.Context, tenant, id string) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	for {
		d, err := s.getDeletion(ctx, id)
		if cluster.IsMissing(err) || err == nil && (d.doc.Kind != kindDeletion || d.doc.Tenant != tenant || d.doc.Done != 0) {
			return fmt.Errorf("%w: %q", storage.ErrNoDeletion, id)
		}
		if err == nil {
			_, err = s.es.Do(ctx, cluster.Request{Method: http.MethodDelete, Path: s.deletionPath(id), Query: d.unchanged()})
		}
		if err == nil {
			// Its query may name somebody: no file keeps it for long.
			s.eraser.forget.Store(true)
			s.eraser.wake()
			return nil
		}
		if cluster.Status(err) != http.StatusConflict {
			return fmt.Errorf("cancel the deletion: %w", err)
		}
	}
}

// keptDeletion is a document of the index of deletions as it was read.
type keptDeletion struct {
	id           string
	seqNo, terms int64 // its version, for changes that must not cross
	doc          deletionDoc
}

// unchanged makes a change fail where the document was changed since.
func (k *keptDeletion) unchanged() url.Values {
	return url.Values{
		"if_seq_no": {strconv.FormatInt(k.seqNo, 10)}, "if_primary_term": {strconv.FormatInt(k.terms, 10)}, "refresh": {"true"},
	}
}

func (s *Store) getDeletion(ctx context.Context, id string) (keptDeletion, error) {
	k := keptDeletion{id: id}
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: s.deletionPath(id)})
	if err != nil {
		return k, err
	}
	var in struct {
		SeqNo  int64       `json:"_seq_no"`
		Term   int64       `json:"_primary_term"`
		Source deletionDoc `json:"_source"`
	}
	if err := json.Unmarshal(answer, &in); err != nil {
		return k, fmt.Errorf("read deletion %s: %w", id, err)
	}
	k.seqNo, k.terms, k.doc = in.SeqNo, in.Term, in.Source
	return k, nil
}

// findDeletions lists those that a filter finds, oldest first. It is shown
// whatever was written before.
func (s *Store) findDeletions(ctx context.Context, filter []any) ([]keptDeletion, error) {
	hits, err := s.searchDeletions(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := make([]keptDeletion, len(hits))
	for i, h := range hits {
		out[i] = keptDeletion{id: h.ID}
		if err := json.Unmarshal(h.Source, &out[i].doc); err != nil {
			return nil, fmt.Errorf("read deletion %s: %w", h.ID, err)
		}
	}
	slices.SortFunc(out, func(a, b keptDeletion) int {
		return cmp.Or(cmp.Compare(a.doc.Created, b.doc.Created), cmp.Compare(a.id, b.id))
	})
	return out, nil
}

// deletionHit is a document that a search for deletions finds.
type deletionHit struct {
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

func (s *Store) searchDeletions(ctx context.Context, filter []any) ([]deletionHit, error) {
	body, err := json.Marshal(map[string]any{
		"size": doneDeletions, "query": search.Bool(filter, nil), "sort": []any{map[string]any{"created": "desc"}},
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.names.deletions() + "/_search", Body: body,
		Query: url.Values{"ignore_unavailable": {"true"}, "allow_no_indices": {"true"}, cluster.Partial: {"false"}}})
	if err != nil {
		return nil, fmt.Errorf("look for deletions: %w", err)
	}
	var out struct {
		Hits struct {
			Hits []deletionHit `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("look for deletions: %w", err)
	}
	return out.Hits.Hits, nil
}

// changeDeletion changes a deletion as nobody else does at the same time. It
// reports false, and changes nothing, where change does: where the deletion is
// done or gone, or somebody else's.
func (s *Store) changeDeletion(ctx context.Context, id string, change func(*deletionDoc) bool) (bool, error) {
	for {
		k, err := s.getDeletion(ctx, id)
		if cluster.IsMissing(err) || err == nil && (k.doc.Done != 0 || !change(&k.doc)) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		body, err := json.Marshal(k.doc)
		if err != nil {
			return false, err
		}
		_, err = s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: s.deletionPath(id), Body: body, Query: k.unchanged()})
		if cluster.Status(err) != http.StatusConflict {
			return err == nil, err
		}
	}
}

const (
	// expungeSettings let a merge drop every deleted document.
	expungeSettings = `{"index.merge.policy.expunge_deletes_allowed":0}`
	// usualSettings take that back.
	usualSettings = `{"index.merge.policy.expunge_deletes_allowed":null}`
	// expungeFor is how long it is merged before that is left to the next
	// round. Elasticsearch keeps deleted documents for copies that are behind,
	// and looks every 30 seconds how far these are.
	expungeFor = 45 * time.Second
	// expungePause is between two merges.
	expungePause = 3 * time.Second
	// taskPause is between two looks at a task.
	taskPause = 200 * time.Millisecond
)

// expunge makes deleted documents leave the files of indices and data streams,
// and makes sure of it.
func (s *Store) expunge(ctx context.Context, names ...string) error {
	for began := time.Now(); ; {
		left := int64(0)
		for _, name := range names {
			n, err := s.merge(ctx, name)
			if err != nil && !cluster.IsMissing(err) {
				return fmt.Errorf("make deleted documents leave the files of %s: %w", name, err)
			}
			left += n
		}
		if left == 0 {
			return nil
		}
		if time.Since(began) > expungeFor {
			return fmt.Errorf("%d deleted documents are still in the files of %s, for a copy that is behind or by a merge under way", left, strings.Join(names, ", "))
		}
		if err := wait.For(ctx, expungePause); err != nil {
			return err
		}
	}
}

// merge merges deleted documents away, and returns how many are left.
func (s *Store) merge(ctx context.Context, index string) (int64, error) {
	if n, err := s.deletedDocuments(ctx, index); n == 0 {
		return 0, err
	}
	settings := func(body string) error {
		_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: "/" + index + "/_settings", Body: []byte(body)})
		return err
	}
	if err := settings(expungeSettings); err != nil {
		return 0, err
	}
	if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + index + "/_flush", Query: url.Values{"force": {"true"}, "wait_if_ongoing": {"true"}}}); err != nil {
		return 0, err
	}
	if err := s.mergeTask(ctx, index); err != nil {
		return 0, err
	}
	if err := settings(usualSettings); err != nil {
		return 0, err
	}
	if err := s.refresh(ctx, index); err != nil {
		return 0, err
	}
	return s.deletedDocuments(ctx, index)
}

// mergeTask has Elasticsearch merge in the background, as it may take long, and
// waits for the end of that.
func (s *Store) mergeTask(ctx context.Context, index string) error {
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + index + "/_forcemerge", Once: true,
		Query: url.Values{"only_expunge_deletes": {"true"}, "wait_for_completion": {"false"}}})
	if err != nil {
		return err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return err
	}
	task := string(v.GetStringBytes("task"))
	for {
		answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/_tasks/" + url.PathEscape(task)})
		if cluster.IsMissing(err) {
			return nil // ended, and forgotten
		}
		if err != nil {
			return err
		}
		if v, err = fastjson.ParseBytes(answer); err != nil || v.GetBool("completed") {
			return err
		}
		if err := wait.For(ctx, taskPause); err != nil {
			return err
		}
	}
}

// deletedDocuments is how many documents are deleted and still in files.
func (s *Store) deletedDocuments(ctx context.Context, index string) (int64, error) {
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/" + index + "/_stats/docs", Query: url.Values{"filter_path": {"_all.total.docs.deleted"}}})
	if err != nil {
		return 0, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return 0, err
	}
	return v.GetInt64("_all", "total", "docs", "deleted"), nil
}
