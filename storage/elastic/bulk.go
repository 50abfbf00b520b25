package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage/elastic/cluster"
)

// bulk writes items until each is in Elasticsearch or among the dead letters.
// Where a request fails it is tried again, with growing pauses: for ever where
// the write-ahead log holds the data (patient), else as long as retry_for
// says. uncertain tells that some of them may have been written before.
func (s *Store) bulk(ctx context.Context, items []item, patient, uncertain bool) error {
	if len(items) == 0 {
		return nil
	}
	if !patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(s.cfg.RetryFor))
		defer cancel()
	}
	pause, told := time.Duration(s.cfg.RetryBackoff), false
	for {
		left, unsure, err := s.bulkOnce(ctx, items, uncertain)
		uncertain = unsure
		if err == nil && len(left) < len(items) {
			s.refusal.Store("")
		}
		if len(left) == 0 && err == nil {
			if told {
				s.deps.Logger.Info("elasticsearch takes documents again")
			}
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil && !patient && (!cluster.Passing(err) || cluster.IsOpen(err)) {
			return err
		}
		if len(left) < len(items) {
			pause = time.Duration(s.cfg.RetryBackoff) // it goes on
		}
		if err != nil {
			s.refusal.Store(err.Error())
		}
		if err != nil && !told {
			told = true
			s.deps.Logger.Warn("elasticsearch does not take documents; trying again", "documents", len(left), "err", err)
		}
		items = left
		s.metrics.retried.Add(float64(len(items)))
		if wait.About(ctx, pause) != nil {
			return errors.Join(ctx.Err(), err)
		}
		pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax))
	}
}

// bulkOnce sends items once, in requests of about bulk_bytes, and returns what
// is left to be sent again. unsure tells whether any of that may have been
// written all the same.
func (s *Store) bulkOnce(ctx context.Context, items []item, uncertain bool) (left []item, unsure bool, err error) {
	if err := s.prepare(ctx); err != nil {
		return items, uncertain, err
	}
	if err := s.join(ctx); err != nil {
		return items, uncertain, err
	}
	if uncertain {
		if items, err = s.withoutExisting(ctx, items); err != nil {
			return items, true, err
		}
	}
	for start := 0; start < len(items); {
		end := start + portion(items[start:], s.cfg.BulkBytes)
		again, maybe, err := s.send(ctx, items[start:end])
		left = append(left, again...)
		unsure = unsure || maybe
		if err != nil {
			return append(left, items[end:]...), unsure, err
		}
		start = end
	}
	return left, unsure, nil
}

// portion is how many of some items the next of equal requests takes, each of
// about so many bytes: what is a little more is not worth a request of its own.
func portion(items []item, bytes int) int {
	share := size(items)
	share /= max(1, (share+bytes/2)/bytes)
	for n := range items {
		if share -= items[n].size(); share <= 0 {
			return n + 1
		}
	}
	return len(items)
}

// send sends one bulk request.
func (s *Store) send(ctx context.Context, items []item) (left []item, unsure bool, err error) {
	answer, err := s.es.Do(ctx, cluster.Request{
		Method: http.MethodPost, Path: "/_bulk", NDJSON: true, Once: true, Size: size(items),
		Stream: func(w io.Writer) { writeBulk(w, items) },
		Query: url.Values{
			"filter_path": {"errors,items.*.status,items.*.error.type,items.*.error.reason"},
			// Documents of a shard that is gone come back before the request is lost
			// with all others in it.
			"timeout": {milliseconds(time.Duration(s.cfg.RequestTimeout) / 2)},
		},
	})
	if cluster.Status(err) == http.StatusRequestEntityTooLarge {
		return s.tooLarge(ctx, items, err)
	}
	if err != nil {
		s.flow.went(cluster.Status(err) == http.StatusTooManyRequests)
		// Refused as a whole, nothing was written. Otherwise nobody knows.
		code := cluster.Status(err)
		return items, !cluster.IsOpen(err) && (code == 0 || code >= http.StatusInternalServerError), err
	}
	if bytes.HasPrefix(answer, noErrors) {
		s.allWritten(items)
		s.flow.went(false)
		return nil, false, nil
	}
	return s.sort(items, answer)
}

// noErrors begins an answer to a bulk request of which nothing failed.
var noErrors = []byte(`{"errors":false`)

// sort sorts the answers to a bulk request one by one.
func (s *Store) sort(items []item, answer []byte) (left []item, unsure bool, err error) {
	var out struct {
		Items []map[string]struct {
			Status int `json:"status"`
			Error  struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
			} `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer, &out); err != nil || len(out.Items) != len(items) {
		return items, true, fmt.Errorf("read the answer to a bulk request of %d: %d items: %w", len(items), len(out.Items), err)
	}
	overloaded := false
	var passing error
	for i := range items {
		it, res := &items[i], out.Items[i]["create"]
		switch {
		case res.Status >= http.StatusOK && res.Status < http.StatusMultipleChoices:
			s.written(it, 1, false)
		case res.Status == http.StatusConflict:
			s.written(it, 1, true)
		case refusedForGood(res.Status, res.Error.Type) && !it.refused:
			// Two documents that bring the same new field in different types at
			// the same moment make Elasticsearch refuse one of them. Once the
			// field is there it takes both.
			it.refused = true
			left = append(left, *it)
		case refusedForGood(res.Status, res.Error.Type):
			if letter, ok := s.refuse(it, res.Status, res.Error.Type, res.Error.Reason); ok {
				left = append(left, letter)
			}
		default:
			// An index that a full disk has made read-only answers 429 too.
			overloaded = overloaded || res.Status == http.StatusTooManyRequests && res.Error.Type != "cluster_block_exception"
			unsure = unsure || res.Status == 0 || res.Status >= http.StatusInternalServerError
			passing = &cluster.Error{Method: http.MethodPost, Path: "/_bulk (" + it.index + ")", Status: res.Status, Type: res.Error.Type, Reason: res.Error.Reason}
			left = append(left, *it)
		}
	}
	s.flow.went(overloaded)
	if passing != nil && !overloaded {
		return left, unsure, passing
	}
	return left, unsure, nil
}

// tooLarge halves a request that the cluster finds too large. A document that
// is too large by itself is refused.
func (s *Store) tooLarge(ctx context.Context, items []item, cause error) (left []item, unsure bool, err error) {
	if len(items) == 1 {
		letter, ok := s.refuse(&items[0], http.StatusRequestEntityTooLarge, "too_large", cause.Error())
		if !ok {
			return nil, false, nil
		}
		letter.doc = []byte(`{"@timestamp":` + fmt.Sprint(s.deps.Now().UnixMilli()) + `,"tenant":"` + items[0].tenant +
			`","signal":"` + string(items[0].signal) + `","id":"` + items[0].id + `","status":413}`)
		return []item{letter}, false, nil
	}
	for _, half := range [][]item{items[:len(items)/2], items[len(items)/2:]} {
		again, maybe, e := s.send(ctx, half)
		left, unsure, err = append(left, again...), unsure || maybe, errors.Join(err, e)
	}
	return left, unsure, err
}

// refusedForGood reports whether the document itself is what is wrong. All
// else, such as a read-only index or a cluster with too many shards, passes.
func refusedForGood(status int, kind string) bool {
	return status == http.StatusBadRequest && kind != "validation_exception" || status == http.StatusRequestEntityTooLarge
}

// allWritten notes that all of some items are in Elasticsearch; records of one
// index, which mostly stand side by side, at once.
func (s *Store) allWritten(items []item) {
	for len(items) > 0 {
		n := 1
		for items[0].kind == itemRecord && n < len(items) && items[n].kind == itemRecord && items[n].index == items[0].index {
			n++
		}
		s.written(&items[0], n, false)
		items = items[n:]
	}
}

// written notes that an item is in Elasticsearch, or n records of its index.
func (s *Store) written(it *item, n int, existed bool) {
	s.fresh.wrote(it.index)
	switch {
	case it.kind == itemStream:
		s.streams.written(it.stream)
	case it.kind == itemDeadLetter:
		s.metrics.deadLetters.WithLabelValues(string(it.signal)).Inc()
	case existed:
		s.metrics.existing.WithLabelValues(string(it.signal)).Add(float64(n))
	default:
		s.metrics.indexed.WithLabelValues(string(it.signal)).Add(float64(n))
	}
}

// refuse reports a refused item, and returns the dead letter to write for it.
func (s *Store) refuse(it *item, status int, kind, why string) (item, bool) {
	s.deps.Logger.Error("elasticsearch refuses a document", "index", it.index, "id", it.id, "tenant", it.tenant,
		"signal", it.signal, "status", status, "type", kind, "reason", why, "dead_letters", s.names.deadLetters())
	if it.kind == itemDeadLetter {
		return item{}, false // the log line above is all that can be said
	}
	return s.deadLetter(it, status, kind, why), true
}

// lookupIDs is how many IDs are looked for with one request.
const lookupIDs = 5000

// withoutExisting leaves out what data streams with more than one index have
// already. In one index the document's ID does that by itself.
func (s *Store) withoutExisting(ctx context.Context, items []item) ([]item, error) {
	byIndex := map[string][]string{}
	for i := range items {
		if items[i].kind == itemRecord {
			byIndex[items[i].index] = append(byIndex[items[i].index], items[i].id)
		}
	}
	there := map[string]bool{}
	for index, ids := range byIndex {
		streams, err := s.dataStreams(ctx, index)
		if err != nil {
			return items, err
		}
		if len(streams) == 0 || len(streams[0].Indices) < 2 {
			continue
		}
		if err := s.refresh(ctx, index); err != nil {
			return items, err
		}
		for start := 0; start < len(ids); start += lookupIDs {
			if err := s.existing(ctx, index, ids[start:min(start+lookupIDs, len(ids))], there); err != nil {
				return items, err
			}
		}
	}
	if len(there) == 0 {
		return items, nil
	}
	left := make([]item, 0, len(items))
	for i := range items {
		if it := &items[i]; it.kind == itemRecord && there[it.index+"/"+it.id] {
			s.written(it, 1, true)
			continue
		}
		left = append(left, items[i])
	}
	return left, nil
}

func (s *Store) existing(ctx context.Context, index string, ids []string, there map[string]bool) error {
	body, err := json.Marshal(map[string]any{
		"size": lookupIDs, "_source": false, "query": map[string]any{"ids": map[string]any{"values": ids}},
	})
	if err != nil {
		return err
	}
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + index + "/_search", Body: body,
		Query: url.Values{"allow_partial_search_results": {"false"}, "filter_path": {"hits.hits._id"}}})
	if err != nil {
		return err
	}
	var out struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return fmt.Errorf("look for documents in %s: %w", index, err)
	}
	for _, h := range out.Hits.Hits {
		there[index+"/"+h.ID] = true
	}
	return nil
}
