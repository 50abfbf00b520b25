package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker takes what is not larger than most records, one of which it never
// takes, and remembers the rest.
type broker struct {
	most  int
	never string
	fail  error
	got   []string
	calls int
}

func (b *broker) take(_ context.Context, ld plog.Logs) error {
	b.calls++
	if b.fail != nil {
		return b.fail
	}
	names := bodies(ld)
	if len(names) > b.most || slices.Contains(names, b.never) {
		return consumererror.NewPermanent(fmt.Errorf("topic: %w", kerr.MessageTooLarge))
	}
	b.got = append(b.got, names...)
	return nil
}

func bodies(ld plog.Logs) (out []string) {
	for _, r := range ld.ResourceLogs().All() {
		for _, s := range r.ScopeLogs().All() {
			for _, l := range s.LogRecords().All() {
				out = append(out, l.Body().Str())
			}
		}
	}
	return out
}

// logs makes records named by their place: resources of scopes of records.
func logs(resources, scopes, records int) (ld plog.Logs, names []string) {
	ld = plog.NewLogs()
	for r := range resources {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutInt("r", int64(r))
		for s := range scopes {
			sl := rl.ScopeLogs().AppendEmpty()
			for n := range records {
				name := fmt.Sprintf("%d/%d/%d", r, s, n)
				sl.LogRecords().AppendEmpty().Body().SetStr(name)
				names = append(names, name)
			}
		}
	}
	return ld, names
}

func TestWhatIsTooLargeGoesInParts(t *testing.T) {
	for _, c := range []struct {
		resources, scopes, records, most int
		never                            string
	}{
		{1, 1, 1, 1, ""}, {1, 1, 7, 2, ""}, {3, 2, 5, 4, ""}, {5, 3, 1, 1, ""}, {1, 4, 3, 100, ""}, {2, 2, 4, 3, "1/0/2"},
	} {
		core, said := observer.New(zap.ErrorLevel)
		b := &broker{most: c.most, never: c.never}
		data, want := logs(c.resources, c.scopes, c.records)
		if err := sender(b.take, halveLogs, zap.New(core))(t.Context(), data); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if c.never != "" {
			want = slices.DeleteFunc(want, func(s string) bool { return s == c.never })
			if said.Len() != 1 {
				t.Errorf("%+v: %d errors are logged, want 1", c, said.Len())
			}
		}
		if !slices.Equal(b.got, want) {
			t.Errorf("%+v: got %v, want %v", c, b.got, want)
		}
		if now := len(bodies(data)); now != c.resources*c.scopes*c.records {
			t.Errorf("%+v: the request was changed: %d records are left", c, now)
		}
	}
}

// TestNothingIsGivenUp: what the Collector's exporter would drop is tried again.
func TestNothingIsGivenUp(t *testing.T) {
	for _, fail := range []error{kerr.TopicAuthorizationFailed, kerr.InvalidProducerEpoch, errors.New("no route to host")} {
		b := &broker{fail: consumererror.NewPermanent(fail)}
		data, _ := logs(1, 1, 2)
		err := sender(b.take, halveLogs, zap.NewNop())(t.Context(), data)
		if err == nil || consumererror.IsPermanent(err) || b.calls != 1 {
			t.Errorf("%v becomes %v after %d calls, want one that is tried again after 1", fail, err, b.calls)
		}
	}
}

func TestHalveSpansAndMetrics(t *testing.T) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for n := range 5 {
		spans.AppendEmpty().SetSpanID(pcommon.SpanID{byte(n + 1)})
	}
	if a, b, ok := halveTraces(td); !ok || a.SpanCount() != 2 || b.SpanCount() != 3 {
		t.Errorf("spans: %d and %d, %t", a.SpanCount(), b.SpanCount(), ok)
	}
	for kind, points := range map[pmetric.MetricType]func(pmetric.Metric, int){
		pmetric.MetricTypeGauge:     func(m pmetric.Metric, n int) { fill(m.SetEmptyGauge().DataPoints().AppendEmpty, n) },
		pmetric.MetricTypeSum:       func(m pmetric.Metric, n int) { fill(m.SetEmptySum().DataPoints().AppendEmpty, n) },
		pmetric.MetricTypeHistogram: func(m pmetric.Metric, n int) { fill(m.SetEmptyHistogram().DataPoints().AppendEmpty, n) },
		pmetric.MetricTypeExponentialHistogram: func(m pmetric.Metric, n int) {
			fill(m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty, n)
		},
		pmetric.MetricTypeSummary: func(m pmetric.Metric, n int) { fill(m.SetEmptySummary().DataPoints().AppendEmpty, n) },
	} {
		for n, want := range map[int]bool{1: false, 2: true, 9: true} {
			md := pmetric.NewMetrics()
			points(md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty(), n)
			a, b, ok := halveMetrics(md)
			if ok != want || ok && (a.DataPointCount() != n/2 || a.DataPointCount()+b.DataPointCount() != n) {
				t.Errorf("%s of %d points: %d and %d, %t", kind, n, a.DataPointCount(), b.DataPointCount(), ok)
			}
		}
	}
	if _, _, ok := halveMetrics(pmetric.NewMetrics()); ok {
		t.Error("nothing has halves")
	}
}

func fill[P any](add func() P, n int) {
	for range n {
		add()
	}
}

// TestFactory: it has the Collector's name and settings, and starts without
// any broker there.
func TestFactory(t *testing.T) {
	f := NewFactory()
	if f.Type().String() != "kafka" {
		t.Errorf("its type is %s", f.Type())
	}
	cfg := f.CreateDefaultConfig()
	set := exportertest.NewNopSettings(f.Type())
	e, err := f.CreateTraces(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
