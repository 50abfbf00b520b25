package elastic

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// aggregate calls each with all buckets of what a scan finds beside odd ones, nil
// for none, and with their bins.
func (sc *scan[T]) aggregate(ctx context.Context, b search.Buckets, odd any, each func(bucket *fastjson.Value, bin int) error) error {
	filter := slices.Clip(sc.filter)
	if odd != nil {
		filter = append(filter, search.Bool(nil, []any{odd}))
	}
	inBin := func(v *fastjson.Value) error { return each(v, b.Bins.Of(v)) }
	edges := b.Bins.Edges()
	if edges == nil {
		return sc.buckets(ctx, b, search.Bool(filter, nil), inBin)
	}
	if err := sc.buckets(ctx, b, search.Bool(filter, []any{edges}), inBin); err != nil {
		return err
	}
	return sc.buckets(ctx, b, search.Bool(append(filter, edges), nil), func(v *fastjson.Value) error { return each(v, b.Bins.Of(v)-1) })
}

// buckets fetches all buckets of a query.
func (sc *scan[T]) buckets(ctx context.Context, b search.Buckets, query any, each func(*fastjson.Value) error) error {
	var after json.RawMessage
	for {
		r, err := sc.search(map[string]any{
			"size": 0, "track_total_hits": false, "query": query, "aggs": map[string]any{"counts": b.Aggregation(after)},
		})
		if err != nil {
			return err
		}
		answer, err := sc.s.es.Do(ctx, r)
		if err != nil {
			return err
		}
		v, err := sc.decoder.ParseBytes(answer)
		if err != nil {
			return err
		}
		if err := sc.incomplete(v); err != nil {
			return err
		}
		if id := v.GetStringBytes("pit_id"); len(id) > 0 {
			sc.pit = string(id)
		}
		sc.stats.Bytes += int64(len(answer))
		sc.stats.Blocks++
		list := v.GetArray("aggregations", "counts", "buckets")
		for _, bucket := range list {
			if err := each(bucket); err != nil {
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

// bucketStreams finds the streams of buckets by their terms. One that is not in the
// index of streams is a warning, and an empty stream in its place.
func (sc *scan[T]) bucketStreams(ctx context.Context, terms map[string]bool) (func(term string) *telemetry.Stream, error) {
	streams, err := sc.s.streams.find(ctx, sorted(terms), sc.stats)
	if err != nil {
		return nil, err
	}
	return func(term string) *telemetry.Stream {
		if st := streams[term]; st != nil {
			return st
		}
		sc.warnOnce("the stream of some records is not in " + sc.s.names.streams("*") + ": they count without resource and scope")
		return telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
	}, nil
}

// maxColumns bounds the fields that are counted by at once.
const maxColumns = 20

// attributesPrefix stands in front of the fields of attributes.
const attributesPrefix = "attributes."

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
		field = attributesPrefix + key
	}
	return field, true
}

// attributeTypes tells the types of the attributes that are indexed, "" for
// one that has several.
func (s *Store) attributeTypes(ctx context.Context, index string) (map[string]string, error) {
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/" + index + "/_field_caps", Reads: true,
		Query: url.Values{"fields": {attributesPrefix + "*"}, "filters": {"-parent"}, "ignore_unavailable": {"true"}}})
	if err != nil {
		return nil, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	v.GetObject("fields").Visit(func(name []byte, caps *fastjson.Value) {
		key, kinds := strings.TrimPrefix(string(name), attributesPrefix), caps.GetObject()
		out[key] = ""
		if kinds.Len() == 1 {
			kinds.Visit(func(kind []byte, _ *fastjson.Value) { out[key] = string(kind) })
		}
	})
	return out, nil
}
