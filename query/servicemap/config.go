package servicemap

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/servicemap/health"
)

// Config bounds the cost of a map and says what counts as healthy.
type Config struct {
	// DefaultRange is the time a map covers that says no from.
	DefaultRange model.Duration `yaml:"default_range"`
	// Lookaround is how far apart the two halves of a call may have started.
	Lookaround model.Duration `yaml:"lookaround"`
	// MaxSpans is how many spans a map reads; what is beyond makes it partial.
	MaxSpans int `yaml:"max_spans"`
	// MaxLogs is how many log records are read to find the calls of services
	// that send no spans; 0 looks for none.
	MaxLogs int `yaml:"max_logs"`
	// MaxLogsPerID is how many records may share an ID that tells of calls; one
	// in more is a constant or a client's, not a request's.
	MaxLogsPerID int `yaml:"max_logs_per_id"`
	// Degraded and Down are the shares of failed calls from which on a node is
	// called so.
	Degraded float64 `yaml:"degraded_error_share"`
	Down     float64 `yaml:"down_error_share"`
	// Past is how far back before the range the time reaches that a node is held
	// against, at least the range's own length.
	Past model.Duration `yaml:"past"`
	// MinCalls is how many calls there must be, now and in the past, for the
	// comparison.
	MinCalls int `yaml:"past_min_calls"`
	// ErrorGrowth is by what factor the share of failed calls is above the
	// past's when a node is degraded, and ErrorFloor what it is at least.
	ErrorGrowth float64 `yaml:"past_error_growth"`
	ErrorFloor  float64 `yaml:"past_error_floor"`
	// LatencyGrowth is by what factor the 95th percentile is above the past's,
	// and LatencyFloor by how much it is at least.
	LatencyGrowth float64        `yaml:"past_latency_growth"`
	LatencyFloor  model.Duration `yaml:"past_latency_floor"`
	// SinceSteps is into how many parts a range is cut to find when a node
	// became so; 0 does not look.
	SinceSteps int `yaml:"since_steps"`
	// Health is what else makes a node unwell.
	Health health.Config `yaml:"health"`
	// SampleTraces is the number of trace IDs an edge names.
	SampleTraces int `yaml:"sample_traces"`
	// MaxDepth is how far around a service a map may be asked for.
	MaxDepth int `yaml:"max_depth"`
	// MetricsStep is the width of the buckets in which the metrics computed
	// from spans grow, and MaxMetricsSeries how many series a query may make.
	MetricsStep      model.Duration `yaml:"metrics_step"`
	MaxMetricsSeries int            `yaml:"max_metrics_series"`
	// MaxMetricsRange is how far back from its end a query of them looks.
	MaxMetricsRange model.Duration `yaml:"max_metrics_range"`
	// LatencyBuckets are the bounds of their histograms, in seconds.
	LatencyBuckets []float64 `yaml:"latency_buckets_seconds"`
}

// DefaultConfig returns the settings that serve without being thought about.
func DefaultConfig() Config {
	return Config{
		DefaultRange: model.Duration(time.Hour), Lookaround: model.Duration(10 * time.Minute), MaxSpans: 2_000_000, MaxLogs: 500_000, MaxLogsPerID: 1000,
		Degraded: 0.05, Down: 0.5, Past: model.Duration(24 * time.Hour), MinCalls: 20, ErrorGrowth: 3, ErrorFloor: 0.01,
		LatencyGrowth: 2, LatencyFloor: model.Duration(20 * time.Millisecond), SinceSteps: 12, Health: health.DefaultConfig(), SampleTraces: 5, MaxDepth: 10, MetricsStep: model.Duration(time.Minute), MaxMetricsSeries: 20_000,
		MaxMetricsRange: model.Duration(7 * 24 * time.Hour),
		LatencyBuckets:  []float64{0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384},
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.DefaultRange <= 0:
		return fmt.Errorf("default_range is %s: want more than 0", c.DefaultRange)
	case c.Lookaround <= 0:
		return fmt.Errorf("lookaround is %s: want more than 0", c.Lookaround)
	case c.MaxSpans < 1:
		return fmt.Errorf("max_spans is %d: want 1 or more", c.MaxSpans)
	case c.MaxLogs < 0 || c.MaxLogsPerID < 2:
		return fmt.Errorf("max_logs is %d and max_logs_per_id %d: want at least 0 and 2", c.MaxLogs, c.MaxLogsPerID)
	case c.Degraded < 0 || c.Down < c.Degraded || c.Down > 1:
		return fmt.Errorf("degraded_error_share is %g and down_error_share %g: want 0 <= degraded <= down <= 1", c.Degraded, c.Down)
	case c.Past < 0 || c.MinCalls < 1 || c.SinceSteps < 0:
		return fmt.Errorf("past is %s, past_min_calls %d and since_steps %d: want at least 0s, 1 and 0", c.Past, c.MinCalls, c.SinceSteps)
	case c.ErrorGrowth < 1 || c.ErrorFloor < 0 || c.LatencyGrowth < 1 || c.LatencyFloor < 0:
		return fmt.Errorf("past_error_growth is %g, past_error_floor %g, past_latency_growth %g and past_latency_floor %s: want factors from 1 and floors from 0",
			c.ErrorGrowth, c.ErrorFloor, c.LatencyGrowth, c.LatencyFloor)
	case c.SampleTraces < 0 || c.MaxDepth < 1:
		return fmt.Errorf("sample_traces is %d and max_depth %d: want at least 0 and 1", c.SampleTraces, c.MaxDepth)
	case time.Duration(c.MetricsStep) < time.Second:
		return fmt.Errorf("metrics_step is %s: want 1s or more", c.MetricsStep)
	case c.MaxMetricsRange < c.MetricsStep:
		return fmt.Errorf("max_metrics_range is %s: want at least metrics_step, %s", c.MaxMetricsRange, c.MetricsStep)
	case len(c.LatencyBuckets) == 0 || !slices.IsSorted(c.LatencyBuckets) || c.LatencyBuckets[0] <= 0:
		return fmt.Errorf("latency_buckets_seconds is %v: want ascending numbers above 0", c.LatencyBuckets)
	case c.MaxMetricsSeries < 1:
		return fmt.Errorf("max_metrics_series is %d: want 1 or more", c.MaxMetricsSeries)
	}
	if err := c.Health.Validate(); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}
