package hostattr

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
)

// TypeName is the processor's name in a configuration.
const TypeName = "clew_host"

// Config says where the host is described and what else every resource gets.
type Config struct {
	// Root is where the host's file system is mounted; "/" is this one.
	Root string `mapstructure:"root"`
	// Attributes are written beside the host's own, and win over them.
	Attributes map[string]string `mapstructure:"attributes"`
	// Service is the service.name of resources that have none, as those of
	// host metrics; with it goes service.instance.id, the host's name, which
	// keeps the series of two hosts apart. Empty leaves them alone.
	Service string `mapstructure:"service"`
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	if !filepath.IsAbs(c.Root) {
		return errors.New("root must be an absolute path, as / or /hostfs")
	}
	return nil
}

// NewFactory returns the factory of clew_host.
func NewFactory() processor.Factory {
	return processor.NewFactory(component.MustNewType(TypeName),
		func() component.Config { return &Config{Root: "/"} },
		processor.WithLogs(newLogs, component.StabilityLevelBeta),
		processor.WithMetrics(newMetrics, component.StabilityLevelBeta),
		processor.WithTraces(newTraces, component.StabilityLevelBeta))
}

// stamp writes attributes into resources. It is made once at start: a host
// does not change its identity while the agent runs.
type stamp struct {
	attributes []Attribute
	service    string
	instance   string
}

func newStamp(cfg component.Config) *stamp {
	c := cfg.(*Config)
	s := &stamp{service: c.Service}
	for key, value := range c.Attributes {
		s.attributes = append(s.attributes, Attribute{key, value})
	}
	for _, a := range Describe(Host{Root: c.Root, Hostname: os.Hostname, Getenv: os.Getenv}) {
		if _, taken := c.Attributes[a.Key]; !taken {
			s.attributes = append(s.attributes, a)
		}
	}
	for _, a := range s.attributes {
		if a.Key == "host.name" {
			s.instance = a.Value
		}
	}
	return s
}

// apply writes what is missing. A resource that names another host keeps its
// identity whole: half of ours and half of theirs would describe no host.
func (s *stamp) apply(r pcommon.Resource) {
	m := r.Attributes()
	if name, ok := m.Get("host.name"); ok && name.AsString() != s.instance {
		return
	}
	if id, ok := m.Get("host.id"); ok && !s.is("host.id", id.AsString()) {
		return
	}
	for _, a := range s.attributes {
		if _, ok := m.Get(a.Key); !ok {
			m.PutStr(a.Key, a.Value)
		}
	}
	if s.service == "" {
		return
	}
	if _, ok := m.Get("service.name"); !ok {
		m.PutStr("service.name", s.service)
		m.PutStr("service.instance.id", s.instance)
	}
}

func (s *stamp) is(key, value string) bool {
	for _, a := range s.attributes {
		if a.Key == key {
			return a.Value == value
		}
	}
	return true
}

var mutates = processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true})

func newLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	s := newStamp(cfg)
	return processorhelper.NewLogs(ctx, set, cfg, next, func(_ context.Context, ld plog.Logs) (plog.Logs, error) {
		for _, r := range ld.ResourceLogs().All() {
			s.apply(r.Resource())
		}
		return ld, nil
	}, mutates)
}

func newMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	s := newStamp(cfg)
	return processorhelper.NewMetrics(ctx, set, cfg, next, func(_ context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
		for _, r := range md.ResourceMetrics().All() {
			s.apply(r.Resource())
		}
		return md, nil
	}, mutates)
}

func newTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	s := newStamp(cfg)
	return processorhelper.NewTraces(ctx, set, cfg, next, func(_ context.Context, td ptrace.Traces) (ptrace.Traces, error) {
		for _, r := range td.ResourceSpans().All() {
			s.apply(r.Resource())
		}
		return td, nil
	}, mutates)
}
