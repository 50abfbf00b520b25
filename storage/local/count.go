package local

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/telemetry"
)

var (
	_ storage.LogCounter = (*Store)(nil)
	_ storage.LogGrouper = (*Store)(nil)
)

// CountLogs implements storage.LogCounter. It counts blocks on all cores.
func (s *Store) CountLogs(ctx context.Context, q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	q.MinSeverity = 0
	v := snapshot(s, s.logs, q.Tenant, q.From, q.To)
	defer v.release()
	if q.Stats != nil {
		q.Stats.Segments += int64(len(v.handles))
		q.Stats.SegmentsSkipped += int64(v.skipped)
	}
	return s.countIn(ctx, v, q, width, add)
}

// countIn is CountLogs of what a view holds.
func (s *Store) countIn(ctx context.Context, v *view[telemetry.Log], q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	c := &counting{s: s, q: record.LogQuery(q), width: width, add: add}
	m := newMerge(s, s.logs, c.q)
	for _, r := range v.runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.run(m, r)
	}
	return c.segments(ctx, v.handles)
}

// counting is a count under way. mu guards add and the query's statistics.
type counting struct {
	s     *Store
	q     *record.Query[telemetry.Log]
	width int64
	mu    sync.Mutex
	add   func(*telemetry.Stream, int, int64)
}

func (c *counting) run(m *merge[telemetry.Log], r *head.Run[telemetry.Log]) {
	for _, i := range m.selectRows(r) {
		bin := 0
		if c.width > 0 {
			bin = int((r.Time(i) - c.q.From) / c.width)
		}
		c.add(r.Stream(i), bin, 1)
	}
}

// countersOf is how many parts are counted at once: one on each core, more
// where the time is spent waiting for objects.
func countersOf(handles []*handle[telemetry.Log]) int {
	n := runtime.GOMAXPROCS(0)
	if slices.ContainsFunc(handles, (*handle[telemetry.Log]).remote) {
		n = max(n, lookupsAtOnce)
	}
	return n
}

// countJob is a part of a segment.
type countJob struct {
	handle *handle[telemetry.Log]
	reader *segment.Reader[telemetry.Log]
	part   segment.Part
}

// tally is what a part adds to one stream and bin.
type tally struct {
	stream *telemetry.Stream
	bin    int
	n      int64
}

func (c *counting) segments(ctx context.Context, handles []*handle[telemetry.Log]) error {
	jobs := make(chan countJob)
	var workers sync.WaitGroup
	for range countersOf(handles) {
		workers.Go(func() {
			for j := range jobs {
				c.part(ctx, j)
			}
		})
	}
	c.feed(ctx, handles, jobs)
	close(jobs)
	workers.Wait()
	return ctx.Err()
}

// feed passes the parts of segments on, until the context ends.
func (c *counting) feed(ctx context.Context, handles []*handle[telemetry.Log], jobs chan<- countJob) {
	for _, h := range handles {
		r, err := h.open(ctx)
		if err != nil {
			c.warn(ctx, h, err)
			continue
		}
		parts, skipped := planParts(ctx, c.s, h, r, c.q, &c.mu)
		if st := c.q.Stats; st != nil {
			c.mu.Lock()
			st.Blocks += int64(len(parts))
			st.BlocksSkipped += int64(skipped)
			c.mu.Unlock()
		}
		for _, p := range parts {
			select {
			case jobs <- countJob{h, r, p}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// part counts one part. Where it is damaged nothing of it counts.
func (c *counting) part(ctx context.Context, j countJob) {
	var stats storage.ReadStats
	q := *c.q
	q.Stats = &stats
	var tallies []tally
	err := j.reader.Count(&q, j.part, c.width, func(s *telemetry.Stream, bin int, n int64) {
		tallies = append(tallies, tally{s, bin, n})
	})
	if err != nil {
		c.warn(ctx, j.handle, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.q.Stats; st != nil {
		st.Rows += stats.Rows
		st.Bytes += stats.Bytes
	}
	for _, t := range tallies {
		c.add(t.stream, t.bin, t.n)
	}
}

func (c *counting) warn(ctx context.Context, h *handle[telemetry.Log], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	warn(ctx, c.s, h, c.q.Stats, err)
}

// CountLogGroups implements storage.LogGrouper. It counts blocks on all cores.
func (s *Store) CountLogGroups(ctx context.Context, q storage.LogQuery, width int64, by []storage.LogText, add func(storage.LogGroup, int64)) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	v := snapshot(s, s.logs, q.Tenant, q.From, q.To)
	defer v.release()
	if q.Stats != nil {
		q.Stats.Segments += int64(len(v.handles))
		q.Stats.SegmentsSkipped += int64(v.skipped)
	}
	g := &groupCount{counting: counting{s: s, q: record.LogQuery(q), width: width}, by: by, add: add}
	m := newMerge(s, s.logs, g.q)
	for _, r := range v.runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.run(m, r)
	}
	return g.segments(ctx, v.handles)
}

// groupCount is a count in groups under way.
type groupCount struct {
	counting
	by  []storage.LogText
	add func(storage.LogGroup, int64)
}

// run counts the rows of a run one by one.
func (g *groupCount) run(m *merge[telemetry.Log], r *head.Run[telemetry.Log]) {
	sel := m.selectRows(r)
	if g.q.Stats != nil {
		g.q.Stats.Rows += int64(len(sel))
	}
	rows := &runRows[telemetry.Log]{m: m, run: r}
	for _, i := range sel {
		l := rows.one(i)
		if l.Severity != 0 && l.Severity < g.q.MinSeverity {
			continue
		}
		out := storage.LogGroup{Stream: l.Stream, Severity: l.Severity, Texts: make([]string, len(g.by))}
		if g.width > 0 {
			out.Bin = int((l.Time - g.q.From) / g.width)
		}
		for j, t := range g.by {
			out.Texts[j] = t.Of(l)
		}
		g.add(out, 1)
	}
}

func (g *groupCount) segments(ctx context.Context, handles []*handle[telemetry.Log]) error {
	jobs := make(chan countJob)
	var workers sync.WaitGroup
	for range countersOf(handles) {
		workers.Go(func() {
			for j := range jobs {
				g.part(ctx, j)
			}
		})
	}
	g.feed(ctx, handles, jobs)
	close(jobs)
	workers.Wait()
	return ctx.Err()
}

// groupTally is what a part adds to one group.
type groupTally struct {
	group storage.LogGroup
	n     int64
}

// part counts one part. Where it is damaged nothing of it counts.
func (g *groupCount) part(ctx context.Context, j countJob) {
	var stats storage.ReadStats
	q := *g.q
	q.Stats = &stats
	var tallies []groupTally
	err := segment.CountGroups(j.reader, &q, j.part, g.width, g.by, func(group storage.LogGroup, n int64) {
		tallies = append(tallies, groupTally{group, n})
	})
	if err != nil {
		g.warn(ctx, j.handle, err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if st := g.q.Stats; st != nil {
		st.Rows += stats.Rows
		st.Bytes += stats.Bytes
	}
	for _, t := range tallies {
		g.add(t.group, t.n)
	}
}
