package agent

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/otelcol"
	"go.uber.org/zap"
)

// program is what this is called on a command line.
const program = "clew-agent"

// defaultURI names the configuration that is made for this host, kafkaURI that
// which carries from Kafka to a server, and clusterURI that of what runs once in
// a Kubernetes cluster. They can stand beside others: --config
// clew:default --config extra.yaml.
const (
	scheme     = "clew"
	defaultURI = scheme + ":default"
	kafkaURI   = scheme + ":kafka"
	clusterURI = scheme + ":cluster"
)

// synchronous makes file receivers wait for the pipeline before they move an
// offset on. Without it a kill loses what they had in memory.
const synchronous = "stanza.synchronousLogEmitter"

// NewCommand returns the program: a Collector's command line, with flags for
// the configuration that it makes when none is given.
func NewCommand(version string) *cobra.Command {
	options, envErr := OptionsFromEnv(os.Getenv)
	cmd := otelcol.NewCommand(collectorSettings(version, &options))
	cmd.Short = "Ships this host's logs, metrics and traces to a clew server"
	cmd.Long = cmd.Short + `.

Without --config it runs a configuration made for this host; "clew-agent default"
prints it. With --config clew:kafka it carries what agents have sent to Kafka on
to a server, and with --config clew:cluster it ships the events of a Kubernetes
cluster; "clew-agent default clew:kafka" and "... clew:cluster" print those. With
--config it runs any OpenTelemetry Collector configuration over its components;
"clew-agent components" lists them.`
	cmd.SilenceUsage = true
	addFlags(cmd, &options)
	cmd.AddCommand(newDefaultCommand(&options))
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if envErr != nil {
			return envErr
		}
		usesDefault, err := prepare(cmd)
		if err != nil || !usesDefault || cmd.Name() != program {
			return err
		}
		return settle(cmd.ErrOrStderr(), options)
	}
	return cmd
}

func addFlags(cmd *cobra.Command, o *Options) {
	f := cmd.PersistentFlags()
	f.StringVar(&o.Endpoint, "endpoint", o.Endpoint, "the server's OTLP/HTTP address (CLEW_ENDPOINT)")
	f.StringVar(&o.DataDir, "data-dir", o.DataDir, "directory of the queue and the read offsets (CLEW_AGENT_DATA_DIR)")
	f.StringVar(&o.OTLPGRPCListen, "otlp-grpc-listen", o.OTLPGRPCListen, "where applications send OTLP over gRPC (CLEW_AGENT_OTLP_GRPC_LISTEN)")
	f.StringVar(&o.OTLPHTTPListen, "otlp-http-listen", o.OTLPHTTPListen, "where applications send OTLP over HTTP (CLEW_AGENT_OTLP_HTTP_LISTEN)")
	f.StringVar(&o.HealthListen, "health-listen", o.HealthListen, "where to answer health checks; empty: nowhere (CLEW_AGENT_HEALTH_LISTEN)")
	f.StringSliceVar(&o.Kafka.Brokers, "kafka-brokers", o.Kafka.Brokers, "send to Kafka, and not to the server; some of its brokers (CLEW_KAFKA_BROKERS)")
	f.StringSliceVar(&o.LogGlobs, "log-glob", o.LogGlobs, "log files to read instead of the host's; may be repeated (CLEW_AGENT_LOG_GLOBS)")
	f.StringSliceVar(&o.HealthChecks, "health-check", o.HealthChecks, "a service whose health check is asked, as checkout=http://checkout:8080/health; may be repeated (CLEW_AGENT_HEALTH_CHECKS)")
}

// prepare runs after the flags are read. Where no configuration is named it
// names the default, so that --set works on that, too.
func prepare(cmd *cobra.Command) (usesDefault bool, err error) {
	if flag := cmd.Flags().Lookup("config"); flag != nil && !flag.Changed {
		if err := flag.Value.Set(defaultURI); err != nil {
			return false, fmt.Errorf("use the default configuration: %w", err)
		}
		usesDefault = true
	}
	if err := featuregate.GlobalRegistry().Set(synchronous, true); err != nil {
		return false, fmt.Errorf("turn on %s: %w", synchronous, err)
	}
	return usesDefault, nil
}

// settle checks the options, takes the data directory, and says what is going
// to happen: the Collector itself is quiet when all is well.
func settle(w io.Writer, o Options) error {
	o, err := o.normalize()
	if err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if err := lockDataDir(o.DataDir); err != nil {
		return err
	}
	to := o.Endpoint
	if len(o.Kafka.Brokers) > 0 {
		to = "Kafka at " + strings.Join(o.Kafka.Brokers, ",")
	}
	fmt.Fprintf(w, "clew-agent ships this host to %s; it takes OTLP at %s (gRPC) and %s (HTTP), and keeps its queue in %s\n",
		to, o.OTLPGRPCListen, o.OTLPHTTPListen, o.DataDir)
	return nil
}

func newDefaultCommand(o *Options) *cobra.Command {
	return &cobra.Command{
		Use:   "default [clew:kafka | clew:cluster]",
		Short: "Print the configuration that is used when none is given, or that of clew:kafka or clew:cluster",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := builtIn(append(args, defaultURI)[0], *o)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func collectorSettings(version string, o *Options) otelcol.CollectorSettings {
	return otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{
			Command:     program,
			Description: "clew's node agent, an OpenTelemetry Collector distribution",
			Version:     version,
		},
		Factories:      Factories,
		LoggingOptions: []zap.Option{plainWords()},
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				ProviderFactories: []confmap.ProviderFactory{
					fileprovider.NewFactory(),
					envprovider.NewFactory(),
					yamlprovider.NewFactory(),
					confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider {
						return defaultProvider{o}
					}),
				},
			},
		},
	}
}

// defaultProvider makes the default configuration when the Collector asks for
// it, which is after the flags were read.
type defaultProvider struct{ options *Options }

// Retrieve answers clew:default, clew:kafka and clew:cluster.
func (p defaultProvider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	text, err := builtIn(uri, *p.options)
	if err != nil {
		return nil, err
	}
	limitMemory(p.options.MemoryMiB)
	return confmap.NewRetrievedFromYAML(text)
}

// builtIn returns one of the configurations that the program makes itself.
func builtIn(uri string, o Options) ([]byte, error) {
	switch uri {
	case defaultURI:
		return DefaultConfig(o, Probe(o.HostRoot))
	case kafkaURI:
		return GatewayConfig(o)
	case clusterURI:
		return ClusterConfig(o)
	}
	return nil, fmt.Errorf("read configuration %q: those of this kind are %s, %s and %s", uri, defaultURI, kafkaURI, clusterURI)
}

// Scheme is what stands before the colon.
func (defaultProvider) Scheme() string { return scheme }

// Shutdown has nothing to do.
func (defaultProvider) Shutdown(context.Context) error { return nil }

// limitMemory makes the garbage collector work harder before the memory
// limiter has to refuse anything, unless GOMEMLIMIT says otherwise.
func limitMemory(mib int64) {
	const share = 0.8 // what the Collector recommends
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(float64(mib<<20) * share))
	}
}
