package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// question is one that is answered by counting. Elasticsearch counts where
// it can do so exactly; what it cannot tell is read.
type question interface {
	// countable reports whether Elasticsearch may be able to tell at all.
	countable() bool
	// plan says what Elasticsearch is asked for, and finds the records of which
	// that would not tell all, nil where there can be none. It reports false
	// where that is any record.
	plan(ctx context.Context) (b search.Buckets, odd any, ok bool, err error)
	// take takes in a bucket, whose records are of one stream and bin.
	take(st *telemetry.Stream, bin int, bucket *fastjson.Value) error
	// read takes in the records that a filter finds, nil for all, one by one.
	read(ctx context.Context, filter any) error
}

// count answers a question about what a scan finds.
func (sc *scan[T]) count(ctx context.Context, q question) error {
	leave, err := sc.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if !q.countable() {
		return q.read(ctx, nil)
	}
	if sc.stats == nil {
		sc.stats = &storage.ReadStats{}
	}
	sc.lookup = false // all pages of buckets are of one point in time
	some, err := sc.begin(ctx)
	if err != nil || !some {
		return err
	}
	defer sc.end(ctx)
	b, odd, ok, err := q.plan(ctx)
	if err != nil {
		return fmt.Errorf("count %s: %w", sc.signal, err)
	}
	if !ok {
		return q.read(ctx, nil)
	}
	if err := sc.aggregate(ctx, b, odd, q.take); err != nil {
		return fmt.Errorf("count %s: %w", sc.signal, err)
	}
	if odd == nil {
		return nil
	}
	return q.read(ctx, odd)
}

// aggregate calls take with all buckets of what a scan finds beside odd ones, nil
// for none, and with their streams and bins.
func (sc *scan[T]) aggregate(ctx context.Context, b search.Buckets, odd any, take func(st *telemetry.Stream, bin int, bucket *fastjson.Value) error) error {
	filter := slices.Clip(sc.filter)
	if odd != nil {
		filter = append(filter, search.Bool(nil, []any{odd}))
	}
	inBin := func(st *telemetry.Stream, v *fastjson.Value) error { return take(st, b.Bins.Of(v), v) }
	edges := b.Bins.Edges()
	if edges == nil {
		return sc.buckets(ctx, b, search.Bool(filter, nil), inBin)
	}
	if err := sc.buckets(ctx, b, search.Bool(filter, []any{edges}), inBin); err != nil {
		return err
	}
	return sc.buckets(ctx, b, search.Bool(append(filter, edges), nil), func(st *telemetry.Stream, v *fastjson.Value) error {
		return take(st, b.Bins.Of(v)-1, v)
	})
}

// buckets fetches all buckets of a query that are of streams that the scan wants.
func (sc *scan[T]) buckets(ctx context.Context, b search.Buckets, query any, each func(*telemetry.Stream, *fastjson.Value) error) error {
	var after json.RawMessage
	for {
		v, err := sc.fetch(ctx, map[string]any{
			"size": 0, "track_total_hits": false, "query": query, "aggs": map[string]any{"counts": b.Aggregation(after)},
		})
		if err != nil {
			return err
		}
		list := v.GetArray("aggregations", "counts", "buckets")
		streamOf, err := sc.streamsOf(ctx, list, "key", "stream")
		if err != nil {
			return err
		}
		for _, bucket := range list {
			st := streamOf(bucket)
			if !sc.wants(st) {
				continue
			}
			if err := each(st, bucket); err != nil {
				return err
			}
		}
		next := v.Get("aggregations", "counts", "after_key")
		if next == nil || len(list) < search.PageBuckets {
			return nil
		}
		after = next.MarshalTo(nil)
	}
}

// maxColumns bounds the fields that are counted by at once.
const maxColumns = 20

// attributeField returns the field of the one attribute that a key accepts, ""
// where there is none. It reports false where that cannot be told.
func attributeField(types map[string]string, accepts func(string) bool) (field string, ok bool) {
	for key, kind := range types {
		if !accepts(key) {
			continue
		}
		if field != "" || kind != "keyword" && kind != "long" {
			return "", false
		}
		field = search.Attributes + key
	}
	return field, true
}

// fieldTypes are the types of the attributes that are indexed, "" for one that
// has several. It is whole where every index has told.
type fieldTypes struct {
	of    map[string]string
	whole bool
}

// attributes asks once in a scan for the types of the attributes.
func (sc *scan[T]) attributes(ctx context.Context) (*fieldTypes, error) {
	if sc.known != nil {
		return sc.known, nil
	}
	types, err := sc.s.attributeTypes(ctx, sc.s.names.stream(sc.signal, sc.tenant))
	if err == nil {
		sc.known = types
	}
	return types, err
}

func (s *Store) attributeTypes(ctx context.Context, index string) (*fieldTypes, error) {
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/" + index + "/_field_caps", Reads: true,
		Query: url.Values{"fields": {search.Attributes + "*"}, "filters": {"-parent"}, "ignore_unavailable": {"true"}}})
	if err != nil {
		return nil, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	v.GetObject("fields").Visit(func(name []byte, caps *fastjson.Value) {
		key, kinds := strings.TrimPrefix(string(name), search.Attributes), caps.GetObject()
		out[key] = ""
		if kinds.Len() == 1 {
			kinds.Visit(func(kind []byte, _ *fastjson.Value) { out[key] = string(kind) })
		}
	})
	return &fieldTypes{out, len(v.GetArray("failures")) == 0}, nil
}
