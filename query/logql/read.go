package logql

import (
	"context"
	"sync"
	"time"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// query is one query under way.
type query struct {
	engine *Engine
	tenant string
	params Params
	ctx    context.Context
	stats  Stats
	plan   []string

	points int // numbers held in memory
	before int // of them held when this slice of a query began
}

// streamViews remembers how streams look and whether they are selected. The
// store may ask from any goroutine.
type streamViews struct {
	plan  *plan.Plan
	cache *viewCache
	views sync.Map // *telemetry.Stream -> *streamView
}

type streamView struct {
	view *entry.Stream
	keep bool
}

func (s *streamViews) get(st *telemetry.Stream) *streamView {
	if v, ok := s.views.Load(st); ok {
		return v.(*streamView)
	}
	view := s.cache.get(st)
	v, _ := s.views.LoadOrStore(st, &streamView{view: view, keep: s.plan.MatchStream(view)})
	return v.(*streamView)
}

// viewCache keeps the views of streams from one query to the next: each part
// of a store has streams of its own, most of which are equal to others'.
type viewCache struct {
	mu    sync.RWMutex
	views map[telemetry.StreamID]*entry.Stream
}

// maxViews bounds the cache; a full one is begun anew.
const maxViews = 20_000

func (c *viewCache) get(st *telemetry.Stream) *entry.Stream {
	c.mu.RLock()
	v := c.views[st.ID]
	c.mu.RUnlock()
	if v != nil {
		return v
	}
	v = entry.NewStream(st)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.views == nil || len(c.views) >= maxViews {
		c.views = map[telemetry.StreamID]*entry.Stream{}
	}
	c.views[st.ID] = v
	return v
}

// read asks the store for what the plan says and calls each for every record,
// until it returns false.
func (q *query) read(p *plan.Plan, from, to int64, order storage.Order, each func(v *entry.Stream, l *telemetry.Log) (bool, error)) error {
	if to <= from || to <= 0 {
		return q.ctx.Err()
	}
	from = max(from, 0)
	lq, views, err := q.logQuery(p, from, to, order)
	if err != nil {
		return err
	}
	q.describe(p, from, to, order)
	var last *telemetry.Stream
	var view *entry.Stream
	watch := stopwatch{now: q.engine.now}
	watch.to(&q.stats.Read)
	defer watch.to(nil)
	for batch, err := range q.engine.reader.Logs(q.ctx, lq) {
		if err != nil {
			return err
		}
		if err := q.ctx.Err(); err != nil {
			return err
		}
		watch.to(&q.stats.Process)
		for i := range batch {
			q.stats.Lines++
			if q.stats.Lines > q.engine.cfg.MaxRows {
				return limitError("the query would read too many bytes: it reads more than %d records (max_rows); narrow the selector or the time range",
					q.engine.cfg.MaxRows)
			}
			if st := batch[i].Stream; st != last {
				last, view = st, views.get(st).view
			}
			more, err := each(view, &batch[i])
			if err != nil || !more {
				return err
			}
		}
		watch.to(&q.stats.Read)
	}
	return q.ctx.Err()
}

// stopwatch tells what time goes to.
type stopwatch struct {
	now func() time.Time
	at  time.Time
	dst *time.Duration
}

// to has the time from now on go to dst, nil for nowhere.
func (w *stopwatch) to(dst *time.Duration) {
	now := w.now()
	if w.dst != nil {
		*w.dst += now.Sub(w.at)
	}
	w.at, w.dst = now, dst
}

// logQuery turns a plan into what the store is asked.
func (q *query) logQuery(p *plan.Plan, from, to int64, order storage.Order) (storage.LogQuery, *streamViews, error) {
	views := &streamViews{plan: p, cache: &q.engine.views}
	if p.NeedsStreams() {
		if err := q.resolve(p, views, from, to); err != nil {
			return storage.LogQuery{}, nil, err
		}
	}
	return storage.LogQuery{
		Tenant: q.tenant, From: from, To: to, IDs: p.IDs, Text: p.Text, Where: p.Where, MinSeverity: p.MinSeverity,
		Order: order, Columns: p.Columns, Stats: &q.stats.Store,
		Stream: func(st *telemetry.Stream) bool { return views.get(st).keep },
	}, views, nil
}

// resolve settles the pushdowns that depend on the labels of the streams.
func (q *query) resolve(p *plan.Plan, views *streamViews, from, to int64) error {
	watch := stopwatch{now: q.engine.now}
	watch.to(&q.stats.Plan)
	defer watch.to(nil)
	streams, err := q.engine.reader.Streams(q.ctx, q.tenant, telemetry.Logs, from, to, &q.stats.Store)
	if err != nil {
		return err
	}
	p.Resolve(func(label string) bool {
		for _, s := range streams {
			if v := views.get(s.Stream); v.keep && (v.view.Get(label) != "" || entry.Get(v.view.Scope, label) != "") {
				return true
			}
		}
		return false
	})
	return nil
}

// current is the record under way; its meta method is made once per query
// and given to the pipeline for every record.
type current struct {
	view *entry.Stream
	log  *telemetry.Log
}

// meta appends the structured metadata of the record under way.
func (c *current) meta(dst []entry.Label) []entry.Label { return entry.AppendMeta(dst, c.view, c.log) }

func (q *query) describe(p *plan.Plan, from, to int64, order storage.Order) {
	q.explain("read logs from " + timeText(from) + " to " + timeText(to) + ", " + orderText(order))
	for _, line := range p.Describe() {
		q.explain("  " + line)
	}
}

// explain adds a line to the plan in words, where that is asked for.
func (q *query) explain(line string) {
	if q.params.Explain {
		q.plan = append(q.plan, line)
	}
}

func orderText(o storage.Order) string {
	switch o {
	case storage.NewestFirst:
		return "newest first"
	case storage.OldestFirst:
		return "oldest first"
	}
	return "in any order"
}
