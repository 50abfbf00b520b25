package correlate

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config bounds what one question may cost.
type Config struct {
	// DefaultHops is how far a question follows the IDs it finds, where it
	// does not say.
	DefaultHops int `yaml:"default_hops"`
	MaxHops     int `yaml:"max_hops"`
	// DefaultLimit is the number of timeline entries, where a question does
	// not say.
	DefaultLimit int `yaml:"default_limit"`
	MaxLimit     int `yaml:"max_limit"`
	// MaxRecords is how many logs and spans a question holds in memory; what
	// is beyond makes the answer partial.
	MaxRecords int `yaml:"max_records"`
	// MaxTraces is how many traces an ID may join. One that joins more (a
	// session of a bot, a constant) is named in the warnings, not followed.
	MaxTraces int `yaml:"max_traces"`
	// MaxStoryTraces is how many traces an answer holds: the ID that is asked
	// for may be a session's.
	MaxStoryTraces int `yaml:"max_story_traces"`
	// MaxIDs is how many request and correlation IDs are followed.
	MaxIDs int `yaml:"max_ids"`
	// MaxListed is how many IDs the answer lists, and how many steps of the
	// critical path, things that are missing and events nearby.
	MaxListed int `yaml:"max_listed"`
	// GapAtLeast is the shortest time without anything that is told as a gap,
	// and MaxGaps how many are told, the longest.
	GapAtLeast model.Duration `yaml:"gap_at_least"`
	MaxGaps    int            `yaml:"max_gaps"`
	// Nearby is how far around a story events of Kubernetes and new versions
	// are looked for; 0 looks for none.
	Nearby model.Duration `yaml:"nearby"`
	// MaxBatch is how many IDs may be asked for at once.
	MaxBatch int `yaml:"max_batch"`
}

// DefaultConfig returns the settings that serve without being thought about.
func DefaultConfig() Config {
	return Config{DefaultHops: 2, MaxHops: 5, DefaultLimit: 5000, MaxLimit: 50_000, MaxRecords: 100_000, MaxTraces: 100, MaxStoryTraces: 1000, MaxIDs: 100, MaxListed: 1000,
		GapAtLeast: model.Duration(100 * time.Millisecond), MaxGaps: 10, Nearby: model.Duration(5 * time.Minute), MaxBatch: 100}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, min int
	}{
		{"default_hops", c.DefaultHops, 0}, {"max_hops", c.MaxHops, c.DefaultHops}, {"default_limit", c.DefaultLimit, 1},
		{"max_limit", c.MaxLimit, c.DefaultLimit}, {"max_records", c.MaxRecords, 1}, {"max_traces", c.MaxTraces, 1}, {"max_story_traces", c.MaxStoryTraces, 1},
		{"max_ids", c.MaxIDs, 1}, {"max_listed", c.MaxListed, 1},
		{"max_gaps", c.MaxGaps, 0}, {"max_batch", c.MaxBatch, 1}, {"gap_at_least", int(c.GapAtLeast), 0}, {"nearby", int(c.Nearby), 0},
	} {
		if f.value < f.min {
			return fmt.Errorf("%s is %d: want %d or more", f.name, f.value, f.min)
		}
	}
	return nil
}
