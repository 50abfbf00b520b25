package elastic

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

// freshness knows which indices were written by this process since they were
// last refreshed, so that a read refreshes only those.
type freshness struct {
	mu      sync.Mutex
	written map[string]int64
	shown   map[string]int64
	running map[string]chan struct{} // closed when the refresh has ended
	lame    map[string]bool          // those that miss shards
}

func newFreshness() *freshness {
	return &freshness{written: map[string]int64{}, shown: map[string]int64{}, running: map[string]chan struct{}{}, lame: map[string]bool{}}
}

func (f *freshness) wrote(index string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written[index]++
}

// errNotShown is that not all of what was written lately can be made visible.
var errNotShown = errors.New("what was written last may not be found yet")

// show makes what was written to an index so far visible to searches. Readers
// that come at the same time share a refresh.
func (s *Store) show(ctx context.Context, index string) error {
	f := s.fresh
	f.mu.Lock()
	want := f.written[index]
	for f.shown[index] < want {
		if running := f.running[index]; running != nil {
			f.mu.Unlock()
			select {
			case <-running:
			case <-ctx.Done():
				return ctx.Err()
			}
			f.mu.Lock()
			continue
		}
		covers, ended := f.written[index], make(chan struct{})
		f.running[index] = ended
		f.mu.Unlock()
		err := s.refresh(ctx, index)
		f.mu.Lock()
		delete(f.running, index)
		close(ended)
		if err != nil {
			f.mu.Unlock()
			return err
		}
		f.shown[index] = max(f.shown[index], covers)
	}
	f.mu.Unlock()
	return nil
}

// readyForQuery is ready, and says what other processes have not brought here.
func (s *Store) readyForQuery(ctx context.Context, tenant string, sig telemetry.Signal, stats *storage.ReadStats) error {
	if s.deps.Missing != nil {
		for _, w := range s.deps.Missing() {
			warn(stats, w)
		}
	}
	return s.ready(ctx, tenant, sig, stats)
}

// ready waits for what was acknowledged and shows it to searches.
func (s *Store) ready(ctx context.Context, tenant string, sig telemetry.Signal, stats *storage.ReadStats) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if s.queue != nil {
		o := owner{tenant, sig}
		missing, err := s.queue.settle(ctx, o, time.Duration(s.cfg.ReadWait))
		if err != nil {
			return err
		}
		if missing > 0 {
			warning := fmt.Sprintf("%d bytes of the newest requests are acknowledged and not in Elasticsearch yet: their records are missing", missing)
			if last := s.lastError(); last != "" {
				warning += "; the last error was: " + last
			}
			warn(stats, warning)
		}
		if warning := s.parking.missing(o); warning != "" {
			warn(stats, warning)
		}
	}
	return s.showOrWarn(ctx, s.names.stream(sig, tenant), stats)
}

// showOrWarn is show for a query, which is answered from what is visible.
func (s *Store) showOrWarn(ctx context.Context, index string, stats *storage.ReadStats) error {
	err := s.show(ctx, index)
	if errors.Is(err, errNotShown) {
		warn(stats, err.Error())
		return nil
	}
	return err
}

// minRefreshWait is how long a refresh may take where queries do not wait for
// what is not written yet.
const minRefreshWait = time.Second

// refresh makes what an index or data stream has visible to searches.
// Elasticsearch waits a minute for shards that are on no node that is there:
// where it takes longer than a query waits, the indices that have all of their
// shards are refreshed by themselves, and the error is errNotShown.
func (s *Store) refresh(ctx context.Context, index string) error {
	s.fresh.mu.Lock()
	lame := s.fresh.lame[index]
	s.fresh.mu.Unlock()
	if lame {
		return s.refreshWhole(ctx, index)
	}
	wait, cancel := context.WithTimeout(ctx, max(time.Duration(s.cfg.ReadWait), minRefreshWait))
	defer cancel()
	err := s.refreshPath(wait, index)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return s.refreshWhole(ctx, index)
	}
	return err
}

func (s *Store) refreshPath(ctx context.Context, path string) error {
	_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + path + "/_refresh", Query: url.Values{"ignore_unavailable": {"true"}}})
	if cluster.IsMissing(err) {
		return nil
	}
	return err
}

// refreshNames bounds the bytes of names in one request: Elasticsearch takes
// 4096 bytes of a path.
const refreshNames = 3000

// refreshWhole refreshes the indices that miss no shard, and remembers whether
// others do.
func (s *Store) refreshWhole(ctx context.Context, index string) error {
	whole, lost, err := s.wholeIndices(ctx, index)
	if err != nil {
		return fmt.Errorf("ask for the health of %s: %w", index, err)
	}
	s.fresh.mu.Lock()
	s.fresh.lame[index] = len(lost) > 0
	s.fresh.mu.Unlock()
	wait, cancel := context.WithTimeout(ctx, max(time.Duration(s.cfg.ReadWait), minRefreshWait))
	defer cancel()
	for len(whole) > 0 {
		n, bytes := 0, 0
		for n < len(whole) && (n == 0 || bytes+len(whole[n]) < refreshNames) {
			bytes += len(whole[n]) + 1
			n++
		}
		if err := s.refreshPath(wait, strings.Join(whole[:n], ",")); err != nil {
			if ctx.Err() == nil && wait.Err() != nil {
				return fmt.Errorf("%w: Elasticsearch did not refresh %s within storage.elasticsearch.read_wait", errNotShown, index)
			}
			return err
		}
		whole = whole[n:]
	}
	if len(lost) > 0 {
		return fmt.Errorf("%w: no node that is there has all shards of %s", errNotShown, strings.Join(lost, ", "))
	}
	return nil
}

// wholeIndices tells the indices behind a name that have all primary shards
// from those that have not.
func (s *Store) wholeIndices(ctx context.Context, name string) (whole, lost []string, err error) {
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/_cluster/health/" + name,
		Query: url.Values{"level": {"indices"}, "filter_path": {"indices.*.status"}}})
	if err != nil {
		return nil, nil, err
	}
	var out struct {
		Indices map[string]struct {
			Status string `json:"status"`
		} `json:"indices"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, nil, err
	}
	for name, of := range out.Indices {
		if of.Status == "red" {
			lost = append(lost, name)
		} else {
			whole = append(whole, name)
		}
	}
	slices.Sort(whole)
	slices.Sort(lost)
	return whole, lost, nil
}

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

// versionFields are what a version is made of beside how many records there are:
// when the last one came, how big all are together, and the sum of what tells the
// requests apart that brought them, 24 bits of their hashes. What comes late
// changes the number, and so does what is deleted. For as many to go as come without a
// trace, they would have to agree in both sums, and be older than another one.
var versionFields = map[string]any{
	"last":  map[string]any{"max": map[string]any{"field": "clew.seq"}},
	"bytes": map[string]any{"sum": map[string]any{"field": "clew.size"}},
	"ties":  map[string]any{"sum": map[string]any{"field": "clew.tie"}},
}

// versionOf is the version of so many records.
func versionOf(n int64, of *fastjson.Value) string {
	return fmt.Sprintf("%d %v %v %v", n, of.GetFloat64("last", "value"), of.GetFloat64("bytes", "value"), of.GetFloat64("ties", "value"))
}

// version tells the version of a range.
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
	if err := s.readyForQuery(ctx, tenant, sig, &stats); err != nil || len(stats.Warnings) > 0 {
		return storage.Version{}, err
	}
	body, err := json.Marshal(map[string]any{
		"size": 0, "track_total_hits": true, "query": search.Bool(search.Times(nil, from, to), nil),
		"aggs": versionFields,
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
	state := fmt.Sprintf("%s %s", v.GetStringBytes("hits", "total", "relation"), versionOf(v.GetInt64("hits", "total", "value"), v.Get("aggregations")))
	h := xxh3.HashString128(state).Bytes()
	return storage.Version{binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])}, nil
}

// preference has every search of this process go to the same copy of a shard,
// as long as that is there: copies show new documents at different moments.
func (s *Store) preference() string { return "clew-" + s.eraser.owner }

// hourVersions are the versions of hours that have records, by their numbers; nil
// where nobody can tell.
type hourVersions map[int64]string

// hourVersions asks for the versions of the hours of a range, which begins and
// ends with one, in the scan's point in time.
func (sc *scan[T]) hourVersions(ctx context.Context, from, to int64) (hourVersions, error) {
	if sc.pit == "" || len(sc.stats.Warnings) > 0 {
		return nil, nil // what is missing may differ from one request to the next
	}
	r, err := sc.search(map[string]any{
		"size": 0, "track_total_hits": false, "query": search.Bool(search.Times(nil, from, to), nil),
		"aggs": map[string]any{"hours": map[string]any{
			"date_histogram": map[string]any{"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}, "aggs": versionFields,
		}},
	})
	if err != nil {
		return nil, err
	}
	answer, err := sc.s.es.Do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("tell the versions of hours: %w", err)
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return nil, fmt.Errorf("tell the versions of hours: %w", err)
	}
	if warning, err := cluster.Missing(v); warning != "" || err != nil {
		return nil, nil // the read will say why
	}
	out := hourVersions{}
	for _, b := range v.GetArray("aggregations", "hours", "buckets") {
		out[b.GetInt64("key")/time.Hour.Milliseconds()] = versionOf(b.GetInt64("doc_count"), b)
	}
	return out, nil
}
