package remote

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	promstorage "github.com/prometheus/prometheus/storage"
	promremote "github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// Querier implements promstorage.Queryable.
func (t *Tenant) Querier(mint, maxt int64) (promstorage.Querier, error) {
	return &querier{t: t, mint: mint, maxt: maxt}, nil
}

// ChunkQuerier implements promstorage.ChunkQueryable.
func (t *Tenant) ChunkQuerier(mint, maxt int64) (promstorage.ChunkQuerier, error) {
	return &chunkQuerier{querier{t: t, mint: mint, maxt: maxt}}, nil
}

// querier reads one range of time, in Unix milliseconds.
type querier struct {
	t          *Tenant
	mint, maxt int64
	once       sync.Once
	warnings   annotations.Annotations
}

// settle waits a moment for what this process has acknowledged, and warns of
// what is not there yet.
func (q *querier) settle(ctx context.Context) annotations.Annotations {
	q.once.Do(func() {
		s := q.t.store
		missing, err := s.queue.settle(ctx, time.Duration(s.cfg.FreshWait))
		if err == nil && missing > 0 {
			q.warnings.Add(fmt.Errorf("%d bytes of samples that were acknowledged have not reached the metrics store yet: %s", missing, s.why()))
		}
	})
	return q.warnings
}

// why says what keeps samples from the store.
func (s *Store) why() string {
	if err := s.caller.guard.LastError(); err != "" {
		return err
	}
	return "they are on their way"
}

// Select implements promstorage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *promstorage.SelectHints, asked ...*labels.Matcher) promstorage.SeriesSet {
	warnings := q.settle(ctx)
	matchers, some := q.t.matchers(asked)
	if !some {
		return promstorage.EmptySeriesSet()
	}
	if hints != nil && hints.Func == "series" {
		return q.series(ctx, warnings, matchers, hints)
	}
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = hints.Start, hints.End
	}
	query, err := promremote.ToQuery(mint, maxt, matchers, hints)
	if err != nil {
		return promstorage.ErrSeriesSet(fmt.Errorf("ask the metrics store: %w", err))
	}
	found, err := q.t.read.Read(ctx, query, sorted)
	if err != nil {
		return promstorage.ErrSeriesSet(failed("samples", err))
	}
	if q.t.label == "" {
		return &warned{found, warnings}
	}
	return q.own(found, warnings, sorted)
}

// own takes the tenant's label away. That can change the order: {a="1"} comes
// before {a="1", b="1"}, but {a="1", tenant="x"} after {a="1", b="1", tenant="x"}.
func (q *querier) own(found promstorage.SeriesSet, warnings annotations.Annotations, sorted bool) promstorage.SeriesSet {
	var list []promstorage.Series
	for found.Next() {
		one := found.At()
		list = append(list, owned{one, q.t.disown(one.Labels())})
	}
	if err := found.Err(); err != nil {
		return promstorage.ErrSeriesSet(failed("samples", err))
	}
	if sorted {
		sortSeries(list)
	}
	all := annotations.New().Merge(warnings)
	return &listed{list: list, at: -1, warnings: all.Merge(found.Warnings())}
}

func sortSeries(list []promstorage.Series) {
	slices.SortFunc(list, func(a, b promstorage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
}

// series returns series without samples.
func (q *querier) series(ctx context.Context, warnings annotations.Annotations, matchers []*labels.Matcher, hints *promstorage.SelectHints) promstorage.SeriesSet {
	from, to := q.times()
	sets, said, _, err := q.t.api.Series(ctx, []string{selector(matchers)}, from, to, limit(hints.Limit)...)
	if err != nil {
		return promstorage.ErrSeriesSet(failed("series", err))
	}
	list := make([]promstorage.Series, len(sets))
	for i, set := range sets {
		list[i] = bare{q.t.disown(fromSet(set))}
	}
	sortSeries(list)
	return &listed{list: list, at: -1, warnings: warn(warnings, said)}
}

// LabelValues implements promstorage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, hints *promstorage.LabelHints, asked ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	warnings := q.settle(ctx)
	matchers, some := q.t.matchers(asked)
	if !some || q.t.label == name {
		return nil, warnings, nil
	}
	from, to := q.times()
	values, said, _, err := q.t.api.LabelValues(ctx, name, selectors(matchers), from, to, limitOf(hints)...)
	if err != nil {
		return nil, warnings, failed(fmt.Sprintf("the values of label %q", name), err)
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out, warn(warnings, said), nil
}

// LabelNames implements promstorage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, hints *promstorage.LabelHints, asked ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	warnings := q.settle(ctx)
	matchers, some := q.t.matchers(asked)
	if !some {
		return nil, warnings, nil
	}
	from, to := q.times()
	names, said, _, err := q.t.api.LabelNames(ctx, selectors(matchers), from, to, limitOf(hints)...)
	if err != nil {
		return nil, warnings, failed("the names of labels", err)
	}
	out := make([]string, 0, len(names))
	for _, n := range names {
		if string(n) != q.t.label {
			out = append(out, string(n))
		}
	}
	return out, warn(warnings, said), nil
}

// Close implements promstorage.LabelQuerier.
func (q *querier) Close() error { return nil }

// chunkQuerier is a querier whose samples are put into chunks.
type chunkQuerier struct{ querier }

// Select implements promstorage.ChunkQuerier.
func (q *chunkQuerier) Select(ctx context.Context, sorted bool, hints *promstorage.SelectHints, asked ...*labels.Matcher) promstorage.ChunkSeriesSet {
	return promstorage.NewSeriesSetToChunkSet(q.querier.Select(ctx, sorted, hints, asked...))
}

// ExemplarQuerier implements promstorage.ExemplarQueryable.
func (t *Tenant) ExemplarQuerier(ctx context.Context) (promstorage.ExemplarQuerier, error) {
	return exemplars{ctx, t}, nil
}

// exemplars is a querier of exemplars; the interface hands its context over
// early.
type exemplars struct {
	ctx context.Context
	t   *Tenant
}

// Select implements promstorage.ExemplarQuerier.
func (e exemplars) Select(start, end int64, asked ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	query := ""
	for _, list := range asked {
		matchers, some := e.t.matchers(list)
		if !some {
			continue
		}
		if query != "" {
			query += " or "
		}
		query += selector(matchers)
	}
	if query == "" {
		return nil, nil
	}
	if _, err := e.t.store.queue.settle(e.ctx, time.Duration(e.t.store.cfg.FreshWait)); err != nil {
		return nil, err
	}
	from, to := (&querier{mint: start, maxt: end}).times()
	found, err := e.t.api.QueryExemplars(e.ctx, query, from, to)
	if err != nil {
		return nil, failed("exemplars", err)
	}
	out := make([]exemplar.QueryResult, len(found))
	for i, f := range found {
		out[i].SeriesLabels = e.t.disown(fromSet(f.SeriesLabels))
		for _, x := range f.Exemplars {
			out[i].Exemplars = append(out[i].Exemplars, exemplar.Exemplar{Labels: fromSet(x.Labels), Value: float64(x.Value), Ts: int64(x.Timestamp), HasTs: true})
		}
	}
	return out, nil
}

// failed is an error that is about the store and not about the query: the API
// answers 500 to it.
func failed(what string, err error) error {
	return promql.ErrStorage{Err: fmt.Errorf("ask the metrics store for %s: %w", what, err)}
}

// times returns the range as the HTTP API takes it: none where it has no end.
func (q *querier) times() (from, to time.Time) {
	const century = 100 * 365 * 24 * time.Hour
	far := int64(century / time.Millisecond)
	if q.mint > -far {
		from = time.UnixMilli(max(q.mint, 0)).UTC()
	}
	if q.maxt < math.MaxInt64/int64(time.Millisecond) && q.maxt < 2*far {
		to = time.UnixMilli(q.maxt).UTC()
	}
	return from, to
}

func limit(n int) []promapi.Option {
	if n <= 0 {
		return nil
	}
	return []promapi.Option{promapi.WithLimit(uint64(n))}
}

func limitOf(hints *promstorage.LabelHints) []promapi.Option {
	if hints == nil {
		return nil
	}
	return limit(hints.Limit)
}

// selector writes matchers as PromQL does.
func selector(matchers []*labels.Matcher) string {
	return (&parser.VectorSelector{LabelMatchers: matchers}).String()
}

func selectors(matchers []*labels.Matcher) []string {
	if len(matchers) == 0 {
		return nil
	}
	return []string{selector(matchers)}
}

func fromSet(set model.LabelSet) labels.Labels {
	b := labels.NewScratchBuilder(len(set))
	for name, value := range set {
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}

func warn(warnings annotations.Annotations, said promapi.Warnings) annotations.Annotations {
	all := annotations.New().Merge(warnings)
	for _, w := range said {
		all.Add(fmt.Errorf("the metrics store: %s", w))
	}
	return all
}

// warned is series with warnings of ours.
type warned struct {
	promstorage.SeriesSet
	warnings annotations.Annotations
}

// Warnings implements promstorage.SeriesSet.
func (s *warned) Warnings() annotations.Annotations {
	all := annotations.New().Merge(s.warnings)
	return all.Merge(s.SeriesSet.Warnings())
}

// owned is a series under its own labels.
type owned struct {
	promstorage.Series
	labels labels.Labels
}

// Labels implements promstorage.Labels.
func (s owned) Labels() labels.Labels { return s.labels }

// bare is a series without samples.
type bare struct{ labels labels.Labels }

// Labels implements promstorage.Labels.
func (b bare) Labels() labels.Labels { return b.labels }

// Iterator implements promstorage.SampleIterable.
func (b bare) Iterator(chunkenc.Iterator) chunkenc.Iterator { return chunkenc.NewNopIterator() }

// listed is series in memory.
type listed struct {
	list     []promstorage.Series
	at       int
	warnings annotations.Annotations
}

// Next implements promstorage.SeriesSet.
func (l *listed) Next() bool { l.at++; return l.at < len(l.list) }

// At implements promstorage.SeriesSet.
func (l *listed) At() promstorage.Series { return l.list[l.at] }

// Err implements promstorage.SeriesSet.
func (l *listed) Err() error { return nil }

// Warnings implements promstorage.SeriesSet.
func (l *listed) Warnings() annotations.Annotations { return l.warnings }
