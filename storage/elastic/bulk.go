package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage/elastic/cluster"
)

// delivery is items to bring to Elasticsearch, and how.
type delivery struct {
	items []item
	// patient: the write-ahead log holds the data, so that it is tried for ever;
	// else as long as retry_for says.
	patient bool
	// uncertain: some may have been written before.
	uncertain bool
	// waiting, if set, is told whose items are left while others are written.
	waiting func(left map[owner]bool)
}

// bulk writes items until each is in Elasticsearch or among the dead letters, or
// is refused by its index for park_after: it returns whose those are. It is
// called with a place among the bulk requests. Where Elasticsearch fails as a
// whole the place is kept during the pauses between tries, which get longer; it
// is given to others meanwhile where only some indices take nothing.
func (s *Store) bulk(ctx context.Context, d delivery) (map[owner]error, error) {
	if !d.patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(s.cfg.RetryFor))
		defer cancel()
	}
	left, uncertain := d.items, d.uncertain
	p := patience{store: s, since: map[owner]time.Time{}, given: map[owner]error{}}
	for pause := time.Duration(s.cfg.RetryBackoff); len(left) > 0; pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax)) {
		began, before := time.Now(), len(left)
		out, err := s.bulkOnce(ctx, left, uncertain)
		uncertain = out.unsure
		left = p.sort(out, err, began)
		if len(left) == 0 {
			break
		}
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), err, out.why())
		}
		if err != nil && !d.patient && (!cluster.Passing(err) || cluster.IsOpen(err)) {
			return nil, err
		}
		if err == nil && d.waiting != nil {
			d.waiting(owners(left))
		}
		if len(left) < before {
			pause = time.Duration(s.cfg.RetryBackoff) // it goes on
		}
		s.metrics.retried.Add(float64(len(left)))
		rest := func() error { return wait.About(ctx, pause) }
		var ended error
		if err == nil && len(out.refused) > 0 {
			ended = s.flow.Rest(ctx, rest)
		} else {
			ended = rest()
		}
		if ended != nil {
			return nil, errors.Join(ended, err, out.why())
		}
	}
	p.over()
	return p.given, nil
}

func owners(items []item) map[owner]bool {
	out := map[owner]bool{}
	for i := range items {
		out[items[i].owner()] = true
	}
	return out
}

// patience is how long indices have refused the items of a delivery.
type patience struct {
	store *Store
	since map[owner]time.Time
	given map[owner]error // refused for too long
	told  bool
}

// sort returns what is to be tried again after a try.
func (p *patience) sort(out outcome, err error, began time.Time) []item {
	s := p.store
	why := err
	if err == nil {
		why = out.why()
		maps.DeleteFunc(p.since, func(o owner, _ time.Time) bool { return out.refused[o] == nil })
		for o, refusal := range out.refused {
			if p.since[o].IsZero() {
				p.since[o] = began
			}
			if time.Since(p.since[o]) >= time.Duration(s.cfg.ParkAfter) || s.parking.parks(o) {
				p.given[o] = refusal
			}
		}
	}
	if why == nil {
		if len(out.left) == 0 {
			s.refusal.Store("")
		}
	} else {
		s.refusal.Store(why.Error())
		if !p.told {
			p.told = true
			s.deps.Logger.Warn("elasticsearch does not take documents; trying again", "documents", len(out.left), "err", why)
		}
	}
	if len(p.given) == 0 {
		return out.left
	}
	return slices.DeleteFunc(out.left, func(it item) bool { return p.given[it.owner()] != nil })
}

// over tells that nothing is left to be tried.
func (p *patience) over() {
	p.store.refusal.Store("") // who was given up is told of by itself
	if p.told && len(p.given) == 0 {
		p.store.deps.Logger.Info("elasticsearch takes documents again")
	}
}

// outcome is what came of a try.
type outcome struct {
	left    []item          // to be sent again
	unsure  bool            // some of that may have been written all the same
	refused map[owner]error // whose index takes nothing, while the cluster does
}

func (o *outcome) refuse(who owner, why error) {
	if o.refused == nil {
		o.refused = map[owner]error{}
	}
	o.refused[who] = why
}

// add adds what came of another part of a try.
func (o *outcome) add(part outcome) {
	o.left, o.unsure = append(o.left, part.left...), o.unsure || part.unsure
	for who, why := range part.refused {
		o.refuse(who, why)
	}
}

// why is one of the reasons for refusals, nil where there are none.
func (o *outcome) why() error {
	for _, why := range o.refused {
		return why
	}
	return nil
}

// bulkOnce sends items once, in requests of about bulk_bytes. An error is that
// of the cluster, which takes nothing of anybody.
func (s *Store) bulkOnce(ctx context.Context, items []item, uncertain bool) (out outcome, err error) {
	if err = s.prepare(ctx); err == nil {
		err = s.join(ctx)
	}
	if err == nil && uncertain {
		items, out, err = s.withoutExisting(ctx, items)
	}
	if err != nil {
		return outcome{left: items, unsure: uncertain}, err
	}
	s.make(ctx, items)
	for start := 0; start < len(items); {
		end := start + portion(items[start:], s.cfg.BulkBytes)
		part, err := s.send(ctx, items[start:end])
		out.add(part)
		if err != nil {
			out.left = append(out.left, items[end:]...)
			return out, err
		}
		start = end
	}
	return out, nil
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
func (s *Store) send(ctx context.Context, items []item) (outcome, error) {
	answer, err := s.es.Do(ctx, cluster.Request{
		Method: http.MethodPost, Path: "/_bulk", NDJSON: true, Once: true, Size: size(items),
		Stream: func(w io.Writer) { writeBulk(w, items) },
		Query: url.Values{
			"filter_path": {"errors,items.*.status,items.*.error.type,items.*.error.reason"},
			// Documents of a shard that is gone come back, before the request is lost
			// with all others in it.
			"timeout": {milliseconds(time.Duration(min(s.cfg.ShardWait, s.cfg.RequestTimeout/2)))},
		},
	})
	if cluster.Status(err) == http.StatusRequestEntityTooLarge {
		return s.tooLarge(ctx, items, err)
	}
	if err != nil {
		s.flow.Went(cluster.Status(err) == http.StatusTooManyRequests)
		// Refused as a whole, nothing was written. Otherwise nobody knows.
		code := cluster.Status(err)
		return outcome{left: items, unsure: !cluster.IsOpen(err) && (code == 0 || code >= http.StatusInternalServerError)}, err
	}
	if bytes.HasPrefix(answer, noErrors) {
		s.allWritten(items)
		s.flow.Went(false)
		return outcome{}, nil
	}
	return s.sort(items, answer)
}

// noErrors begins an answer to a bulk request of which nothing failed.
var noErrors = []byte(`{"errors":false`)

// sort sorts the answers to a bulk request one by one.
func (s *Store) sort(items []item, answer []byte) (o outcome, err error) {
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
		return outcome{left: items, unsure: true}, fmt.Errorf("read the answer to a bulk request of %d: %d items: %w", len(items), len(out.Items), err)
	}
	overloaded := false
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
			o.left = append(o.left, *it)
		case refusedForGood(res.Status, res.Error.Type):
			if letter, ok := s.refuse(it, res.Status, res.Error.Type, res.Error.Reason); ok {
				o.left = append(o.left, letter)
			}
		default:
			o.left = append(o.left, *it)
			o.unsure = o.unsure || res.Status == 0 || res.Status >= http.StatusInternalServerError
			if busy(res.Status, res.Error.Type, res.Error.Reason) {
				overloaded = true
				continue
			}
			o.refuse(it.owner(), &cluster.Error{Method: http.MethodPost, Path: "/_bulk (" + it.index + ")", Status: res.Status, Type: res.Error.Type, Reason: res.Error.Reason})
		}
	}
	s.flow.Went(overloaded)
	return o, nil
}

// tooLarge halves a request that the cluster finds too large. A document that
// is too large by itself is refused.
func (s *Store) tooLarge(ctx context.Context, items []item, cause error) (o outcome, err error) {
	if len(items) == 1 {
		letter, ok := s.refuse(&items[0], http.StatusRequestEntityTooLarge, "too_large", cause.Error())
		if !ok {
			return o, nil
		}
		letter.doc = []byte(`{"@timestamp":` + fmt.Sprint(s.deps.Now().UnixMilli()) + `,"tenant":"` + items[0].tenant +
			`","signal":"` + string(items[0].signal) + `","id":"` + items[0].id + `","status":413}`)
		return outcome{left: []item{letter}}, nil
	}
	for _, half := range [][]item{items[:len(items)/2], items[len(items)/2:]} {
		part, e := s.send(ctx, half)
		o.add(part)
		err = errors.Join(err, e)
	}
	return o, err
}

// refusedForGood reports whether the document itself is what is wrong. All
// else, such as a read-only index or a cluster with too many shards, passes.
func refusedForGood(status int, kind string) bool {
	return status == http.StatusBadRequest && kind != "validation_exception" || status == http.StatusRequestEntityTooLarge
}

// busy reports whether a document is not taken since the cluster has too much to
// do, and not since its index takes none. An index that a full disk has made
// read-only answers 429 too; a new field waits for the leading node.
func busy(status int, kind, why string) bool {
	return status == http.StatusTooManyRequests && kind != "cluster_block_exception" ||
		kind == "process_cluster_event_timeout_exception" || kind == "mapper_exception" && strings.Contains(why, "timed out")
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
// already. In one index the document's ID does that by itself. What of a data
// stream cannot be looked for, since some of it is gone, is left to a later try
// with all that is its owner's.
func (s *Store) withoutExisting(ctx context.Context, items []item) (look []item, out outcome, err error) {
	byIndex := map[string][]string{}
	ofIndex := map[string]owner{}
	for i := range items {
		if it := &items[i]; it.kind == itemRecord {
			byIndex[it.index] = append(byIndex[it.index], it.id)
			ofIndex[it.index] = it.owner()
		}
	}
	there := map[string]bool{}
	for index, ids := range byIndex {
		err := s.lookFor(ctx, index, ids, there)
		if err != nil && !concernsIndex(err) {
			return items, outcome{}, err
		}
		if err != nil {
			out.refuse(ofIndex[index], fmt.Errorf("what %s has already of what is sent again cannot be told; if its shards are gone for good, delete their index: %w", index, err))
		}
	}
	if len(there)+len(out.refused) == 0 {
		return items, outcome{}, nil
	}
	look = make([]item, 0, len(items))
	for i := range items {
		switch it := &items[i]; {
		case out.refused[it.owner()] != nil:
			out.left, out.unsure = append(out.left, *it), true
		case it.kind == itemRecord && there[it.index+"/"+it.id]:
			s.written(it, 1, true)
		default:
			look = append(look, *it)
		}
	}
	return look, out, nil
}

// concernsIndex reports whether an error is that of an index, in a cluster that
// works.
func concernsIndex(err error) bool {
	code := cluster.Status(err)
	return errors.Is(err, errNotShown) || cluster.IsNoShard(err) || code == http.StatusForbidden || code == http.StatusBadRequest || code == http.StatusNotFound
}

// lookFor notes which IDs a data stream has.
func (s *Store) lookFor(ctx context.Context, index string, ids []string, there map[string]bool) error {
	streams, err := s.dataStreams(ctx, index)
	if err != nil || len(streams) == 0 || len(streams[0].Indices) < 2 {
		return err
	}
	if err := s.refresh(ctx, index); err != nil {
		return err
	}
	for start := 0; start < len(ids); start += lookupIDs {
		if err := s.existing(ctx, index, ids[start:min(start+lookupIDs, len(ids))], there); err != nil {
			return err
		}
	}
	return nil
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
