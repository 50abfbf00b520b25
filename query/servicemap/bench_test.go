//go:build unix

package servicemap_test

import (
	"bytes"
	"cmp"
	"flag"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/loadtest/workload"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/local/callsum"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

var (
	benchSpans = flag.Int("map.spans", 20_000, "how many spans a day has in the benchmark")
	benchDays  = flag.Int("map.days", 1, "how many days are stored")
)

// asSpans hides that a store adds calls up.
type asSpans struct{ storage.Reader }

// BenchmarkDay is the map of a day, and of an hour of it that begins and ends
// within a minute: from the sums of the segments, and from all spans; the same
// day as metrics of the service graph, asked for once and as a panel does; and
// the map of all days.
func BenchmarkDay(b *testing.B) {
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention = b.TempDir(), local.Retention{}
	s, err := local.Open(cfg, local.Deps{FS: vfs.Default})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	window := time.Duration(*benchDays) * 24 * time.Hour
	load := workload.DefaultConfig(correlatetest.Epoch.Add(window))
	load.Spans, load.Window, load.MetricStep = *benchSpans**benchDays, window, time.Minute
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
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := s.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
	day := servicemap.Query{Tenant: tenant, From: correlatetest.Epoch.UnixNano(), To: correlatetest.Epoch.Add(24 * time.Hour).UnixNano()}
	hour := day
	hour.From += int64(7*time.Hour + 1234567*time.Microsecond)
	hour.To = hour.From + int64(time.Hour)
	all := day
	all.To = day.From + int64(window)
	mapCfg := servicemap.DefaultConfig()
	mapCfg.MaxSpans = 1 << 30
	for name, panel := range map[string]bool{"graph/once": false, "graph/panel": true} {
		b.Run(name, func(b *testing.B) { benchGraph(b, servicemap.New(mapCfg, s), day, panel) })
	}
	for _, c := range []struct {
		name   string
		reader storage.Reader
		q      servicemap.Query
	}{{"all/sums", s, all}, {"day/sums", s, day}, {"day/spans", asSpans{s}, day}, {"hour/sums", s, hour}, {"hour/spans", asSpans{s}, hour}} {
		b.Run(c.name, func(b *testing.B) {
			e := servicemap.New(mapCfg, c.reader)
			began, n := cpu(b), 0
			defer func() { b.ReportMetric(float64(cpu(b)-began)/float64(n)/1e6, "cpu-ms/op") }()
			for ; b.Loop(); n++ {
				if m, err := e.Map(b.Context(), c.q); err != nil || len(m.Edges) == 0 || m.Partial {
					b.Fatal(err, len(m.Edges), m.Warnings)
				}
			}
		})
	}
}

// benchGraph asks for the metrics of the service graph in q's range.
func benchGraph(b *testing.B, e *servicemap.Engine, q servicemap.Query, panel bool) {
	began, n := cpu(b), 0
	defer func() { b.ReportMetric(float64(cpu(b)-began)/float64(n)/1e6, "cpu-ms/op") }()
	from, to := q.From/1e6, q.To/1e6
	hints := &promstorage.SelectHints{Start: from, End: to, Range: to - from}
	if panel {
		hints.Range = (2 * time.Hour).Milliseconds()
	}
	for ; b.Loop(); n++ {
		querier, err := e.MetricsQueryable(q.Tenant, func() time.Time { return time.UnixMilli(to) }).Querier(from, to)
		if err != nil {
			b.Fatal(err)
		}
		set := querier.Select(b.Context(), true, hints, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "traces_service_graph_request_total"))
		if !set.Next() || set.Err() != nil || len(set.Warnings()) > 0 {
			b.Fatal(set.Err(), set.Warnings())
		}
		_ = querier.Close()
	}
}

// cpu is the processor time of this process so far, in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSums is what the sums cost when a segment is written: time, and bytes
// of its file.
func BenchmarkSums(b *testing.B) {
	load := workload.DefaultConfig(correlatetest.Epoch.Add(24 * time.Hour))
	load.Spans, load.Window = *benchSpans, 24*time.Hour
	var spans []telemetry.Span
	made(b, load, func(s []telemetry.Span) { spans = append(spans, s...) })
	slices.SortFunc(spans, func(x, y telemetry.Span) int {
		return cmp.Or(bytes.Compare(x.TraceID[:], y.TraceID[:]), cmp.Compare(x.Start, y.Start))
	})
	size := 0
	began, n := cpu(b), 0
	for ; b.Loop(); n++ {
		sums := callsum.NewBuilder(calls.DefaultRules())
		for i := range spans {
			sums.Add(&spans[i], i/4096)
		}
		out, err := sums.Append(nil)
		if err != nil {
			b.Fatal(err)
		}
		size = len(out)
	}
	b.ReportMetric(float64(cpu(b)-began)/float64(n)/float64(len(spans)), "cpu-ns/span")
	b.ReportMetric(float64(size)/float64(len(spans)), "B/span")
}
