package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
)

// countBuckets is how many counts come with one answer.
const countBuckets = 5000

// whole is the millisecond that a time is in.
func whole(t int64) int64 { return t - t%int64(time.Millisecond) }

// run counts all that the columns tell.
func (c *counting) run(ctx context.Context) error {
	filter := slices.Clip(c.scan.filter)
	if odd := c.oddOnes(); odd != nil {
		filter = append(filter, boolean(nil, []any{odd}))
	}
	if err := c.pages(ctx, filter, func(t tally) { c.count(t, t.n) }); err != nil {
		return err
	}
	from := c.query.From
	if from == whole(from) || c.bins == 1 {
		return nil
	}
	edges := make([]any, 0, c.bins-1)
	for i := int64(1); i < c.bins; i++ {
		edge := from + i*c.width
		edges = append(edges, rangeOf("@timestamp", map[string]any{"gte": document.FormatTime(whole(edge)), "lt": document.FormatTime(edge)}))
	}
	return c.pages(ctx, append(slices.Clip(filter), either(edges...)), func(t tally) {
		c.count(t, -t.n)
		t.bin--
		c.count(t, t.n)
	})
}

// count adds n to the group of a tally.
func (c *counting) count(t tally, n int64) {
	key := fmt.Sprintf("%s\xff%d\xff%d\xff%s", t.stream, t.bin, t.severity, strings.Join(t.texts, "\xff"))
	have := c.found[key]
	if have == nil {
		have = &tally{stream: t.stream, bin: t.bin, severity: t.severity, texts: t.texts}
		c.found[key] = have
	}
	have.n += n
}

// pages fetches all counts of what a filter finds.
func (c *counting) pages(ctx context.Context, filter []any, each func(tally)) error {
	var after json.RawMessage
	for {
		buckets, next, err := c.page(ctx, filter, after)
		if err != nil {
			return err
		}
		for _, b := range buckets {
			each(c.tallyOf(b))
		}
		if next == nil {
			return nil
		}
		after = next
	}
}

// tallyOf reads a bucket.
func (c *counting) tallyOf(b *fastjson.Value) tally {
	t := tally{
		stream: string(b.GetStringBytes("key", "stream")), severity: b.GetInt("key", "severity"),
		n: b.GetInt64("doc_count"), texts: make([]string, len(c.columns)),
	}
	if c.bins > 1 {
		t.bin = int((b.GetInt64("key", "time")*int64(time.Millisecond) - whole(c.query.From)) / c.width)
	}
	for i, col := range c.columns {
		for j := 0; t.texts[i] == "" && j < len(col.fields); j++ {
			switch v := b.Get("key", columnName(i, j)); {
			case v == nil || v.Type() == fastjson.TypeNull:
			case v.Type() == fastjson.TypeString:
				t.texts[i] = string(v.GetStringBytes())
			default:
				t.texts[i] = string(v.MarshalTo(nil))
			}
		}
	}
	return t
}

// columnName is what the j-th field of the i-th column is called in a request.
func columnName(i, j int) string { return fmt.Sprintf("text%d_%d", i, j) }

// source is one thing that a composite aggregation tells records apart by.
func source(name, kind string, by map[string]any) any {
	return map[string]any{name: map[string]any{kind: by}}
}

func (c *counting) request(filter []any, after json.RawMessage) ([]byte, error) {
	sources := []any{source("stream", "terms", map[string]any{"field": "clew.stream"})}
	if c.bins > 1 {
		milliseconds := func(d int64) string { return strconv.FormatInt(d/int64(time.Millisecond), 10) + "ms" }
		sources = append(sources, source("time", "date_histogram", map[string]any{
			"field": "@timestamp", "fixed_interval": milliseconds(c.width), "offset": "+" + milliseconds(whole(c.query.From)%c.width),
		}))
	}
	terms := func(name, field string) {
		sources = append(sources, source(name, "terms", map[string]any{"field": field, "missing_bucket": true}))
	}
	if c.severity {
		terms("severity", "severity_number")
	}
	for i, col := range c.columns {
		for j, field := range col.fields {
			terms(columnName(i, j), field)
		}
	}
	composite := map[string]any{"size": countBuckets, "sources": sources}
	if after != nil {
		composite["after"] = after
	}
	sc := &c.scan
	q := map[string]any{
		"size": 0, "track_total_hits": false, "query": boolean(filter, nil),
		"aggs": map[string]any{"counts": map[string]any{"composite": composite}},
	}
	if sc.pit != "" {
		q["pit"] = map[string]any{"id": sc.pit, "keep_alive": seconds(time.Duration(sc.s.cfg.KeepAlive))}
	}
	return json.Marshal(q)
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

// column is where Elasticsearch has the text of a storage.LogText: the first
// of the fields that has one.
type column struct{ fields []string }

// maxColumns bounds the fields that are counted by at once.
const maxColumns = 20

// attributesPrefix stands in front of the fields of attributes.
const attributesPrefix = "attributes."

// logFieldNames are the fields of the texts that are no attributes.
var logFieldNames = map[storage.LogField]string{storage.FieldSeverityText: "severity_text", storage.FieldEventName: "event_name"}

// resolve finds the columns of the texts that the count is about. It reports
// false where Elasticsearch's fields do not tell them: where several attributes
// may be meant, whose order decides, or one that is of several types.
func (c *counting) resolve(ctx context.Context) (bool, error) {
	texts := slices.Clone(c.by)
	for _, w := range c.query.Where {
		texts = append(texts, storage.LogText{Field: w.Field, Key: w.Key})
	}
	if len(texts) == 0 {
		return true, nil
	}
	var types map[string]string
	total := 0
	for _, t := range texts {
		var col column
		if name := logFieldNames[t.Field]; name != "" {
			col.fields = append(col.fields, name)
		}
		if t.Key != nil {
			if types == nil {
				var err error
				if types, err = c.scan.s.attributeTypes(ctx, c.scan.s.names.stream(c.scan.signal, c.scan.tenant)); err != nil {
					return false, err
				}
			}
			field, ok := attributeField(types, t.Key)
			if !ok {
				return false, nil
			}
			if field != "" {
				col.fields = append(col.fields, field)
			}
		}
		total += len(col.fields)
		c.columns = append(c.columns, col)
	}
	return total <= maxColumns, nil
}

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

// oddOnes finds the records whose texts the columns do not tell; nil where
// there can be none.
func (c *counting) oddOnes() any {
	if len(c.columns) == 0 {
		return nil
	}
	keys := []string{document.AllOdd}
	for _, col := range c.columns {
		for _, f := range col.fields {
			if key, ok := strings.CutPrefix(f, attributesPrefix); ok {
				keys = append(keys, key)
			}
		}
	}
	// What Elasticsearch did not index of a record, as too long, of another
	// type, or of a key beyond its limit, it names there.
	return either(map[string]any{"terms": map[string]any{"clew.odd": keys}}, exists("_ignored"))
}
