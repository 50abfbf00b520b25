package send

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/clewhq/clew/loadtest/workload"
)

// scopeName is the instrumentation scope of everything that is sent.
const scopeName = "github.com/clewhq/clew/loadtest"

func putAttrs(dst pcommon.Map, attrs []workload.Attr) {
	dst.EnsureCapacity(len(attrs))
	for _, a := range attrs {
		switch v := a.Value.(type) {
		case string:
			dst.PutStr(a.Key, v)
		case int64:
			dst.PutInt(a.Key, v)
		case float64:
			dst.PutDouble(a.Key, v)
		case bool:
			dst.PutBool(a.Key, v)
		}
	}
}

// logBatch is an export request of log records that is being filled.
type logBatch struct {
	w        *workload.Workload
	logs     plog.Logs
	byWriter map[writer]plog.LogRecordSlice
	records  int
}

// writer is who writes a log: a service, or a real system's host.
type writer struct {
	service int
	source  string
	host    int
}

func newLogBatch(w *workload.Workload) *logBatch {
	return &logBatch{w: w, logs: plog.NewLogs(), byWriter: map[writer]plog.LogRecordSlice{}}
}

func (b *logBatch) add(l *workload.Log) {
	by := writer{l.Service, l.Source, l.Host}
	records, ok := b.byWriter[by]
	if !ok {
		rl := b.logs.ResourceLogs().AppendEmpty()
		putAttrs(rl.Resource().Attributes(), b.w.LogResource(l))
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName(scopeName)
		records = sl.LogRecords()
		b.byWriter[by] = records
	}
	r := records.AppendEmpty()
	r.SetTimestamp(pcommon.Timestamp(l.Time))
	r.SetObservedTimestamp(pcommon.Timestamp(l.Time + int64(time.Millisecond)))
	r.SetTraceID(pcommon.TraceID(l.Trace))
	r.SetSpanID(pcommon.SpanID(l.Span))
	if !l.Trace.IsZero() {
		r.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(true))
	}
	r.SetSeverityNumber(plog.SeverityNumber(l.Severity))
	r.SetSeverityText(l.Severity.String())
	r.Body().SetStr(l.Body)
	putAttrs(r.Attributes(), l.Attrs)
	b.records++
}

// spanBatch is an export request of spans that is being filled.
type spanBatch struct {
	w         *workload.Workload
	traces    ptrace.Traces
	byService map[int]ptrace.SpanSlice
	records   int
}

func newSpanBatch(w *workload.Workload) *spanBatch {
	return &spanBatch{w: w, traces: ptrace.NewTraces(), byService: map[int]ptrace.SpanSlice{}}
}

func (b *spanBatch) add(s *workload.Span) {
	spans, ok := b.byService[s.Service]
	if !ok {
		rs := b.traces.ResourceSpans().AppendEmpty()
		putAttrs(rs.Resource().Attributes(), b.w.Resource(s.Service))
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName(scopeName)
		spans = ss.Spans()
		b.byService[s.Service] = spans
	}
	putSpan(spans.AppendEmpty(), s)
	b.records++
}

func putSpan(dst ptrace.Span, s *workload.Span) {
	dst.SetTraceID(pcommon.TraceID(s.Trace))
	dst.SetSpanID(pcommon.SpanID(s.ID))
	dst.SetParentSpanID(pcommon.SpanID(s.Parent))
	dst.SetName(s.Name)
	dst.SetKind(ptrace.SpanKind(s.Kind))
	dst.SetStartTimestamp(pcommon.Timestamp(s.Start))
	dst.SetEndTimestamp(pcommon.Timestamp(s.End))
	if s.Failed {
		dst.Status().SetCode(ptrace.StatusCodeError)
		dst.Status().SetMessage(s.Status)
	}
	putAttrs(dst.Attributes(), s.Attrs)
	for _, e := range s.Events {
		event := dst.Events().AppendEmpty()
		event.SetName(e.Name)
		event.SetTimestamp(pcommon.Timestamp(e.Time))
		putAttrs(event.Attributes(), e.Attrs)
	}
	for _, l := range s.Links {
		link := dst.Links().AppendEmpty()
		link.SetTraceID(pcommon.TraceID(l.Trace))
		link.SetSpanID(pcommon.SpanID(l.Span))
	}
}

// metricsAt returns point number step of every series, and how many they are.
func metricsAt(w *workload.Workload, series []workload.Series, step int) (pmetric.Metrics, int) {
	out := pmetric.NewMetrics()
	byService := map[int]pmetric.ScopeMetrics{}
	byName := map[string]pmetric.Metric{}
	points := 0
	for i := range series {
		s := &series[i]
		sm, ok := byService[s.Service]
		if !ok {
			rm := out.ResourceMetrics().AppendEmpty()
			putAttrs(rm.Resource().Attributes(), w.Resource(s.Service))
			sm = rm.ScopeMetrics().AppendEmpty()
			sm.Scope().SetName(scopeName)
			byService[s.Service] = sm
		}
		key := workload.Services[s.Service].Name + "|" + s.Name
		metric, ok := byName[key]
		if !ok {
			metric = newMetric(sm, s)
			byName[key] = metric
		}
		putPoint(metric, w, s, &s.Points[step])
		points++
	}
	return out, points
}

func newMetric(sm pmetric.ScopeMetrics, s *workload.Series) pmetric.Metric {
	m := sm.Metrics().AppendEmpty()
	m.SetName(s.Name)
	m.SetUnit(s.Unit)
	switch s.Kind {
	case workload.Counter:
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	case workload.Gauge:
		m.SetEmptyGauge()
	default:
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	}
	return m
}

func numberPoints(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeSum {
		return m.Sum().DataPoints()
	}
	return m.Gauge().DataPoints()
}

func putPoint(m pmetric.Metric, w *workload.Workload, s *workload.Series, p *workload.Point) {
	start := pcommon.NewTimestampFromTime(w.Start())
	if s.Kind != workload.Histogram {
		dp := numberPoints(m).AppendEmpty()
		dp.SetTimestamp(pcommon.Timestamp(p.Time))
		dp.SetDoubleValue(p.Value)
		if s.Kind == workload.Counter {
			dp.SetStartTimestamp(start)
		}
		putAttrs(dp.Attributes(), s.Attrs)
		return
	}
	dp := m.Histogram().DataPoints().AppendEmpty()
	dp.SetStartTimestamp(start)
	dp.SetTimestamp(pcommon.Timestamp(p.Time))
	dp.SetCount(p.Count)
	dp.SetSum(p.Sum)
	dp.ExplicitBounds().FromRaw(workload.Bounds)
	dp.BucketCounts().FromRaw(p.Buckets)
	putAttrs(dp.Attributes(), s.Attrs)
	if e := p.Exemplar; e != nil {
		ex := dp.Exemplars().AppendEmpty()
		ex.SetTimestamp(pcommon.Timestamp(e.Time))
		ex.SetDoubleValue(e.Value)
		ex.SetTraceID(pcommon.TraceID(e.Trace))
		ex.SetSpanID(pcommon.SpanID(e.Span))
	}
}
