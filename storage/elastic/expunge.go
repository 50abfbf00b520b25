package elastic

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage/elastic/cluster"
)

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
		if !sleep(ctx, expungePause) {
			return ctx.Err()
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
		if !sleep(ctx, taskPause) {
			return ctx.Err()
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
