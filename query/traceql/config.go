package traceql

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config holds the limits of TraceQL queries.
type Config struct {
	// Timeout ends a query that runs longer.
	Timeout model.Duration `yaml:"timeout"`
	// MaxSpans is how many spans one query may read.
	MaxSpans int64 `yaml:"max_spans"`
	// MaxSpansPerTrace is how many spans of one trace are looked at.
	MaxSpansPerTrace int `yaml:"max_spans_per_trace"`
	// MaxCandidates is how many traces a query may read whole.
	MaxCandidates int `yaml:"max_candidates"`
	// MaxTraces is the highest limit a search may ask for.
	MaxTraces int `yaml:"max_traces"`
	// MaxSeries and MaxPoints bound the answer of a metrics query.
	MaxSeries int `yaml:"max_series"`
	MaxPoints int `yaml:"max_points"`
	// MaxSamples bounds series times points, which is what takes memory.
	MaxSamples int `yaml:"max_samples"`
	// MaxExemplars bounds the exemplars of a metrics query.
	MaxExemplars int `yaml:"max_exemplars"`
	// MaxTagValues bounds the names and values of attributes in one answer.
	MaxTagValues int `yaml:"max_tag_values"`
	// MaxTagSpans is how many spans, newest first, are looked at for names and
	// values of attributes.
	MaxTagSpans int64 `yaml:"max_tag_spans"`
	// TraceWindow is how far outside the time range of a query the spans of a
	// trace that overlaps it are looked for.
	TraceWindow model.Duration `yaml:"trace_window"`
	// FirstSlice is the span of time, back from the end of the range, that a
	// search looks at first; each further slice is eight times as long.
	FirstSlice model.Duration `yaml:"first_slice"`
	// BatchTraces is how many traces are read whole, and held in memory, at
	// once.
	BatchTraces int `yaml:"batch_traces"`
	// CacheBytes is how much memory answers to metrics range queries may take
	// that are kept for the next time, 0 for none. An answer is used only while
	// no span of its time has come or gone.
	CacheBytes int64 `yaml:"cache_bytes"`
}

// DefaultConfig returns limits that suit one machine.
func DefaultConfig() Config {
	return Config{
		Timeout:          model.Duration(2 * time.Minute),
		MaxSpans:         50_000_000,
		MaxSpansPerTrace: 100_000,
		MaxCandidates:    500_000,
		MaxTraces:        10_000,
		MaxSeries:        10_000,
		MaxPoints:        20_000,
		MaxSamples:       10_000_000,
		MaxExemplars:     1_000,
		MaxTagValues:     5_000,
		MaxTagSpans:      500_000,
		TraceWindow:      model.Duration(15 * time.Minute),
		FirstSlice:       model.Duration(5 * time.Minute),
		BatchTraces:      512,
		CacheBytes:       64 << 20,
	}
}

// Validate refuses limits with which no query could be answered.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"timeout", int64(c.Timeout)}, {"max_spans", c.MaxSpans},
		{"max_spans_per_trace", int64(c.MaxSpansPerTrace)}, {"max_candidates", int64(c.MaxCandidates)},
		{"max_traces", int64(c.MaxTraces)}, {"max_series", int64(c.MaxSeries)},
		{"max_points", int64(c.MaxPoints)},
		{"max_samples", int64(c.MaxSamples)}, {"max_tag_values", int64(c.MaxTagValues)},
		{"max_tag_spans", c.MaxTagSpans}, {"first_slice", int64(c.FirstSlice)},
		{"batch_traces", int64(c.BatchTraces)},
	} {
		if f.value <= 0 {
			return fmt.Errorf("%s is %d, expected more than 0", f.name, f.value)
		}
	}
	if c.CacheBytes < 0 {
		return fmt.Errorf("cache_bytes is %d, expected 0 or more", c.CacheBytes)
	}
	if c.TraceWindow < 0 {
		return fmt.Errorf("trace_window is negative, expected 0 or more")
	}
	if c.MaxExemplars < 0 {
		return fmt.Errorf("max_exemplars is %d, expected 0 or more", c.MaxExemplars)
	}
	return nil
}
