package elastic

import (
	"context"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

var _ storage.SpanGrouper = (*Store)(nil)

// SpanGroups implements storage.SpanGrouper. Elasticsearch counts where it can
// do so exactly, as for logs; else the spans are read.
func (s *Store) SpanGroups(ctx context.Context, q storage.SpanGroupQuery, add func(storage.SpanGroup)) error {
	if q.Longest < max(q.Shortest, 0) {
		return nil // nothing is that short
	}
	g := &grouping{scan: spanScan(s, q.Query), query: q, bins: search.BinsOf(q.Query.From, q.Query.To, q.Width), add: add}
	g.scan.filter = g.lengths(g.scan.filter)
	return g.scan.count(ctx, g)
}

// grouping is a question for groups of spans under way.
type grouping struct {
	scan  *scan[telemetry.Span]
	query storage.SpanGroupQuery
	bins  search.Bins
	add   func(storage.SpanGroup)
	keys  []attributeKey
}

// attributeKey is an attribute that spans are told apart by, and its field; ""
// where no span has it.
type attributeKey struct{ key, field string }

func (g *grouping) countable() bool { return g.bins.Countable() }

// lengths bounds the duration, which documents have below 0 where the clock
// went backwards.
func (g *grouping) lengths(filter []any) []any {
	bounds := map[string]any{}
	if g.query.Shortest > 0 {
		bounds["gte"] = int64(g.query.Shortest)
	}
	if g.query.Longest < 1<<63-1 {
		bounds["lte"] = int64(g.query.Longest)
	}
	if len(bounds) == 0 {
		return filter
	}
	return append(filter, search.Range("duration", bounds))
}

func (g *grouping) plan(ctx context.Context) (b search.Buckets, odd any, ok bool, err error) {
	if ok, err = g.resolve(ctx); err != nil || !ok {
		return b, nil, false, err
	}
	return g.buckets(), g.oddOnes(), true, nil
}

// resolve finds the fields of the attributes. It reports false where they do
// not tell the attributes' values.
func (g *grouping) resolve(ctx context.Context) (bool, error) {
	if len(g.query.By.Keys) == 0 {
		return true, nil
	}
	types, err := g.scan.attributes(ctx)
	if err != nil {
		return false, err
	}
	for _, key := range g.query.By.Keys {
		field, ok := attributeField(types.of, func(k string) bool { return k == key })
		if !ok {
			return false, nil
		}
		g.keys = append(g.keys, attributeKey{key, field})
	}
	return len(g.keys) <= maxColumns, nil
}

// oddOnes finds the spans whose traits the fields do not tell; nil where there
// can be none.
func (g *grouping) oddOnes() any {
	by := &g.query.By
	var odd []any
	if by.Name || by.Kind || by.Status || len(by.Keys) > 0 {
		odd = append(odd, search.Odd(by.Keys))
	}
	if g.query.Durations {
		// A span whose clock went backwards took no time, and Elasticsearch
		// adds up in float64.
		odd = append(odd, search.Range("duration", map[string]any{"lt": 0}), search.Range("duration", map[string]any{"gt": maxExact}))
	}
	if len(odd) == 0 {
		return nil
	}
	return search.Either(odd...)
}

// maxExact is up to where a float64 has every whole number.
const maxExact = 1 << 53

func (g *grouping) read(ctx context.Context, filter any) error {
	q := g.query.Query
	by := &g.query.By
	if q.Columns != 0 && (by.Name || by.Kind || by.Status) {
		q.Columns |= storage.ColSpan
	}
	if q.Columns != 0 && len(by.Keys) > 0 {
		q.Columns |= storage.ColAttrs
	}
	sc := spanScan(g.scan.s, q)
	sc.known = g.scan.known
	sc.filter = g.lengths(sc.filter)
	if filter != nil {
		sc.filter = append(sc.filter, filter)
	}
	for batch, err := range read(ctx, sc) {
		if err != nil {
			return err
		}
		for i := range batch {
			if g.query.Takes(&batch[i]) {
				g.add(g.query.GroupOf(&batch[i]))
			}
		}
	}
	return nil
}

// The parts of a bucket's key.
const (
	keyName   = "name"
	keyKind   = "kind"
	keyStatus = "status"
	keyRoot   = "root"
	keyClass  = "class"
)

func keyOfAttribute(i int) string { return "attribute" + strconv.Itoa(i) }

// buckets is what Elasticsearch is asked for.
func (g *grouping) buckets() search.Buckets {
	by := &g.query.By
	b := search.Buckets{Bins: g.bins, Inner: map[string]any{}}
	for _, t := range []struct {
		wanted bool
		search.Field
	}{
		{by.Name, search.Field{Name: keyName, Field: "name"}}, {by.Kind, search.Field{Name: keyKind, Field: "kind"}}, {by.Status, search.Field{Name: keyStatus, Field: "status.code"}},
		{by.Root, search.Field{Name: keyRoot, Field: "clew.root"}}, {by.Class, search.Field{Name: keyClass, Field: "clew.class"}},
	} {
		if t.wanted {
			b.Fields = append(b.Fields, t.Field)
		}
	}
	for i, k := range g.keys {
		if k.field != "" {
			b.Fields = append(b.Fields, search.Field{Name: keyOfAttribute(i), Field: k.field})
		}
	}
	if g.query.Durations {
		for _, kind := range []string{"min", "max", "sum"} {
			b.Inner[kind] = map[string]any{kind: map[string]any{"field": "duration"}}
		}
	}
	if g.query.Samples {
		b.Inner["sample"] = map[string]any{"top_hits": map[string]any{"size": 1, "_source": g.scan.fields, "sort": search.FirstSpan()}}
	}
	return b
}

func (g *grouping) take(st *telemetry.Stream, bin int, bucket *fastjson.Value) error {
	out := storage.SpanGroup{Like: g.likeOf(bucket), Bin: bin, N: bucket.GetInt64("doc_count")}
	out.Like.Stream = st
	if g.query.Durations {
		out.Durations = storage.DurationSums{
			Least: time.Duration(search.Metric(bucket, "min")), Most: time.Duration(search.Metric(bucket, "max")), Sum: search.Metric(bucket, "sum"),
		}
	}
	if src := bucket.Get("sample", "hits", "hits", "0", "_source"); src != nil {
		sample, err := document.ParseSpan(src, st)
		if err != nil {
			return err
		}
		out.Sample = &sample
	}
	g.add(out)
	return nil
}

// likeOf is a span with the traits of a bucket's.
func (g *grouping) likeOf(bucket *fastjson.Value) *telemetry.Span {
	like := &telemetry.Span{
		Name: search.KeyText(bucket, keyName), Kind: document.Kind(search.KeyText(bucket, keyKind)), Status: document.Status(search.KeyText(bucket, keyStatus)),
	}
	if class := bucket.GetInt("key", keyClass); class > 0 {
		like.End = int64(min(uint64(1)<<class, 1<<63-1))
	}
	if !bucket.GetBool("key", keyRoot) {
		like.ParentID[0] = 1
	}
	for i, k := range g.keys {
		if at := bucket.Get("key", keyOfAttribute(i)); at != nil && at.Type() != fastjson.TypeNull {
			like.Attrs = append(like.Attrs, telemetry.Attr{Key: k.key, Value: document.ValueOf(search.KeyText(bucket, keyOfAttribute(i)))})
		}
	}
	return like
}
