package logql

import (
	"context"
	"slices"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
)

// countsValues reports whether how often each value of the unwrapped label
// stands in a time tells the aggregation's value.
func (r *rangeReader) countsValues(p *plan.Plan) bool {
	u := r.e.Unwrap
	if u == nil || len(u.Filters) > 0 || r.grouping == nil || r.grouping.Without || len(p.Levels) > 0 ||
		u.Label == entry.ServiceName || u.Label == entry.DetectedLevel || slices.Contains(r.grouping.Labels, u.Label) {
		return false
	}
	switch r.e.Op {
	case syntax.OpQuantileOver, syntax.OpMinOver, syntax.OpMaxOver, syntax.OpSumOver, syntax.OpAvgOver, syntax.OpRate:
		return true
	}
	return false
}

// valueIn is a value that records of a series have in a bin.
type valueIn struct {
	series *rangeSeries
	begin  int64 // of the bin
	value  float64
}

// maxValues is how many counts of values are kept. Where there are more, values
// hardly repeat, and records are no dearer.
const maxValues = 200_000

// countValues has the store count how often the unwrapped label has each of its
// values. It reports false where they are too many or one of them is no number:
// what the error says stands in the record.
func (r *rangeReader) countValues(store storage.LogGrouper, lq storage.LogQuery, views *streamViews, by *countLabels) (bool, error) {
	lq.MinSeverity = 0
	width := r.binWidth()
	var lines int64
	found := map[valueIn]int64{}
	var failed error
	countable := true
	ctx, cancel := context.WithCancel(r.ev.q.ctx)
	defer cancel()
	giveUp := func() {
		countable = false
		cancel()
	}
	err := store.CountLogGroups(ctx, lq, width, by.texts, func(g storage.LogGroup, n int64) {
		lines += n
		view := views.get(g.Stream).view
		text := by.value(r.e.Unwrap.Label, view, g)
		if text == "" || !countable || failed != nil {
			return
		}
		value, err := convert(r.e.Unwrap.Conv, text)
		if err != nil || len(found) >= maxValues {
			giveUp()
			return
		}
		in := valueIn{begin: lq.From + int64(g.Bin)*width, value: value}
		if in.series, failed = r.seriesBy(func(name string) string { return by.value(name, view, g) }); failed == nil {
			found[in] += n
		}
	})
	switch {
	case !countable:
		r.forget()
		return false, nil
	case err != nil:
		return true, err
	case failed != nil:
		return true, failed
	}
	r.ev.q.stats.Lines += lines
	for in, n := range found {
		if lo, hi := r.windows(in.begin); lo <= hi {
			if err := r.ev.q.hold(in.series.acc.(multiple).addMany(lo, hi, in.begin, in.value, n)); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// forget drops the series that were begun.
func (r *rangeReader) forget() {
	clear(r.series)
	r.order = nil
}

// multiple is an accumulator that takes equal samples at once.
type multiple interface {
	addMany(lo, hi int, t int64, v float64, n int64) int
}
