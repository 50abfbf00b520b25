package samples_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry/otlp"
)

// scene is a request under construction.
type scene struct {
	md pmetric.Metrics
	sm pmetric.ScopeMetrics
}

func newScene(attrs ...string) scene {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	for i := 0; i < len(attrs); i += 2 {
		rm.Resource().Attributes().PutStr(attrs[i], attrs[i+1])
	}
	return scene{md, rm.ScopeMetrics().AppendEmpty()}
}

func ts(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }

func (s scene) gauge(name string, v float64, at time.Time) {
	m := s.sm.Metrics().AppendEmpty()
	m.SetName(name)
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetDoubleValue(v)
	if !at.IsZero() {
		p.SetTimestamp(ts(at))
	}
}

func (s scene) sum(name string, v int64, at time.Time, temporality pmetric.AggregationTemporality) pmetric.NumberDataPoint {
	m := s.sm.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(temporality)
	p := m.Sum().DataPoints().AppendEmpty()
	p.SetIntValue(v)
	p.SetTimestamp(ts(at))
	p.SetStartTimestamp(ts(at.Add(-time.Second)))
	return p
}

func (s scene) raw(t *testing.T) []byte {
	t.Helper()
	b, err := pmetricotlp.NewExportRequestFromMetrics(s.md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *room) send(t *testing.T, s scene) admission.Outcome {
	t.Helper()
	out, err := r.writer.Metrics(t.Context(), "test", s.raw(t))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLabelNames: labels are named as Prometheus names them by default.
func TestLabelNames(t *testing.T) {
	r := newRoom(t, nil)
	now := r.clock.Now()
	s := newScene("service.name", "cart")
	p := s.sum("n", 1, now, pmetric.AggregationTemporalityCumulative)
	for _, key := range []string{"a.b", "c..d", "e__f", "__g", "_h", "1i", "j-k_"} {
		p.Attributes().PutStr(key, "x")
	}
	r.send(t, s)
	want := []string{`{__g="x", __name__="n_total", a_b="x", c__d="x", e__f="x", j_k_="x", job="cart", key_1i="x", key_h="x", service_name="cart"} 1@0`}
	if diff := cmp.Diff(want, r.dump(t, "n_total")); diff != "" {
		t.Error(diff)
	}
}

func TestOTLPMetricsBecomeSeries(t *testing.T) {
	r := newRoom(t, nil)
	now := r.clock.Now()
	s := newScene("service.name", "cart", "service.instance.id", "i-1", "k8s.pod.name", "cart-0", "os.type", "linux")
	s.gauge("queue.length", 3, now)
	p := s.sum("http.requests", 7, now, pmetric.AggregationTemporalityCumulative)
	p.Attributes().PutStr("http.route", "/cart")
	e := p.Exemplars().AppendEmpty()
	e.SetDoubleValue(1)
	e.SetTimestamp(ts(now))
	e.SetTraceID(pcommon.TraceID{0xab, 0xcd})
	e.SetSpanID(pcommon.SpanID{0xef})
	m := s.sm.Metrics().AppendEmpty()
	m.SetName("latency")
	m.SetUnit("ms")
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	hp := h.DataPoints().AppendEmpty()
	hp.SetTimestamp(ts(now))
	hp.ExplicitBounds().FromRaw([]float64{10})
	hp.BucketCounts().FromRaw([]uint64{2, 1})
	hp.SetCount(3)
	hp.SetSum(40)
	m = s.sm.Metrics().AppendEmpty()
	m.SetName("sizes")
	x := m.SetEmptyExponentialHistogram()
	x.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	xp := x.DataPoints().AppendEmpty()
	xp.SetTimestamp(ts(now))
	xp.SetCount(5)
	xp.Positive().BucketCounts().FromRaw([]uint64{5})

	if out := r.send(t, s); out.Rejected != 0 || out.Message() != "" {
		t.Errorf("rejected %d: %s", out.Rejected, out.Message())
	}
	id := func(le string) string {
		return `instance="i-1", job="cart", k8s_pod_name="cart-0", ` + le + `service_instance_id="i-1", service_name="cart"}`
	}
	want := []string{
		`{__name__="http_requests_total", http_route="/cart", ` + id("") + " 7@0",
		`{__name__="latency_milliseconds_bucket", ` + id(`le="+Inf", `) + " 3@0",
		`{__name__="latency_milliseconds_bucket", ` + id(`le="10", `) + " 2@0",
		`{__name__="latency_milliseconds_count", ` + id("") + " 3@0",
		`{__name__="latency_milliseconds_sum", ` + id("") + " 40@0",
		`{__name__="queue_length", ` + id("") + " 3@0",
		`{__name__="sizes", ` + id("") + " histogram of 5@0",
	}
	if diff := cmp.Diff(want, r.dump(t, "(http|latency|queue|sizes).*")); diff != "" {
		t.Error(diff)
	}
	info := joined(r.dump(t, "target_info"))
	if !strings.Contains(info, `os_type="linux"`) || !strings.Contains(info, `job="cart"`) {
		t.Errorf("target_info: %s", info)
	}
	wantExemplars := []string{`http_requests_total: {span_id="ef00000000000000", trace_id="abcd0000000000000000000000000000"} 1`}
	if diff := cmp.Diff(wantExemplars, r.exemplars(t)); diff != "" {
		t.Error(diff)
	}
	tm, _ := r.store.Tenant("anonymous")
	if md := tm.Metadata("latency_milliseconds")["latency_milliseconds"]; md.Unit != "milliseconds" || md.Type != "histogram" {
		t.Errorf("metadata %+v", md)
	}
}

func TestOTLPBadPointsAreRejectedAlone(t *testing.T) {
	now := newRoom(t, nil).clock.Now()
	tests := []struct {
		name   string
		add    func(scene)
		reason string
		n      int
	}{
		{"far future", func(s scene) { s.gauge("bad", 1, now.Add(2*time.Hour)) }, admission.TooFarInFuture, 1},
		{"over the store's bound", func(s scene) { s.gauge("bad", 1, now.Add(50*time.Minute)) }, admission.TooFarInFuture, 1},
		{"far past", func(s scene) { s.gauge("bad", 1, now.Add(-91*24*time.Hour)) }, admission.TooOld, 1},
		{"time of 2500", func(s scene) {
			s.gauge("bad", 1, now)
			s.sm.Metrics().At(s.sm.Metrics().Len() - 1).Gauge().DataPoints().At(0).SetTimestamp(1 << 63)
		}, admission.TooFarInFuture, 1},
		{"no temporality", func(s scene) { s.sum("bad", 1, now, pmetric.AggregationTemporalityUnspecified) }, admission.DeltaTemporality, 1},
		{"another value at a time that has one", func(s scene) { s.gauge("seen", 2, now) }, admission.DuplicateSample, 1},
		{"no name", func(s scene) { s.gauge("", 1, now) }, admission.InvalidRecord, 1},
		{"a classic histogram counts once", func(s scene) {
			m := s.sm.Metrics().AppendEmpty()
			m.SetName("bad")
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(ts(now.Add(50 * time.Minute)))
			p.ExplicitBounds().FromRaw([]float64{1, 2, 3})
			p.BucketCounts().FromRaw([]uint64{1, 1, 1, 1})
			p.SetCount(4)
		}, admission.TooFarInFuture, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, nil)
			seen := newScene("service.name", "x")
			seen.gauge("seen", 1, now)
			r.send(t, seen)
			s := newScene("service.name", "x")
			s.gauge("good_before", 1, now)
			tt.add(s)
			s.gauge("good_after", 1, now)
			out := r.send(t, s)
			if diff := cmp.Diff(map[string]int{tt.reason: tt.n}, out.Reasons()); diff != "" || out.Rejected != tt.n {
				t.Errorf("rejected %d, %s: %s", out.Rejected, out.Message(), diff)
			}
			if got := r.dump(t, "good.*"); len(got) != 2 {
				t.Errorf("of the good ones there are %q", got)
			}
			if n, err := testCounter(r, "clew_collector_rejected_records_total"); err != nil || n != float64(tt.n) {
				t.Errorf("the metric says %g, %v", n, err)
			}
		})
	}
}

func testCounter(r *room, name string) (float64, error) {
	families, err := r.reg.Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue(), nil
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

func TestOTLPDeltas(t *testing.T) {
	r := newRoom(t, nil)
	for i := range 3 {
		s := newScene("service.name", "x")
		s.sum("jobs", 5, r.clock.Now().Add(time.Duration(i)*time.Second), pmetric.AggregationTemporalityDelta)
		s.gauge("beside", 1, r.clock.Now().Add(time.Duration(i)*time.Second))
		if out := r.send(t, s); out.Rejected != 0 {
			t.Errorf("rejected: %s", out.Message())
		}
	}
	var values []string
	for _, line := range r.dump(t, "jobs_total") {
		values = append(values, line[strings.LastIndexByte(line, ' ')+1:])
	}
	if diff := cmp.Diff([]string{"10@1000", "15@2000", "5@0"}, values); diff != "" {
		t.Error(diff)
	}
	if got := r.dump(t, "beside"); len(got) != 3 {
		t.Errorf("beside: %q", got)
	}

	r = newRoom(t, func(c *samples.Config) { c.Delta = samples.DeltaReject })
	s := newScene("service.name", "x")
	s.sum("jobs", 5, r.clock.Now(), pmetric.AggregationTemporalityDelta)
	if out := r.send(t, s); out.Reasons()[admission.DeltaTemporality] != 1 || !strings.Contains(out.Message(), "want cumulative") {
		t.Errorf("rejected: %s", out.Message())
	}
}

func TestOTLPPointWithoutTime(t *testing.T) {
	r := newRoom(t, nil)
	s := newScene("service.name", "x")
	s.gauge("g", 1, time.Time{})
	for range 2 { // sent again a moment later, it is the same sample
		if out := r.send(t, s); out.Rejected != 0 {
			t.Errorf("rejected: %s", out.Message())
		}
		r.clock.Move(time.Second)
	}
	if got := r.dump(t, "g"); len(got) != 1 || !strings.HasSuffix(got[0], "1@0") {
		t.Errorf("stored %q", got)
	}
}

func TestOTLPEmptyAndMalformed(t *testing.T) {
	r := newRoom(t, nil)
	if out, err := r.writer.Metrics(t.Context(), "test", nil); err != nil || out.Rejected != 0 {
		t.Errorf("empty: %v", err)
	}
	s := newScene("service.name", "x")
	s.sm.Metrics().AppendEmpty().SetName("no data")
	s.sm.Metrics().AppendEmpty().SetEmptyGauge()
	if out := r.send(t, s); out.Rejected != 0 || out.Message() != "" {
		t.Errorf("metrics without points: %s", out.Message())
	}
	if _, err := r.writer.Metrics(t.Context(), "test", []byte{0x0a, 0x05, 0x00}); !errors.Is(err, otlp.ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
}

func TestOTLPStoreErrors(t *testing.T) {
	r := newRoom(t, nil)
	s := newScene("service.name", "x")
	s.gauge("g", 1, r.clock.Now())
	w := r.fail(t, storage.ErrDiskFull)
	if _, err := w.Metrics(t.Context(), "test", s.raw(t)); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	if got := r.dump(t, "g"); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
	if out := r.send(t, s); out.Rejected != 0 || len(r.dump(t, "g")) != 1 {
		t.Errorf("with room again: %s", out.Message())
	}
}

func TestConfigValidate(t *testing.T) {
	for want, change := range map[string]func(*samples.Config){
		"translation_strategy": func(c *samples.Config) { c.Translation = "x" },
		"delta_temporality":    func(c *samples.Config) { c.Delta = "" },
		"empty name":           func(c *samples.Config) { c.PromoteResourceAttributes = []string{""} },
	} {
		cfg := samples.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}
