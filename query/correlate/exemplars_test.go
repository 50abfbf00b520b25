package correlate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// exemplarStore is Prometheus's own exemplar storage.
func exemplarStore(t *testing.T) promstorage.ExemplarQueryable {
	t.Helper()
	s, err := tsdb.NewCircularExemplarStorage(100, tsdb.NewExemplarMetrics(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	series := labels.FromStrings("__name__", "http_request_duration_seconds_bucket", "service_name", "checkout", "le", "0.1")
	for i, id := range []string{correlatetest.TraceHex, "ffff0000ffff0000ffff0000ffff0001"} {
		err := s.AddExemplar(series, exemplar.Exemplar{Labels: labels.FromStrings("trace_id", id, "span_id", "00000000000000a3"), Value: 0.08, Ts: correlatetest.At(90+i) / 1e6, HasTs: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	others := []labels.Labels{labels.FromStrings("traceID", "11803532876627986230"), labels.FromStrings("request_id", "REQ-77"), labels.FromStrings("note", correlatetest.TraceHex)}
	for i, ls := range others {
		err := s.AddExemplar(series, exemplar.Exemplar{Labels: ls, Value: 0.09, Ts: correlatetest.At(95+i) / 1e6, HasTs: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// What is in no span and no log may still stand beside a metric.
func TestOnlyExemplars(t *testing.T) {
	src := correlate.PrometheusExemplars(func(string) (promstorage.ExemplarQueryable, error) { return exemplarStore(t), nil })
	e := correlate.New(correlate.DefaultConfig(), correlatetest.New(), src)
	for id, kind := range map[string]string{
		"ffff0000ffff0000ffff0000ffff0001": "trace_id", "FFFF0000-FFFF-0000-FFFF-0000FFFF0001": "trace_id",
		"0000000000000000a3ce929d0e0e4736": "trace_id", "11803532876627986230": "trace_id", "00-ffff0000ffff0000ffff0000ffff0001-00000000000000a3-01": "trace_id", "REQ-77": "token",
	} {
		a, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: id, Hops: -1})
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if len(a.Timeline) != 1 || a.Timeline[0].Type != correlate.TypeExemplar || a.Kind != kind || len(a.Warnings) != 1 || a.Range.From.IsZero() {
			t.Errorf("%s: %s", id, story(a))
		}
	}
	if _, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: "abcd0000abcd0000abcd0000abcd0001"}); !errors.Is(err, correlate.ErrNotFound) {
		t.Errorf("what no exemplar names: %v", err)
	}
}

func TestExemplarsStandInTheTimeline(t *testing.T) {
	src := correlate.PrometheusExemplars(func(string) (promstorage.ExemplarQueryable, error) { return exemplarStore(t), nil })
	e := correlate.New(correlate.DefaultConfig(), correlatetest.Shop(tenant), src)
	for _, id := range []string{correlatetest.TraceHex, "req-8f3a2b"} {
		a, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: id, Hops: 2})
		if err != nil {
			t.Fatal(err)
		}
		var got []correlate.Entry
		for _, entry := range a.Timeline {
			if entry.Type == correlate.TypeExemplar {
				got = append(got, entry)
			}
		}
		if len(got) != 1 || got[0].Service != "checkout" || got[0].TraceID != correlatetest.TraceHex || got[0].SpanID != "00000000000000a3" ||
			got[0].Text != `http_request_duration_seconds_bucket{le="0.1", service_name="checkout"} = 0.08` {
			t.Errorf("%s: exemplars %+v", id, got)
		}
	}
}

func TestBrokenExemplarsAreAWarning(t *testing.T) {
	src := correlate.PrometheusExemplars(func(string) (promstorage.ExemplarQueryable, error) { return nil, errors.New("no metrics today") })
	a, err := correlate.New(correlate.DefaultConfig(), correlatetest.Shop(tenant), src).Correlate(context.Background(), correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex})
	if err != nil || !a.Partial || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "no metrics today") {
		t.Errorf("answer %+v, %v", a, err)
	}
	src = correlate.PrometheusExemplars(func(string) (promstorage.ExemplarQueryable, error) { return nil, nil })
	if a, err := correlate.New(correlate.DefaultConfig(), correlatetest.Shop(tenant), src).Correlate(context.Background(), correlate.Request{Tenant: tenant, ID: correlatetest.TraceHex}); err != nil || a.Partial {
		t.Errorf("without metrics: %+v, %v", a, err)
	}
}

// BenchmarkExemplars asks a full storage for the exemplars of a story that has
// none, as most have.
func BenchmarkExemplars(b *testing.B) {
	const size, series = 20_000, 2000
	s, err := tsdb.NewCircularExemplarStorage(size, tsdb.NewExemplarMetrics(nil), 0)
	if err != nil {
		b.Fatal(err)
	}
	for i := range size {
		ls := labels.FromStrings("__name__", "http_request_duration_seconds_bucket", "service_name", fmt.Sprint("s", i%series), "le", "0.1")
		e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", fmt.Sprintf("%032x", i+1), "span_id", fmt.Sprintf("%016x", i+1)), Ts: correlatetest.At(i) / 1e6, HasTs: true}
		if err := s.AddExemplar(ls, e); err != nil {
			b.Fatal(err)
		}
	}
	src := correlate.PrometheusExemplars(func(string) (promstorage.ExemplarQueryable, error) { return s, nil })
	for b.Loop() {
		found, err := src.Exemplars(b.Context(), tenant, []string{correlatetest.TraceHex, "req-8f3a2b"}, 0, correlatetest.At(size))
		if err != nil || len(found) != 0 {
			b.Fatal(found, err)
		}
	}
}
