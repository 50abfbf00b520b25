package agent

import (
	"fmt"

	"github.com/clewhq/clew/agent/healthcheck"
	"github.com/clewhq/clew/agent/hostattr"
	"github.com/clewhq/clew/agent/kafka"
	"github.com/clewhq/clew/agent/keep"
	"github.com/clewhq/clew/agent/kubevents"
	"github.com/clewhq/clew/agent/lines"
	"github.com/clewhq/clew/agent/patience"
	"github.com/clewhq/clew/agent/queuefile"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/basicauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/bearertokenauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/fluentforwardreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/journaldreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/syslogreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/zipkinreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// Modules that factories do not name themselves; `clew-agent components`
// prints them.
const (
	coreModule    = "go.opentelemetry.io/collector"
	contribModule = "github.com/open-telemetry/opentelemetry-collector-contrib"
	ownModule     = "github.com/clewhq/clew/agent"
)

// Factories returns every component that the agent links. Nothing here pulls
// in a Kubernetes client, or more of a cloud SDK than what signs Kafka's log-in
// there; a test holds that.
func Factories() (otelcol.Factories, error) {
	var f otelcol.Factories
	var err error
	f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](
		otlpreceiver.NewFactory(),
		filelogreceiver.NewFactory(),
		journaldreceiver.NewFactory(),
		syslogreceiver.NewFactory(),
		hostmetricsreceiver.NewFactory(),
		fluentforwardreceiver.NewFactory(),
		jaegerreceiver.NewFactory(),
		zipkinreceiver.NewFactory(),
		kafkareceiver.NewFactory(),
		healthcheck.NewFactory(),
		kubevents.NewFactory(),
	)
	if err != nil {
		return f, fmt.Errorf("collect receivers: %w", err)
	}
	f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](
		memorylimiterprocessor.NewFactory(),
		batchprocessor.NewFactory(),
		filterprocessor.NewFactory(),
		transformprocessor.NewFactory(),
		lines.NewFactory(),
		hostattr.NewFactory(),
		keep.NewFactory(),
	)
	if err != nil {
		return f, fmt.Errorf("collect processors: %w", err)
	}
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](
		otlphttpexporter.NewFactory(),
		otlpexporter.NewFactory(),
		debugexporter.NewFactory(),
		kafka.NewFactory(),
	)
	if err != nil {
		return f, fmt.Errorf("collect exporters: %w", err)
	}
	f.Extensions, err = otelcol.MakeFactoryMap[extension.Factory](
		filestorage.NewFactory(),
		healthcheckextension.NewFactory(),
		basicauthextension.NewFactory(),
		bearertokenauthextension.NewFactory(),
		patience.NewFactory(),
		queuefile.NewFactory(),
	)
	if err != nil {
		return f, fmt.Errorf("collect extensions: %w", err)
	}
	f.Telemetry = otelconftelemetry.NewFactory()
	nameModules(&f)
	return f, nil
}

// nameModules fills in where each component comes from.
func nameModules(f *otelcol.Factories) {
	f.ReceiverModules = modules(f.Receivers, "otlp")
	f.ProcessorModules = modules(f.Processors, "memory_limiter", "batch")
	f.ExporterModules = modules(f.Exporters, "otlp", "otlp_http", "otlp_grpc", "otlphttp", "debug")
	f.ExtensionModules = modules(f.Extensions)
}

func modules[F component.Factory](all map[component.Type]F, core ...string) map[component.Type]string {
	out := make(map[component.Type]string, len(all))
	for name := range all {
		out[name] = contribModule
		switch name.String() {
		case lines.TypeName, hostattr.TypeName, keep.TypeName, patience.TypeName, queuefile.TypeName, healthcheck.TypeName, kubevents.TypeName:
			out[name] = ownModule
		}
		for _, c := range core {
			if name.String() == c {
				out[name] = coreModule
			}
		}
	}
	return out
}
