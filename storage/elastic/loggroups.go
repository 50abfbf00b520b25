package elastic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
)

var (
	_ storage.LogCounter = (*Store)(nil)
	_ storage.LogGrouper = (*Store)(nil)
)

// CountLogs implements storage.LogCounter. Elasticsearch counts where it can
// do so exactly: by stream, time and attributes. Where the body decides, and
// where a bin is no whole number of milliseconds, the records are read, with
// no more of them than decides.
func (s *Store) CountLogs(ctx context.Context, q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	q.MinSeverity = 0
	return s.countGroups(ctx, q, width, false, nil, func(g storage.LogGroup, n int64) { add(g.Stream, g.Bin, n) })
}

// CountLogGroups implements storage.LogGrouper. See CountLogs.
func (s *Store) CountLogGroups(ctx context.Context, q storage.LogQuery, width int64, by []storage.LogText, add func(storage.LogGroup, int64)) error {
	return s.countGroups(ctx, q, width, true, by, add)
}

func (s *Store) countGroups(ctx context.Context, q storage.LogQuery, width int64, severity bool, by []storage.LogText, add func(storage.LogGroup, int64)) error {
	c := &counting{
		scan: logScan(s, q), query: q, bins: search.BinsOf(q.From, q.To, width),
		by: by, severity: severity, add: add,
	}
	return c.scan.count(ctx, c)
}

// counting is a count of log records under way.
type counting struct {
	scan     *scan[telemetry.Log]
	query    storage.LogQuery
	bins     search.Bins
	severity bool
	by       []storage.LogText
	add      func(storage.LogGroup, int64)
	// columns are the texts that the query is about: by, and then those of its
	// conditions.
	columns []column
}

func (c *counting) countable() bool {
	return len(c.query.Text) == 0 && c.bins.Countable()
}

func (c *counting) read(ctx context.Context, filter any) error {
	q := c.query
	q.Order, q.Columns = storage.OldestFirst, storage.ColSeverity
	if len(q.Text) > 0 {
		q.Columns |= storage.ColBody
	}
	if len(q.Where)+len(c.by) > 0 {
		q.Columns |= storage.ColAttrs | storage.ColRest
	}
	sc := logScan(c.scan.s, q)
	sc.known = c.scan.known
	if filter != nil {
		sc.filter = append(sc.filter, filter)
	}
	for batch, err := range read(ctx, sc) {
		if err != nil {
			return err
		}
		for i := range batch {
			l := &batch[i]
			if !storage.Meets(l, q.Where, q.Text) || l.Severity != 0 && l.Severity < q.MinSeverity {
				continue
			}
			g := storage.LogGroup{Stream: l.Stream, Bin: int((l.Time - q.From) / c.bins.Width), Severity: l.Severity, Texts: make([]string, len(c.by))}
			for j, t := range c.by {
				g.Texts[j] = t.Of(l)
			}
			c.add(g, 1)
		}
	}
	return nil
}

func (c *counting) take(st *telemetry.Stream, bin int, bucket *fastjson.Value) error {
	texts := make([]string, len(c.columns))
	for i, col := range c.columns {
		for j := 0; texts[i] == "" && j < len(col.fields); j++ {
			texts[i] = search.KeyText(bucket, columnName(i, j))
		}
	}
	for i := range c.query.Where {
		if !c.query.Where[i].Accept(texts[len(c.by)+i]) {
			return nil
		}
	}
	c.add(storage.LogGroup{
		Stream: st, Bin: bin, Severity: telemetry.Severity(bucket.GetInt("key", "severity")), Texts: texts[:len(c.by)],
	}, bucket.GetInt64("doc_count"))
	return nil
}

func (c *counting) plan(ctx context.Context) (b search.Buckets, odd any, ok bool, err error) {
	if ok, err = c.resolve(ctx); err != nil || !ok {
		return b, nil, false, err
	}
	return search.Buckets{Bins: c.bins, Fields: c.fields()}, c.oddOnes(), true, nil
}

// columnName is what the j-th field of the i-th column is called in a request.
func columnName(i, j int) string { return fmt.Sprintf("text%d_%d", i, j) }

// fields are those that records are told apart by.
func (c *counting) fields() (out []search.Field) {
	if c.severity {
		out = append(out, search.Field{Name: "severity", Field: "severity_number"})
	}
	for i, col := range c.columns {
		for j, field := range col.fields {
			out = append(out, search.Field{Name: columnName(i, j), Field: field})
		}
	}
	return out
}

// column is where Elasticsearch has the text of a storage.LogText: the first
// of the fields that has one.
type column struct{ fields []string }

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
	total := 0
	for _, t := range texts {
		var col column
		if name := search.FieldName(t.Field); name != "" {
			col.fields = append(col.fields, name)
		}
		if t.Key != nil {
			types, err := c.scan.attributes(ctx)
			if err != nil {
				return false, err
			}
			field, ok := attributeField(types.of, t.Key)
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

// oddOnes finds the records whose texts the columns do not tell; nil where
// there can be none.
func (c *counting) oddOnes() any {
	if len(c.columns) == 0 {
		return nil
	}
	var keys []string
	for _, col := range c.columns {
		for _, f := range col.fields {
			if key, ok := strings.CutPrefix(f, search.Attributes); ok {
				keys = append(keys, key)
			}
		}
	}
	return search.Odd(keys)
}
