package lines

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/clewhq/clew/telemetry"
)

// TypeName is the processor's name in a configuration.
const TypeName = "clew_lines"

// Attribute keys that are read and written.
const (
	filePathKey    = "log.file.path"
	serviceKey     = "service.name"
	containerKey   = "k8s.container.name"
	journalMessage = "MESSAGE"
)

// Config says how lines are read.
type Config struct {
	// Timezone is an IANA name for times that name no zone; empty is the
	// host's.
	Timezone string `mapstructure:"timezone"`
	// StripRoot is cut off the front of log.file.path, for an agent that sees
	// the host's files below a mount.
	StripRoot string `mapstructure:"strip_root"`
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	_, err := c.zone()
	return err
}

func (c *Config) zone() (*time.Location, error) {
	if c.Timezone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone %q: want a name like Europe/Vienna: %w", c.Timezone, err)
	}
	return zone, nil
}

// NewFactory returns the factory of clew_lines.
func NewFactory() processor.Factory {
	return processor.NewFactory(component.MustNewType(TypeName),
		func() component.Config { return &Config{} },
		processor.WithLogs(newLogs, component.StabilityLevelBeta))
}

func newLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	c := cfg.(*Config)
	zone, err := c.zone()
	if err != nil {
		return nil, err
	}
	r := &reader{parser: NewParser(zone, time.Now), root: strings.TrimSuffix(c.StripRoot, "/")}
	return processorhelper.NewLogs(ctx, set, cfg, next,
		func(_ context.Context, ld plog.Logs) (plog.Logs, error) { return r.read(ld), nil },
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

// reader applies a parser to the Collector's records.
type reader struct {
	parser Parser
	root   string
}

// read fills in the records of ld. A resource that has no service yet is
// split by the services that its records turn out to have.
func (r *reader) read(ld plog.Logs) plog.Logs {
	out := plog.NewLogs()
	for _, rl := range ld.ResourceLogs().All() {
		_, named := rl.Resource().Attributes().Get(serviceKey)
		split := &splitter{out: out, from: rl}
		for _, sl := range rl.ScopeLogs().All() {
			split.scope(sl)
			for _, lr := range sl.LogRecords().All() {
				service := r.record(lr, rl.Resource().Attributes())
				if named {
					service = ""
				}
				lr.MoveTo(split.records(service).AppendEmpty())
			}
		}
	}
	return out
}

// record fills in lr and returns the service it is of.
func (r *reader) record(lr plog.LogRecord, resource pcommon.Map) string {
	file := r.file(lr)
	var f Fields
	switch lr.Body().Type() {
	case pcommon.ValueTypeStr:
		if text, ok := strings.CutSuffix(lr.Body().Str(), "\n"); ok && file != "" {
			lr.Body().SetStr(text) // Docker writes the end of the line into the line
		}
		f = r.parser.Parse(lr.Body().Str(), daemonLogs[baseName(file)])
	case pcommon.ValueTypeMap:
		f = r.parser.journal(lr)
	}
	apply(lr, f)
	if f.Service != "" {
		return f.Service
	}
	if c, ok := resource.Get(containerKey); ok {
		return c.AsString()
	}
	if file == "" {
		return ""
	}
	return fileService(file)
}

// file returns the record's file, as the host calls it.
func (r *reader) file(lr plog.LogRecord) string {
	v, ok := lr.Attributes().Get(filePathKey)
	if !ok {
		return ""
	}
	file := v.AsString()
	if cut, ok := strings.CutPrefix(file, r.root); ok && r.root != "" && strings.HasPrefix(cut, "/") {
		file = cut
		v.SetStr(file)
	}
	return file
}

// apply writes what is not set yet.
func apply(lr plog.LogRecord, f Fields) {
	if lr.Timestamp() == 0 && !f.Time.IsZero() {
		lr.SetTimestamp(pcommon.NewTimestampFromTime(f.Time))
	}
	if lr.SeverityNumber() == plog.SeverityNumberUnspecified && f.Severity != telemetry.SeverityUnset {
		lr.SetSeverityNumber(plog.SeverityNumber(f.Severity))
		if lr.SeverityText() == "" {
			lr.SetSeverityText(f.SeverityText)
		}
	}
	if lr.TraceID().IsEmpty() {
		lr.SetTraceID(f.TraceID)
	}
	if lr.SpanID().IsEmpty() {
		lr.SetSpanID(f.SpanID)
	}
}
