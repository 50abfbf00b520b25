package realtest

import (
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var (
	absence      = flag.Duration("absence.for", 2*time.Second, "how long Elasticsearch is away")
	absenceBytes = flag.Int64("absence.wal-bytes", 2<<20, "how many bytes may wait meanwhile")
	absencePause = flag.Duration("absence.pause", 0, "how long the sender waits after each request of 100 records")
)

// heapGrowth is how much more memory may be in use at the end of an absence
// than after a third of it. A few bulk requests wait in it to be tried again.
const heapGrowth = 16 << 20

// TestAbsence sends all the time while Elasticsearch is away: what does not
// fit is refused with a reason, memory stays what it was, the process is started
// again on the way, and all that was acknowledged is there afterwards, once.
func TestAbsence(t *testing.T) {
	way := &faulty{}
	cfg := config()
	quick(&cfg)
	cfg.BulkBytes, cfg.Dir, cfg.Startup = 1<<20, t.TempDir(), elastic.StartupWait
	cfg.WALBytes, cfg.ReadWait = *absenceBytes, model.Duration(10*time.Minute)
	d := elastic.Deps{FS: vfs.Default, Transport: way}
	way.set(func(*http.Request) (*http.Response, bool, error) { return nil, false, io.ErrUnexpectedEOF })
	s := open(t, cfg, d)
	g := storagetest.NewGen(91)
	acked, refused, restarted := 0, 0, false
	var early uint64
	for began := time.Now(); ; {
		b := g.Logs(100)
		time.Sleep(*absencePause)
		_, err := s.WriteLogs(t.Context(), "me", b)
		switch {
		case err == nil:
			acked += len(b.Logs)
		case errors.Is(err, storage.ErrOverloaded) && strings.Contains(err.Error(), "wal_bytes") && strings.Contains(err.Error(), "unexpected EOF"):
			refused++
			time.Sleep(10 * time.Millisecond) // as a sender does that is told to come again
		default:
			t.Fatal(err)
		}
		gone := time.Since(began)
		if early == 0 && gone > *absence/3 {
			early = heap()
		}
		if !restarted && gone > *absence/2 {
			restarted = true
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, cfg, d)
		}
		if gone > *absence && refused > 0 {
			break
		}
	}
	late := heap()
	t.Logf("away for %s: %d records acknowledged, %d requests refused, %d bytes wait; heap %d KiB, then %d KiB, resident %s",
		*absence, acked, refused, s.Remote().PendingBytes, early>>10, late>>10, resident())
	if late > early+heapGrowth {
		t.Errorf("memory in use grows from %d to %d bytes", early, late)
	}
	if pending := s.Remote().PendingBytes; pending > cfg.WALBytes {
		t.Errorf("%d bytes wait, want %d at most", pending, cfg.WALBytes)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	way.set(nil)
	back := time.Now()
	until(t, "the circuit breaker has found out", func() bool { return s.Remote().Breaker == "closed" })
	found := 0
	q := storage.LogQuery{Tenant: "me", To: 1 << 62, Stats: &storage.ReadStats{}}
	if err := s.CountLogs(t.Context(), q, 0, func(_ *telemetry.Stream, _ int, n int64) { found += int(n) }); err != nil || len(q.Stats.Warnings) > 0 {
		t.Fatal(err, q.Stats.Warnings)
	}
	t.Logf("a whole answer %s after Elasticsearch was back", time.Since(back).Round(time.Millisecond))
	if docs := count(t, "logs-"+cfg.Dataset+"-me"); found != acked || docs != acked {
		t.Errorf("%d records in %d documents, want %d", found, docs, acked)
	}
}

// heap is the memory in use, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// resident is the memory of the process as the system sees it, where it tells.
func resident() string {
	b, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(b)); err == nil && len(fields) > 1 {
		if pages, err := strconv.Atoi(fields[1]); err == nil {
			return strconv.Itoa(pages*os.Getpagesize()>>20) + " MiB"
		}
	}
	return "unknown"
}
