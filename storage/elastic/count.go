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
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	c := &counting{
		scan: *logScan(s, q), query: q, bins: search.BinsOf(q.From, q.To, width),
		by: by, severity: severity, add: add, found: map[string]*tally{},
	}
	c.scan.lookup = false // counts are read in a point in time
	if !c.countable() {
		return c.read(ctx, nil)
	}
	some, err := c.scan.begin(ctx)
	if err != nil || !some {
		return err
	}
	defer c.scan.end(ctx)
	if ok, err := c.resolve(ctx); err != nil {
		return fmt.Errorf("count logs: %w", err)
	} else if !ok {
		return c.read(ctx, nil)
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("count logs: %w", err)
	}
	if err := c.tell(ctx); err != nil {
		return err
	}
	if odd := c.oddOnes(); odd != nil {
		return c.read(ctx, odd)
	}
	return nil
}

// counting is a count under way.
type counting struct {
	scan     scan[telemetry.Log]
	query    storage.LogQuery
	bins     search.Bins
	severity bool
	by       []storage.LogText
	add      func(storage.LogGroup, int64)
	// columns are the texts that the query is about: by, and then those of its
	// conditions.
	columns []column
	found   map[string]*tally
}

// tally is what was counted of a group.
type tally struct {
	stream   string
	bin      int
	severity int
	texts    []string
	n        int64
}

// countable reports whether Elasticsearch may be able to tell.
func (c *counting) countable() bool {
	return len(c.query.Text) == 0 && c.bins.Countable()
}

// read counts the records that a filter finds, nil for all, by reading what
// decides of them.
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
	if filter != nil {
		sc.filter = append(sc.filter, filter)
	}
	for batch, err := range read(ctx, sc) {
		if err != nil {
			return err
		}
		for i := range batch {
			l := &batch[i]
			if !selected(l, &q) || l.Severity != 0 && l.Severity < q.MinSeverity {
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

// tell hands the counts out.
func (c *counting) tell(ctx context.Context) error {
	terms := map[string]bool{}
	for _, t := range c.found {
		terms[t.stream] = true
	}
	streamOf, err := c.scan.bucketStreams(ctx, terms)
	if err != nil {
		return err
	}
	for _, t := range c.found {
		st := streamOf(t.stream)
		if t.n != 0 && c.scan.wants(st) && c.holds(t) {
			c.add(storage.LogGroup{Stream: st, Bin: t.bin, Severity: telemetry.Severity(t.severity), Texts: t.texts[:len(c.by)]}, t.n)
		}
	}
	return nil
}

// holds decides the query's conditions by their texts.
func (c *counting) holds(t *tally) bool {
	for i := range c.query.Where {
		if !c.query.Where[i].Accept(t.texts[len(c.by)+i]) {
			return false
		}
	}
	return true
}

// run counts all that the columns tell.
func (c *counting) run(ctx context.Context) error {
	b := search.Buckets{Bins: c.bins, Fields: c.fields()}
	return c.scan.aggregate(ctx, b, c.oddOnes(), func(v *fastjson.Value, bin int) error {
		t := c.tallyOf(v)
		t.bin = bin
		c.count(t)
		return nil
	})
}

// count adds a tally to those of its group.
func (c *counting) count(t tally) {
	key := fmt.Sprintf("%s\xff%d\xff%d\xff%s", t.stream, t.bin, t.severity, strings.Join(t.texts, "\xff"))
	have := c.found[key]
	if have == nil {
		c.found[key] = &t
		return
	}
	have.n += t.n
}

// tallyOf reads a bucket.
func (c *counting) tallyOf(b *fastjson.Value) tally {
	t := tally{
		stream: string(b.GetStringBytes("key", "stream")), severity: b.GetInt("key", "severity"),
		n: b.GetInt64("doc_count"), texts: make([]string, len(c.columns)),
	}
	for i, col := range c.columns {
		for j := 0; t.texts[i] == "" && j < len(col.fields); j++ {
			t.texts[i] = search.KeyText(b, columnName(i, j))
		}
	}
	return t
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

// oddOnes finds the records whose texts the columns do not tell; nil where
// there can be none.
func (c *counting) oddOnes() any {
	if len(c.columns) == 0 {
		return nil
	}
	var keys []string
	for _, col := range c.columns {
		for _, f := range col.fields {
			if key, ok := strings.CutPrefix(f, attributesPrefix); ok {
				keys = append(keys, key)
			}
		}
	}
	return search.Odd(keys)
}
