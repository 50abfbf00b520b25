package health

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config says what makes a node unwell, and bounds what is read to know it.
type Config struct {
	// Lookback is how old the last sample of a metric may be to count as what
	// holds now; it is more than the interval of evaluations and checks.
	Lookback model.Duration `yaml:"lookback"`
	// Settle is how long a node is called degraded after a restart or an event.
	Settle model.Duration `yaml:"settle"`
	// DownSeverities are values of an alert's label severity that mean down;
	// with every other one its service is degraded.
	DownSeverities []string `yaml:"down_severities"`
	// MaxSamples is how many samples of metrics are read for one map.
	MaxSamples int `yaml:"max_samples"`
	// MaxEvents is how many log records are read to find events of Kubernetes.
	MaxEvents int `yaml:"max_events"`
	// MaxServices is how many services are looked for that only send metrics.
	MaxServices int `yaml:"max_metric_services"`
	// MaxReasons is how many reasons a node gives, the worst first.
	MaxReasons int `yaml:"max_reasons"`
}

// DefaultConfig returns the settings that serve without being thought about.
func DefaultConfig() Config {
	return Config{
		Lookback: model.Duration(5 * time.Minute), Settle: model.Duration(15 * time.Minute), DownSeverities: []string{"critical", "page", "emergency"},
		MaxSamples: 5_000_000, MaxEvents: 100_000, MaxServices: 1000, MaxReasons: 10,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Lookback <= 0 || c.Settle < 0:
		return fmt.Errorf("lookback is %s and settle %s: want more than 0s, and 0s or more", c.Lookback, c.Settle)
	case c.MaxSamples < 1 || c.MaxEvents < 0 || c.MaxServices < 0 || c.MaxReasons < 1:
		return fmt.Errorf("max_samples is %d, max_events %d, max_metric_services %d and max_reasons %d: want at least 1, 0, 0 and 1",
			c.MaxSamples, c.MaxEvents, c.MaxServices, c.MaxReasons)
	}
	return nil
}
