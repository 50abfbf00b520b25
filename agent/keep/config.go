package keep

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
)

// TypeName is the processor's name in a configuration.
const TypeName = "clew_keep"

// Config says how records are kept.
type Config struct {
	// Storage is the extension that keeps what was not taken when the agent
	// stopped. Without one it is lost, with a message that says so.
	Storage *component.ID `mapstructure:"storage"`
	// MaxRecords is how many records are joined into one request; a batch
	// that is bigger by itself stays whole.
	MaxRecords int `mapstructure:"max_records"`
	// RetryInitial and RetryMax bound the pause before the next component is
	// tried again; it doubles in between.
	RetryInitial time.Duration `mapstructure:"retry_initial"`
	RetryMax     time.Duration `mapstructure:"retry_max"`
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	if c.MaxRecords < 1 {
		return errors.New("max_records must be at least 1")
	}
	if c.RetryInitial <= 0 || c.RetryMax < c.RetryInitial {
		return errors.New("retry_initial must be more than 0 and at most retry_max")
	}
	return nil
}

func defaultConfig() component.Config {
	return &Config{
		MaxRecords:   8192, // a request of one or two MiB
		RetryInitial: 100 * time.Millisecond,
		RetryMax:     5 * time.Second,
	}
}

// NewFactory returns the factory of clew_keep.
func NewFactory() processor.Factory {
	return processor.NewFactory(component.MustNewType(TypeName), defaultConfig,
		processor.WithLogs(newLogs, component.StabilityLevelBeta))
}

func newLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	return &keeper{
		config: cfg.(*Config),
		id:     set.ID,
		log:    set.Logger,
		next:   next,
		turn:   make(chan struct{}, 1),
	}, nil
}
