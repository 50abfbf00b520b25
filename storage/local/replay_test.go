package local

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// fillWAL leaves a write-ahead log of rounds times the batches, each round
// another tenant's, of which nothing is in segments.
func fillWAL(t *testing.T, fs vfs.FS, cfg Config, rounds int, batches []*telemetry.LogBatch) {
	t.Helper()
	cfg.FlushBytes, cfg.HeadBytes = 1<<40, 1<<40
	s := mustOpen(t, fs, cfg)
	for i := range rounds {
		for _, b := range batches {
			storagetest.WriteLogs(t, s, fmt.Sprint("tenant-", i), b)
		}
	}
	if n := len(s.logs.segments); n != 0 {
		t.Fatalf("segments of %d tenants before the restart", n)
	}
	mustClose(t, s)
}

func records(t *testing.T, s *Store, tenant string) (n int64) {
	t.Helper()
	list, err := s.Streams(context.Background(), tenant, telemetry.Logs, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		n += st.Records
	}
	return n
}

// TestReplayWithinBudget: a log many times the memory that records may take is
// replayed within it, whatever the size of its files, and again and again.
func TestReplayWithinBudget(t *testing.T) {
	t.Parallel()
	const rounds = 6
	batches, ids := benchLogs(8, benchBatch)
	for _, fileBytes := range []int64{256 << 10, 1 << 40} {
		fs := vfs.NewMem()
		cfg := DefaultConfig()
		cfg.Dir, cfg.Retention, cfg.WALFileBytes = "/data", Retention{}, fileBytes
		fillWAL(t, fs, cfg, rounds, batches)
		cfg.FlushBytes, cfg.HeadBytes = 512<<10, 1<<20
		request := int64(0)
		for _, b := range batches {
			request = max(request, 2*int64(len(b.Raw)))
		}
		for range 3 {
			s := mustOpen(t, fs, cfg)
			if s.budget.peak > cfg.HeadBytes+request {
				t.Errorf("files of %d bytes: the head took up to %d bytes, want %d at most", fileBytes, s.budget.peak, cfg.HeadBytes)
			}
			if n := s.active.bytes; n > cfg.HeadBytes/2+request {
				t.Errorf("files of %d bytes: %d bytes are left in the head", fileBytes, n)
			}
			for i := range rounds {
				if n := records(t, s, fmt.Sprint("tenant-", i)); n != int64(len(batches)*benchBatch) {
					t.Fatalf("files of %d bytes: %d records of tenant %d, want %d", fileBytes, n, i, len(batches)*benchBatch)
				}
			}
			q := storage.LogQuery{Tenant: "tenant-3", IDs: ids[:1]}
			if n := len(storagetest.Logs(t, s, q)); n != 1 {
				t.Errorf("files of %d bytes: %d records carry the ID %s", fileBytes, n, ids[0])
			}
			for i, b := range batches {
				if r, err := s.WriteLogs(context.Background(), "tenant-2", b); err != nil || !r.Duplicate {
					t.Fatalf("request %d again: %+v, %v", i, r, err)
				}
			}
			mustClose(t, s)
		}
	}
}

// TestReplayedFlushesAreNotAdopted: what a replay wrote in the middle of a
// file of the log is no proof that the records before are gone from it.
func TestReplayedFlushesAreNotAdopted(t *testing.T) {
	for _, c := range []struct {
		covers wal.Position
		oldest uint64
		want   bool
	}{
		{wal.Position{}, 1, false},
		{wal.Position{Seq: 3, Offset: 24}, 3, true},
		{wal.Position{Seq: 3, Offset: 24}, 2, false},
		{wal.Position{Seq: 3, Offset: 5000}, 3, false},
		{wal.Position{Seq: 3, Offset: 5000}, 4, true},
	} {
		if got := released(c.covers, c.oldest); got != c.want {
			t.Errorf("covers %s, oldest file %d: %v", c.covers, c.oldest, got)
		}
	}
}
