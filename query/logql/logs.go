package logql

import (
	"strings"
	"time"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// logs answers a log query.
func (q *query) logs(e *syntax.LogExpr) (*Result, error) {
	p := q.params
	if p.Instant {
		return nil, badQuery("log queries are not supported as an instant query type, please change your query to a range query type")
	}
	if p.Limit <= 0 {
		p.Limit = q.engine.cfg.MaxEntries
	}
	if p.Limit > q.engine.cfg.MaxEntries {
		return nil, limitError("max entries limit per query exceeded, limit > max_entries (%d > %d)", p.Limit, q.engine.cfg.MaxEntries)
	}
	if err := q.engine.checkRange(p.Start, p.End); err != nil {
		return nil, err
	}
	pipe, err := pipeline.New(e.Stages, q.engine.limits())
	if err != nil {
		return nil, badQuery("%s", err)
	}
	order := storage.NewestFirst
	if p.Direction == Forward {
		order = storage.OldestFirst
	}
	res := &Result{Kind: KindStreams, Rows: []Row{}}
	thin := thinner{interval: int64(p.Interval), last: map[string]int64{}}
	pl := plan.New(e, nil, plan.Use{Line: true, AllLabels: true})
	cur := &current{}
	meta := cur.meta
	err = q.read(pl, p.Start, p.End, order, func(v *entry.Stream, l *telemetry.Log) (bool, error) {
		line := l.Body.Text()
		q.stats.Bytes += int64(len(line))
		*cur = current{v, l}
		r := pipe.Process(v, l.Time, line, meta)
		if r == nil {
			return true, nil
		}
		labels := r.Labels.Sorted()
		if !thin.keeps(labels, l.Time) {
			return true, nil
		}
		res.Rows = append(res.Rows, Row{Time: l.Time, Line: r.Line, Labels: labels})
		return len(res.Rows) < p.Limit, nil
	})
	q.stats.Returned = int64(len(res.Rows))
	return res, err
}

// thinner leaves out lines that follow too closely on another one of their stream.
type thinner struct {
	interval int64
	last     map[string]int64
	key      strings.Builder
}

func (t *thinner) keeps(labels []pipeline.Label, at int64) bool {
	if t.interval <= 0 {
		return true
	}
	t.key.Reset()
	for _, l := range labels {
		t.key.WriteString(l.Name + "\xff" + l.Value + "\xff")
	}
	key := t.key.String()
	last, seen := t.last[key]
	if seen && at-last < t.interval && last-at < t.interval {
		return false
	}
	t.last[key] = at
	return true
}
