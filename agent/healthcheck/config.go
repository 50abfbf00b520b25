package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
)

// TypeName is the receiver's name in a configuration.
const TypeName = "clew_health"

// defaultTimeout ends a question; a health check that takes longer is none.
const defaultTimeout = 5 * time.Second

// Config says who is asked, and how often (collection_interval).
type Config struct {
	scraperhelper.ControllerConfig `mapstructure:",squash"`
	Targets                        []Target `mapstructure:"targets"`
}

// Target is a service that is asked; TLS, headers and the rest of an HTTP
// client's settings stand beside its endpoint.
type Target struct {
	confighttp.ClientConfig `mapstructure:",squash"`
	// Service is the service.name of whom the endpoint belongs to; empty is the
	// endpoint's host.
	Service string `mapstructure:"service"`
	// Namespace is its service.namespace.
	Namespace string `mapstructure:"namespace"`
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	if len(c.Targets) == 0 {
		return errors.New("targets is empty: name whom to ask, as [{endpoint: http://checkout:8080/health, service: checkout}]")
	}
	var errs []error
	for i := range c.Targets {
		if u, err := url.Parse(c.Targets[i].Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, fmt.Errorf("targets[%d].endpoint is %q: want an address as http://checkout:8080/health", i, c.Targets[i].Endpoint))
		}
	}
	return errors.Join(errs...)
}

func defaultConfig() component.Config {
	c := scraperhelper.NewDefaultControllerConfig()
	c.CollectionInterval = 30 * time.Second
	return &Config{ControllerConfig: c}
}

// NewFactory returns the factory of clew_health.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(component.MustNewType(TypeName), defaultConfig, receiver.WithMetrics(newMetrics, component.StabilityLevelBeta))
}

func newMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	c := cfg.(*Config)
	a := &asker{config: c, set: set.TelemetrySettings, now: time.Now}
	s, err := scraper.NewMetrics(a.scrape, scraper.WithStart(a.start), scraper.WithShutdown(a.shutdown))
	if err != nil {
		return nil, err
	}
	return scraperhelper.NewMetricsController(&c.ControllerConfig, set, next, scraperhelper.AddMetricsScraper(component.MustNewType(TypeName), s))
}
