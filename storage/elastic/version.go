package elastic

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

var (
	_ storage.LogVersioner  = (*Store)(nil)
	_ storage.SpanVersioner = (*Store)(nil)
)

// LogsVersion implements storage.LogVersioner.
func (s *Store) LogsVersion(ctx context.Context, tenant string, from, to int64) (storage.Version, error) {
	return s.version(ctx, tenant, telemetry.Logs, from, to)
}

// SpansVersion implements storage.SpanVersioner.
func (s *Store) SpansVersion(ctx context.Context, tenant string, from, to int64) (storage.Version, error) {
	return s.version(ctx, tenant, telemetry.Traces, from, to)
}

// version is made of how many records there are in a range, when the last one
// came, and how big all are together: what comes late changes the first, and so
// does what is deleted. For as many to go as come without a trace, they would
// have to be of the same size, and older than another one.
func (s *Store) version(ctx context.Context, tenant string, sig telemetry.Signal, from, to int64) (storage.Version, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Version{}, err
	}
	defer leave()
	if s.names.check(tenant) != nil {
		return storage.Version{}, nil
	}
	var stats storage.ReadStats
	if err := s.ready(ctx, tenant, sig, &stats); err != nil || len(stats.Warnings) > 0 {
		return storage.Version{}, err
	}
	body, err := json.Marshal(map[string]any{
		"size": 0, "track_total_hits": true, "query": search.Bool(search.Times(nil, from, to), nil),
		"aggs": map[string]any{
			"last":  map[string]any{"max": map[string]any{"field": "clew.seq"}},
			"bytes": map[string]any{"sum": map[string]any{"field": "clew.size"}},
		},
	})
	if err != nil {
		return storage.Version{}, err
	}
	answer, err := s.es.Do(ctx, cluster.Request{
		Method: http.MethodPost, Path: "/" + s.names.stream(sig, tenant) + "/_search", Body: body, Reads: true,
		Query: url.Values{"ignore_unavailable": {"true"}, "preference": {s.preference()}, cluster.Partial: {"true"}},
	})
	if cluster.IsNoShard(err) {
		return storage.Version{}, nil
	}
	if err != nil {
		return storage.Version{}, fmt.Errorf("tell the version of %s: %w", sig, err)
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return storage.Version{}, fmt.Errorf("tell the version of %s: %w", sig, err)
	}
	if warning, err := cluster.Missing(v); warning != "" || err != nil {
		return storage.Version{}, nil // nobody can tell; the read will say why
	}
	state := fmt.Sprintf("%s %d %v %v", v.GetStringBytes("hits", "total", "relation"), v.GetInt64("hits", "total", "value"),
		v.GetFloat64("aggregations", "last", "value"), v.GetFloat64("aggregations", "bytes", "value"))
	h := xxh3.HashString128(state).Bytes()
	return storage.Version{binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])}, nil
}

// preference has every search of this process go to the same copy of a shard,
// as long as that is there: copies show new documents at different moments.
func (s *Store) preference() string { return "clew-" + s.eraser.owner }
