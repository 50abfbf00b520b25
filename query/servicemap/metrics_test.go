package servicemap_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// traffic is ten minutes of a gateway that calls checkout: six calls a minute,
// one of them failed, every one 20 ms.
func traffic() *correlatetest.Store {
	s := correlatetest.New()
	gw, co := correlatetest.Stream("gateway"), correlatetest.Stream("checkout")
	for i := range 60 {
		at := i * 10_000
		trace := correlatetest.Trace(fmt.Sprintf("%x", i+1))
		call := telemetry.Span{Stream: gw, TraceID: trace, SpanID: correlatetest.Span("1"), Kind: client, Name: "GET", Start: correlatetest.At(at), End: correlatetest.At(at + 30)}
		serve := telemetry.Span{Stream: co, TraceID: trace, SpanID: correlatetest.Span("2"), ParentID: call.SpanID, Kind: server, Name: "GET /", Start: correlatetest.At(at + 5), End: correlatetest.At(at + 25)}
		if i%6 == 0 {
			serve.Status = telemetry.StatusError
		}
		s.AddSpans("acme", call, serve)
	}
	return s
}

func atMinute(m int) time.Time { return correlatetest.Epoch.Add(time.Duration(m) * time.Minute) }

func eval(t *testing.T, q promstorage.Queryable, expr string, at time.Time) string {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	defer engine.Close()
	ctx := t.Context()
	query, err := engine.NewInstantQuery(ctx, q, nil, expr, at)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	res := query.Exec(ctx)
	if res.Err != nil {
		return "error: " + res.Err.Error()
	}
	v, err := res.Vector()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range v {
		out = append(out, fmt.Sprintf("%s %.6g", s.Metric, s.F))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func TestServiceGraphMetrics(t *testing.T) {
	e := servicemap.New(servicemap.DefaultConfig(), traffic())
	q := e.MetricsQueryable("acme", func() time.Time { return atMinute(12) })
	for expr, want := range map[string]string{
		`rate(traces_service_graph_request_total[10m])`:                                                               `{client="gateway", server="checkout"} 0.1`,
		`sum(increase(traces_service_graph_request_total[10m]))`:                                                      `{} 60`,
		`sum(increase(traces_service_graph_request_failed_total[10m]))`:                                               `{} 10`,
		`sum(increase(traces_service_graph_request_server_seconds_sum[10m]))`:                                         `{} 1.2`,
		`sum by (client, server) (increase(traces_service_graph_request_server_seconds_count{client="gateway"}[5m]))`: `{client="gateway", server="checkout"} 30`,
		`histogram_quantile(0.5, sum by (le) (rate(traces_service_graph_request_server_seconds_bucket[10m])))`:        `{} 0.024`,
		`traces_service_graph_request_total{server="nobody"}`:                                                         ``,
		`increase(traces_spanmetrics_calls_total{service="checkout"}[10m])`: `{service="checkout", span_kind="SPAN_KIND_SERVER", span_name="GET /", status_code="STATUS_CODE_ERROR"} 10` + "\n" +
			`{service="checkout", span_kind="SPAN_KIND_SERVER", span_name="GET /", status_code="STATUS_CODE_UNSET"} 50`,
		`sum by (span_kind) (increase(traces_spanmetrics_latency_bucket{le="0.032"}[10m]))`: `{span_kind="SPAN_KIND_CLIENT"} 60` + "\n" + `{span_kind="SPAN_KIND_SERVER"} 60`,
		`{__name__=~".+"}`: ``, // asks for anything: not worth reading all spans
	} {
		if got := eval(t, q, expr, atMinute(10)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", expr, got, want)
		}
	}
	other := e.MetricsQueryable("other", func() time.Time { return atMinute(12) })
	if got := eval(t, other, `traces_service_graph_request_total`, atMinute(10)); got != "" {
		t.Errorf("another tenant sees %s", got)
	}
}

// Spans that come an hour late count where they belong, whatever was asked
// before.
func TestLateSpansCount(t *testing.T) {
	s := traffic()
	spans := s.SpansOf["acme"]
	s.SpansOf["acme"] = spans[60:]
	q := servicemap.New(servicemap.DefaultConfig(), s).MetricsQueryable("acme", func() time.Time { return atMinute(70) })
	const expr = `sum(increase(traces_service_graph_request_total[10m]))`
	before := eval(t, q, expr, atMinute(10))
	s.SpansOf["acme"] = append(s.SpansOf["acme"], spans[:60]...)
	if after := eval(t, q, expr, atMinute(10)); before != "{} 30" || after != "{} 60" {
		t.Errorf("before %s, after %s", before, after)
	}
}

func TestMetricLabels(t *testing.T) {
	s := traffic()
	q, err := servicemap.New(servicemap.DefaultConfig(), s).MetricsQueryable("acme", func() time.Time { return atMinute(12) }).Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx := t.Context()
	graph := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "traces_service_graph_request_total")
	if names, _, err := q.LabelValues(ctx, model.MetricNameLabel, nil); err != nil || len(names) != 9 || !slices.IsSorted(names) {
		t.Errorf("names %v, %v", names, err)
	}
	none, err := servicemap.New(servicemap.DefaultConfig(), s).MetricsQueryable("other", nil).Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	if names, _, err := none.LabelValues(ctx, model.MetricNameLabel, nil); err != nil || len(names) != 0 {
		t.Errorf("names of a tenant without spans: %v, %v", names, err)
	}
	if v, _, err := q.LabelValues(ctx, "client", nil, graph); err != nil || !slices.Equal(v, []string{"gateway"}) {
		t.Errorf("clients %v, %v", v, err)
	}
	if v, _, err := q.LabelNames(ctx, nil, graph); err != nil || !slices.Equal(v, []string{"__name__", "client", "server"}) {
		t.Errorf("label names %v, %v", v, err)
	}
	s.SpanQueries = nil
	if v, _, err := q.LabelValues(ctx, "client", nil); err != nil || len(v) != 0 || len(s.SpanQueries) != 0 {
		t.Errorf("values of nobody's metric: %v, %v, %d reads of spans", v, err, len(s.SpanQueries))
	}
}

func TestMetricBudgets(t *testing.T) {
	cfg := servicemap.DefaultConfig()
	cfg.MaxMetricsSeries = 3
	q := servicemap.New(cfg, traffic()).MetricsQueryable("acme", func() time.Time { return atMinute(12) })
	if got := eval(t, q, `traces_spanmetrics_latency_bucket`, atMinute(10)); !strings.Contains(got, "more than 3 series") {
		t.Errorf("over the series: %s", got)
	}
	s := traffic()
	s.Err = storage.ErrClosed
	if got := eval(t, servicemap.New(cfg, s).MetricsQueryable("acme", func() time.Time { return atMinute(12) }), `traces_spanmetrics_calls_total`, atMinute(10)); !strings.Contains(got, "closed") {
		t.Errorf("error of the store: %s", got)
	}
}

// TestNamespaces: what asks in other protocols' names gets service.name, with
// the namespace in labels of its own.
func TestNamespaces(t *testing.T) {
	s := correlatetest.New()
	for i, space := range []string{"eu", "us"} {
		trace := correlatetest.Trace(fmt.Sprintf("%x", i+1))
		call := telemetry.Span{Stream: correlatetest.Stream("front", "service.namespace", space), TraceID: trace, SpanID: correlatetest.Span("1"),
			Kind: client, Name: "GET", Start: correlatetest.At(60_000), End: correlatetest.At(60_030)}
		serve := telemetry.Span{Stream: correlatetest.Stream("back/end"), TraceID: trace, SpanID: correlatetest.Span("2"), ParentID: call.SpanID,
			Kind: server, Name: "GET /", Start: correlatetest.At(60_005), End: correlatetest.At(60_025)}
		s.AddSpans("acme", call, serve)
	}
	e := servicemap.New(servicemap.DefaultConfig(), s)
	deps, err := e.Dependencies(t.Context(), "acme", correlatetest.At(0), correlatetest.At(100_000))
	if want := []servicemap.Dependency{{Parent: "front", Child: "back/end", CallCount: 2}}; err != nil || !slices.Equal(deps, want) {
		t.Errorf("dependencies %v, %v, want %v", deps, err, want)
	}
	q := e.MetricsQueryable("acme", func() time.Time { return atMinute(12) })
	want := `{client="front", client_service_namespace="eu", server="back/end"} 1` + "\n" + `{client="front", client_service_namespace="us", server="back/end"} 1`
	if got := eval(t, q, `increase(traces_service_graph_request_total[10m])`, atMinute(10)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	want = `{service="back/end"} 2` + "\n" + `{service="front", service_namespace="eu"} 1` + "\n" + `{service="front", service_namespace="us"} 1`
	if got := eval(t, q, `sum by (service, service_namespace) (increase(traces_spanmetrics_calls_total[10m]))`, atMinute(10)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// The counters of a range end at what the map of it says, however long their
// steps are.
func TestMetricsEqualTheMap(t *testing.T) {
	w := newWorld(5)
	spans := w.make(120)
	s := storeIn(t, vfs.NewMem(), nil)
	for i, batch := range w.batches(spans) {
		storagetest.WriteSpans(t, s, storagetest.Tenant, storagetest.SpanBatch(batch))
		if i%2 == 0 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := servicemap.New(servicemap.DefaultConfig(), s)
	from, to := time.Unix(0, began).Truncate(time.Minute).Add(7*time.Minute), time.Unix(0, began).Truncate(time.Minute).Add(95*time.Minute)
	m, err := e.Map(t.Context(), servicemap.Query{Tenant: storagetest.Tenant, From: from.UnixNano(), To: to.UnixNano()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, edge := range m.Edges {
		if edge.Evidence == "spans" {
			want[strings.TrimPrefix(edge.Source, "shop/")+" "+strings.TrimPrefix(edge.Target, "shop/")] += float64(edge.Calls)
		}
	}
	q, err := e.MetricsQueryable(storagetest.Tenant, func() time.Time { return to }).Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	name := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "traces_service_graph_request_total")
	for _, hints := range []*promstorage.SelectHints{nil, {Start: from.UnixMilli(), End: to.UnixMilli(), Range: to.Sub(from).Milliseconds()}, {Start: from.UnixMilli(), End: to.UnixMilli(), Range: 300_000}} {
		got := map[string]float64{}
		set := q.Select(t.Context(), true, hints, name)
		for set.Next() {
			it, last := set.At().Iterator(nil), 0.0
			for it.Next() != chunkenc.ValNone {
				_, last = it.At()
			}
			got[set.At().Labels().Get("client")+" "+set.At().Labels().Get("server")] += last
		}
		if set.Err() != nil {
			t.Fatal(set.Err())
		}
		if !maps.Equal(got, want) || len(want) < 3 {
			t.Errorf("hints %+v: got %v, want %v", hints, got, want)
		}
	}
}
