package kafka

import (
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// list is any list of OpenTelemetry's data.
type list[E any] interface {
	Len() int
	RemoveIf(func(E) bool)
}

// cut leaves the first half of a list in a, and the second in b, which are
// equal. It reports false, and changes nothing, where there is nothing to halve.
func cut[E any](a, b list[E]) bool {
	half := a.Len() / 2
	if half == 0 {
		return false
	}
	keep := func(l list[E], from, to int) {
		at := -1
		l.RemoveIf(func(E) bool {
			at++
			return at < from || at >= to
		})
	}
	n := a.Len()
	keep(a, 0, half)
	keep(b, half, n)
	return true
}

// halveLogs splits by resource, within one by scope, within one by record.
func halveLogs(data plog.Logs) (a, b plog.Logs, ok bool) {
	a, b = plog.NewLogs(), plog.NewLogs()
	data.CopyTo(a)
	data.CopyTo(b)
	ra, rb := a.ResourceLogs(), b.ResourceLogs()
	if ra.Len() != 1 {
		return a, b, cut(ra, rb)
	}
	sa, sb := ra.At(0).ScopeLogs(), rb.At(0).ScopeLogs()
	if sa.Len() != 1 {
		return a, b, cut(sa, sb)
	}
	return a, b, cut(sa.At(0).LogRecords(), sb.At(0).LogRecords())
}

// halveTraces is halveLogs for spans.
func halveTraces(data ptrace.Traces) (a, b ptrace.Traces, ok bool) {
	a, b = ptrace.NewTraces(), ptrace.NewTraces()
	data.CopyTo(a)
	data.CopyTo(b)
	ra, rb := a.ResourceSpans(), b.ResourceSpans()
	if ra.Len() != 1 {
		return a, b, cut(ra, rb)
	}
	sa, sb := ra.At(0).ScopeSpans(), rb.At(0).ScopeSpans()
	if sa.Len() != 1 {
		return a, b, cut(sa, sb)
	}
	return a, b, cut(sa.At(0).Spans(), sb.At(0).Spans())
}

// halveMetrics is halveLogs for metrics, and within one for its points.
func halveMetrics(data pmetric.Metrics) (a, b pmetric.Metrics, ok bool) {
	a, b = pmetric.NewMetrics(), pmetric.NewMetrics()
	data.CopyTo(a)
	data.CopyTo(b)
	ra, rb := a.ResourceMetrics(), b.ResourceMetrics()
	if ra.Len() != 1 {
		return a, b, cut(ra, rb)
	}
	sa, sb := ra.At(0).ScopeMetrics(), rb.At(0).ScopeMetrics()
	if sa.Len() != 1 {
		return a, b, cut(sa, sb)
	}
	ma, mb := sa.At(0).Metrics(), sb.At(0).Metrics()
	if ma.Len() != 1 {
		return a, b, cut(ma, mb)
	}
	return a, b, cutPoints(ma.At(0), mb.At(0))
}

func cutPoints(a, b pmetric.Metric) bool {
	switch a.Type() {
	case pmetric.MetricTypeGauge:
		return cut(a.Gauge().DataPoints(), b.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		return cut(a.Sum().DataPoints(), b.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		return cut(a.Histogram().DataPoints(), b.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		return cut(a.ExponentialHistogram().DataPoints(), b.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		return cut(a.Summary().DataPoints(), b.Summary().DataPoints())
	}
	return false
}
