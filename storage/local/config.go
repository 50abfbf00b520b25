package local

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage/local/object"
)

// Config configures a Store.
type Config struct {
	// Dir is the directory that the store owns.
	Dir string `yaml:"dir"`
	// Retention is how long records are kept, by whole days; 0 is for ever.
	Retention Retention `yaml:"-"` // set from storage.retention
	// FlushBytes is how much memory the newest records take before they are
	// written to segments, FlushAge how old they grow.
	FlushBytes int64          `yaml:"flush_bytes"`
	FlushAge   model.Duration `yaml:"flush_age"`
	// FlushBytesPerSecond bounds how much of that memory is written per second,
	// so that queries find processors and disk free; 0 is no bound. Where half of
	// HeadBytes is in use it is written as fast as it goes: no acknowledgement
	// waits for the bound.
	FlushBytesPerSecond int64 `yaml:"flush_bytes_per_second"`
	// HeadBytes bounds the memory of all records that are not in segments
	// yet. A write beyond it waits for up to WriteWait, then is refused.
	HeadBytes int64          `yaml:"head_bytes"`
	WriteWait model.Duration `yaml:"write_wait"`
	// BlockRows and BlockBytes end a block of a segment, whichever comes first.
	BlockRows  int   `yaml:"block_rows"`
	BlockBytes int64 `yaml:"block_bytes"`
	// DedupWindow is how long a request is remembered, so that the same one
	// sent again is stored once; DedupRequests how many are at most.
	DedupWindow   model.Duration `yaml:"dedup_window"`
	DedupRequests int            `yaml:"dedup_requests"`
	// WALFileBytes is when a new write-ahead file is begun, WALGroupBytes how
	// much is written and synced at once at most.
	WALFileBytes  int64 `yaml:"wal_file_bytes"`
	WALGroupBytes int64 `yaml:"wal_group_bytes"`
	// MinFreeBytes is how much room is left on the disk: with less, writes are
	// refused, so that there is room to flush and to tidy up.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// CompactFiles is how many segments of about the same size of one day are
	// merged into one, up to CompactRows records.
	CompactFiles int   `yaml:"compact_files"`
	CompactRows  int64 `yaml:"compact_rows"`
	// TidyBytesPerSecond bounds what merging and deleting read of segments per
	// second, so that queries and writes find the disk free; 0 is no bound.
	TidyBytesPerSecond int64 `yaml:"tidy_bytes_per_second"`
	// DeletionDelay is how long a request to delete records waits, in which it
	// can be canceled.
	DeletionDelay model.Duration `yaml:"deletion_delay"`
	// Objects is object storage that closed days move to.
	Objects object.Config `yaml:"objects"`
	// MaintainEvery is how often it is looked for something to flush, to merge
	// or to drop.
	MaintainEvery model.Duration `yaml:"maintain_every"`
}

// Retention is how long the signals are kept, and up to how many bytes of
// segments of each tenant; 0 is for ever and without end. Tenants that stand in
// the map have a retention of their own.
type Retention struct {
	Logs        model.Duration
	Traces      model.Duration
	LogsBytes   int64
	TracesBytes int64
	Tenants     map[string]TenantRetention
}

// TenantRetention is the retention of one tenant.
type TenantRetention struct {
	// Logs and Traces are how long the signals are kept, by whole days; 0 is
	// for ever. What is left out is as for all tenants.
	Logs   *model.Duration `yaml:"logs"`
	Traces *model.Duration `yaml:"traces"`
	// LogsBytes and TracesBytes are in place of those of all tenants.
	LogsBytes   int64 `yaml:"logs_bytes"`
	TracesBytes int64 `yaml:"traces_bytes"`
}

// Of returns how long the records of a tenant are kept.
func (r *Retention) Of(tenant string) (logs, traces model.Duration) {
	logs, traces = r.Logs, r.Traces
	own := r.Tenants[tenant]
	if own.Logs != nil {
		logs = *own.Logs
	}
	if own.Traces != nil {
		traces = *own.Traces
	}
	return logs, traces
}

// Validate says what is wrong with r, all of it.
func (r *Retention) Validate() error {
	var errs []error
	age := func(key string, d *model.Duration) {
		if d != nil && *d < 0 {
			errs = append(errs, fmt.Errorf("retention.%s: %s, want 0 (for ever) or more", key, *d))
		}
	}
	bytes := func(key string, n int64) {
		if n < 0 {
			errs = append(errs, fmt.Errorf("retention.%s: %d, want 0 (without end) or more", key, n))
		}
	}
	age("logs", &r.Logs)
	age("traces", &r.Traces)
	bytes("logs_bytes", r.LogsBytes)
	bytes("traces_bytes", r.TracesBytes)
	for _, name := range slices.Sorted(maps.Keys(r.Tenants)) {
		t, key := r.Tenants[name], "tenants."+name
		age(key+".logs", t.Logs)
		age(key+".traces", t.Traces)
		bytes(key+".logs_bytes", t.LogsBytes)
		bytes(key+".traces_bytes", t.TracesBytes)
	}
	return errors.Join(errs...)
}

const (
	mib = 1 << 20
	day = 24 * time.Hour
)

// DefaultConfig returns what is used where nothing else is configured.
func DefaultConfig() Config {
	return Config{
		Dir:           "./data",
		Retention:     Retention{Logs: model.Duration(30 * day), Traces: model.Duration(14 * day)},
		FlushBytes:    32 * mib,
		FlushAge:      model.Duration(10 * time.Minute),
		HeadBytes:     72 * mib,
		WriteWait:     model.Duration(2 * time.Second),
		BlockRows:     2048,
		BlockBytes:    4 * mib,
		DedupWindow:   model.Duration(10 * time.Minute),
		DedupRequests: 200_000,
		WALFileBytes:  16 * mib,
		WALGroupBytes: 8 * mib,
		MinFreeBytes:  256 * mib,
		CompactFiles:  24,
		CompactRows:   4_000_000,
		MaintainEvery: model.Duration(2 * time.Second),

		TidyBytesPerSecond:  64 * mib,
		FlushBytesPerSecond: 64 * mib,
		Objects:             object.DefaultConfig(),
	}
}

// Validate says what is wrong, all of it at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Dir != "", "dir: empty, want a directory")
	if err := c.Retention.Validate(); err != nil {
		errs = append(errs, err)
	}
	check(c.FlushBytes > 0, "flush_bytes: %d, want more than 0", c.FlushBytes)
	check(c.FlushBytesPerSecond >= 0, "flush_bytes_per_second: %d, want 0 (no bound) or more", c.FlushBytesPerSecond)
	check(c.FlushAge > 0, "flush_age: %s, want more than 0", c.FlushAge)
	check(c.HeadBytes >= c.FlushBytes, "head_bytes: %d, want at least flush_bytes (%d)", c.HeadBytes, c.FlushBytes)
	check(c.WriteWait >= 0, "write_wait: %s, want 0 or more", c.WriteWait)
	check(c.BlockRows >= 1 && c.BlockRows <= maxBlockRows, "block_rows: %d, want 1 to %d", c.BlockRows, maxBlockRows)
	check(c.BlockBytes > 0, "block_bytes: %d, want more than 0", c.BlockBytes)
	check(c.DedupWindow >= 0, "dedup_window: %s, want 0 (off) or more", c.DedupWindow)
	check(c.DedupRequests > 0, "dedup_requests: %d, want more than 0", c.DedupRequests)
	check(c.WALFileBytes > 0, "wal_file_bytes: %d, want more than 0", c.WALFileBytes)
	check(c.WALGroupBytes > 0, "wal_group_bytes: %d, want more than 0", c.WALGroupBytes)
	check(c.MinFreeBytes >= 0, "min_free_bytes: %d, want 0 or more", c.MinFreeBytes)
	check(c.CompactFiles >= 2, "compact_files: %d, want 2 or more", c.CompactFiles)
	check(c.CompactRows > 0, "compact_rows: %d, want more than 0", c.CompactRows)
	check(c.TidyBytesPerSecond >= 0, "tidy_bytes_per_second: %d, want 0 (no bound) or more", c.TidyBytesPerSecond)
	check(c.DeletionDelay >= 0, "deletion_delay: %s, want 0 or more", c.DeletionDelay)
	check(c.MaintainEvery > 0, "maintain_every: %s, want more than 0", c.MaintainEvery)
	for _, err := range c.Objects.Check() {
		errs = append(errs, fmt.Errorf("objects.%w", err))
	}
	return errors.Join(errs...)
}

// maxBlockRows keeps a block within what a reader takes into memory at once.
const maxBlockRows = 1 << 16
