//go:build unix

package servicemap_test

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/loadtest/workload"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// weighed counts the bytes of requests and answers.
type weighed struct{ bytes atomic.Int64 }

// RoundTrip implements http.RoundTripper.
func (w *weighed) RoundTrip(r *http.Request) (*http.Response, error) {
	w.bytes.Add(max(r.ContentLength, 0))
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		res.Body = &weighedBody{res.Body, w}
	}
	return res, err
}

type weighedBody struct {
	io.ReadCloser
	w *weighed
}

// Read implements io.Reader.
func (b *weighedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.w.bytes.Add(int64(n))
	return n, err
}

// inElasticsearch opens a store at a time after the hour of the load began.
func inElasticsearch(b *testing.B, node *elastictest.Node, w *weighed, after time.Duration) *elastic.Store {
	cfg := elastic.DefaultConfig()
	cfg.Addresses, cfg.Replicas, cfg.Startup = []string{node.URL}, 0, elastic.StartupFail
	cfg.Dir = "/data"
	now := correlatetest.Epoch.Add(after)
	s, err := elastic.Open(b.Context(), cfg, elastic.Deps{FS: vfs.NewMem(), Transport: w, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func loadHour(b *testing.B, s *elastic.Store) {
	load := workload.DefaultConfig(correlatetest.Epoch.Add(time.Hour))
	load.Spans, load.Window, load.MetricStep = *benchSpans, time.Hour, time.Minute
	var batch []telemetry.Span
	send := func() {
		storagetest.WriteSpans(b, s, tenant, storagetest.SpanBatch(batch))
		batch = nil
	}
	made(b, load, func(spans []telemetry.Span) {
		if batch = append(batch, spans...); len(batch) >= 1000 {
			send()
		}
	})
	send()
}

// BenchmarkElasticsearch is the map of an hour and the metrics of its spans, with all
// that is pushed down to Elasticsearch and with nothing.
func BenchmarkElasticsearch(b *testing.B) {
	node, w := elastictest.Start(b), &weighed{}
	s := inElasticsearch(b, node, w, time.Hour)
	defer func() { _ = s.Close() }()
	loadHour(b, s)
	from, to := correlatetest.Epoch.UnixNano(), correlatetest.Epoch.Add(time.Hour).UnixNano()
	metrics := func(query string) func(storage.Reader) error {
		q, err := syntax.Parse(query)
		if err != nil {
			b.Fatal(err)
		}
		cfg := traceql.DefaultConfig()
		cfg.CacheBytes = 0
		return func(r storage.Reader) error {
			_, err := traceql.New(cfg, r, nil, nil).QueryRange(b.Context(), traceql.MetricsRequest{Tenant: tenant, Query: q, From: from, To: to, Step: int64(time.Minute)})
			return err
		}
	}
	for _, c := range []struct {
		name string
		ask  func(storage.Reader) error
	}{
		{"map", func(r storage.Reader) error {
			_, err := servicemap.New(servicemap.DefaultConfig(), r).Map(b.Context(), servicemap.Query{Tenant: tenant, From: from, To: to})
			return err
		}},
		{"rate", metrics("{ } | rate() by (resource.service.name)")},
		{"quantile", metrics("{ } | quantile_over_time(duration, .5, .95, .99) by (resource.service.name)")},
		{"errors", metrics("{ kind = server && span.http.response.status_code >= 500 } | count_over_time() by (span.http.route)")},
		{"average", metrics("{ duration > 5ms } | avg_over_time(duration) by (name)")},
	} {
		for name, r := range map[string]storage.Reader{"pushed": s, "read": asSpans{s}} {
			b.Run(c.name+"/"+name, func(b *testing.B) { weigh(b, node, w, func() error { return c.ask(r) }) })
		}
	}
}

// BenchmarkCallsInElasticsearch is the map of an hour that is over: the first time,
// again, by another process, after a late span, and of a part of the hour; and while
// the hour goes on. It is to be run once.
func BenchmarkCallsInElasticsearch(b *testing.B) {
	node, w := elastictest.Start(b), &weighed{}
	s := inElasticsearch(b, node, w, 2*time.Hour)
	defer func() { _ = s.Close() }()
	loadHour(b, s)
	from, to := correlatetest.Epoch.UnixNano(), correlatetest.Epoch.Add(time.Hour).UnixNano()
	for drained := false; !drained; { // in Elasticsearch, not only acknowledged
		var stats storage.ReadStats
		if _, err := s.Streams(b.Context(), tenant, telemetry.Traces, from, to, &stats); err != nil {
			b.Fatal(err)
		}
		drained = len(stats.Warnings) == 0
	}
	run := func(name string, s *elastic.Store, from, to int64) {
		b.Run(name, func(b *testing.B) {
			weighOnce(b, node, w, func() error {
				_, err := servicemap.New(servicemap.DefaultConfig(), s).Map(b.Context(), servicemap.Query{Tenant: tenant, From: from, To: to})
				return err
			})
		})
	}
	goesOn, other := inElasticsearch(b, node, w, time.Hour), inElasticsearch(b, node, w, 2*time.Hour)
	defer func() { _, _ = goesOn.Close(), other.Close() }()
	run("goes on", goesOn, from, to)
	run("first", s, from, to)
	run("again", s, from, to)
	run("another process", other, from, to)
	run("part", s, from+int64(7*time.Minute)+12345, to-int64(9*time.Minute)+12345)
	storagetest.WriteSpans(b, s, tenant, storagetest.SpanBatch([]telemetry.Span{{
		Stream: correlatetest.Stream("late"), TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Kind: telemetry.SpanKindServer, Name: "late", Start: from + 1, End: from + 2,
	}}))
	run("late span", s, from, to)
}

func weighOnce(b *testing.B, node *elastictest.Node, w *weighed, ask func() error) {
	bytes, own, theirs, n := w.bytes.Load(), cpu(b), nodeCPU(b, node), 0
	for ; b.Loop(); n++ {
		if err := ask(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-own)/float64(n)/1e6, "clew-cpu-ms/op")
	b.ReportMetric(float64(nodeCPU(b, node)-theirs)/float64(n), "elasticsearch-cpu-ms/op")
	b.ReportMetric(float64(w.bytes.Load()-bytes)/float64(n)/1e6, "MB/op")
}

// weigh reports what asking costs both sides.
func weigh(b *testing.B, node *elastictest.Node, w *weighed, ask func() error) {
	if err := ask(); err != nil { // what the first one finds out about streams
		b.Fatal(err)
	}
	weighOnce(b, node, w, ask)
}

// nodeCPU is the processor time of Elasticsearch so far, in milliseconds.
func nodeCPU(b *testing.B, node *elastictest.Node) int64 {
	res, err := http.Get(node.URL + "/_nodes/stats/process")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var stats struct {
		Nodes map[string]struct {
			Process struct {
				CPU struct {
					Total int64 `json:"total_in_millis"`
				} `json:"cpu"`
			} `json:"process"`
		} `json:"nodes"`
	}
	if err := json.NewDecoder(res.Body).Decode(&stats); err != nil {
		b.Fatal(err)
	}
	for _, n := range stats.Nodes {
		return n.Process.CPU.Total
	}
	b.Fatal("no node tells of its processor time")
	return 0
}
