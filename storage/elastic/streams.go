package elastic

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// streamKey is a stream on a day of a tenant and signal.
type streamKey struct {
	tenant string
	signal telemetry.Signal
	id     telemetry.StreamID
	day    int64
}

// catalog is the index of streams: for every day, those that have records on
// it, with resource and scope as they came. It is written in front of the
// records, so that whatever a search finds has its stream there.
type catalog struct {
	store *Store

	mu     sync.Mutex
	known  map[streamKey]bool // those whose documents are in Elasticsearch
	byTerm sync.Map           // stream term -> *telemetry.Stream
	terms  int
}

// maxKnown bounds what is remembered; beyond it streams are written again,
// which changes nothing.
const maxKnown = 200_000

// announced are the streams of one request that were met.
type announced struct {
	tenant string
	signal telemetry.Signal
	seen   map[streamKey]bool
	last   *telemetry.Stream // the one before, and its day
	day    int64
}

// meets reports whether a stream is met for the first time on the day of at.
func (a *announced) meets(st *telemetry.Stream, at int64) (key streamKey, first bool) {
	day := dayOf(at)
	if st == a.last && day == a.day {
		return key, false // as most records do
	}
	a.last, a.day = st, day
	key = streamKey{a.tenant, a.signal, st.ID, day}
	if a.seen[key] {
		return key, false
	}
	if a.seen == nil {
		a.seen = map[streamKey]bool{}
	}
	a.seen[key] = true
	return key, true
}

// announce adds the stream's document where it may not be written yet.
func (c *catalog) announce(dst []item, known *announced, st *telemetry.Stream, at int64) []item {
	key, first := known.meets(st, at)
	if !first {
		return dst
	}
	c.mu.Lock()
	written := c.known[key]
	c.mu.Unlock()
	if written {
		return dst
	}
	raw := otlp.AppendLogs(nil, []telemetry.Log{{Stream: st}})
	doc, err := json.Marshal(map[string]any{
		"tenant": key.tenant, "signal": string(key.signal), "stream": document.StreamTerm(st.ID), "service": st.Service,
		"day": key.day, "otlp": base64.StdEncoding.EncodeToString(raw),
	})
	if err != nil {
		return dst // strings and numbers are always JSON
	}
	id := xxh3.HashString128(key.tenant + "\x00" + string(key.signal) + "\x00" + string(st.ID[:]) + strconv.FormatInt(key.day, 10)).Bytes()
	return append(dst, item{
		index: c.store.names.streams(monthOf(at)), id: base64.RawURLEncoding.EncodeToString(id[:]),
		tenant: key.tenant, signal: key.signal, kind: itemStream, stream: key, doc: doc,
	})
}

// written remembers that a stream's document is in Elasticsearch.
func (c *catalog) written(key streamKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[key] = true
}

// parse reads a stream's document.
func (c *catalog) parse(src *fastjson.Value) (*telemetry.Stream, error) {
	term := string(src.GetStringBytes("stream"))
	if st, ok := c.byTerm.Load(term); ok {
		return st.(*telemetry.Stream), nil
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, src.GetStringBytes("otlp"))
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", term, err)
	}
	b, err := otlp.DecodeLogs(raw)
	if err == nil && len(b.Logs) != 1 {
		err = fmt.Errorf("%d records, want 1", len(b.Logs))
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", term, err)
	}
	st := b.Logs[0].Stream
	c.mu.Lock()
	if c.terms++; c.terms > maxKnown {
		c.byTerm.Clear()
		c.terms = 0
	}
	c.mu.Unlock()
	c.byTerm.Store(term, st)
	return st, nil
}

// list returns the streams of a tenant and signal that have records on the
// days of a range. Where a part of the index is missing there may be others
// among them, that this process has seen before.
func (c *catalog) list(ctx context.Context, tenant string, sig telemetry.Signal, from, to int64, stats *storage.ReadStats) ([]*telemetry.Stream, error) {
	days := map[string]any{"gte": dayOf(from)}
	if to != 0 {
		days["lte"] = dayOf(to)
	}
	filter := []any{search.Term("tenant", tenant), search.Term("signal", string(sig)), search.Range("day", days)}
	found, whole, err := c.search(ctx, filter, stats)
	if err != nil || whole {
		return found, err
	}
	there := map[telemetry.StreamID]bool{}
	for _, st := range found {
		there[st.ID] = true
	}
	c.byTerm.Range(func(_, seen any) bool {
		if st := seen.(*telemetry.Stream); !there[st.ID] {
			found = append(found, st)
		}
		return true
	})
	return found, nil
}

// find returns streams by their terms.
func (c *catalog) find(ctx context.Context, terms []string, stats *storage.ReadStats) (map[string]*telemetry.Stream, error) {
	out := make(map[string]*telemetry.Stream, len(terms))
	var missing []string
	for _, t := range terms {
		if st, ok := c.byTerm.Load(t); ok {
			out[t] = st.(*telemetry.Stream)
		} else {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	found, _, err := c.search(ctx, []any{map[string]any{"terms": map[string]any{"stream": missing}}}, stats)
	for _, st := range found {
		out[document.StreamTerm(st.ID)] = st
	}
	return out, err
}

// catalogPage is how many streams are read at once.
const catalogPage = 1000

// search returns each stream that the filter finds once, and whether no part
// of the index is missing.
func (c *catalog) search(ctx context.Context, filter []any, stats *storage.ReadStats) (out []*telemetry.Stream, whole bool, err error) {
	s := c.store
	if err := s.showCatalog(ctx, stats); err != nil {
		return nil, false, err
	}
	whole = true
	var after json.RawMessage
	for {
		q := map[string]any{
			"size": catalogPage, "_source": []string{"stream", "otlp"}, "track_total_hits": false,
			"query": search.Bool(filter, nil), "sort": []any{map[string]any{"stream": "asc"}}, "collapse": map[string]any{"field": "stream"},
		}
		if after != nil {
			q["search_after"] = after
		}
		v, err := c.page(ctx, q)
		if cluster.IsNoShard(err) {
			warn(stats, "what resources and scopes stand in "+s.names.streams("*")+" is missing: "+err.Error())
			return out, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("look for streams: %w", err)
		}
		warning, err := cluster.Missing(v)
		if err != nil {
			return nil, false, fmt.Errorf("look for streams: %w", err)
		}
		if warning != "" && whole {
			whole = false
			warn(stats, "resources and scopes are missing: "+warning)
		}
		hits := v.GetArray("hits", "hits")
		for _, h := range hits {
			st, err := c.parse(h.Get("_source"))
			if err != nil {
				return nil, false, err
			}
			out = append(out, st)
		}
		if len(hits) < catalogPage {
			return out, whole, nil
		}
		after = hits[len(hits)-1].Get("sort").MarshalTo(nil)
	}
}

// page asks for some streams.
func (c *catalog) page(ctx context.Context, q map[string]any) (*fastjson.Value, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	s := c.store
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.names.streams("*") + "/_search", Body: body, Reads: true,
		Query: url.Values{"ignore_unavailable": {"true"}, "allow_no_indices": {"true"}, "preference": {s.preference()}, cluster.Partial: {"true"}}})
	if err != nil {
		return nil, err
	}
	return fastjson.ParseBytes(answer)
}

// showCatalog refreshes the months that were written to.
func (s *Store) showCatalog(ctx context.Context, stats *storage.ReadStats) error {
	s.fresh.mu.Lock()
	var months []string
	for index := range s.fresh.written {
		if strings.HasPrefix(index, s.names.streams("")) && s.fresh.shown[index] < s.fresh.written[index] {
			months = append(months, index)
		}
	}
	s.fresh.mu.Unlock()
	for _, m := range months {
		if err := s.showOrWarn(ctx, m, stats); err != nil {
			return err
		}
	}
	return nil
}
