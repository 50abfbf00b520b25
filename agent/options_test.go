package agent

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
)

func envFactory() confmap.ProviderFactory { return envprovider.NewFactory() }

// textProvider hands a test's YAML to the Collector.
func textProvider(t *testing.T) confmap.ProviderFactory {
	t.Helper()
	return confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return inline{} })
}

type inline struct{}

func (inline) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(strings.TrimPrefix(uri, "clew-test:")))
}
func (inline) Scheme() string                 { return "clew-test" }
func (inline) Shutdown(context.Context) error { return nil }

func getenv(env map[string]string) func(string) string {
	return func(k string) string { return env[k] }
}

func TestOptionsFromEnv(t *testing.T) {
	got, err := OptionsFromEnv(getenv(map[string]string{
		"CLEW_ENDPOINT": "https://clew:4318", "CLEW_AGENT_DATA_DIR": "/d", "CLEW_AGENT_OTLP_GRPC_LISTEN": "127.0.0.1:1",
		"CLEW_AGENT_OTLP_HTTP_LISTEN": "127.0.0.1:2", "CLEW_AGENT_HEALTH_LISTEN": "127.0.0.1:3", "CLEW_AGENT_LOG_GLOBS": "/a, /b,",
		"CLEW_HOST_ROOT": "/hostfs", "CLEW_CA_FILE": "/ca", "CLEW_TOKEN": "x", "CLEW_TENANT": "y",
		"CLEW_AGENT_QUEUE_BYTES": "5", "CLEW_AGENT_MEMORY_MIB": "128",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Endpoint: "https://clew:4318", DataDir: "/d", OTLPGRPCListen: "127.0.0.1:1", OTLPHTTPListen: "127.0.0.1:2",
		HealthListen: "127.0.0.1:3", LogGlobs: []string{"/a", "/b"}, HostRoot: "/hostfs", CAFile: "/ca",
		Token: true, Tenant: true, QueueBytes: 5, MemoryMiB: 128,
		Kafka: Kafka{Group: "clew", MetricsListen: DefaultMetricsListen},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	for _, name := range []string{"CLEW_AGENT_QUEUE_BYTES", "CLEW_AGENT_MEMORY_MIB", "CLEW_KAFKA_TLS"} {
		if _, err := OptionsFromEnv(getenv(map[string]string{name: "4 GiB"})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of 4 GiB: error is %v", name, err)
		}
	}
}

func TestDefaultDataDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		root bool
		want string
	}{
		{nil, true, "/var/lib/clew-agent"},
		{map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, false, "/s/clew-agent"},
		{map[string]string{"HOME": "/h"}, false, "/h/.local/state/clew-agent"},
	} {
		if got := defaultDataDir(getenv(c.env), c.root); got != c.want {
			t.Errorf("data directory is %s, want %s", got, c.want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for flag, change := range map[string]func(*Options){
		"--endpoint":             func(o *Options) { o.Endpoint = "grpc://x:4317" },
		"--otlp-grpc-listen":     func(o *Options) { o.OTLPGRPCListen = "14317" },
		"--otlp-http-listen":     func(o *Options) { o.OTLPHTTPListen = "" },
		"--health-listen":        func(o *Options) { o.HealthListen = "here" },
		"--log-glob":             func(o *Options) { o.LogGlobs = []string{"*.log"} },
		"CLEW_AGENT_QUEUE_BYTES": func(o *Options) { o.QueueBytes = 0 },
		"CLEW_AGENT_MEMORY_MIB":  func(o *Options) { o.MemoryMiB = 1 },
		"--health-check":         func(o *Options) { o.HealthChecks = []string{"checkout=checkout:8080"} },
		"--kafka-brokers":        func(o *Options) { o.Kafka.Brokers = []string{"kafka"} },

		"CLEW_AGENT_METRICS_LISTEN": func(o *Options) { o.Kafka.MetricsListen = "here" },
	} {
		o, _ := OptionsFromEnv(getenv(nil))
		if _, err := DefaultConfig(o, Layout{}); err != nil {
			t.Fatalf("the defaults are refused: %v", err)
		}
		change(&o)
		if _, err := DefaultConfig(o, Layout{}); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("bad %s: error is %v", flag, err)
		}
	}
}

// run executes the command line.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := NewCommand("test")
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	out, err := run(t, "default", "--endpoint", "http://clew.example:4318", "--data-dir", dir)
	if err != nil || !strings.Contains(out, `"http://clew.example:4318"`) || !strings.Contains(out, dir+"/queue") {
		t.Errorf("default: %v\n%s", err, out)
	}
	if out, err := run(t, "validate", "--data-dir", dir); err != nil {
		t.Errorf("validate: %v\n%s", err, out)
	}
	if out, err := run(t, "validate", "--data-dir", dir, "--set", "receivers.file_log/host.start_at=nowhere"); err == nil {
		t.Errorf("--set is not applied to the default: %s", out)
	}
	if out, err := run(t, "validate", "--data-dir", dir, "--endpoint", "ftp://x"); err == nil || !strings.Contains(err.Error(), "--endpoint") {
		t.Errorf("a bad endpoint: %v\n%s", err, out)
	}
	if _, err := run(t, "validate", "--config", "clew:other"); err == nil {
		t.Error("clew:other is accepted")
	}
	if _, err := run(t, "validate", "--config", "yaml:receivers: {otlp: {protocols: {http: }}}\nexporters: {debug: }\n"+
		"service: {pipelines: {logs: {receivers: [otlp], exporters: [debug]}}}"); err != nil {
		t.Errorf("a configuration of one's own: %v", err)
	}
}
