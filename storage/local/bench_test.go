package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// benchLogs returns batches of lines as services write them, and some of the
// IDs in them.
func benchLogs(batches, size int) (out []*telemetry.LogBatch, ids []string) {
	g := storagetest.NewGen(1)
	r := rand.New(rand.NewPCG(1, 1))
	at := storagetest.Base
	for range batches {
		logs := make([]telemetry.Log, size)
		for i := range logs {
			at += r.Int64N(2e6)
			id := g.RequestID()
			if r.IntN(1000) == 0 {
				ids = append(ids, id)
			}
			logs[i] = telemetry.Log{
				Stream: g.Streams[r.IntN(len(g.Streams))], Time: at, Observed: at + r.Int64N(1e6),
				TraceID: g.TraceID(), SpanID: g.SpanID(), Severity: telemetry.Severity(1 + r.IntN(20)),
				SeverityText: "INFO",
				Body:         telemetry.String(fmt.Sprintf("handled request %s of user %d in %d ms, status 200", id, r.IntN(5000), r.IntN(900))),
				Attrs: telemetry.Attrs{
					{Key: "http.method", Value: telemetry.String([]string{"GET", "POST"}[r.IntN(2)])},
					{Key: "http.route", Value: telemetry.String(fmt.Sprintf("/api/v1/thing/%d", r.IntN(30)))},
					{Key: "http.status_code", Value: telemetry.Int(200)},
					{Key: "duration_ms", Value: telemetry.Double(r.Float64() * 100)},
				},
			}
		}
		out = append(out, storagetest.LogBatch(logs))
	}
	return out, ids
}

func benchConfig(b *testing.B) Config {
	cfg := DefaultConfig()
	cfg.Dir = b.TempDir()
	cfg.Retention = Retention{} // the made-up times are past
	return cfg
}

const benchBatch = 500

// BenchmarkRead asks a store of 200,000 records in segments.
func BenchmarkRead(b *testing.B) {
	batches, ids := benchLogs(400, benchBatch)
	cfg := benchConfig(b)
	s := mustOpen(b, vfs.Default, cfg)
	defer func() { _ = s.Close() }()
	for i, batch := range batches {
		storagetest.WriteLogs(b, s, "bench", batch)
		if i%100 == 99 {
			if err := s.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Tidy(context.Background()); err != nil {
		b.Fatal(err)
	}
	report := s.logs.segments["bench"]
	var bytes, rows int64
	for _, h := range report {
		bytes, rows = bytes+h.meta.Bytes, rows+h.meta.Rows
	}
	b.Logf("%d segments, %.1f bytes a record", len(report), float64(bytes)/float64(rows))
	read := func(b *testing.B, q storage.LogQuery, limit int) {
		q.Tenant = "bench"
		n := 0
		for batch, err := range s.Logs(context.Background(), q) {
			if err != nil {
				b.Fatal(err)
			}
			if n += len(batch); limit > 0 && n >= limit {
				break
			}
		}
		if n == 0 {
			b.Fatal("nothing found")
		}
	}
	b.Run("id", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			read(b, storage.LogQuery{IDs: []string{ids[i%len(ids)]}}, 0)
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			read(b, storage.LogQuery{}, 0)
		}
		b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("times", func(b *testing.B) {
		for b.Loop() {
			read(b, storage.LogQuery{Columns: storage.ColSeverity}, 0)
		}
		b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "records/s")
	})
	all, err := s.Streams(context.Background(), "bench", telemetry.Logs, 0, 0, nil)
	if err != nil {
		b.Fatal(err)
	}
	first, last := all[0].First, all[0].Last
	for _, in := range all {
		first, last = min(first, in.First), max(last, in.Last)
	}
	for name, ends := range map[string][2]int64{
		"streams": {}, "streams from": {(first + last) / 2, last + 1},
		"streams within": {first + (last-first)/100*31, first + (last-first)/100*34},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got, err := s.Streams(context.Background(), "bench", telemetry.Logs, ends[0], ends[1], nil); err != nil || len(got) != len(all) {
					b.Fatal(len(got), err)
				}
			}
		})
	}
	b.Run("last1000", func(b *testing.B) {
		for b.Loop() {
			read(b, storage.LogQuery{Order: storage.NewestFirst, Stream: func(s *telemetry.Stream) bool { return s.Service == "service-1" }}, 1000)
		}
	})
}
