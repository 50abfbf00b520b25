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

// BenchmarkElasticsearch is the map of an hour and the metrics of its spans, with all
// that is pushed down to Elasticsearch and with nothing.
func BenchmarkElasticsearch(b *testing.B) {
	node, w := elastictest.Start(b), &weighed{}
	cfg := elastic.DefaultConfig()
	cfg.Addresses, cfg.Replicas, cfg.Startup = []string{node.URL}, 0, elastic.StartupFail
	cfg.Dir = "/data"
	s, err := elastic.Open(b.Context(), cfg, elastic.Deps{FS: vfs.NewMem(), Transport: w})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
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

// weigh reports what asking costs both sides.
func weigh(b *testing.B, node *elastictest.Node, w *weighed, ask func() error) {
	if err := ask(); err != nil { // what the first one finds out about streams
		b.Fatal(err)
	}
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
