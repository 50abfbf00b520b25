package local

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/storagetest"
)

// directoryConfig is object storage in a directory of the same file system.
func directoryConfig() object.Config {
	c := object.DefaultConfig()
	c.Kind, c.Directory = object.KindDirectory, "/archive/clew"
	c.MoveAfter = 0
	c.ChunkBytes, c.ReadAheadBytes = 1024, 8192
	c.Backoff, c.MaxBackoff = model.Duration(time.Microsecond), model.Duration(2*time.Microsecond)
	c.BreakerFailures = 1 << 16 // never; the breaker has a bit of memory for each
	return c
}

func TestSuiteObjects(t *testing.T) {
	for name, cacheBytes := range map[string]int64{"small cache": 3000, "no cache": 0} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store {
				cfg := testConfig()
				cfg.Objects = directoryConfig()
				cfg.Objects.CacheBytes = cacheBytes
				return after{mustOpen(t, vfs.NewMem(), cfg), func(s *Store) error {
					if err := s.Flush(context.Background()); err != nil {
						return err
					}
					return s.Tidy(context.Background())
				}}
			})
		})
	}
}
