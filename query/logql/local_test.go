package logql_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/telemetry"
)

// TestFilesOnLocalStore runs the same files against the embedded store, once
// with all records in its head and once with all in segments. Its clock stands
// at the time of the data, so that nothing is too old.
func TestFilesOnLocalStore(t *testing.T) {
	for _, path := range files(t) {
		t.Run("head/"+filepath.Base(path), func(t *testing.T) {
			r := &logqltest.Runner{Config: logql.DefaultConfig(), Open: func(t *testing.T) logqltest.Store { return openLocal(t) }}
			r.Run(t, path)
		})
		t.Run("segments/"+filepath.Base(path), func(t *testing.T) {
			r := &logqltest.Runner{Config: logql.DefaultConfig(), Open: func(t *testing.T) logqltest.Store { return flushing{openLocal(t)} }}
			r.Run(t, path)
		})
	}
}

// flushing is a store that puts every batch in a segment at once.
type flushing struct{ *local.Store }

// WriteLogs implements storage.Writer.
func (f flushing) WriteLogs(ctx context.Context, tenant string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	res, err := f.Store.WriteLogs(ctx, tenant, b)
	if err != nil {
		return res, err
	}
	return res, f.Flush(ctx)
}

// openLocal opens an embedded store in memory, which the test closes.
func openLocal(t *testing.T) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir = "data"
	s, err := local.Open(cfg, local.Deps{FS: vfs.NewMem(), Now: func() time.Time { return time.Unix(1000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
