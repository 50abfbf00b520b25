package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// streamBuckets is how many streams are counted with one request.
const streamBuckets = 500

// Streams implements storage.Reader. Elasticsearch counts, exactly, within the
// range; a record that stands there twice after a rollover counts twice.
func (s *Store) Streams(ctx context.Context, tenant string, sig telemetry.Signal, from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if sig != telemetry.Logs && sig != telemetry.Traces || s.names.check(tenant) != nil {
		return nil, nil
	}
	if err := s.readyForQuery(ctx, tenant, sig, stats); err != nil {
		return nil, err
	}
	var out []storage.StreamInfo
	var after json.RawMessage
	for {
		buckets, next, err := s.countStreams(ctx, tenant, sig, search.Times(nil, from, to), after, stats)
		if err != nil {
			return nil, fmt.Errorf("count streams: %w", err)
		}
		infos, err := s.streamInfos(ctx, buckets, stats)
		if err != nil {
			return nil, fmt.Errorf("count streams: %w", err)
		}
		out = append(out, infos...)
		if next == nil {
			break
		}
		after = next
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int { return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]) })
	return out, ctx.Err()
}

// countStreams asks for a page of streams. The times come from the first and
// last records themselves: a minimum would be a rounded number.
func (s *Store) countStreams(ctx context.Context, tenant string, sig telemetry.Signal, filter []any, after json.RawMessage, stats *storage.ReadStats) ([]*fastjson.Value, json.RawMessage, error) {
	composite := map[string]any{
		"size": streamBuckets, "sources": []any{map[string]any{"stream": map[string]any{"terms": map[string]any{"field": "clew.stream"}}}},
	}
	if after != nil {
		composite["after"] = after
	}
	end := func(order string) any {
		return map[string]any{"top_hits": map[string]any{"size": 1, "_source": []string{"@timestamp"}, "sort": []any{map[string]any{"@timestamp": order}}}}
	}
	body, err := json.Marshal(map[string]any{
		"size": 0, "track_total_hits": false, "query": search.Bool(filter, nil),
		"aggs": map[string]any{"streams": map[string]any{"composite": composite, "aggs": map[string]any{
			"first": end("asc"), "last": end("desc"), "bytes": map[string]any{"sum": map[string]any{"field": "clew.size"}},
		}}},
	})
	if err != nil {
		return nil, nil, err
	}
	answer, err := s.es.Do(ctx, cluster.Request{
		Method: http.MethodPost, Path: "/" + s.names.stream(sig, tenant) + "/_search", Body: body, Reads: true,
		Query: url.Values{"ignore_unavailable": {"true"}, "preference": {s.preference()}, cluster.Partial: {"true"}},
	})
	if err != nil {
		return nil, nil, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return nil, nil, err
	}
	if err := note(v, stats); err != nil {
		return nil, nil, err
	}
	agg := v.Get("aggregations", "streams")
	buckets := agg.GetArray("buckets")
	if next := agg.Get("after_key"); next != nil && len(buckets) == streamBuckets {
		return buckets, next.MarshalTo(nil), nil
	}
	return buckets, nil, nil
}

func (s *Store) streamInfos(ctx context.Context, buckets []*fastjson.Value, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	terms := make([]string, len(buckets))
	for i, b := range buckets {
		terms[i] = string(b.GetStringBytes("key", "stream"))
	}
	streams, err := s.streams.find(ctx, terms, stats)
	if err != nil {
		return nil, err
	}
	out := make([]storage.StreamInfo, 0, len(buckets))
	for i, b := range buckets {
		st := streams[terms[i]]
		if st == nil {
			warn(stats, "a stream with records is not in "+s.names.streams("*")+": it is left out")
			continue
		}
		in := storage.StreamInfo{Stream: st, Records: b.GetInt64("doc_count"), Bytes: int64(b.GetFloat64("bytes", "value"))}
		for _, end := range []struct {
			agg string
			dst *int64
		}{{"first", &in.First}, {"last", &in.Last}} {
			t, err := document.ParseTime(string(b.GetStringBytes(end.agg, "hits", "hits", "0", "_source", "@timestamp")))
			if err != nil {
				return nil, err
			}
			*end.dst = t
		}
		out = append(out, in)
	}
	return out, nil
}

// note adds what an answer to a search lacks to stats, which may be nil.
func note(v *fastjson.Value, stats *storage.ReadStats) error {
	warning, err := cluster.Missing(v)
	if warning != "" {
		warn(stats, warning)
	}
	return err
}

// warn adds a warning to stats, which may be nil.
func warn(stats *storage.ReadStats, text string) {
	if stats != nil {
		stats.Warnings = append(stats.Warnings, text)
	}
}
