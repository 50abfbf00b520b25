package prometheus

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config bounds what a PromQL query may cost.
type Config struct {
	// Timeout ends a query that runs longer.
	Timeout model.Duration `yaml:"timeout"`
	// MaxSamples is how many samples a query may hold in memory at once.
	MaxSamples int `yaml:"max_samples"`
	// MaxConcurrent is how many queries run at once; others wait their turn.
	MaxConcurrent int `yaml:"max_concurrent"`
	// LookbackDelta is how long the last sample of a series counts as its
	// present value.
	LookbackDelta model.Duration `yaml:"lookback_delta"`
	// SubqueryInterval is the step of a subquery that names none.
	SubqueryInterval model.Duration `yaml:"subquery_interval"`
	// TargetSilence is how long a reporter may be silent before it counts as
	// down, TargetWindow how long it is listed.
	TargetSilence model.Duration `yaml:"target_silence"`
	TargetWindow  model.Duration `yaml:"target_window"`
	// RemoteReadMaxSamples bounds the samples of a remote read answered whole.
	RemoteReadMaxSamples int `yaml:"remote_read_max_samples"`
	// RemoteReadFrameBytes bounds a frame of a streamed remote read.
	RemoteReadFrameBytes int `yaml:"remote_read_frame_bytes"`
}

// DefaultConfig returns Prometheus's own limits, with fewer queries at once.
func DefaultConfig() Config {
	return Config{
		Timeout:              model.Duration(2 * time.Minute),
		MaxSamples:           50_000_000,
		MaxConcurrent:        20,
		LookbackDelta:        model.Duration(5 * time.Minute),
		SubqueryInterval:     model.Duration(time.Minute),
		TargetSilence:        model.Duration(5 * time.Minute),
		TargetWindow:         model.Duration(time.Hour),
		RemoteReadMaxSamples: 50_000_000,
		RemoteReadFrameBytes: 1 << 20,
	}
}

// Validate says what is wrong with the configuration and what would be right.
func (c Config) Validate() error {
	var errs []error
	duration := func(key string, d model.Duration) {
		if d < model.Duration(time.Millisecond) {
			errs = append(errs, fmt.Errorf("%s: want at least 1ms, got %s", key, d))
		}
	}
	positive := func(key string, n int) {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s: want 1 or more, got %d", key, n))
		}
	}
	duration("timeout", c.Timeout)
	positive("max_samples", c.MaxSamples)
	positive("max_concurrent", c.MaxConcurrent)
	duration("lookback_delta", c.LookbackDelta)
	duration("subquery_interval", c.SubqueryInterval)
	duration("target_silence", c.TargetSilence)
	duration("target_window", c.TargetWindow)
	positive("remote_read_max_samples", c.RemoteReadMaxSamples)
	positive("remote_read_frame_bytes", c.RemoteReadFrameBytes)
	return errors.Join(errs...)
}
