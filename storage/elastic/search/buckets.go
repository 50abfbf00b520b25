package search

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage/elastic/document"
)

// PageBuckets is how many buckets come with one answer.
const PageBuckets = 5000

// maxEdges bounds the clauses of a query for what stands at the edges of bins.
const maxEdges = 900

// Bins are N times of the same width, one after the other.
type Bins struct{ From, Width, N int64 }

// BinsOf cuts a range into bins, one where the width is 0.
func BinsOf(from, to, width int64) Bins {
	if width <= 0 {
		width = max(to-from, 1)
	}
	return Bins{from, width, (to - from + width - 1) / width}
}

// Countable reports whether Elasticsearch can tell the bins apart. Where a bin
// is no whole number of milliseconds, or there are very many, it cannot.
func (b Bins) Countable() bool {
	return b.N == 1 || b.N > 1 && b.Width%int64(time.Millisecond) == 0 && b.N <= maxEdges
}

// whole is the millisecond that a time is in.
func whole(t int64) int64 { return t - t%int64(time.Millisecond) }

// Of returns the bin of a bucket, as Elasticsearch cuts them.
func (b Bins) Of(bucket *fastjson.Value) int {
	if b.N == 1 {
		return 0
	}
	return int((bucket.GetInt64("key", "time")*int64(time.Millisecond) - whole(b.From)) / b.Width)
}

// Edges finds what Elasticsearch counts for the bin after the one that it is in:
// its bins begin at whole milliseconds, those that are asked for at any
// nanosecond. It is nil where there can be nothing.
func (b Bins) Edges() any {
	if b.N == 1 || b.From == whole(b.From) {
		return nil
	}
	list := make([]any, 0, b.N-1)
	for i := int64(1); i < b.N; i++ {
		edge := b.From + i*b.Width
		list = append(list, Range("@timestamp", map[string]any{"gte": document.FormatTime(whole(edge)), "lt": document.FormatTime(edge)}))
	}
	return Either(list...)
}

// Field is a field that buckets are told apart by, those without it too. Name
// is what it is called in a bucket's key.
type Field struct{ Name, Field string }

// Buckets are records told apart by their stream, their bin and some fields.
type Buckets struct {
	Bins   Bins
	Fields []Field
	Inner  map[string]any // aggregations of each bucket
}

// Aggregation is the page of them that follows after a key, nil for the first.
func (b *Buckets) Aggregation(after json.RawMessage) any {
	composite := map[string]any{"size": PageBuckets, "sources": b.sources()}
	if after != nil {
		composite["after"] = after
	}
	out := map[string]any{"composite": composite}
	if len(b.Inner) > 0 {
		out["aggs"] = b.Inner
	}
	return out
}

// sources begin with the stream, by which indices are sorted.
func (b *Buckets) sources() []any {
	source := func(name, kind string, of map[string]any) any {
		return map[string]any{name: map[string]any{kind: of}}
	}
	out := []any{source("stream", "terms", map[string]any{"field": "clew.stream"})}
	if b.Bins.N > 1 {
		milliseconds := func(d int64) string { return strconv.FormatInt(d/int64(time.Millisecond), 10) + "ms" }
		out = append(out, source("time", "date_histogram", map[string]any{
			"field": "@timestamp", "fixed_interval": milliseconds(b.Bins.Width), "offset": "+" + milliseconds(whole(b.Bins.From)%b.Bins.Width),
		}))
	}
	for _, f := range b.Fields {
		out = append(out, source(f.Name, "terms", map[string]any{"field": f.Field, "missing_bucket": true}))
	}
	return out
}

// KeyText is a part of a bucket's key as text, "" where it is missing.
func KeyText(bucket *fastjson.Value, name string) string {
	switch v := bucket.Get("key", name); {
	case v == nil || v.Type() == fastjson.TypeNull:
		return ""
	case v.Type() == fastjson.TypeString:
		return string(v.GetStringBytes())
	default:
		return string(v.MarshalTo(nil))
	}
}

// Metric is what an aggregation of a bucket came to, to the last digit.
func Metric(bucket *fastjson.Value, name string) float64 {
	n := bucket.Get(name, "value")
	if n == nil || n.Type() != fastjson.TypeNumber {
		return 0
	}
	f, err := strconv.ParseFloat(string(n.MarshalTo(nil)), 64)
	if err != nil {
		return 0 // what JSON takes for a number is one
	}
	return f
}

// Odd finds the records that the fields of these attributes do not tell all of.
// What Elasticsearch did not index of one, as too long, of another type, or of a
// key beyond its limit, it names in _ignored.
func Odd(keys []string) any {
	return Either(map[string]any{"terms": map[string]any{"clew.odd": append([]string{document.AllOdd}, keys...)}}, exists("_ignored"))
}
