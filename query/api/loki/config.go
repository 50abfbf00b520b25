package loki

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config holds the defaults and limits of the API itself.
type Config struct {
	// DefaultLimit is how many lines an answer holds where no limit is given.
	DefaultLimit int `yaml:"default_limit"`
	// DefaultRange is how far back a query looks where no start is given.
	DefaultRange model.Duration `yaml:"default_range"`
	// LabelsRange is the same for labels, series and the index.
	LabelsRange model.Duration `yaml:"labels_range"`
	// MaxFormBytes is the largest body of a POST.
	MaxFormBytes int64 `yaml:"max_form_bytes"`
	// MaxValues is how many label values, series or fields an answer holds.
	MaxValues int `yaml:"max_values"`
	// DetectLines is how many lines are looked at to detect fields.
	DetectLines int `yaml:"detect_lines"`
	// MaxPatterns is how many patterns are told apart, and how many of the
	// most frequent are in an answer.
	MaxPatterns      int `yaml:"max_patterns"`
	PatternsReturned int `yaml:"patterns_returned"`
	// TailInterval is how often a tail looks for new lines, TailOverlap how
	// far back it looks again for lines that came late.
	TailInterval model.Duration `yaml:"tail_interval"`
	TailOverlap  model.Duration `yaml:"tail_overlap"`
	// MaxTails is how many tails run at once.
	MaxTails int `yaml:"max_tails"`
	// WriteTimeout is how long a tail waits for its reader to take a message.
	WriteTimeout model.Duration `yaml:"write_timeout"`
}

// DefaultConfig returns Loki's own defaults where it has them.
func DefaultConfig() Config {
	return Config{
		DefaultLimit:     100,
		DefaultRange:     model.Duration(time.Hour),
		LabelsRange:      model.Duration(6 * time.Hour),
		MaxFormBytes:     1 << 20,
		MaxValues:        100_000,
		DetectLines:      1000,
		MaxPatterns:      20_000,
		PatternsReturned: 300,
		TailInterval:     model.Duration(time.Second),
		TailOverlap:      model.Duration(10 * time.Second),
		MaxTails:         100,
		WriteTimeout:     model.Duration(10 * time.Second),
	}
}

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	for _, s := range []struct {
		name  string
		value int64
	}{
		{"default_limit", int64(c.DefaultLimit)}, {"default_range", int64(c.DefaultRange)}, {"labels_range", int64(c.LabelsRange)},
		{"max_form_bytes", c.MaxFormBytes}, {"max_values", int64(c.MaxValues)}, {"detect_lines", int64(c.DetectLines)},
		{"max_patterns", int64(c.MaxPatterns)}, {"patterns_returned", int64(c.PatternsReturned)},
		{"tail_interval", int64(c.TailInterval)}, {"tail_overlap", int64(c.TailOverlap)}, {"max_tails", int64(c.MaxTails)},
		{"write_timeout", int64(c.WriteTimeout)},
	} {
		if s.value <= 0 {
			return fmt.Errorf("loki: %s is %d, must be above 0", s.name, s.value)
		}
	}
	return nil
}
