package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/elastic"
	"github.com/clewhq/clew/collector/loki"
	"github.com/clewhq/clew/collector/otlp"
	"github.com/clewhq/clew/collector/remotewrite"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/collector/zipkin"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Deps are what a collector works with.
type Deps struct {
	Records    storage.Writer
	Metrics    storage.Metrics
	Registerer prometheus.Registerer // may be nil
	Logger     *slog.Logger          // may be nil
	Now        func() time.Time      // nil means time.Now
	// Limits returns a tenant's own limits; nil means the config's for all.
	// It is asked for every request, so that limits change without a restart.
	Limits func(tenant string) admission.Limits
	// MaxAge returns how old a tenant's records may be; nil means the config's
	// for all. It is asked for every request, too.
	MaxAge func(tenant string) admission.MaxAge
}

// Collector takes telemetry in. It is safe for concurrent use.
type Collector struct {
	cfg    Config
	gate   *admission.Gate
	writer *samples.Writer
	http   *otlp.HTTP
	grpc   *otlp.GRPC
}

// New returns a collector that stores with deps. Nothing runs until requests
// come.
func New(cfg Config, deps Deps) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	if deps.Records == nil || deps.Metrics == nil {
		return nil, errors.New("collector: needs a store for records and one for metrics")
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	gate := admission.New(cfg.Admission, admission.Deps{
		Records: deps.Records, Registerer: deps.Registerer, Logger: deps.Logger, Now: deps.Now, Limits: deps.Limits, MaxAge: deps.MaxAge,
	})
	cfg.Body.InFlight = gate.InFlight()
	writer := samples.New(cfg.Metrics, gate, deps.Metrics)
	return &Collector{
		cfg: cfg, gate: gate, writer: writer,
		http: otlp.NewHTTP(gate, writer.Metrics, cfg.Body, cfg.CORS),
		grpc: otlp.NewGRPC(gate, writer.Metrics),
	}, nil
}

// Register adds every way in to the main listener.
func (c *Collector) Register(mux *http.ServeMux) {
	c.http.Register(mux, "/otlp")
	c.http.Handle(mux, "/loki/otlp/v1/logs", string(telemetry.Logs))
	loki.New(c.gate, c.cfg.Body).Register(mux)
	remotewrite.New(c.gate, c.writer, c.cfg.Body).Register(mux)
	zipkin.New(c.gate, c.cfg.Body).Register(mux)
	elastic.New(c.gate, c.cfg.Body).Register(mux)
}

// RegisterOTLP adds the paths of OTLP's own listener (4318).
func (c *Collector) RegisterOTLP(mux *http.ServeMux) { c.http.Register(mux, "") }

// RegisterGRPC adds OTLP's services to s, which must have been made with
// ServerOptions.
func (c *Collector) RegisterGRPC(s grpc.ServiceRegistrar) { c.grpc.Register(s) }

// ServerOptions are the options that a gRPC server with OTLP's services needs.
func (c *Collector) ServerOptions() []grpc.ServerOption { return otlp.ServerOptions(c.cfg.Body) }

// Close stops what the collector started. Stop the listeners before.
func (c *Collector) Close(ctx context.Context) error { return c.writer.Close(ctx) }
