package collector

import (
	"errors"
	"fmt"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/otlp"
	"github.com/clewhq/clew/collector/samples"
)

// Config is the collector's part of the configuration.
type Config struct {
	// Admission says what is taken in.
	Admission admission.Config `yaml:"admission"`
	// Body bounds the size of requests.
	Body body.Limits `yaml:"body"`
	// CORS lets web pages send OTLP.
	CORS otlp.CORS `yaml:"cors"`
	// Metrics says how OTLP metrics become Prometheus series.
	Metrics samples.Config `yaml:"metrics"`
}

// DefaultConfig returns the configuration that holds where nothing is said.
func DefaultConfig() Config {
	return Config{Admission: admission.DefaultConfig(), Body: body.DefaultLimits(), Metrics: samples.DefaultConfig()}
}

// Validate says what is wrong with c, all of it.
func (c *Config) Validate() error {
	var errs []error
	in := func(part string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part, err))
		}
	}
	in("admission", c.Admission.Validate())
	in("body", c.Body.Validate())
	in("cors", c.CORS.Validate())
	in("metrics", c.Metrics.Validate())
	return errors.Join(errs...)
}
