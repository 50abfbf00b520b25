//go:build unix

package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// benchSpans returns batches of spans as services send them.
func benchSpans(batches, size int) (out []*telemetry.SpanBatch) {
	g := storagetest.NewGen(1)
	r := rand.New(rand.NewPCG(1, 1))
	at := storagetest.Base
	for range batches {
		spans := make([]telemetry.Span, size)
		trace, parent := g.TraceID(), telemetry.SpanID{}
		for i := range spans {
			if i%8 == 0 {
				trace, parent = g.TraceID(), telemetry.SpanID{}
			}
			at += r.Int64N(2e6)
			spans[i] = telemetry.Span{
				Stream: g.Streams[r.IntN(len(g.Streams))], TraceID: trace, SpanID: g.SpanID(), ParentID: parent,
				Start: at, End: at + r.Int64N(3e8), Kind: telemetry.SpanKind(1 + r.IntN(5)),
				Name: fmt.Sprintf("GET /api/v1/thing/%d", r.IntN(30)),
				Attrs: telemetry.Attrs{
					{Key: "http.request.method", Value: telemetry.String("GET")},
					{Key: "url.path", Value: telemetry.String(fmt.Sprintf("/api/v1/thing/%d", r.IntN(3000)))},
					{Key: "http.response.status_code", Value: telemetry.Int(200)},
					{Key: "server.address", Value: telemetry.String("shop.example")},
					{Key: "request.id", Value: telemetry.String(g.RequestID())},
				},
			}
			parent = spans[i].SpanID
		}
		out = append(out, storagetest.SpanBatch(spans))
	}
	return out
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchIngest takes requests of 500 records in on the disk, eight at a time,
// decoding, fsyncs, flushes and merges included.
func benchIngest(b *testing.B, requests int, write func(*Store, int) error) {
	cfg := benchConfig(b)
	cfg.DedupWindow, cfg.WriteWait = 0, model.Duration(time.Minute)
	// The day of the records is not over: what is over is merged to the end.
	s, err := Open(cfg, Deps{FS: vfs.Default, Now: newClock().now})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b.SetParallelism(4)
	b.ReportAllocs()
	var next atomic.Int64
	before := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := write(s, int(next.Add(1))%requests); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	records := float64(b.N * benchBatch)
	b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric((cpuTime(b)-before).Seconds()/records*1e6, "CPU-s/million")
}

func BenchmarkIngestLogs(b *testing.B) {
	batches, _ := benchLogs(200, benchBatch)
	benchIngest(b, len(batches), func(s *Store, i int) error {
		batch, err := otlp.DecodeLogs(batches[i].Raw)
		if err == nil {
			_, err = s.WriteLogs(context.Background(), "bench", batch)
		}
		return err
	})
}

func BenchmarkIngestSpans(b *testing.B) {
	batches := benchSpans(200, benchBatch)
	benchIngest(b, len(batches), func(s *Store, i int) error {
		batch, err := otlp.DecodeSpans(batches[i].Raw)
		if err == nil {
			_, err = s.WriteSpans(context.Background(), "bench", batch)
		}
		return err
	})
}
