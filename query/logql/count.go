package logql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// count has the store count the records of the aggregation where it can and
// where that tells everything that is asked. It reports false, and has done
// nothing, where the records themselves must be read.
func (r *rangeReader) count(p *plan.Plan) (bool, error) {
	from, to := r.ev.span(r.e)
	values := r.countsValues(p)
	if !p.Exact || !r.counts() && !values || from < 0 || to <= from {
		return false, nil
	}
	q := r.ev.q
	lq, views, err := q.logQuery(p, from, to, storage.OrderAny)
	if err != nil {
		return false, err
	}
	labels := r.grouping.Labels
	if values {
		labels = append(slices.Clone(labels), r.e.Unwrap.Label)
	}
	by, err := r.countBy(labels, views, from, to)
	if err != nil || by == nil || !p.Exact {
		return false, err
	}
	watch := stopwatch{now: q.engine.now}
	defer watch.to(nil)
	if !values && len(by.texts) == 0 && !by.level && len(p.Levels) == 0 {
		if store, ok := q.engine.reader.(storage.LogCounter); ok {
			q.describe(p, from, to, storage.OrderAny)
			q.explain("  the store counts, by stream and time")
			watch.to(&q.stats.Read)
			return true, r.countStreams(store, lq, views)
		}
	}
	store, ok := q.engine.reader.(storage.LogGrouper)
	if !ok || values && by.level {
		return false, nil
	}
	q.describe(p, from, to, storage.OrderAny)
	q.explain(fmt.Sprintf("  the store counts, by stream, time, severity and %d texts", len(by.texts)))
	if values {
		watch.to(&q.stats.Read)
		return r.countValues(store, lq, views, by)
	}
	return true, r.countGroups(store, lq, views, p, by)
}

// counts reports whether the aggregation does nothing but count, by labels
// that it names.
func (r *rangeReader) counts() bool {
	return (r.e.Op == syntax.OpCount || r.e.Op == syntax.OpRate) && r.e.Unwrap == nil &&
		r.grouping != nil && !r.grouping.Without
}

// countLabels are the labels that it is counted by and that the streams do not
// tell.
type countLabels struct {
	texts []storage.LogText
	place map[string]int // of a label's text
	level bool           // the detected level is one of them
}

// countBy returns by what the store has to tell records apart for some labels;
// nil where it cannot.
func (r *rangeReader) countBy(labels []string, views *streamViews, from, to int64) (*countLabels, error) {
	out := &countLabels{place: map[string]int{}}
	other := slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == entry.ServiceName })
	if len(other) == 0 {
		return out, nil
	}
	q := r.ev.q
	streams, err := q.engine.reader.Streams(q.ctx, q.tenant, telemetry.Logs, from, to, &q.stats.Store)
	if err != nil {
		return nil, err
	}
	streams = slices.DeleteFunc(streams, func(s storage.StreamInfo) bool { return !views.get(s.Stream).keep })
	for _, name := range other {
		if !slices.ContainsFunc(streams, func(s storage.StreamInfo) bool { return views.get(s.Stream).view.Get(name) == "" }) {
			continue
		}
		if name == entry.DetectedLevel {
			out.level = true
			continue
		}
		c, ok := entry.Condition(name, nil)
		scoped := func(s storage.StreamInfo) bool { return entry.Get(views.get(s.Stream).view.Scope, name) != "" }
		if !ok || c.Field != storage.FieldNone && slices.ContainsFunc(streams, scoped) {
			return nil, nil
		}
		out.place[name] = len(out.texts)
		out.texts = append(out.texts, storage.LogText{Field: c.Field, Key: c.Key})
	}
	return out, nil
}

// countStreams counts where the streams tell all labels.
func (r *rangeReader) countStreams(store storage.LogCounter, lq storage.LogQuery, views *streamViews) error {
	lq.MinSeverity = 0
	width := r.binWidth()
	var failed error
	series := map[*telemetry.Stream]*rangeSeries{}
	err := store.CountLogs(r.ev.q.ctx, lq, width, func(st *telemetry.Stream, bin int, n int64) {
		s, ok := series[st]
		if !ok && failed == nil {
			view := views.get(st).view
			s, failed = r.seriesBy(func(name string) string { return view.Get(name) })
			series[st] = s
		}
		r.addCount(s, lq.From+int64(bin)*width, n)
	})
	if err == nil {
		err = failed
	}
	return err
}

// countGroup is what records of a series have in common.
type countGroup struct {
	stream   *telemetry.Stream
	severity telemetry.Severity
	texts    string
}

// noSeverity is above every severity: records that a store may not leave out
// for it are those that have none.
const noSeverity = telemetry.SeverityFatal + 4

// countGroups counts by severity and texts. The level of a record that has no
// severity stands in its text, so those are read.
func (r *rangeReader) countGroups(store storage.LogGrouper, lq storage.LogQuery, views *streamViews, p *plan.Plan, by *countLabels) error {
	byLevel := by.level || len(p.Levels) > 0
	tells := func(v *entry.Stream) bool { return !byLevel || v.Get(entry.DetectedLevel) != "" }
	if !byLevel {
		lq.MinSeverity = 0
	}
	width := r.binWidth()
	var failed error
	rest := false
	series := map[countGroup]*rangeSeries{}
	watch := stopwatch{now: r.ev.q.engine.now}
	watch.to(&r.ev.q.stats.Read)
	err := store.CountLogGroups(r.ev.q.ctx, lq, width, by.texts, func(g storage.LogGroup, n int64) {
		view := views.get(g.Stream).view
		if g.Severity == telemetry.SeverityUnset && !tells(view) {
			rest = true
			return
		}
		key := countGroup{g.Stream, g.Severity, strings.Join(g.Texts, "\xff")}
		s, ok := series[key]
		if !ok && failed == nil {
			if !tells(view) && !allMatch(p.Levels, g.Severity.String()) {
				series[key] = nil
				return
			}
			s, failed = r.seriesBy(func(name string) string { return by.value(name, view, g) })
			series[key] = s
		}
		r.addCount(s, lq.From+int64(g.Bin)*width, n)
	})
	watch.to(nil)
	if err == nil {
		err = failed
	}
	if err != nil || !rest {
		return err
	}
	r.ev.q.explain("  records without a severity are read")
	unset := *p
	unset.MinSeverity = noSeverity
	return r.ev.q.read(&unset, lq.From, lq.To, storage.OrderAny, func(v *entry.Stream, l *telemetry.Log) (bool, error) {
		if l.Severity != telemetry.SeverityUnset || tells(v) {
			return true, nil
		}
		return r.record(v, l)
	})
}

func allMatch(matchers []*syntax.Matcher, value string) bool {
	return !slices.ContainsFunc(matchers, func(m *syntax.Matcher) bool { return !m.Matches(value) })
}

// value returns the value of a label of the records of a group.
func (c *countLabels) value(name string, v *entry.Stream, g storage.LogGroup) string {
	if value := v.Get(name); value != "" {
		return value
	}
	if name == entry.DetectedLevel {
		return g.Severity.String()
	}
	if value := entry.Get(v.Scope, name); value != "" {
		return value
	}
	if at, ok := c.place[name]; ok {
		return g.Texts[at]
	}
	return ""
}

// addCount counts n records of a bin that begins at t. A nil series takes none.
func (r *rangeReader) addCount(s *rangeSeries, t, n int64) {
	if s == nil {
		return
	}
	r.ev.q.stats.Lines += n
	if lo, hi := r.windows(t); lo <= hi {
		s.acc.(*counter).addCount(lo, hi, float64(n))
	}
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

// seriesBy returns the series of records whose labels value tells.
func (r *rangeReader) seriesBy(value func(name string) string) (*rangeSeries, error) {
	r.picked = r.picked[:0]
	for _, name := range r.grouping.Labels {
		if v := value(name); v != "" && entry.Get(r.picked, name) == "" {
			r.picked = append(r.picked, entry.Label{Name: name, Value: v})
		}
	}
	return r.seriesOfSet(r.ev.sets.sorted(r.picked))
}
