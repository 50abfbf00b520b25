package correlate

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
)

// exemplarSlack is how far from the records' range an exemplar of their traces
// may stand: metrics are exported at intervals, after the fact.
const exemplarSlack = 15 * time.Minute

// Exemplar is a sample of a metric that names a trace, or a request.
type Exemplar struct {
	TraceID string // in hex, "" where it names none
	Series  labels.Labels
	Labels  labels.Labels // the exemplar's own
	Value   float64
	Time    int64 // Unix nanoseconds
}

// Exemplars finds the exemplars that carry an ID.
type Exemplars interface {
	// Exemplars returns the exemplars of a tenant between from and to (Unix
	// nanoseconds) that name one of ids, in their normal form, in a label whose
	// name is known to carry one.
	Exemplars(ctx context.Context, tenant string, ids []string, from, to int64) ([]Exemplar, error)
}

// promExemplars reads Prometheus's exemplar storage.
type promExemplars struct {
	open func(tenant string) (promstorage.ExemplarQueryable, error)
}

// PrometheusExemplars returns the Exemplars of the exemplar storage that open
// returns for a tenant. It may return nil where the tenant has none.
func PrometheusExemplars(open func(tenant string) (promstorage.ExemplarQueryable, error)) Exemplars {
	return promExemplars{open}
}

// exemplarFilter is what exemplar storage may also be: it knows of most IDs that
// no exemplar names them, without looking at all.
type exemplarFilter interface{ MayHaveExemplars(ids []string) bool }

// Exemplars implements Exemplars.
func (p promExemplars) Exemplars(ctx context.Context, tenant string, ids []string, from, to int64) ([]Exemplar, error) {
	src, err := p.open(tenant)
	if err != nil || src == nil {
		return nil, err
	}
	if f, ok := src.(exemplarFilter); ok && !f.MayHaveExemplars(ids) {
		return nil, nil
	}
	q, err := src.ExemplarQuerier(ctx)
	if err != nil {
		return nil, fmt.Errorf("open exemplars: %w", err)
	}
	all := []*labels.Matcher{labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")}
	found, err := q.Select(from/int64(time.Millisecond), to/int64(time.Millisecond), all)
	if err != nil {
		return nil, fmt.Errorf("read exemplars: %w", err)
	}
	want := make(map[string]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	var out []Exemplar
	for _, series := range found {
		for _, ex := range series.Exemplars {
			if trace, ok := exemplarNames(ex.Labels, want); ok {
				out = append(out, Exemplar{TraceID: trace, Series: series.SeriesLabels, Labels: ex.Labels, Value: ex.Value, Time: ex.Ts * int64(time.Millisecond)})
			}
		}
	}
	return out, nil
}

// exemplarNames returns the trace of an exemplar, "" for none, and whether it
// names one of the IDs that are wanted.
func exemplarNames(ls labels.Labels, want map[string]bool) (trace string, ok bool) {
	ls.Range(func(l labels.Label) {
		id, isTrace, known := correlation.LabelID(l.Name, l.Value)
		if isTrace {
			trace = id
		}
		ok = ok || known && want[id]
	})
	return trace, ok
}

// addExemplars puts the exemplars of the story into its timeline. A story
// without them is better than none, so an error is a warning.
func (e *Engine) addExemplars(ctx context.Context, q Request, g *gather, a *Answer) {
	if e.exemplars == nil || len(a.Timeline) == 0 {
		return
	}
	ids := []string{g.id}
	for _, t := range a.Traces {
		ids = append(ids, t.TraceID)
	}
	for id := range g.traces {
		ids = append(ids, id)
	}
	for id := range g.taken {
		ids = append(ids, id)
	}
	from, to := a.Timeline[0].Time, a.Timeline[0].Time
	for _, t := range a.Timeline {
		if t.Time.Before(from) {
			from = t.Time
		}
		if end := t.Time.Add(time.Duration(t.DurationNS)); end.After(to) {
			to = end
		}
	}
	found, err := e.exemplars.Exemplars(ctx, q.Tenant, ids, from.Add(-exemplarSlack).UnixNano(), to.Add(exemplarSlack).UnixNano())
	if err != nil {
		a.Partial = true
		a.Warnings = append(a.Warnings, "exemplars are missing: "+err.Error())
		return
	}
	for i := range found {
		a.Timeline = append(a.Timeline, exemplarEntry(&found[i]))
	}
}

// onlyExemplars answers for an ID that stands in no log and no span, but beside
// a metric's sample: its trace was not sampled, or is older than what is kept.
// It returns nil where there is no such one.
func (e *Engine) onlyExemplars(ctx context.Context, q Request) (*Answer, error) {
	if e.exemplars == nil {
		return nil, nil
	}
	to := q.To
	if to == 0 {
		to = math.MaxInt64
	}
	for _, id := range correlation.Spellings(q.ID) {
		found, err := e.exemplars.Exemplars(ctx, q.Tenant, correlation.Cases(id), q.From, to)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return e.ofExemplars(q, id, found), nil
		}
	}
	return nil, nil
}

func (e *Engine) ofExemplars(q Request, id string, found []Exemplar) *Answer {
	g := newGather(e, q, id)
	if found[0].TraceID == id {
		g.kinds[correlation.TraceID]++
	}
	g.warn("only exemplars of metrics carry the ID: no span and no log record is stored")
	a := g.answer()
	for i := range found {
		a.Timeline = append(a.Timeline, exemplarEntry(&found[i]))
	}
	return a
}

func exemplarEntry(x *Exemplar) Entry {
	e := Entry{
		Time: at(x.Time), Type: TypeExemplar, Service: exemplarService(x.Series), TraceID: x.TraceID, Attributes: map[string]any{}, Resource: map[string]any{},
		Text: seriesText(x.Series) + " = " + strconv.FormatFloat(x.Value, 'g', -1, 64),
	}
	x.Labels.Range(func(l labels.Label) {
		e.Attributes[l.Name] = l.Value
		if kind, _ := correlation.KindOf(l.Name); kind == correlation.SpanID {
			e.SpanID = l.Value
		}
	})
	return e
}

// exemplarService reads the labels under which OTLP's translation, the span
// metrics and Prometheus itself name a service.
func exemplarService(ls labels.Labels) string {
	for _, name := range []string{"service_name", "service", "job"} {
		if v := ls.Get(name); v != "" {
			return v
		}
	}
	return telemetry.UnknownService
}

// seriesText renders a series as people write it: name{label="value"}.
func seriesText(ls labels.Labels) string {
	name := ls.Get(model.MetricNameLabel)
	rest := labels.NewBuilder(ls).Del(model.MetricNameLabel).Labels()
	if rest.IsEmpty() {
		return name
	}
	return name + rest.String()
}
