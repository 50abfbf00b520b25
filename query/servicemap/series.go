package servicemap

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// seriesBuilder makes the series that a query asks for.
type seriesBuilder struct {
	q        *querier
	names    []string
	matchers []*labels.Matcher
	series   []promstorage.Series
	err      error
}

// wants reports whether a series of one of these metrics is asked for.
func (b *seriesBuilder) wants(metrics ...string) bool {
	return slices.ContainsFunc(metrics, func(m string) bool {
		return slices.ContainsFunc(b.names, func(n string) bool { return n == m || n == m+"_bucket" || n == m+"_count" || n == m+"_sum" })
	})
}

// counter adds one series whose steps grow by what of says.
func (b *seriesBuilder) counter(name string, ls labels.Labels, c counter, of func(*step) float64) {
	if b.err != nil || !slices.Contains(b.names, name) {
		return
	}
	lb := labels.NewBuilder(ls).Set(model.MetricNameLabel, name)
	ls = lb.Labels()
	for _, m := range b.matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return
		}
	}
	if len(b.series) >= b.q.e.cfg.MaxMetricsSeries {
		b.err = fmt.Errorf("the query asks for more than %d series computed from spans: name services in it, or ask for a sum in the service map", b.q.e.cfg.MaxMetricsSeries)
		return
	}
	b.series = append(b.series, &lazySeries{labels: ls, samples: newSteps(b.q, c, of)})
}

// histogram adds the buckets, the sum and the count of c.
func (b *seriesBuilder) histogram(name string, ls labels.Labels, c counter) {
	b.counter(name+"_count", ls, c, func(s *step) float64 { return float64(s.calls) })
	b.counter(name+"_sum", ls, c, func(s *step) float64 { return s.seconds })
	if !slices.Contains(b.names, name+"_bucket") {
		return
	}
	bounds := b.q.e.cfg.LatencyBuckets
	for i := range len(bounds) + 1 {
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		b.counter(name+"_bucket", labels.NewBuilder(ls).Set("le", le).Labels(), c, func(s *step) float64 {
			n := 0
			for _, v := range s.buckets[:i+1] {
				n += v
			}
			return float64(n)
		})
	}
}

// steps are the samples of a counter: one at every step from zero on, kept as
// the few steps at which it grows.
type steps struct {
	from, step int64
	n          int
	grows      []int64 // numbers of steps, ascending
	totals     []float64
}

func newSteps(q *querier, c counter, of func(*step) float64) *steps {
	s := &steps{from: q.from, step: q.step, n: int((q.to-q.from)/q.step) + 1}
	for n := range c {
		s.grows = append(s.grows, n)
	}
	slices.Sort(s.grows)
	total := 0.0
	for _, n := range s.grows {
		total += of(c[n])
		s.totals = append(s.totals, total)
	}
	return s
}

// Len implements storage.Samples.
func (s *steps) Len() int { return s.n }

// Get implements storage.Samples: sample i stands at the end of step i-1.
func (s *steps) Get(i int) chunks.Sample {
	grown := sort.Search(len(s.grows), func(j int) bool { return s.grows[j] >= int64(i) })
	v := 0.0
	if grown > 0 {
		v = s.totals[grown-1]
	}
	return counted{t: s.from + int64(i)*s.step, v: v}
}

// counted is a float sample.
type counted struct {
	t int64
	v float64
}

func (s counted) T() int64                      { return s.t }
func (s counted) ST() int64                     { return 0 }
func (s counted) F() float64                    { return s.v }
func (s counted) H() *histogram.Histogram       { return nil }
func (s counted) FH() *histogram.FloatHistogram { return nil }
func (s counted) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s counted) Copy() chunks.Sample           { return s }

// lazySeries is a series that makes its samples when they are read.
type lazySeries struct {
	labels  labels.Labels
	samples *steps
}

// Labels implements storage.Series.
func (s *lazySeries) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *lazySeries) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return promstorage.NewListSeriesIterator(s.samples)
}

// seriesSet is a list of series.
type seriesSet struct {
	series   []promstorage.Series
	at       int
	warnings annotations.Annotations
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	s.at++
	return s.at < len(s.series)
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() promstorage.Series { return s.series[s.at] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return s.warnings }
