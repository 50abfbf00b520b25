package logql

import (
	"context"
	"time"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Line is a log line on its way through Lines.
type Line struct {
	Time  int64
	Text  string
	Level string
}

// Lines calls each for every line that a log query selects in Start <= time <
// End, in any order and without a limit on their number, until it returns
// false. It is for summaries that keep no lines.
func (e *Engine) Lines(ctx context.Context, tenant string, expr *syntax.LogExpr, start, end int64, each func(Line) bool) (Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.cfg.Timeout))
	defer cancel()
	if err := e.checkRange(start, end); err != nil {
		return Stats{}, err
	}
	pipe, err := pipeline.New(expr.Stages, e.limits())
	if err != nil {
		return Stats{}, badQuery("%s", err)
	}
	q := &query{engine: e, tenant: tenant, ctx: ctx}
	pl := plan.New(expr, nil, plan.Use{Line: true, AllLabels: true})
	cur := &current{}
	meta := cur.meta
	err = q.read(pl, start, end, storage.OrderAny, func(v *entry.Stream, l *telemetry.Log) (bool, error) {
		text := l.Body.Text()
		q.stats.Bytes += int64(len(text))
		*cur = current{v, l}
		r := pipe.Process(v, l.Time, text, meta)
		if r == nil {
			return true, nil
		}
		return each(Line{Time: l.Time, Text: r.Line, Level: entry.Level(v, l)}), nil
	})
	e.rows.Add(float64(q.stats.Lines))
	return q.stats, readFailed(err, e.cfg.Timeout)
}
