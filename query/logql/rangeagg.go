package logql

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/plan"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// maxSpan bounds ranges, offsets and steps, so that no sum of times overflows.
const maxSpan = 50 * 365 * 24 * time.Hour

// errSample marks a record whose unwrapped label is no number.
const errSample = "SampleExtractionErr"

// rangeSeries is a series while its records are read.
type rangeSeries struct {
	set *labelSet
	acc accumulator
}

// rangeReader turns records into samples of series.
type rangeReader struct {
	ev       *evaluator
	e        *syntax.RangeAgg
	grouping *syntax.Grouping
	pipe     *pipeline.Pipeline
	post     *pipeline.Pipeline // label filters behind unwrap
	series   map[*labelSet]*rangeSeries
	order    []*rangeSeries
	labels   []pipeline.Label
	picked   []entry.Label
	cur      current
	meta     func([]entry.Label) []entry.Label
}

// checkInterval refuses ranges and offsets that are too long.
func (ev *evaluator) checkInterval(e *syntax.RangeAgg) error {
	if most := time.Duration(ev.q.engine.cfg.MaxLookback); most > 0 && e.Interval > most {
		return limitError("the range [%s] exceeds the limit of %s (max_lookback)", e.Interval, ev.q.engine.cfg.MaxLookback)
	}
	if e.Interval > maxSpan || e.Offset > maxSpan || e.Offset < -maxSpan {
		return badQuery("the range and the offset of %s must not be longer than %s", e.Op, maxSpan)
	}
	return nil
}

// newRangeReader makes what reads the records for the steps of ev. grouping is
// the aggregation's own, or that of an aggregation around it that may as well
// be done here.
func (ev *evaluator) newRangeReader(e *syntax.RangeAgg, grouping *syntax.Grouping) (*rangeReader, error) {
	if e.Unwrap == nil && (e.Op == syntax.OpAbsent || grouping != nil && !grouping.Without && len(grouping.Labels) == 0) {
		bare := *e
		bare.Log = plan.WithoutParsers(e.Log)
		e = &bare
	}
	pipe, err := pipeline.New(e.Log.Stages, ev.q.engine.limits())
	if err != nil {
		return nil, badQuery("%s", err)
	}
	r := &rangeReader{ev: ev, e: e, grouping: grouping, pipe: pipe, series: map[*labelSet]*rangeSeries{}}
	r.meta = r.cur.meta
	return r, nil
}

// span returns the times of the records that count at the steps of ev.
func (ev *evaluator) span(e *syntax.RangeAgg) (from, to int64) {
	return ev.steps.start - int64(e.Interval) - int64(e.Offset) + 1, ev.steps.last() - int64(e.Offset) + 1
}

// plan says what of the store it needs.
func (r *rangeReader) plan() *plan.Plan {
	var filters []syntax.LabelFilter
	if r.e.Unwrap != nil {
		filters = r.e.Unwrap.Filters
	}
	return plan.New(r.e.Log, filters, r.use())
}

// read reads the records one by one.
func (r *rangeReader) read(pl *plan.Plan) error {
	order := storage.OrderAny
	if r.e.Unwrap != nil || usesDistinct(r.e.Log) {
		// Sums of fractions depend on their order, and so do first and last.
		order = storage.OldestFirst
	}
	from, to := r.ev.span(r.e)
	return r.ev.q.read(pl, from, to, order, r.record)
}

// finish returns the series that were read, sorted: the store answers blocks
// as they come, and sums of fractions and what errors name must not depend on
// that.
func (r *rangeReader) finish() []*rangeSeries {
	slices.SortFunc(r.order, func(a, b *rangeSeries) int { return compareSets(a.set.labels, b.set.labels) })
	for _, s := range r.order {
		s.acc.finish()
	}
	return r.order
}

func usesDistinct(e *syntax.LogExpr) bool {
	return slices.ContainsFunc(e.Stages, func(s syntax.Stage) bool { _, ok := s.(*syntax.Distinct); return ok })
}

// use tells the plan what the aggregation looks at.
func (r *rangeReader) use() plan.Use {
	u := plan.Use{Line: r.e.Op == syntax.OpBytes || r.e.Op == syntax.OpBytesRate}
	switch {
	case r.e.Op == syntax.OpAbsent:
	case r.grouping == nil || r.grouping.Without:
		u.AllLabels = true
	default:
		u.Labels = slices.Clone(r.grouping.Labels)
	}
	if r.e.Unwrap != nil {
		u.Labels = append(u.Labels, r.e.Unwrap.Label)
	}
	return u
}

// record adds one record to its series.
func (r *rangeReader) record(v *entry.Stream, l *telemetry.Log) (bool, error) {
	line := ""
	if !l.Body.IsEmpty() {
		line = l.Body.Text()
	}
	r.ev.q.stats.Bytes += int64(len(line))
	r.cur = current{v, l}
	rec := r.pipe.Process(v, l.Time, line, r.meta)
	if rec == nil {
		return true, nil
	}
	value, ok, err := r.sampleOf(rec)
	if err != nil || !ok {
		return true, err
	}
	if kind := rec.Labels.Failed(); kind != "" {
		return false, pipelineError(kind, plainLabels(rec.Labels.Sorted()))
	}
	s, err := r.seriesOf(rec)
	if err != nil {
		return false, err
	}
	lo, hi := r.windows(l.Time)
	if lo > hi {
		return true, nil
	}
	held := s.acc.add(lo, hi, l.Time, value)
	return true, r.ev.q.hold(held)
}

// windows returns the first and last step whose range (t-interval, t] a
// record of this time is in.
func (r *rangeReader) windows(t int64) (lo, hi int) {
	st := r.ev.steps
	t += int64(r.e.Offset)
	if t > st.start {
		lo = int((t - st.start + st.step - 1) / st.step)
	}
	end := t + int64(r.e.Interval) - 1 - st.start
	if end < 0 {
		return 1, 0
	}
	return lo, int(min(end/st.step, int64(st.n-1)))
}

// sampleOf returns the number that a record counts for.
func (r *rangeReader) sampleOf(rec *pipeline.Record) (value float64, ok bool, err error) {
	u := r.e.Unwrap
	if u == nil {
		if r.e.Op == syntax.OpBytes || r.e.Op == syntax.OpBytesRate {
			return float64(len(rec.Line)), true, nil
		}
		return 1, true, nil
	}
	text := rec.Labels.Get(u.Label)
	if text == "" {
		return 0, false, nil
	}
	value, cerr := convert(u.Conv, text)
	if cerr != nil {
		rec.Labels.SetError(errSample, cerr.Error())
	}
	if len(u.Filters) > 0 {
		keep, err := r.filter(rec)
		if err != nil || !keep {
			return 0, false, err
		}
	}
	if !r.groupsByUnwrapped() {
		rec.Labels.Delete(u.Label)
	}
	return value, true, nil
}

// groupsByUnwrapped reports whether the label whose value is the sample may
// name the series, too: only where the aggregation names its labels, and those
// of a max or min around it do not count.
func (r *rangeReader) groupsByUnwrapped() bool {
	return r.grouping != nil && !r.grouping.Without &&
		(r.e.Grouping != nil || r.e.Op != syntax.OpMinOver && r.e.Op != syntax.OpMaxOver)
}

func (r *rangeReader) filter(rec *pipeline.Record) (bool, error) {
	if r.post == nil {
		r.post = &pipeline.Pipeline{}
		for _, f := range r.e.Unwrap.Filters {
			if err := r.post.AddFilter(f); err != nil {
				return false, badQuery("%s", err)
			}
		}
	}
	return r.post.Continue(rec), nil
}

func convert(conv, text string) (float64, error) {
	switch conv {
	case "duration", "duration_seconds":
		d, err := time.ParseDuration(text)
		return d.Seconds(), err
	case "bytes":
		n, err := syntax.ParseBytes(text)
		return float64(n), err
	}
	return strconv.ParseFloat(text, 64)
}

// seriesOf returns the series that a record belongs to.
func (r *rangeReader) seriesOf(rec *pipeline.Record) (*rangeSeries, error) {
	return r.seriesOfSet(r.ev.sets.of(r.groupLabels(rec)))
}

// seriesOfSet returns the series of these labels.
func (r *rangeReader) seriesOfSet(set *labelSet) (*rangeSeries, error) {
	if s, ok := r.series[set]; ok {
		return s, nil
	}
	if len(r.series) >= r.ev.q.engine.cfg.MaxInnerSeries {
		return nil, limitError("the range aggregation makes more than %d series (max_inner_series); aggregate it by fewer labels, as in sum by (service_name) (%s)",
			r.ev.q.engine.cfg.MaxInnerSeries, r.e)
	}
	s := &rangeSeries{set: set, acc: newAccumulator(r.e, r.ev.steps)}
	if err := r.ev.q.hold(s.acc.size()); err != nil {
		return nil, err
	}
	r.series[set] = s
	r.order = append(r.order, s)
	return s, nil
}

// groupLabels returns the labels of the record's series, sorted.
func (r *rangeReader) groupLabels(rec *pipeline.Record) []entry.Label {
	r.picked = r.picked[:0]
	g := r.grouping
	if r.e.Op == syntax.OpAbsent {
		return nil
	}
	if g != nil && !g.Without {
		for _, name := range g.Labels {
			if v := rec.Labels.Get(name); v != "" && entry.Get(r.picked, name) == "" {
				r.picked = append(r.picked, entry.Label{Name: name, Value: v})
			}
		}
	} else {
		if g == nil { // labels that a stage looked for and did not find name a series, too
			r.labels = rec.Labels.AppendAll(r.labels[:0])
		} else {
			r.labels = rec.Labels.Append(r.labels[:0])
		}
		for _, l := range r.labels {
			if g == nil || !slices.Contains(g.Labels, l.Name) {
				r.picked = append(r.picked, entry.Label{Name: l.Name, Value: l.Value})
			}
		}
	}
	slices.SortFunc(r.picked, func(a, b entry.Label) int { return strings.Compare(a.Name, b.Name) })
	return r.picked
}

func plainLabels(in []pipeline.Label) []entry.Label {
	out := make([]entry.Label, len(in))
	for i, l := range in {
		out[i] = entry.Label{Name: l.Name, Value: l.Value}
	}
	return out
}

// absent is absent_over_time: 1 wherever there is no record at all.
type absent struct {
	inner node
	set   *labelSet
}

func newAbsent(ev *evaluator, e *syntax.RangeAgg, inner node) *absent {
	var labels []entry.Label
	seen := map[string]int{}
	for _, m := range e.Log.Matchers {
		seen[m.Name]++
	}
	for _, m := range e.Log.Matchers {
		if m.Op == syntax.MatchEqual && m.Value != "" && seen[m.Name] == 1 {
			labels = append(labels, entry.Label{Name: m.Name, Value: m.Value})
		}
	}
	return &absent{inner: inner, set: ev.sets.sorted(labels)}
}

func (a *absent) eval(k int) ([]sample, error) {
	vec, err := a.inner.eval(k)
	if err != nil || len(vec) > 0 {
		return nil, err
	}
	return []sample{{a.set, 1}}, nil
}
