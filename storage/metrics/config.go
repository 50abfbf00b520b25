package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// The TSDB cuts its head every two hours, and merges blocks up to a tenth of
// the retention, as Prometheus does, but never more than a month so that
// retention drops old data in pieces of a sensible size.
const (
	blockDuration    = 2 * time.Hour
	maxBlockDuration = 31 * 24 * time.Hour
	// walPage is the unit in which Prometheus writes its WAL; segments are
	// whole pages.
	walPage = 32 * 1024
)

// Config says where metrics are kept, for how long, and within which limits.
type Config struct {
	// Dir holds a folder per tenant.
	Dir string `yaml:"-"`
	// Retention is how long samples are kept.
	Retention model.Duration `yaml:"-"`
	// RetentionBytes bounds the blocks of a tenant, 0 for no bound.
	RetentionBytes int64 `yaml:"retention_bytes"`
	// OutOfOrderWindow is how much older than the newest sample a sample may
	// be. Agents that were cut off deliver late.
	OutOfOrderWindow model.Duration `yaml:"out_of_order_window"`
	// MaxFuture is how far ahead of the server's clock a sample may be, 0 for
	// no bound. One sample of next year would shut out all of today's.
	MaxFuture model.Duration `yaml:"max_future"`
	// MaxExemplars is how many exemplars a tenant keeps, newest first out of a
	// ring in memory. About 100 bytes each are taken at once.
	MaxExemplars int64 `yaml:"max_exemplars"`
	// MaxMetadataFamilies bounds the metric families whose metadata is kept.
	MaxMetadataFamilies int `yaml:"max_metadata_families"`
	// MaxTenants bounds the tenants; each open TSDB costs some megabytes.
	MaxTenants int `yaml:"max_tenants"`
	// MinFreeBytes is the room on the disk below which writes are refused: the
	// database cannot bear a full disk. The rest is for compaction, which
	// makes room, and for replay after a restart.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// MaintenanceInterval is how often full chunks are written out and blocks
	// are compacted and dropped.
	MaintenanceInterval model.Duration `yaml:"maintenance_interval"`
	// WALSegmentBytes is the size of a file of the write-ahead log.
	WALSegmentBytes int `yaml:"wal_segment_bytes"`
	// HeadStripes is how many locks the series in memory are spread over: a
	// power of two. More help many cores and cost memory per tenant.
	HeadStripes int `yaml:"head_stripes"`
	// HeadWriteBufferBytes is the buffer before the head's chunk file.
	HeadWriteBufferBytes int `yaml:"head_write_buffer_bytes"`
	// CloseTimeout is how long Close waits for queries and commits under way.
	CloseTimeout model.Duration `yaml:"close_timeout"`
}

// DefaultConfig returns what a small node runs with.
func DefaultConfig() Config {
	return Config{
		Dir:                  "./data/metrics",
		Retention:            model.Duration(90 * 24 * time.Hour),
		OutOfOrderWindow:     model.Duration(24 * time.Hour),
		MaxFuture:            model.Duration(10 * time.Minute),
		MaxExemplars:         20_000,
		MaxMetadataFamilies:  50_000,
		MaxTenants:           1000,
		MinFreeBytes:         16 << 20,
		MaintenanceInterval:  model.Duration(time.Minute),
		WALSegmentBytes:      32 << 20,
		HeadStripes:          512,
		HeadWriteBufferBytes: chunks.MinWriteBufferSize,
		CloseTimeout:         model.Duration(30 * time.Second),
	}
}

// Validate says what is wrong with the configuration and what would be right.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Dir == "", "dir: want a folder, got none")
	bad(time.Duration(c.Retention) < blockDuration, "retention: want at least %s, got %s", model.Duration(blockDuration), c.Retention)
	bad(c.RetentionBytes < 0, "retention_bytes: want 0 or more, got %d", c.RetentionBytes)
	bad(c.OutOfOrderWindow < 0, "out_of_order_window: want 0s or more, got %s", c.OutOfOrderWindow)
	bad(c.MaxFuture < 0, "max_future: want 0s or more, got %s", c.MaxFuture)
	bad(c.MaxExemplars < 0, "max_exemplars: want 0 or more, got %d", c.MaxExemplars)
	bad(c.MaxMetadataFamilies < 1, "max_metadata_families: want 1 or more, got %d", c.MaxMetadataFamilies)
	bad(c.MaxTenants < 1, "max_tenants: want 1 or more, got %d", c.MaxTenants)
	bad(c.MinFreeBytes < 0, "min_free_bytes: want 0 or more, got %d", c.MinFreeBytes)
	bad(c.MaintenanceInterval <= 0, "maintenance_interval: want more than 0s, got %s", c.MaintenanceInterval)
	bad(c.WALSegmentBytes < walPage || c.WALSegmentBytes%walPage != 0,
		"wal_segment_bytes: want a multiple of %d, got %d", walPage, c.WALSegmentBytes)
	bad(c.HeadStripes < 1 || c.HeadStripes&(c.HeadStripes-1) != 0, "head_stripes: want a power of two, got %d", c.HeadStripes)
	bad(c.HeadWriteBufferBytes < chunks.MinWriteBufferSize || c.HeadWriteBufferBytes > chunks.MaxWriteBufferSize || c.HeadWriteBufferBytes%1024 != 0,
		"head_write_buffer_bytes: want a multiple of 1024 from %d to %d, got %d", chunks.MinWriteBufferSize, chunks.MaxWriteBufferSize, c.HeadWriteBufferBytes)
	bad(c.CloseTimeout <= 0, "close_timeout: want more than 0s, got %s", c.CloseTimeout)
	return errors.Join(errs...)
}
