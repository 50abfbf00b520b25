package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/telemetry"
)

// maintain tidies up from time to time, until the store stops.
func (s *Store) maintain() {
	tick := time.NewTicker(time.Duration(s.cfg.MaintainEvery))
	defer tick.Stop()
	for {
		select {
		case <-s.background.Done():
			return
		case <-tick.C:
		}
		if err := s.Maintain(s.background); err != nil && s.background.Err() == nil {
			s.deps.Logger.Warn("tidy up in elasticsearch; trying again later", "err", err)
		}
	}
}

// Maintain rolls over data streams and drops what is older than the retention,
// once, unless the cluster's lifecycle policies do. The months of the index of
// streams have no policy: clew drops those always.
func (s *Store) Maintain(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	var errs []error
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		if s.ilm.Load() {
			break
		}
		list, err := s.dataStreams(ctx, s.names.prefix(sig)+"*")
		errs = append(errs, err)
		for _, ds := range list {
			errs = append(errs, s.rollover(ctx, ds), s.dropOld(ctx, ds, s.retention(sig)))
		}
	}
	errs = append(errs, s.dropCatalog(ctx))
	if keep := s.retention(telemetry.Traces); keep > 0 {
		errs = append(errs, s.kept.Drop(ctx, s.deps.Now().Add(-keep-time.Duration(s.cfg.RolloverAge)).Unix()/int64(time.Hour/time.Second)))
	}
	return errors.Join(errs...)
}

// rollover begins a new index where the newest one is old or big enough.
func (s *Store) rollover(ctx context.Context, ds dataStream) error {
	body, err := json.Marshal(map[string]any{"conditions": map[string]any{
		"max_age": seconds(time.Duration(s.cfg.RolloverAge)), "max_primary_shard_size": fmt.Sprintf("%db", s.cfg.RolloverBytes), "min_docs": 1,
	}})
	if err != nil {
		return err
	}
	_, err = s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + ds.Name + "/_rollover", Body: body, Once: true})
	if err != nil {
		return fmt.Errorf("roll over %s: %w", ds.Name, err)
	}
	return nil
}

// dropOld drops indices in which all is older than the retention. The newest
// one, which is written to, stays until it is rolled over.
func (s *Store) dropOld(ctx context.Context, ds dataStream, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	oldest := s.deps.Now().Add(-keep).UnixNano()
	for i := range len(ds.Indices) - 1 {
		name := ds.Indices[i].Name
		newest, err := s.newest(ctx, name)
		if err != nil {
			return fmt.Errorf("look for the newest record of %s: %w", name, err)
		}
		if newest >= oldest {
			continue
		}
		if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodDelete, Path: "/" + name, Once: true}); err != nil && !cluster.IsMissing(err) {
			return fmt.Errorf("drop %s: %w", name, err)
		}
		s.metrics.dropped.Inc()
		s.deps.Logger.Info("dropped an index: all in it was older than the retention", "index", name, "newest", document.FormatTime(newest))
	}
	return nil
}

// newest is the time of the newest record of an index, 0 where it has none.
func (s *Store) newest(ctx context.Context, index string) (int64, error) {
	body := []byte(`{"size":1,"_source":["@timestamp"],"sort":[{"@timestamp":"desc"}]}`)
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + index + "/_search", Body: body,
		Query: url.Values{cluster.Partial: {"false"}}}) // the newest one may be in a shard that is missing
	if err != nil {
		return 0, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return 0, err
	}
	at := v.GetStringBytes("hits", "hits", "0", "_source", "@timestamp")
	if len(at) == 0 {
		return 0, nil
	}
	return document.ParseTime(string(at))
}

// dropCatalog drops the months of which neither logs nor spans are kept.
func (s *Store) dropCatalog(ctx context.Context) error {
	keep := max(s.retention(telemetry.Logs), s.retention(telemetry.Traces))
	if s.retention(telemetry.Logs) == 0 || s.retention(telemetry.Traces) == 0 {
		return nil
	}
	prefix := s.names.streams("")
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/" + prefix + "*/_settings/index.creation_date"})
	if cluster.IsMissing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the indices of streams: %w", err)
	}
	var indices map[string]json.RawMessage
	if err := json.Unmarshal(answer, &indices); err != nil {
		return fmt.Errorf("list the indices of streams: %w", err)
	}
	for name := range indices {
		month, err := time.Parse("2006.01", strings.TrimPrefix(name, prefix))
		if err != nil || !month.AddDate(0, 1, 0).Before(s.deps.Now().Add(-2*keep-time.Duration(s.cfg.RolloverAge))) {
			continue // an index that is kept for its newest record may hold others this old
		}
		if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodDelete, Path: "/" + name, Once: true}); err != nil && !cluster.IsMissing(err) {
			return fmt.Errorf("drop %s: %w", name, err)
		}
		s.metrics.dropped.Inc()
	}
	return nil
}
