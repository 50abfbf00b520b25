package traceql

import (
	"math"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// aggregator turns spans into series.
type aggregator interface {
	// observe counts a span for point i.
	observe(i int, v *view)
	result() seriesSet
}

func (m *metricsRun) aggregator(f *syntax.MetricsFunc) aggregator {
	if f.Compare != nil {
		return newComparison(m, f)
	}
	return m.grouped(f)
}

func (m *metricsRun) grouped(f *syntax.MetricsFunc) *grouped {
	return &grouped{m: m, fn: f, groups: map[string]*group{}, firsts: map[int]*firsts{}}
}

// grouped is every function that makes one series a group.
type grouped struct {
	m       *metricsRun
	fn      *syntax.MetricsFunc
	groups  map[string]*group
	key     []byte
	full    bool
	samples int
	firsts  map[int]*firsts // by point
}

// group is the spans of equal labels.
type group struct {
	labels    []Attr
	values    []float64 // durations in nanoseconds until the end
	counts    []float64 // of averages
	sums      []exactSum
	buckets   []map[int64]int // of quantiles: log2 of the bucket's bound, and how many
	seconds   bool            // the values are durations
	key       string
	exemplars map[int]*firstSpan // by point
}

func (g *grouped) observe(i int, v *view) {
	value, ok := g.value(v)
	if !ok {
		return
	}
	number := value.AsFloat()
	if grp := g.group(v, value); grp != nil {
		grp.add(g.fn.Name, i, value, portion{1, number, number, number})
		g.exemplar(grp, i, v, floatOf(value))
	}
}

// observeGroup counts spans of which v shows what they have in common.
func (g *grouped) observeGroup(v *view, of storage.SpanGroup) {
	value, ok := g.value(v)
	if !ok {
		return
	}
	grp := g.group(v, value)
	if grp == nil {
		return
	}
	number, n := value.AsFloat(), float64(of.N)
	part := portion{int(of.N), number, number, number * n}
	if d := &of.Durations; g.fn.HasAttr && g.fn.Attr.Is(syntax.SpanDuration) {
		part.least, part.most, part.sum = float64(d.Least), float64(d.Most), d.Sum
	}
	grp.add(g.fn.Name, of.Bin, value, part)
	if of.Sample != nil {
		sample := view{span: of.Sample}
		if value, ok := g.value(&sample); ok {
			g.exemplar(grp, of.Bin, &sample, floatOf(value))
		}
	}
}

// portion is n numbers of a group at a point.
type portion struct {
	n                int
	least, most, sum float64
}

// add takes in numbers of one bucket, which value is in.
func (grp *group) add(function string, i int, value syntax.Static, p portion) {
	grp.seconds = grp.seconds || value.Type == syntax.TypeDuration
	switch function {
	case "rate", "count_over_time", "histogram_over_time":
		grp.values[i] += float64(p.n)
	case "quantile_over_time":
		if grp.buckets[i] == nil {
			grp.buckets[i] = map[int64]int{}
		}
		grp.buckets[i][bucketOf(value)] += p.n
	case "avg_over_time", "sum_over_time":
		grp.sums[i].add(p.sum)
		grp.counts[i] += float64(p.n)
	case "min_over_time":
		if !(grp.values[i] <= p.least) {
			grp.values[i] = p.least
		}
	case "max_over_time":
		if !(grp.values[i] >= p.most) {
			grp.values[i] = p.most
		}
	}
}

// value is the number that the function looks at; it reports false for a span
// that has none, which then does not count.
func (g *grouped) value(v *view) (syntax.Static, bool) {
	if !g.fn.HasAttr {
		return syntax.Nil, true
	}
	value := v.first(g.fn.Attr)
	if !value.Type.Numeric() || math.IsNaN(value.AsFloat()) {
		return syntax.Nil, false
	}
	switch g.fn.Name {
	case "quantile_over_time", "histogram_over_time":
		if value.Type == syntax.TypeFloat {
			return value, value.AsFloat() > 0 && !math.IsInf(value.AsFloat(), 0)
		}
		return value, value.AsInt() >= 2
	}
	return value, true
}

// floatOf is a number as series show it: durations in seconds.
func floatOf(s syntax.Static) float64 {
	if s.Type == syntax.TypeDuration {
		return s.AsFloat() / float64(time.Second)
	}
	return s.AsFloat()
}

// bucketOf is the exponent of the smallest power of two that is not below s.
func bucketOf(s syntax.Static) int64 { return int64(telemetry.PowerOfTwo(s.AsFloat())) }

// group finds or makes the group of a span, nil when there are too many. Only
// a new group costs memory.
func (g *grouped) group(v *view, value syntax.Static) *group {
	g.key = g.key[:0]
	for _, a := range g.fn.By {
		g.key = append(v.first(a).AppendKey(g.key), 0)
	}
	histogram := g.fn.Name == "histogram_over_time"
	if histogram {
		g.key = strconv.AppendInt(append(g.key, byte(value.Type)), bucketOf(value), 10)
	}
	if grp, ok := g.groups[string(g.key)]; ok {
		return grp
	}
	if g.full {
		return nil
	}
	var labels []Attr
	for _, a := range g.fn.By {
		if val := v.first(a); !val.IsNil() || saidToBeMissing(a) {
			labels = append(labels, Attr{a.String(), val})
		}
	}
	if histogram {
		bound := math.Ldexp(1, int(bucketOf(value)))
		if value.Type == syntax.TypeDuration {
			bound /= float64(time.Second)
		}
		labels = append(labels, Attr{bucketLabel, syntax.Float(bound)})
	}
	return g.newGroup(labels)
}

func (m *metricsRun) warnFull() {
	cfg := &m.e.cfg
	m.warn("the answer is partial: more than query.traceql.max_series = %d series or max_samples = %d samples, group by less or ask for a longer step", cfg.MaxSeries, cfg.MaxSamples)
}

// saidToBeMissing reports whether a series of spans without the attribute has
// a label all the same, with the value nil. As in Tempo, these are attributes
// that conventions lay down and that every dashboard groups by; others are left
// out.
func saidToBeMissing(a syntax.Attribute) bool {
	switch a.Scope {
	case syntax.ScopeSpan:
		switch a.Name {
		case "http.method", "http.request.method", "http.status_code", "http.response.status_code",
			"http.route", "http.url", "url.path", "url.route", "server.address", "server.port":
			return !a.Parent
		}
	case syntax.ScopeResource:
		switch a.Name {
		case "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name":
			return !a.Parent
		}
	}
	return false
}

func (g *grouped) newGroup(labels []Attr) *group {
	n := g.m.grid.n
	g.samples += n
	cfg := &g.m.e.cfg
	if len(g.groups) >= cfg.MaxSeries || g.samples > cfg.MaxSamples {
		g.full = true
		g.m.warnFull()
		return nil
	}
	switch {
	case len(g.fn.By) == 0 && len(labels) == 0 && g.fn.Name != "quantile_over_time":
		labels = []Attr{{nameLabel, syntax.String(g.fn.Name)}}
	case len(labels) == 0 && len(g.fn.By) > 0 && g.fn.Name != "quantile_over_time":
		labels = []Attr{{g.fn.By[0].String(), syntax.Nil}}
	}
	grp := &group{labels: labels, key: string(g.key)}
	switch g.fn.Name {
	case "quantile_over_time":
		grp.buckets = make([]map[int64]int, n)
	case "rate", "count_over_time", "histogram_over_time":
		grp.values = filled(n, 0)
	case "avg_over_time", "sum_over_time":
		grp.values, grp.counts, grp.sums = filled(n, math.NaN()), make([]float64, n), make([]exactSum, n)
	default:
		grp.values = filled(n, math.NaN())
	}
	g.groups[string(g.key)] = grp
	return grp
}

// finish makes of sums what the function shows.
func (grp *group) finish(function string) {
	for i := range grp.values {
		if grp.sums != nil && grp.counts[i] > 0 {
			grp.values[i] = grp.sums[i].value()
		}
		if function == "avg_over_time" {
			grp.values[i] /= grp.counts[i]
		}
		if grp.seconds {
			grp.values[i] /= float64(time.Second)
		}
	}
}

func (g *grouped) result() seriesSet {
	set := seriesSet{}
	if len(g.groups) == 0 && len(g.fn.By) == 0 && !g.fn.HasAttr {
		g.key = g.key[:0]
		g.newGroup(nil) // counting nothing is zero, not no answer
	}
	for _, grp := range g.groups {
		switch g.fn.Name {
		case "quantile_over_time":
			g.quantiles(set, grp)
			continue
		case "rate":
			per := float64(time.Second) / float64(g.m.grid.past)
			for i := range grp.values {
				grp.values[i] *= per
			}
		case "avg_over_time", "sum_over_time", "min_over_time", "max_over_time":
			grp.finish(g.fn.Name)
		}
		x := &Series{Labels: grp.labels, Values: grp.values}
		for i, f := range grp.exemplars {
			if !g.fn.HasAttr || g.fn.Name == "histogram_over_time" {
				f.Value = grp.values[i] // a count has no value of one span
			}
			x.Exemplars = append(x.Exemplars, f.Exemplar)
		}
		set.add(x)
	}
	return set
}
