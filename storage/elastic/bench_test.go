package elastic

import (
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry/otlp"
)

// BenchmarkShip makes bulk requests of what stands in the write-ahead log: what
// a collector spends on a record beside receiving it.
func BenchmarkShip(b *testing.B) {
	g := storagetest.NewGen(1)
	logs, spans := g.Logs(1000), g.Spans(1000)
	s := &Store{names: names{"bench"}, cfg: DefaultConfig()}
	s.streams = &catalog{store: s, known: map[streamKey]bool{}}
	var sum, packed int
	for b.Loop() {
		l, err := otlp.DecodeLogs(logs.Raw)
		if err != nil {
			b.Fatal(err)
		}
		sp, err := otlp.DecodeSpans(spans.Raw)
		if err != nil {
			b.Fatal(err)
		}
		made := batches.Get().(*batch)
		s.addLogs(made, "me", dedup.Hash{1}, 1, l.Logs)
		s.addSpans(made, "me", dedup.Hash{2}, 1, sp.Spans)
		var out counter
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			b.Fatal(err)
		}
		writeBulk(z, made.items)
		if err := z.Close(); err != nil {
			b.Fatal(err)
		}
		sum, packed = size(made.items), int(out)
		made.release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
	b.ReportMetric(float64(sum)/2000, "bytes/record")
	b.ReportMetric(float64(packed)/2000, "packed/record")
}

type counter int

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
