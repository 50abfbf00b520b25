package elastic

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage/elastic/cluster"
)

// Config configures a Store.
type Config struct {
	cluster.Config `yaml:",inline"`
	// Dir is where the write-ahead log is.
	Dir string `yaml:"-"` // set from storage.local.dir
	// Retention is how long records are kept; 0 is for ever.
	Retention Retention `yaml:"-"` // set from storage.retention
	// Dataset is the middle of the data streams' names, logs-DATASET-TENANT; several installations may share a cluster under different ones.
	Dataset string `yaml:"dataset"`
	// Shards is the number of primary shards of each index.
	Shards int `yaml:"shards"`
	// Replicas is how many copies each shard has beside the primary one; with 0, a lost node loses data.
	Replicas int `yaml:"replicas"`
	// RefreshInterval is how soon documents show up in searches that this process does not make; 0 leaves it to Elasticsearch: within a second while somebody searches, and with the next search where nobody did.
	RefreshInterval model.Duration `yaml:"refresh_interval"`
	// Acknowledge is when a request is acknowledged: wal, once the log on this machine's disk has it, or elasticsearch, once Elasticsearch has.
	Acknowledge string `yaml:"acknowledge"`
	// Startup is what happens where Elasticsearch cannot be used at the start: wait, and take data meanwhile, or fail.
	Startup string `yaml:"startup"`
	// WALBytes bounds the requests that wait on this machine's disk for Elasticsearch; beyond it requests are refused, to be sent again.
	WALBytes int64 `yaml:"wal_bytes"`
	// WALFileBytes is when a new write-ahead file is begun.
	WALFileBytes int64 `yaml:"wal_file_bytes"`
	// WALGroupBytes is how much is written and synced at once at most.
	WALGroupBytes int64 `yaml:"wal_group_bytes"`
	// MinFreeBytes is how much room is left on the disk: with less, requests are refused.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// DedupWindow is how long a request is remembered, so that the same one sent again is known as a duplicate.
	DedupWindow model.Duration `yaml:"dedup_window"`
	// DedupRequests is how many requests are remembered at most.
	DedupRequests int `yaml:"dedup_requests"`
	// BulkBytes is about how big a bulk request is, before compression.
	BulkBytes int `yaml:"bulk_bytes"`
	// BulkLinger is how long the drain waits for a bulk request to fill, unless a reader waits.
	BulkLinger model.Duration `yaml:"bulk_linger"`
	// BulkConcurrency is how many bulk requests are under way at most; fewer while Elasticsearch says that it has too much to do.
	BulkConcurrency int `yaml:"bulk_concurrency"`
	// ShardWait is how long a bulk request waits for a shard that is on no node that is there, before what is for it comes back: it holds its place that long; half of request_timeout at most.
	ShardWait model.Duration `yaml:"shard_wait"`
	// ParkAfter is how long an index may take nothing before the requests of its tenant and signal are parked on this machine's disk, so that others go on.
	ParkAfter model.Duration `yaml:"park_after"`
	// ParkedShare is the part of wal_bytes that the parked requests of one tenant and signal may have, of what others have not parked; beyond it this tenant's requests are refused.
	ParkedShare float64 `yaml:"parked_share"`
	// ReadWait is how long a query waits for acknowledged records to be indexed before it answers without them, with a warning.
	ReadWait model.Duration `yaml:"read_wait"`
	// PageRows is how many documents are fetched at once.
	PageRows int `yaml:"page_rows"`
	// KeepAlive is how long Elasticsearch keeps a query's point in time between two pages.
	KeepAlive model.Duration `yaml:"keep_alive"`
	// CallsBytes is how much memory sums of calls may take, by the hour, which the map is made of; they are in Elasticsearch too. 0 reads them from there each time.
	CallsBytes int64 `yaml:"calls_bytes"`
	// Lifecycle is who rolls over and drops old indices: ilm (the cluster's policies), clew, or auto for ilm where the cluster has it.
	Lifecycle string `yaml:"lifecycle"`
	// RolloverAge is when a data stream gets a new index, at the latest.
	RolloverAge model.Duration `yaml:"rollover_age"`
	// RolloverBytes is when a data stream gets a new index, by the size of its primary shards.
	RolloverBytes int64 `yaml:"rollover_bytes"`
	// DeletionEvery is how often it is looked for requests to delete records, which may have been made at another clew process.
	DeletionEvery model.Duration `yaml:"deletion_every"`
	// DeletionDelay is how long a request to delete records waits, in which it can be canceled.
	DeletionDelay model.Duration `yaml:"deletion_delay"`
	// MaintainEvery is how often it is looked for something to roll over or to drop.
	MaintainEvery model.Duration `yaml:"maintain_every"`
}

// Retention is how long the signals are kept.
type Retention struct{ Logs, Traces model.Duration }

// The values of Acknowledge, Startup and Lifecycle.
const (
	AckWAL           = "wal"
	AckElasticsearch = "elasticsearch"
	StartupWait      = "wait"
	StartupFail      = "fail"
	LifecycleAuto    = "auto"
	LifecycleILM     = "ilm"
	LifecycleClew    = "clew"
)

const (
	mib = 1 << 20
	day = 24 * time.Hour
)

// DefaultConfig returns what is used where nothing else is configured.
func DefaultConfig() Config {
	return Config{
		Config:          cluster.DefaultConfig(),
		Dir:             "./data/elasticsearch",
		Dataset:         "clew.otel",
		Shards:          1,
		Replicas:        1,
		Acknowledge:     AckWAL,
		Startup:         StartupWait,
		WALBytes:        8 << 30,
		WALFileBytes:    64 * mib,
		WALGroupBytes:   8 * mib,
		MinFreeBytes:    256 * mib,
		DedupWindow:     model.Duration(10 * time.Minute),
		DedupRequests:   200_000,
		BulkBytes:       5 * mib,
		BulkLinger:      model.Duration(500 * time.Millisecond),
		BulkConcurrency: 2,
		ShardWait:       model.Duration(5 * time.Second),
		ParkAfter:       model.Duration(2 * time.Second),
		ParkedShare:     0.5,
		ReadWait:        model.Duration(5 * time.Second),
		PageRows:        2000,
		KeepAlive:       model.Duration(2 * time.Minute),
		CallsBytes:      64 * mib,
		Lifecycle:       LifecycleAuto,
		RolloverAge:     model.Duration(day),
		RolloverBytes:   50 << 30,
		DeletionEvery:   model.Duration(10 * time.Second),
		MaintainEvery:   model.Duration(time.Minute),
	}
}

// datasetName is what Elasticsearch's scheme of data stream names allows.
var datasetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.]{0,63}$`)

// maxPageRows is Elasticsearch's own default bound, index.max_result_window.
const maxPageRows = 10_000

// Validate says what is wrong, all of it at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	oneOf := func(key, value string, of ...string) {
		for _, o := range of {
			if value == o {
				return
			}
		}
		errs = append(errs, fmt.Errorf("%s: %q, want one of %q", key, value, of))
	}
	if err := c.Config.Validate(); err != nil {
		errs = append(errs, err)
	}
	check(c.Dir != "", "the directory of the write-ahead log is empty")
	check(c.Retention.Logs >= 0 && c.Retention.Traces >= 0, "retention: want 0 (for ever) or more")
	check(datasetName.MatchString(c.Dataset), "dataset: %q, want up to 64 of a-z, 0-9, _ and .", c.Dataset)
	check(c.Shards > 0, "shards: %d, want 1 or more", c.Shards)
	check(c.Replicas >= 0, "replicas: %d, want 0 or more", c.Replicas)
	check(c.RefreshInterval >= 0, "refresh_interval: %s, want 0 (left to Elasticsearch) or more", c.RefreshInterval)
	oneOf("acknowledge", c.Acknowledge, AckWAL, AckElasticsearch)
	oneOf("startup", c.Startup, StartupWait, StartupFail)
	oneOf("lifecycle", c.Lifecycle, LifecycleAuto, LifecycleILM, LifecycleClew)
	check(c.WALBytes > 0, "wal_bytes: %d, want more than 0", c.WALBytes)
	check(c.WALFileBytes > 0, "wal_file_bytes: %d, want more than 0", c.WALFileBytes)
	check(c.WALGroupBytes > 0, "wal_group_bytes: %d, want more than 0", c.WALGroupBytes)
	check(c.MinFreeBytes >= 0, "min_free_bytes: %d, want 0 or more", c.MinFreeBytes)
	check(c.DedupWindow >= 0, "dedup_window: %s, want 0 (off) or more", c.DedupWindow)
	check(c.DedupRequests > 0, "dedup_requests: %d, want more than 0", c.DedupRequests)
	check(c.BulkBytes > 0, "bulk_bytes: %d, want more than 0", c.BulkBytes)
	check(c.BulkLinger >= 0, "bulk_linger: %s, want 0 or more", c.BulkLinger)
	check(c.BulkConcurrency > 0, "bulk_concurrency: %d, want 1 or more", c.BulkConcurrency)
	check(c.ShardWait > 0, "shard_wait: %s, want more than 0", c.ShardWait)
	check(c.ParkAfter > 0, "park_after: %s, want more than 0", c.ParkAfter)
	check(c.ParkedShare > 0 && c.ParkedShare < 1, "parked_share: %g, want more than 0 and less than 1", c.ParkedShare)
	check(c.ReadWait >= 0, "read_wait: %s, want 0 or more", c.ReadWait)
	check(c.PageRows > 0 && c.PageRows <= maxPageRows, "page_rows: %d, want 1 to %d", c.PageRows, maxPageRows)
	check(c.KeepAlive > 0, "keep_alive: %s, want more than 0", c.KeepAlive)
	check(c.CallsBytes >= 0, "calls_bytes: %d, want 0 (none) or more", c.CallsBytes)
	check(c.RolloverAge > 0, "rollover_age: %s, want more than 0", c.RolloverAge)
	check(c.RolloverBytes > 0, "rollover_bytes: %d, want more than 0", c.RolloverBytes)
	check(c.DeletionEvery > 0, "deletion_every: %s, want more than 0", c.DeletionEvery)
	check(c.DeletionDelay >= 0, "deletion_delay: %s, want 0 or more", c.DeletionDelay)
	check(c.MaintainEvery > 0, "maintain_every: %s, want more than 0", c.MaintainEvery)
	return errors.Join(errs...)
}
