package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// scan is one read of a data stream, in pages.
type scan[T any] struct {
	s       *Store
	tenant  string
	signal  telemetry.Signal
	from    int64
	to      int64
	filter  []any
	fields  []string
	stored  bool // in the order in which documents are stored; else by time:
	newest  bool // first; else oldest first
	lookup  bool // by IDs: a page or two at most
	disk    bool // in a point in time as the disk has them, which is cheapest; doubles come twice
	allowed func(*telemetry.Stream) bool
	like    storage.SpanLike    // hints for spans
	where   []storage.Condition // and for logs
	parse   func(*fastjson.Value, *telemetry.Stream) (T, error)
	stats   *storage.ReadStats
	hit     func(*fastjson.Value) // if set, gets the document of every row of the next page
	erases  bool                  // to delete: rows that stand there twice come twice
	told    []string              // warnings that the read has given

	pit     string
	renewed bool   // the point in time, once
	after   []byte // sort values of the last hit
	lastID  string // its ID
	page    int
	chosen  map[telemetry.StreamID]bool // what allowed says, of each stream
	known   *fieldTypes
	decoder fastjson.Parser
}

// Logs implements storage.Reader.
func (s *Store) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return read(ctx, logScan(s, q))
}

func logScan(s *Store, q storage.LogQuery) *scan[telemetry.Log] {
	return &scan[telemetry.Log]{
		s: s, tenant: q.Tenant, signal: telemetry.Logs, from: q.From, to: q.To, filter: search.Logs(q),
		fields: document.LogFields(q.Columns), stored: q.Order == storage.OrderAny && len(q.IDs) == 0,
		newest: q.Order != storage.OldestFirst, lookup: len(q.IDs) > 0,
		allowed: q.Stream, where: q.Where, parse: document.ParseLog, stats: q.Stats,
	}
}

// Spans implements storage.Reader.
func (s *Store) Spans(ctx context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return read(ctx, spanScan(s, q))
}

func spanScan(s *Store, q storage.SpanQuery) *scan[telemetry.Span] {
	return &scan[telemetry.Span]{
		s: s, tenant: q.Tenant, signal: telemetry.Traces, from: q.From, to: q.To, filter: search.Spans(q),
		fields: document.SpanFields(q.Columns), stored: len(q.IDs)+len(q.TraceIDs) == 0,
		newest: true, lookup: len(q.IDs)+len(q.TraceIDs) > 0,
		allowed: q.Stream, like: q.Like, parse: document.ParseSpan, stats: q.Stats,
	}
}

func read[T any](ctx context.Context, sc *scan[T]) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		leave, err := sc.s.enter()
		if err != nil {
			yield(nil, err)
			return
		}
		defer leave()
		if sc.stats == nil {
			sc.stats = &storage.ReadStats{}
		}
		some, err := sc.begin(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		if !some {
			return
		}
		defer sc.end(ctx)
		for {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			rows, more, err := sc.next(ctx)
			if err != nil {
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				yield(nil, err)
				return
			}
			if len(rows) > 0 && !yield(rows, nil) {
				return
			}
			if !more {
				return
			}
		}
	}
}

// begin makes everything ready. It reports false where nothing can match.
func (sc *scan[T]) begin(ctx context.Context) (bool, error) {
	s := sc.s
	if s.names.check(sc.tenant) != nil {
		return false, nil // nobody of that name can have written
	}
	ready := s.readyForQuery
	if sc.erases {
		ready = s.ready // which has waited for the other processes
	}
	if err := ready(ctx, sc.tenant, sc.signal, sc.stats); err != nil {
		return false, err
	}
	sc.page = min(s.cfg.PageRows, firstPage)
	var streams []*telemetry.Stream
	if sc.allowed != nil || search.ByStream(sc.like) && !sc.lookup {
		var err error
		if streams, err = sc.choose(ctx); err != nil || sc.allowed != nil && len(streams) == 0 {
			return false, err
		}
	}
	if sc.lookup {
		// The order is the same however often it is asked, so pages fit
		// together without a point in time, and a look-up is one request.
		return true, nil
	}
	some, err := sc.openPIT(ctx)
	if some && err == nil {
		sc.narrow(ctx, streams)
	}
	return some, err
}

// choose finds the streams that the scan wants.
func (sc *scan[T]) choose(ctx context.Context) ([]*telemetry.Stream, error) {
	all, err := sc.s.streams.list(ctx, sc.tenant, sc.signal, sc.from, sc.to, sc.stats)
	if err != nil || sc.allowed == nil {
		return all, err
	}
	sc.chosen = map[telemetry.StreamID]bool{}
	var wanted []*telemetry.Stream
	for _, st := range all {
		ok := sc.allowed(st)
		sc.chosen[st.ID] = ok
		if ok {
			wanted = append(wanted, st)
		}
	}
	if 0 < len(wanted) && len(wanted) < len(all) {
		sc.filter = search.Streams(sc.filter, wanted)
	}
	return wanted, nil
}

// narrow leaves out what the reader's hints tell. The types of fields are asked
// for after the point in time is open, which then has none that is not known.
func (sc *scan[T]) narrow(ctx context.Context, streams []*telemetry.Stream) {
	known := search.Known{Streams: streams}
	if search.ByType(sc.like, sc.where) {
		if types, err := sc.attributes(ctx); err == nil && types.whole { // else the reader gets more than it needs
			known.Types = types.of
		}
	}
	sc.filter = search.Where(search.Like(sc.filter, sc.like, known), sc.where, known.Types)
}

// firstPage is small, since many readers need a few records only.
const firstPage = 500

// openPIT opens a point in time. Where the cluster refuses that, since shards
// are missing, the read does without, as a look-up does.
func (sc *scan[T]) openPIT(ctx context.Context) (bool, error) {
	r := cluster.Request{
		Method: http.MethodPost, Path: "/" + sc.s.names.stream(sc.signal, sc.tenant) + "/_pit", Reads: true,
		Query: url.Values{"keep_alive": {seconds(time.Duration(sc.s.cfg.KeepAlive))}, "preference": {sc.s.preference()}},
	}
	if sc.s.partialPIT.Load() {
		r.Query.Set(cluster.Partial, "true")
	}
	body, err := sc.s.es.Do(ctx, r)
	if cluster.IsMissing(err) {
		return false, nil
	}
	if cluster.IsNoShard(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("open a point in time: %w", err)
	}
	v, err := fastjson.ParseBytes(body)
	if err != nil {
		return false, fmt.Errorf("open a point in time: %w", err)
	}
	sc.pit = string(v.GetStringBytes("id"))
	return true, nil
}

// end gives the point in time back, also where the caller has gone.
func (sc *scan[T]) end(ctx context.Context) {
	if sc.pit == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePIT)
	defer cancel()
	body, err := json.Marshal(map[string]string{"id": sc.pit})
	if err == nil {
		// One that stays is dropped after keep_alive.
		_, _ = sc.s.es.Do(ctx, cluster.Request{Method: http.MethodDelete, Path: "/_pit", Body: body, Once: true})
	}
}

// closePIT is how long giving a point in time back may take.
const closePIT = 5 * time.Second

// query asks for the next page.
func (sc *scan[T]) query() map[string]any {
	q := map[string]any{
		"size": sc.page, "track_total_hits": false, "_source": sc.fields, "query": search.Bool(sc.filter, nil), "sort": search.Order(sc.stored, sc.newest),
	}
	if sc.disk && sc.pit != "" {
		q["sort"] = []any{map[string]any{"_shard_doc": "asc"}}
	}
	if sc.after != nil {
		q["search_after"] = json.RawMessage(sc.after)
	}
	return q
}

// fetch searches, and notes what the answer cost and lacks. The answer stands
// until the next one.
func (sc *scan[T]) fetch(ctx context.Context, q map[string]any) (*fastjson.Value, error) {
	v, lacks, err := sc.try(ctx, q)
	if (lacks != "" || cluster.IsNoShard(err) || cluster.IsMissing(err)) && sc.renew(ctx) {
		v, lacks, err = sc.try(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	if lacks != "" {
		sc.warnOnce(lacks)
	}
	if id := v.GetStringBytes("pit_id"); len(id) > 0 {
		sc.pit = string(id)
	}
	sc.stats.Blocks++
	return v, nil
}

// try searches once. lacks names the parts that did not answer; where none did
// it is an error.
func (sc *scan[T]) try(ctx context.Context, q map[string]any) (v *fastjson.Value, lacks string, err error) {
	r, err := sc.search(q)
	if err != nil {
		return nil, "", err
	}
	body, err := sc.s.es.Do(ctx, r)
	if err != nil {
		return nil, "", err
	}
	if v, err = sc.decoder.ParseBytes(body); err != nil {
		return nil, "", fmt.Errorf("read the answer: %w", err)
	}
	sc.stats.Bytes += int64(len(body))
	lacks, err = cluster.Missing(v)
	return v, lacks, err
}

// renew opens another point in time, once in a read, and reports whether it
// did. One that stood on a node that died is lost, while other nodes have
// copies of its shards; the order of reads is the same in all of them, but for
// that of the disk: a copy has its own, in which nobody knows where the read
// had got to. The old one is not given back: that would wait for the node.
func (sc *scan[T]) renew(ctx context.Context) bool {
	if sc.pit == "" || sc.renewed || sc.disk && sc.after != nil {
		return false
	}
	sc.renewed = true
	old := sc.pit
	sc.pit = ""
	if some, err := sc.openPIT(ctx); err != nil || !some || sc.pit == "" {
		sc.pit = old
		return false
	}
	return true
}

// search is a request for a search in the point in time, or without one where
// there is none.
func (sc *scan[T]) search(q map[string]any) (cluster.Request, error) {
	r := cluster.Request{Method: http.MethodPost, Path: "/_search", Reads: true, Query: url.Values{cluster.Partial: {"true"}}}
	if sc.pit != "" {
		q["pit"] = map[string]any{"id": sc.pit, "keep_alive": seconds(time.Duration(sc.s.cfg.KeepAlive))}
	} else {
		r.Path = "/" + sc.s.names.stream(sc.signal, sc.tenant) + "/_search"
		r.Query.Set("ignore_unavailable", "true")
		r.Query.Set("preference", sc.s.preference())
	}
	var err error
	r.Body, err = json.Marshal(q)
	return r, err
}

// next fetches a page. more is false where it was the last one.
func (sc *scan[T]) next(ctx context.Context) (rows []T, more bool, err error) {
	v, err := sc.fetch(ctx, sc.query())
	if err != nil {
		return nil, false, fmt.Errorf("search %s: %w", sc.signal, err)
	}
	hits := v.GetArray("hits", "hits")
	sc.stats.Rows += int64(len(hits))
	if len(hits) == 0 {
		return nil, false, nil
	}
	rows, err = sc.rows(ctx, hits)
	if err != nil {
		return nil, false, err
	}
	sc.after = hits[len(hits)-1].Get("sort").MarshalTo(nil)
	more = len(hits) == sc.page
	sc.page = sc.s.cfg.PageRows
	return rows, more, nil
}

// rows reads the records of a page. Doubles, which a retry across a rollover
// may leave, stand side by side.
func (sc *scan[T]) rows(ctx context.Context, hits []*fastjson.Value) ([]T, error) {
	streamOf, err := sc.streamsOf(ctx, hits, "_source", "clew", "stream")
	if err != nil {
		return nil, err
	}
	rows := make([]T, 0, len(hits))
	for _, h := range hits {
		id := string(h.GetStringBytes("_id"))
		if id == sc.lastID && !sc.erases {
			continue
		}
		sc.lastID = id
		st := streamOf(h)
		if !sc.wants(st) {
			continue
		}
		row, err := sc.parse(h.Get("_source"), st)
		if err != nil {
			sc.warnOnce(fmt.Sprintf("document %s of %s cannot be read: %v", id, h.GetStringBytes("_index"), err))
			continue
		}
		rows = append(rows, row)
		if sc.hit != nil {
			sc.hit(h)
		}
	}
	return rows, nil
}

func (sc *scan[T]) wants(st *telemetry.Stream) bool {
	if sc.allowed == nil {
		return true
	}
	ok, asked := sc.chosen[st.ID]
	if !asked {
		ok = sc.allowed(st)
		sc.chosen[st.ID] = ok
	}
	return ok
}

// warnOnce warns once in a read. Another one with the same stats says it again:
// who keeps answers looks for whether a read has added a warning.
func (sc *scan[T]) warnOnce(w string) {
	if !slices.Contains(sc.told, w) {
		sc.told = append(sc.told, w)
		warn(sc.stats, w)
	}
}

// streamsOf finds the streams of documents or buckets, whose terms stand at a
// path. For one that is not in the index of streams there is a warning, and an
// empty stream.
func (sc *scan[T]) streamsOf(ctx context.Context, list []*fastjson.Value, path ...string) (func(*fastjson.Value) *telemetry.Stream, error) {
	seen := map[string]bool{}
	var terms []string
	for _, v := range list {
		if t := v.GetStringBytes(path...); !seen[string(t)] {
			seen[string(t)] = true
			terms = append(terms, string(t))
		}
	}
	streams, err := sc.s.streams.find(ctx, terms, sc.stats)
	if err != nil {
		return nil, err
	}
	return func(v *fastjson.Value) *telemetry.Stream {
		if st := streams[string(v.GetStringBytes(path...))]; st != nil {
			return st
		}
		sc.warnOnce("the stream of some records is not in " + sc.s.names.streams("*") + ": they come without resource and scope")
		return telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
	}, nil
}

// Tenants implements storage.Reader.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, name := range s.waiting() { // whose data streams may not be there yet
		found[name] = true
	}
	var errs []error
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		list, err := s.dataStreams(ctx, s.names.prefix(sig)+"*")
		errs = append(errs, err)
		for _, ds := range list {
			if name, ok := s.names.tenant(sig, strings.TrimSpace(ds.Name)); ok {
				found[name] = true
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return sorted(found), nil
}
