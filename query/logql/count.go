package logql

import (
	"slices"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// count has the store count the records of the aggregation, by stream and
// time, where it can and where that tells everything that is asked. It reports
// false, and has done nothing, where the records themselves must be read.
func (r *rangeReader) count(p *plan.Plan, from, to int64) (bool, error) {
	store, ok := r.ev.q.engine.reader.(storage.LogCounter)
	if !ok || !p.Exact || !r.counts() || from < 0 || to <= from {
		return false, nil
	}
	lq, views, err := r.ev.q.logQuery(p, from, to, storage.OrderAny)
	if err != nil {
		return false, err
	}
	lq.MinSeverity = 0
	whole, err := r.groupsByStream(views, from, to)
	if err != nil || !whole || !p.Exact {
		return false, err
	}
	width := r.binWidth()
	r.ev.q.describe(p, from, to, storage.OrderAny)
	if r.ev.q.params.Explain {
		r.ev.q.plan = append(r.ev.q.plan, "  the store counts, by stream and time")
	}
	var failed error
	series := map[*telemetry.Stream]*rangeSeries{}
	err = store.CountLogs(r.ev.q.ctx, lq, width, func(st *telemetry.Stream, bin int, n int64) {
		r.ev.q.stats.Lines += n
		s, ok := series[st]
		if !ok && failed == nil {
			s, failed = r.seriesOfStream(views.get(st).view)
			series[st] = s
		}
		if s == nil {
			return
		}
		if lo, hi := r.windows(from + int64(bin)*width); lo <= hi {
			s.acc.(*counter).addCount(lo, hi, float64(n))
		}
	})
	if err == nil {
		err = failed
	}
	return true, err
}

// counts reports whether the aggregation does nothing but count, by labels
// that it names.
func (r *rangeReader) counts() bool {
	return (r.e.Op == syntax.OpCount || r.e.Op == syntax.OpRate) && r.e.Unwrap == nil &&
		r.grouping != nil && !r.grouping.Without
}

// groupsByStream reports whether the selected streams tell the labels that it
// is grouped by.
func (r *rangeReader) groupsByStream(views *streamViews, from, to int64) (bool, error) {
	other := slices.DeleteFunc(slices.Clone(r.grouping.Labels), func(l string) bool { return l == entry.ServiceName })
	if len(other) == 0 {
		return true, nil
	}
	q := r.ev.q
	streams, err := q.engine.reader.Streams(q.ctx, q.tenant, telemetry.Logs, from, to)
	if err != nil {
		return false, err
	}
	for _, s := range streams {
		v := views.get(s.Stream)
		if v.keep && slices.ContainsFunc(other, func(l string) bool { return v.view.Get(l) == "" }) {
			return false, nil
		}
	}
	return true, nil
}

// binWidth is the longest time such that every window is made of whole bins.
func (r *rangeReader) binWidth() int64 {
	a, b := int64(r.e.Interval), r.ev.steps.step
	if r.ev.steps.n == 1 {
		return a
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// seriesOfStream returns the series that all records of a stream belong to.
func (r *rangeReader) seriesOfStream(v *entry.Stream) (*rangeSeries, error) {
	r.picked = r.picked[:0]
	for _, name := range r.grouping.Labels {
		if value := v.Get(name); value != "" && entry.Get(r.picked, name) == "" {
			r.picked = append(r.picked, entry.Label{Name: name, Value: value})
		}
	}
	return r.seriesOfSet(r.ev.sets.sorted(r.picked))
}
