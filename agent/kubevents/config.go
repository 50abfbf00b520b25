package kubevents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// TypeName is the receiver's name in a configuration.
const TypeName = "clew_kubernetes_events"

// Where Kubernetes puts what a pod needs to speak to the API server.
const (
	accountDir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	hostEnv    = "KUBERNETES_SERVICE_HOST"
	portEnv    = "KUBERNETES_SERVICE_PORT"
)

// Config says whose events are watched.
type Config struct {
	// Endpoint is the API server's address; empty is that of the cluster that
	// the agent runs in.
	Endpoint string `mapstructure:"endpoint"`
	// TokenFile holds the bearer token, and CAFile what verifies the server.
	// Both are those of the pod's service account by default; a token file
	// that is not there means no token.
	TokenFile string `mapstructure:"token_file"`
	CAFile    string `mapstructure:"ca_file"`
	// Namespaces are those that are watched; empty means all, which takes a
	// role of the cluster.
	Namespaces []string `mapstructure:"namespaces"`
	// Cluster is the k8s.cluster.name of the events.
	Cluster string `mapstructure:"cluster"`
	// Storage is the extension that keeps how far the watch has come. Without
	// one a start begins with the events from then on.
	Storage *component.ID `mapstructure:"storage"`
	// RetryInitial and RetryMax bound the pause before the API server, or the
	// next component, is tried again; it doubles in between.
	RetryInitial time.Duration `mapstructure:"retry_initial"`
	RetryMax     time.Duration `mapstructure:"retry_max"`
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	if c.Endpoint == "" && os.Getenv(hostEnv) == "" {
		errs = append(errs, fmt.Errorf("endpoint is empty and %s is not set, as it is in a pod: give the API server's address, as https://10.0.0.1:6443", hostEnv))
	}
	if u, err := url.Parse(c.address()); c.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, fmt.Errorf("endpoint is %q: want the API server's address, as https://10.0.0.1:6443", c.Endpoint))
	}
	if c.RetryInitial <= 0 || c.RetryMax < c.RetryInitial {
		errs = append(errs, errors.New("retry_initial must be more than 0 and at most retry_max"))
	}
	return errors.Join(errs...)
}

// address returns the API server's.
func (c *Config) address() string {
	if c.Endpoint != "" {
		return c.Endpoint
	}
	return "https://" + net.JoinHostPort(os.Getenv(hostEnv), os.Getenv(portEnv))
}

func defaultConfig() component.Config {
	return &Config{TokenFile: accountDir + "token", CAFile: accountDir + "ca.crt", RetryInitial: time.Second, RetryMax: 30 * time.Second}
}

// NewFactory returns the factory of clew_kubernetes_events.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(component.MustNewType(TypeName), defaultConfig, receiver.WithLogs(newLogs, component.StabilityLevelBeta))
}

func newLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return &events{config: cfg.(*Config), id: set.ID, log: set.Logger, next: next, now: time.Now}, nil
}
