package samples

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/clewhq/clew/collector/admission"
)

// timed is what every kind of data point has.
type timed interface {
	Timestamp() pcommon.Timestamp
	SetTimestamp(pcommon.Timestamp)
}

// points is what every list of data points has.
type points[P timed] interface {
	Len() int
	RemoveIf(func(P) bool)
}

// filter removes the data points that are rejected, and what is empty then.
type filter struct {
	oldest, newest time.Time
	maxFuture      time.Duration
	received       func() pcommon.Timestamp // for points without a time
	keepDelta      bool
	delta          bool // whether points of delta temporality are left
	out            *admission.Outcome
}

func (f *filter) apply(md pmetric.Metrics) {
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			sm.Metrics().RemoveIf(f.metric)
			return sm.Metrics().Len() == 0
		})
		return rm.ScopeMetrics().Len() == 0
	})
}

// metric filters m's points and reports whether none are left.
func (f *filter) metric(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return keep(f, m, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		return f.temporality(m, m.Sum().AggregationTemporality(), m.Sum().DataPoints().Len()) || keep(f, m, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		return f.temporality(m, m.Histogram().AggregationTemporality(), m.Histogram().DataPoints().Len()) ||
			keep(f, m, m.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		return f.temporality(m, m.ExponentialHistogram().AggregationTemporality(), m.ExponentialHistogram().DataPoints().Len()) ||
			keep(f, m, m.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		return keep(f, m, m.Summary().DataPoints())
	}
	return true // no data of any kind this version of OTLP knows
}

// temporality reports whether m is rejected for its temporality.
func (f *filter) temporality(m pmetric.Metric, t pmetric.AggregationTemporality, n int) bool {
	switch {
	case t == pmetric.AggregationTemporalityCumulative || n == 0:
		return false
	case t == pmetric.AggregationTemporalityDelta && f.keepDelta:
		f.delta = true
		return false
	}
	f.out.Reject(admission.DeltaTemporality, fmt.Sprintf("metric %q has %s temporality, want cumulative", m.Name(), t), n)
	return true
}

// keep removes the points whose time is out of bounds.
func keep[P timed](f *filter, m pmetric.Metric, ps points[P]) bool {
	ps.RemoveIf(func(p P) bool {
		if p.Timestamp() == 0 {
			p.SetTimestamp(f.received())
		}
		reason, why := "", ""
		switch t := p.Timestamp().AsTime(); {
		case t.After(f.newest) || int64(p.Timestamp()) < 0:
			reason, why = admission.TooFarInFuture, fmt.Sprintf("is more than %s ahead of the server's clock", f.maxFuture)
		case t.Before(f.oldest):
			reason, why = admission.TooOld, fmt.Sprintf("is before %s, the oldest that is kept", f.oldest.UTC().Format(time.RFC3339))
		default:
			return false
		}
		f.out.Reject(reason, fmt.Sprintf("metric %q: time %s %s", m.Name(), p.Timestamp().AsTime().UTC().Format(time.RFC3339), why), 1)
		return true
	})
	return ps.Len() == 0
}
