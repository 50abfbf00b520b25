package compare

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config bounds what a comparison may cost.
type Config struct {
	// DefaultRange is the time that is compared where a question says no from.
	DefaultRange model.Duration `yaml:"default_range"`
	// MaxRecords is how many log records or spans are looked at on both sides
	// together; what is beyond makes the answer partial.
	MaxRecords int `yaml:"max_records"`
	// MaxTraces is how many traces are looked at on each side where whole
	// traces are compared; of more a fair sample is taken.
	MaxTraces int `yaml:"max_traces"`
	// MaxValues is how many different attributes and values are counted.
	MaxValues int `yaml:"max_values"`
	// DefaultLimit and MaxLimit are how many of them an answer lists.
	DefaultLimit int `yaml:"default_limit"`
	MaxLimit     int `yaml:"max_limit"`
	// MaxValueBytes is the longest value that is counted; longer ones are
	// texts, of which no two are the same.
	MaxValueBytes int `yaml:"max_value_bytes"`
}

// DefaultConfig returns the settings that serve without being thought about.
func DefaultConfig() Config {
	return Config{DefaultRange: model.Duration(time.Hour), MaxRecords: 500_000, MaxTraces: 5000, MaxValues: 200_000, DefaultLimit: 50, MaxLimit: 1000, MaxValueBytes: 256}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, min int
	}{
		{"default_range", int(c.DefaultRange), 1}, {"max_records", c.MaxRecords, 1}, {"max_traces", c.MaxTraces, 1}, {"max_values", c.MaxValues, 1},
		{"default_limit", c.DefaultLimit, 1}, {"max_limit", c.MaxLimit, c.DefaultLimit}, {"max_value_bytes", c.MaxValueBytes, 1},
	} {
		if f.value < f.min {
			return fmt.Errorf("%s is %d: want %d or more", f.name, f.value, f.min)
		}
	}
	return nil
}
