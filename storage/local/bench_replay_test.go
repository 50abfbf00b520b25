//go:build linux

package local

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry/otlp"
)

var (
	replayBytes = flag.Int64("replay.bytes", 64*mib, "how many bytes of requests BenchmarkReplay takes in, and replays")
	replayDir   = flag.String("replay.dir", "", "only leave a full write-ahead log of that many bytes in this new directory")
)

// fresh returns a request that was not there before, with the same records: it
// ends with a resource that has no records, and a schema URL of its own.
func fresh(dst, raw []byte, n int) []byte {
	url := fmt.Sprintf("urn:request:%d", n)
	dst = append(append(dst[:0], raw...), 0x0a, byte(len(url)+2), 0x1a, byte(len(url)))
	return append(dst, url...)
}

// requests calls each with so many bytes of requests of logs, none twice.
func requests(bytes int64, each func(raw []byte) error) (n int, err error) {
	batches, _ := benchLogs(200, benchBatch)
	var raw []byte
	for left := bytes; left > 0 && err == nil; n++ {
		raw = fresh(raw, batches[n%len(batches)].Raw, n)
		left -= int64(len(raw))
		err = each(raw)
	}
	return n, err
}

// writeLog leaves a write-ahead log of requests of which none is in a segment,
// as a server leaves it that was killed and could not flush.
func writeLog(b *testing.B, cfg Config, bytes int64) (records int64) {
	b.Helper()
	s := mustOpen(b, vfs.Default, cfg) // makes the directories
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	w, _, err := wal.NewWriter(wal.Options{
		FS: vfs.Default, Dir: s.paths.wal(), FileBytes: cfg.WALFileBytes, GroupBytes: cfg.WALGroupBytes, Now: time.Now,
	}, 2, framing.UnknownLength, nil)
	if err != nil {
		b.Fatal(err)
	}
	var pending sync.WaitGroup
	n, err := requests(bytes, func(raw []byte) error {
		rec := wal.Record{Type: wal.Logs, Received: time.Now().UnixNano(), Tenant: "anonymous", Data: append([]byte(nil), raw...)}
		pending.Add(1)
		return w.Append(context.Background(), rec, func(_ wal.Position, err error) {
			if err != nil {
				b.Error(err)
			}
			pending.Done()
		})
	})
	pending.Wait()
	if err != nil || w.Close() != nil {
		b.Fatal(err)
	}
	return int64(n) * benchBatch
}

// peakMemory is the most memory that the process had resident since the last
// call.
func peakMemory(b *testing.B) (bytes int64) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			break
		}
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	return bytes << 10
}

// BenchmarkReplay takes requests in, eight at a time, and starts a store whose
// write-ahead log is full of the same requests. Both read the same bytes by the
// same decoder and write the same segments; only ingestion has to sync.
func BenchmarkReplay(b *testing.B) {
	if *replayDir != "" {
		cfg := DefaultConfig()
		cfg.Dir = *replayDir
		b.Logf("%d records wait in %s", writeLog(b, cfg, *replayBytes), cfg.Dir)
		return
	}
	b.Run("ingest", func(b *testing.B) { benchOneWay(b, func(*Config) {}, takeIn) })
	b.Run("replay", func(b *testing.B) {
		benchOneWay(b, func(cfg *Config) { writeLog(b, *cfg, *replayBytes) }, func(*testing.B, *Store) {})
	})
}

// benchOneWay measures from the opening of a store to its last flush.
func benchOneWay(b *testing.B, prepare func(*Config), work func(*testing.B, *Store)) {
	var cpu time.Duration
	var peak int64
	for range b.N {
		b.StopTimer()
		cfg := benchConfig(b)
		cfg.WriteWait = model.Duration(time.Minute)
		prepare(&cfg)
		peakMemory(b)
		before := cpuTime(b)
		b.StartTimer()
		s, err := Open(cfg, Deps{FS: vfs.Default, Now: newClock().now})
		if err != nil {
			b.Fatal(err)
		}
		work(b, s)
		if err := s.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cpu, peak = cpu+cpuTime(b)-before, max(peak, peakMemory(b))
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	mb := float64(b.N) * float64(*replayBytes) / 1e6
	b.ReportMetric(mb/b.Elapsed().Seconds(), "MB/s")
	b.ReportMetric(cpu.Seconds()/mb*1e3, "CPU-s/GB")
	b.ReportMetric(float64(peak)/mib, "peak-MiB")
}

// takeIn writes the requests to the store as a server does.
func takeIn(b *testing.B, s *Store) {
	queue := make(chan []byte)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for raw := range queue {
				batch, err := otlp.DecodeLogs(raw)
				if err == nil {
					_, err = s.WriteLogs(context.Background(), "anonymous", batch)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	_, err := requests(*replayBytes, func(raw []byte) error {
		queue <- append([]byte(nil), raw...)
		return nil
	})
	close(queue)
	writers.Wait()
	if err != nil {
		b.Fatal(err)
	}
}
