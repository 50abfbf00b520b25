package local

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testConfig has small blocks and a background that does nothing by itself.
func testConfig() Config {
	c := DefaultConfig()
	c.Dir = "/data"
	c.Retention = Retention{}
	c.BlockRows = 50
	c.CompactFiles = 3
	c.MaintainEvery = model.Duration(time.Hour)
	return c
}

func mustOpen(t testing.TB, fs vfs.FS, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg, Deps{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// after does something behind every acknowledged batch.
type after struct {
	*Store
	do func(*Store) error
}

func (a after) WriteLogs(ctx context.Context, tenant string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	r, err := a.Store.WriteLogs(ctx, tenant, b)
	if err == nil && len(b.Logs) > 0 {
		err = a.do(a.Store)
	}
	return r, err
}

func (a after) WriteSpans(ctx context.Context, tenant string, b *telemetry.SpanBatch) (storage.WriteResult, error) {
	r, err := a.Store.WriteSpans(ctx, tenant, b)
	if err == nil && len(b.Spans) > 0 {
		err = a.do(a.Store)
	}
	return r, err
}

func TestSuite(t *testing.T) {
	flush := func(s *Store) error { return s.Flush(context.Background()) }
	both := func(s *Store) error {
		if err := flush(s); err != nil {
			return err
		}
		return s.Tidy(context.Background())
	}
	for name, do := range map[string]func(*Store) error{
		"head":           func(*Store) error { return nil },
		"flushed":        flush,
		"flushed merged": both,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) storage.Store {
				return after{mustOpen(t, vfs.NewMem(), testConfig()), do}
			})
		})
	}
}

// TestSuiteOtherSettings runs the suite under settings that move every
// boundary: answers may not depend on them.
func TestSuiteOtherSettings(t *testing.T) {
	for i, set := range []func(*Config){
		func(c *Config) { c.BlockRows = 1 },
		func(c *Config) { c.BlockRows, c.CompactFiles = 64, 2 },
		func(c *Config) { c.BlockBytes, c.WALFileBytes, c.WALGroupBytes = 100, 1000, 1000 },
		func(c *Config) { c.FlushBytes, c.HeadBytes = 10_000, 1<<30 },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) storage.Store {
				cfg := testConfig()
				set(&cfg)
				var writes atomic.Int64
				return after{mustOpen(t, vfs.NewMem(), cfg), func(s *Store) error {
					// The background may flush by itself in the last setting; the order
					// within a nanosecond holds while nothing moves.
					if writes.Add(1)%3 == 0 || i == 3 {
						return s.Flush(context.Background())
					}
					return nil
				}}
			})
		})
	}
}
