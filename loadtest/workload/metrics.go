package workload

import (
	"sort"
	"strings"
	"time"
)

// MetricKind is what sort of metric a series is.
type MetricKind uint8

// The kinds that occur.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// Bounds are the bucket bounds of every histogram, in seconds.
var Bounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// Exemplar is a measurement that names its trace.
type Exemplar struct {
	Time  int64
	Value float64
	Trace TraceID
	Span  SpanID
}

// Point is a series at one moment. A counter's and a histogram's figures
// count from the beginning of the window.
type Point struct {
	Time     int64
	Value    float64 // of a counter or gauge
	Count    uint64
	Sum      float64
	Buckets  []uint64 // one more than Bounds
	Exemplar *Exemplar
}

// Series is one metric of one service with one set of attributes.
type Series struct {
	Service    int
	Name, Unit string
	Kind       MetricKind
	Attrs      []Attr
	Points     []Point
}

// meter gathers what spans say about series.
type meter struct {
	w      *Workload
	series map[string]*Series
	steps  int
}

func newMeter(w *Workload) *meter {
	return &meter{w: w, series: map[string]*Series{}, steps: max(int(w.cfg.Window/w.cfg.MetricStep), 1)}
}

// stepOf is the step in which a time lies.
func (m *meter) stepOf(t int64) int {
	return min(max(int((t-m.w.start)/int64(m.w.cfg.MetricStep)), 0), m.steps-1)
}

// get returns the series of a key, made by init where there is none yet, with
// a point for every step.
func (m *meter) get(key string, init func() Series) *Series {
	if s := m.series[key]; s != nil {
		return s
	}
	s := init()
	s.Points = make([]Point, m.steps)
	for i := range s.Points {
		s.Points[i].Time = m.w.start + int64(i+1)*int64(m.w.cfg.MetricStep)
		if s.Kind == Histogram {
			s.Points[i].Buckets = make([]uint64, len(Bounds)+1)
		}
	}
	m.series[key] = &s
	return &s
}

// add counts the spans of a story. Figures are those of single steps until
// finish sums them up.
func (m *meter) add(s *Story) {
	for i := range s.Spans {
		sp := &s.Spans[i]
		if sp.Kind == Server || sp.Kind == Consumer {
			m.observe(sp)
		}
		if sp.Kind == Producer {
			orders := m.get("orders", func() Series {
				return Series{Service: sp.Service, Name: "shop.orders.placed", Unit: "{order}", Kind: Counter}
			})
			orders.Points[m.stepOf(sp.End)].Value++
		}
	}
}

// observe counts a span in its endpoint's histogram.
func (m *meter) observe(sp *Span) {
	outcome := "ok"
	if sp.Failed {
		outcome = "error"
	}
	key := strings.Join([]string{Services[sp.Service].Name, sp.Name, outcome}, "|")
	series := m.get(key, func() Series {
		return Series{Service: sp.Service, Name: "shop.request.duration", Unit: "s", Kind: Histogram,
			Attrs: []Attr{{"operation", sp.Name}, {"outcome", outcome}}}
	})
	p := &series.Points[m.stepOf(sp.End)]
	seconds := time.Duration(sp.End - sp.Start).Seconds()
	p.Count++
	p.Sum += seconds
	p.Buckets[sort.SearchFloat64s(Bounds, seconds)]++
	if p.Exemplar == nil || seconds > p.Exemplar.Value {
		p.Exemplar = &Exemplar{Time: min(sp.End, p.Time), Value: seconds, Trace: sp.Trace, Span: sp.ID}
	}
}

// finish sums the steps up, adds the gauges and returns all series in order.
func (m *meter) finish() []Series {
	m.addGauges()
	keys := make([]string, 0, len(m.series))
	for k := range m.series {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]Series, 0, len(keys))
	for _, k := range keys {
		s := m.series[k]
		if s.Kind != Gauge {
			s.accumulate()
		}
		out = append(out, *s)
	}
	return out
}

func (s *Series) accumulate() {
	for i := 1; i < len(s.Points); i++ {
		p, before := &s.Points[i], &s.Points[i-1]
		p.Value += before.Value
		p.Count += before.Count
		p.Sum += before.Sum
		for b := range p.Buckets {
			p.Buckets[b] += before.Buckets[b]
		}
	}
}

// addGauges gives every service the memory it uses.
func (m *meter) addGauges() {
	for i := range Services {
		r := m.w.rng(saltGauge, uint64(i))
		memory := float64(64<<20 + r.IntN(256<<20))
		series := m.get("memory|"+Services[i].Name, func() Series {
			return Series{Service: i, Name: "process.memory.usage", Unit: "By", Kind: Gauge}
		})
		for p := range series.Points {
			memory += float64(r.IntN(2<<20) - 1<<20)
			series.Points[p].Value = memory
		}
	}
}
