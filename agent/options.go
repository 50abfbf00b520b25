package agent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Options are the few things about the default configuration that differ from
// one host to the next. Each is an environment variable and most are a flag;
// who needs more writes a configuration.
type Options struct {
	// Endpoint is the server's OTLP address over HTTP.
	Endpoint string
	// DataDir holds the queue and the read offsets.
	DataDir string
	// OTLPGRPCListen and OTLPHTTPListen are where applications send OTLP.
	// They are not 4317 and 4318: on its own host the server has those.
	OTLPGRPCListen string
	OTLPHTTPListen string
	// HealthListen is where GET / answers whether the agent is well; empty is
	// nowhere.
	HealthListen string
	// LogGlobs replaces the host's log files; empty means those.
	LogGlobs []string
	// HealthChecks are services whose health checks are asked, each as
	// name=address, namespace/name=address or an address alone.
	HealthChecks []string
	// Kubernetes is what clew:cluster watches.
	Kubernetes Kubernetes
	// HostRoot is where the host's file system is mounted.
	HostRoot string
	// CAFile verifies the server's certificate, beside the system's roots.
	CAFile string
	// Token and Tenant say whether CLEW_TOKEN and CLEW_TENANT are set. Their
	// values are read by the Collector, so that they never stand in a
	// configuration that somebody prints.
	Token, Tenant bool
	// QueueBytes is how much of each signal waits on disk before the agent
	// stops reading.
	QueueBytes int64
	// MemoryMiB is where the agent refuses OTLP to save its own memory.
	MemoryMiB int64
	// Kafka, where it has brokers, stands between agents and the server.
	Kafka Kafka
}

// Kubernetes is the cluster whose events are shipped.
type Kubernetes struct {
	// API is the address of its API server; empty is that of the cluster that
	// the agent runs in.
	API string
	// Namespaces are those whose events are shipped; empty means all.
	Namespaces []string
	// Cluster is what it is called.
	Cluster string
}

// Defaults of Options.
const (
	DefaultEndpoint       = "http://127.0.0.1:4318"
	DefaultOTLPGRPCListen = "127.0.0.1:14317"
	DefaultOTLPHTTPListen = "127.0.0.1:14318"

	// defaultQueueBytes holds about a day of a busy host's logs.
	defaultQueueBytes = 4 << 30
	// defaultMemoryMiB is several times what the agent needs at rest.
	defaultMemoryMiB = 512
)

// OptionsFromEnv returns the defaults, changed by CLEW_ variables. A variable
// that cannot be read is an error: falling back would ship to the wrong place.
func OptionsFromEnv(getenv func(string) string) (Options, error) {
	or := func(name, fallback string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return fallback
	}
	o := Options{
		Endpoint:       or("CLEW_ENDPOINT", DefaultEndpoint),
		DataDir:        or("CLEW_AGENT_DATA_DIR", defaultDataDir(getenv, os.Geteuid() == 0)),
		OTLPGRPCListen: or("CLEW_AGENT_OTLP_GRPC_LISTEN", DefaultOTLPGRPCListen),
		OTLPHTTPListen: or("CLEW_AGENT_OTLP_HTTP_LISTEN", DefaultOTLPHTTPListen),
		HealthListen:   getenv("CLEW_AGENT_HEALTH_LISTEN"),
		LogGlobs:       splitList(getenv("CLEW_AGENT_LOG_GLOBS")),
		HealthChecks:   splitList(getenv("CLEW_AGENT_HEALTH_CHECKS")),
		Kubernetes: Kubernetes{
			API: getenv("CLEW_KUBERNETES_API"), Namespaces: splitList(getenv("CLEW_KUBERNETES_NAMESPACES")), Cluster: getenv("K8S_CLUSTER_NAME"),
		},
		HostRoot: or("CLEW_HOST_ROOT", "/"),
		CAFile:   getenv("CLEW_CA_FILE"),
		Token:    getenv("CLEW_TOKEN") != "",
		Tenant:   getenv("CLEW_TENANT") != "",
	}
	var err error
	if o.Kafka, err = kafkaFromEnv(getenv, or); err != nil {
		return o, err
	}
	if o.QueueBytes, err = number(getenv, "CLEW_AGENT_QUEUE_BYTES", defaultQueueBytes); err != nil {
		return o, err
	}
	o.MemoryMiB, err = number(getenv, "CLEW_AGENT_MEMORY_MIB", defaultMemoryMiB)
	return o, err
}

func number(getenv func(string) string, name string, fallback int64) (int64, error) {
	text := getenv(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %q is not a whole number", name, text)
	}
	return n, nil
}

// defaultDataDir is where the system keeps state: root's, or the user's own.
func defaultDataDir(getenv func(string) string, root bool) string {
	if root {
		return "/var/lib/clew-agent"
	}
	if dir := getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "clew-agent")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "clew-agent")
	}
	return filepath.Join(os.TempDir(), "clew-agent")
}

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// normalize completes what may be written short and makes paths absolute: the
// configuration must mean the same wherever it is read.
func (o Options) normalize() (Options, error) {
	if !strings.Contains(o.Endpoint, "://") {
		o.Endpoint = "http://" + o.Endpoint
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	for _, dir := range []*string{&o.DataDir, &o.HostRoot} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return o, fmt.Errorf("find directory %q: %w", *dir, err)
		}
		*dir = abs
	}
	return o, nil
}

// Validate reports everything that is wrong with o, by flag.
func (o Options) Validate() error {
	var errs []error
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("--endpoint %q: want the server's OTLP/HTTP address, as %s", o.Endpoint, DefaultEndpoint))
	}
	for flag, addr := range map[string]string{
		"--otlp-grpc-listen": o.OTLPGRPCListen,
		"--otlp-http-listen": o.OTLPHTTPListen,
		"--health-listen":    o.HealthListen,
	} {
		if addr == "" && flag == "--health-listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: want host:port, as %s", flag, addr, DefaultOTLPHTTPListen))
		}
	}
	if o.DataDir == "" {
		errs = append(errs, errors.New("--data-dir is empty: want a directory that survives a restart"))
	}
	for _, glob := range o.LogGlobs {
		if !filepath.IsAbs(glob) {
			errs = append(errs, fmt.Errorf("--log-glob %q: want an absolute path, as /var/log/app/*.log", glob))
		}
	}
	for _, check := range o.HealthChecks {
		if u, err := url.Parse(healthTargetOf(check).Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, fmt.Errorf("--health-check %q: want a service and its address, as checkout=http://checkout:8080/health", check))
		}
	}
	if o.QueueBytes <= 0 {
		errs = append(errs, fmt.Errorf("CLEW_AGENT_QUEUE_BYTES is %d: want more than 0", o.QueueBytes))
	}
	if err := o.Kafka.validate(); err != nil {
		errs = append(errs, err)
	}
	if o.MemoryMiB < minMemoryMiB {
		errs = append(errs, fmt.Errorf("CLEW_AGENT_MEMORY_MIB is %d: want at least %d", o.MemoryMiB, minMemoryMiB))
	}
	return errors.Join(errs...)
}

// healthTarget is a service whose health check is asked.
type healthTarget struct{ Namespace, Service, Endpoint string }

// healthTargetOf reads what stands in an option. An address has a = of its own
// behind its scheme only.
func healthTargetOf(check string) healthTarget {
	name, endpoint, named := strings.Cut(check, "=")
	if !named || strings.Contains(name, "://") {
		return healthTarget{Endpoint: check}
	}
	if slash := strings.LastIndexByte(name, '/'); slash >= 0 {
		return healthTarget{name[:slash], name[slash+1:], endpoint}
	}
	return healthTarget{Service: name, Endpoint: endpoint}
}

// minMemoryMiB is what the agent needs to start at all.
const minMemoryMiB = 64
