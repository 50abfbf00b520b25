package logql

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config bounds what a query may cost.
type Config struct {
	// MaxEntries is the highest limit that a log query may ask for.
	MaxEntries int `yaml:"max_entries"`
	// MaxSeries is how many series an answer may hold.
	MaxSeries int `yaml:"max_series"`
	// MaxInnerSeries is how many series a range aggregation may make on the
	// way to an answer.
	MaxInnerSeries int `yaml:"max_inner_series"`
	// MaxSamples is how many numbers a metric query may hold in memory.
	MaxSamples int `yaml:"max_samples"`
	// MaxSteps is how many points a series may have.
	MaxSteps int `yaml:"max_steps"`
	// MaxRows is how many records a query may read from the store.
	MaxRows int64 `yaml:"max_rows"`
	// MaxQueryLength is the longest text of a query, in bytes.
	MaxQueryLength int `yaml:"max_query_length_bytes"`
	// MaxQueryRange is the longest time between start and end; 0 is no limit.
	MaxQueryRange model.Duration `yaml:"max_query_range"`
	// MaxLookback is the longest range of a range aggregation; 0 is no limit.
	MaxLookback model.Duration `yaml:"max_lookback"`
	// Timeout ends a query.
	Timeout model.Duration `yaml:"timeout"`
	// TemplateBytes is the most text a template may make of one record.
	TemplateBytes int `yaml:"template_bytes"`
	// DistinctValues is how many combinations a distinct stage remembers.
	DistinctValues int `yaml:"distinct_values"`
	// AlignSteps moves start down and end up to multiples of the step in
	// metric range queries, as Loki does.
	AlignSteps bool `yaml:"align_steps"`
	// CacheBytes is how much memory answers to metric range queries may take
	// that are kept for the next time, 0 for none. An answer is used only while
	// no record of its time has come or gone.
	CacheBytes int64 `yaml:"cache_bytes"`
	// ParallelSlices is how many parts of its time a metric query reads at
	// once; 0 is as many as there are processors.
	ParallelSlices int `yaml:"parallel_slices"`
}

// DefaultConfig returns limits that fit a machine of a few cores.
func DefaultConfig() Config {
	return Config{
		MaxEntries:     5000,
		MaxSeries:      10_000,
		MaxInnerSeries: 200_000,
		MaxSamples:     20_000_000,
		MaxSteps:       11_000,
		MaxRows:        200_000_000,
		MaxQueryLength: 128 << 10,
		Timeout:        model.Duration(time.Minute),
		TemplateBytes:  1 << 20,
		DistinctValues: 1_000_000,
		AlignSteps:     true,
		CacheBytes:     64 << 20,
	}
}

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	for _, s := range []struct {
		name  string
		value int64
	}{
		{"max_entries", int64(c.MaxEntries)}, {"max_series", int64(c.MaxSeries)}, {"max_inner_series", int64(c.MaxInnerSeries)},
		{"max_samples", int64(c.MaxSamples)}, {"max_steps", int64(c.MaxSteps)}, {"max_rows", c.MaxRows},
		{"max_query_length_bytes", int64(c.MaxQueryLength)}, {"timeout", int64(c.Timeout)},
		{"template_bytes", int64(c.TemplateBytes)}, {"distinct_values", int64(c.DistinctValues)},
	} {
		if s.value <= 0 {
			return fmt.Errorf("logql: %s is %d, must be above 0", s.name, s.value)
		}
	}
	if c.CacheBytes < 0 || c.ParallelSlices < 0 {
		return fmt.Errorf("logql: cache_bytes and parallel_slices must not be negative")
	}
	if c.MaxQueryRange < 0 || c.MaxLookback < 0 {
		return fmt.Errorf("logql: max_query_range and max_lookback must not be negative; 0 means no limit")
	}
	return nil
}
