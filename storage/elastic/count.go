package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/telemetry"
)

var _ storage.LogCounter = (*Store)(nil)

// countBuckets is how many counts come with one answer.
const countBuckets = 5000

// maxEdges bounds the clauses of a query for what stands at the edges of bins.
// With more bins than that records are read.
const maxEdges = 900

// CountLogs implements storage.LogCounter. Elasticsearch counts where it can
// do so exactly: by stream and time. Where texts or other conditions decide,
// and where a bin is no whole number of milliseconds, the records are read,
// with no more of them than decides.
func (s *Store) CountLogs(ctx context.Context, q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	q.MinSeverity = 0
	if width <= 0 {
		width = max(q.To-q.From, 1)
	}
	bins := (q.To - q.From + width - 1) / width
	if len(q.Text) > 0 || len(q.Where) > 0 || bins > 1 && (width%int64(time.Millisecond) != 0 || bins > maxEdges) {
		return s.countByReading(ctx, q, width, add)
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	stats := q.Stats
	if stats == nil {
		stats = &storage.ReadStats{}
	}
	c := &counting{
		scan: scan[telemetry.Log]{s: s, tenant: q.Tenant, signal: telemetry.Logs, from: q.From, to: q.To, filter: logFilter(q), allowed: q.Stream, stats: stats},
		from: q.From, width: width, bins: bins, found: map[countKey]int64{},
	}
	some, err := c.scan.begin(ctx)
	if err != nil || !some {
		return err
	}
	defer c.scan.end(ctx)
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("count logs: %w", err)
	}
	return c.tell(ctx, add)
}

// countByReading reads what decides.
func (s *Store) countByReading(ctx context.Context, q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	q.Order, q.Columns = storage.OldestFirst, storage.ColSeverity
	if len(q.Text) > 0 {
		q.Columns |= storage.ColBody
	}
	if len(q.Where) > 0 {
		q.Columns |= storage.ColAttrs | storage.ColRest
	}
	for batch, err := range s.Logs(ctx, q) {
		if err != nil {
			return err
		}
		for i := range batch {
			if l := &batch[i]; selected(l, &q) {
				add(l.Stream, int((l.Time-q.From)/width), 1)
			}
		}
	}
	return nil
}

// selected decides what Elasticsearch does not.
func selected(l *telemetry.Log, q *storage.LogQuery) bool {
	for i := range q.Where {
		if !q.Where[i].Holds(l) {
			return false
		}
	}
	if len(q.Text) == 0 {
		return true
	}
	body := l.Body.Text()
	return !slices.ContainsFunc(q.Text, func(lit string) bool { return !strings.Contains(body, lit) })
}

// counting is a count under way.
//
// Elasticsearch's bins begin at whole milliseconds, those that are asked for
// at any nanosecond: what stands between the one and the other is counted a
// second time, by itself, and moved to the bin before.
type counting struct {
	scan        scan[telemetry.Log]
	from, width int64
	bins        int64
	found       map[countKey]int64
}

type countKey struct {
	stream string
	bin    int
}

// whole is the millisecond that a time is in.
func whole(t int64) int64 { return t - t%int64(time.Millisecond) }

func (c *counting) run(ctx context.Context) error {
	if err := c.pages(ctx, c.scan.filter, func(k countKey, n int64) { c.found[k] += n }); err != nil {
		return err
	}
	if c.from == whole(c.from) || c.bins == 1 {
		return nil
	}
	edges := make([]any, 0, c.bins-1)
	for i := int64(1); i < c.bins; i++ {
		edge := c.from + i*c.width
		edges = append(edges, rangeOf("@timestamp", map[string]any{"gte": document.FormatTime(whole(edge)), "lt": document.FormatTime(edge)}))
	}
	return c.pages(ctx, append(slices.Clip(c.scan.filter), either(edges...)), func(k countKey, n int64) {
		c.found[k] -= n
		k.bin--
		c.found[k] += n
	})
}

// pages fetches all counts of what a filter finds.
func (c *counting) pages(ctx context.Context, filter []any, add func(countKey, int64)) error {
	var after json.RawMessage
	for {
		buckets, next, err := c.page(ctx, filter, after)
		if err != nil {
			return err
		}
		for _, b := range buckets {
			k := countKey{stream: string(b.GetStringBytes("key", "stream"))}
			if c.bins > 1 {
				k.bin = int((b.GetInt64("key", "time")*int64(time.Millisecond) - whole(c.from)) / c.width)
			}
			add(k, b.GetInt64("doc_count"))
		}
		if next == nil {
			return nil
		}
		after = next
	}
}

func (c *counting) request(filter []any, after json.RawMessage) ([]byte, error) {
	sources := []any{map[string]any{"stream": map[string]any{"terms": map[string]any{"field": "clew.stream"}}}}
	if c.bins > 1 {
		milliseconds := func(d int64) string { return strconv.FormatInt(d/int64(time.Millisecond), 10) + "ms" }
		sources = append(sources, map[string]any{"time": map[string]any{"date_histogram": map[string]any{
			"field": "@timestamp", "fixed_interval": milliseconds(c.width), "offset": "+" + milliseconds(whole(c.from)%c.width),
		}}})
	}
	composite := map[string]any{"size": countBuckets, "sources": sources}
	if after != nil {
		composite["after"] = after
	}
	sc := &c.scan
	return json.Marshal(map[string]any{
		"size": 0, "track_total_hits": false, "query": boolean(filter, nil),
		"pit":  map[string]any{"id": sc.pit, "keep_alive": seconds(time.Duration(sc.s.cfg.KeepAlive))},
		"aggs": map[string]any{"counts": map[string]any{"composite": composite}},
	})
}

func (c *counting) page(ctx context.Context, filter []any, after json.RawMessage) ([]*fastjson.Value, json.RawMessage, error) {
	body, err := c.request(filter, after)
	if err != nil {
		return nil, nil, err
	}
	answer, err := c.scan.s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/_search", Body: body, Reads: true})
	if err != nil {
		return nil, nil, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil {
		return nil, nil, err
	}
	if err := c.scan.incomplete(v); err != nil {
		return nil, nil, err
	}
	if id := v.GetStringBytes("pit_id"); len(id) > 0 {
		c.scan.pit = string(id)
	}
	c.scan.stats.Bytes += int64(len(answer))
	c.scan.stats.Blocks++
	agg := v.Get("aggregations", "counts")
	buckets := agg.GetArray("buckets")
	if next := agg.Get("after_key"); next != nil && len(buckets) == countBuckets {
		return buckets, next.MarshalTo(nil), nil
	}
	return buckets, nil, nil
}

// tell hands the counts out.
func (c *counting) tell(ctx context.Context, add func(*telemetry.Stream, int, int64)) error {
	terms := map[string]bool{}
	for k := range c.found {
		terms[k.stream] = true
	}
	streams, err := c.scan.s.streams.find(ctx, sorted(terms))
	if err != nil {
		return err
	}
	for k, n := range c.found {
		st := streams[k.stream]
		if st == nil {
			st = telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
			c.scan.warnOnce("the stream of some records is not in " + c.scan.s.names.streams("*") + ": they count without resource and scope")
		}
		if n != 0 && c.scan.wants(st) {
			add(st, k.bin, n)
		}
	}
	return nil
}
