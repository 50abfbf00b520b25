package otlp_test

import (
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// metrics makes a request with metrics of every kind.
func (d dice) metrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	for range d.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		d.resource(rm.Resource())
		rm.SetSchemaUrl(d.text())
		for range d.IntN(3) {
			sm := rm.ScopeMetrics().AppendEmpty()
			d.scope(sm.Scope())
			for range d.IntN(4) {
				d.metric(sm.Metrics().AppendEmpty())
			}
		}
	}
	return md
}

func (d dice) metric(m pmetric.Metric) {
	m.SetName(d.text())
	m.SetDescription(d.text())
	m.SetUnit(d.text())
	d.attrs(m.Metadata(), 0)
	temporality := pmetric.AggregationTemporality(d.IntN(3))
	switch d.IntN(5) {
	case 0:
		d.numbers(m.SetEmptyGauge().DataPoints())
	case 1:
		s := m.SetEmptySum()
		s.SetAggregationTemporality(temporality)
		s.SetIsMonotonic(d.IntN(2) == 0)
		d.numbers(s.DataPoints())
	case 2:
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(temporality)
		d.histogram(h.DataPoints().AppendEmpty())
	case 3:
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		d.exponential(h.DataPoints().AppendEmpty())
	case 4:
		p := m.SetEmptySummary().DataPoints().AppendEmpty()
		p.SetCount(d.number())
		p.SetSum(d.NormFloat64())
		q := p.QuantileValues().AppendEmpty()
		q.SetQuantile(d.Float64())
		q.SetValue(d.NormFloat64())
		d.attrs(p.Attributes(), 0)
	}
}

func (d dice) numbers(points pmetric.NumberDataPointSlice) {
	for range d.IntN(3) {
		p := points.AppendEmpty()
		if d.IntN(2) == 0 {
			p.SetIntValue(int64(d.Uint64()))
		} else {
			p.SetDoubleValue(float64(d.IntN(3)))
		}
		p.SetFlags(pmetric.DataPointFlags(d.IntN(2)))
		d.attrs(p.Attributes(), 0)
		d.exemplars(p.Exemplars())
	}
}

func (d dice) exemplars(list pmetric.ExemplarSlice) {
	for range d.IntN(3) {
		e := list.AppendEmpty()
		e.SetTraceID(d.traceID())
		e.SetSpanID(d.spanID())
		e.SetDoubleValue(d.NormFloat64())
		d.attrs(e.FilteredAttributes(), 0)
	}
}

func (d dice) histogram(p pmetric.HistogramDataPoint) {
	p.SetCount(d.number())
	if d.IntN(2) == 0 {
		p.SetSum(0)
		p.SetMin(-d.Float64())
		p.SetMax(d.Float64())
	}
	for i := range d.IntN(4) {
		p.BucketCounts().Append(d.number())
		p.ExplicitBounds().Append(float64(i))
	}
	d.attrs(p.Attributes(), 0)
	d.exemplars(p.Exemplars())
}

func (d dice) exponential(p pmetric.ExponentialHistogramDataPoint) {
	p.SetCount(d.number())
	p.SetScale(int32(d.IntN(20) - 10))
	p.SetZeroCount(d.number())
	p.SetZeroThreshold(d.Float64())
	p.Positive().SetOffset(int32(d.IntN(2000) - 1000))
	for range d.IntN(4) {
		p.Positive().BucketCounts().Append(d.number())
		p.Negative().BucketCounts().Append(0)
	}
	d.attrs(p.Attributes(), 0)
	d.exemplars(p.Exemplars())
}
