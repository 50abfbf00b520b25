package elastic

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

var (
	_ storage.LogCounter = (*Store)(nil)
	_ storage.LogGrouper = (*Store)(nil)
)

// maxEdges bounds the clauses of a query for what stands at the edges of bins.
// With more bins than that records are read.
const maxEdges = 900

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
	if width <= 0 {
		width = max(q.To-q.From, 1)
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	c := &counting{
		scan: *logScan(s, q), query: q, width: width, bins: (q.To - q.From + width - 1) / width,
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
//
// Elasticsearch's bins begin at whole milliseconds, those that are asked for
// at any nanosecond: what stands between the one and the other is counted a
// second time, by itself, and moved to the bin before.
type counting struct {
	scan     scan[telemetry.Log]
	query    storage.LogQuery
	width    int64
	bins     int64
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
	return len(c.query.Text) == 0 && c.bins > 0 &&
		(c.bins == 1 || c.width%int64(time.Millisecond) == 0 && c.bins <= maxEdges)
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
			g := storage.LogGroup{Stream: l.Stream, Bin: int((l.Time - q.From) / c.width), Severity: l.Severity, Texts: make([]string, len(c.by))}
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
	streams, err := c.scan.s.streams.find(ctx, sorted(terms))
	if err != nil {
		return err
	}
	for _, t := range c.found {
		st := streams[t.stream]
		if st == nil {
			st = telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
			c.scan.warnOnce("the stream of some records is not in " + c.scan.s.names.streams("*") + ": they count without resource and scope")
		}
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
