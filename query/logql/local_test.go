package logql_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/storage/local"
)

// TestFilesOnLocalStore runs the same files against the embedded store. Its
// clock stands at the time of the data, so that nothing is too old.
func TestFilesOnLocalStore(t *testing.T) {
	for _, path := range files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := &logqltest.Runner{Config: logql.DefaultConfig(), Open: func(t *testing.T) logqltest.Store { return openLocal(t) }}
			r.Run(t, path)
		})
	}
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
