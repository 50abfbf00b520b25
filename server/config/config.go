// Package config is the server's configuration: one YAML document, whose
// sections belong to the rooms. It owns the defaults of the server itself, the
// strict reading of the file, and the reference (reference.md, generated from
// the comments on the fields). It may import the rooms for their sections.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/clewhq/clew/internal/strictyaml"
	"github.com/clewhq/clew/server/auth"
	"github.com/clewhq/clew/server/members"
)

// Reference describes every key, in Markdown.
//
//go:embed reference.md
var Reference string

// Config is the whole document.
type Config struct {
	// Target is the role of this process: all, or collector, query or ruler where data are kept elsewhere.
	Target string `yaml:"target"`
	// Cluster is how processes that share work find each other.
	Cluster members.Config `yaml:"cluster"`
	// Server is where it listens and how long things may take.
	Server Server `yaml:"server"`
	// Auth is who may come in.
	Auth auth.Config `yaml:"auth"`
	// Telemetry is what clew tells of itself.
	Telemetry Telemetry `yaml:"telemetry"`
	Rooms     `yaml:",inline"`

	// AuthWritten is set where the file or a flag spells auth.type out.
	AuthWritten bool `yaml:"-"`
	// File is where it was read from, "" for nowhere.
	File string `yaml:"-"`
	// Again reads it again, with what flags have changed.
	Again func() (Config, error) `yaml:"-"`
}

// Server is the `server` section.
type Server struct {
	// HTTPListen is the address of all HTTP APIs and the web interface.
	HTTPListen string `yaml:"http_listen"`
	// OTLPGRPCListen is the address of OTLP over gRPC; "" turns it off.
	OTLPGRPCListen string `yaml:"otlp_grpc_listen"`
	// OTLPHTTPListen is the address of OTLP over HTTP; "" turns it off.
	OTLPHTTPListen string `yaml:"otlp_http_listen"`
	// ReadHeaderTimeout is how long a client may take to send its headers.
	ReadHeaderTimeout model.Duration `yaml:"read_header_timeout"`
	// IdleTimeout is how long a connection may stay open without a request.
	IdleTimeout model.Duration `yaml:"idle_timeout"`
	// ShutdownTimeout is how long requests may go on after a stop signal.
	ShutdownTimeout model.Duration `yaml:"shutdown_timeout"`
	// MemoryLimitBytes is what the process may take; 0 is what the control
	// group or else the machine has. Near it memory is collected more often.
	// GOMEMLIMIT in the environment wins.
	MemoryLimitBytes int64 `yaml:"memory_limit_bytes"`
	// GCPercent is how much memory may grow over what is in use before it is
	// collected: less takes less memory and more CPU time. 0 is 50 with the
	// embedded store, which keeps records in memory, and else 100. GOGC in the
	// environment wins.
	GCPercent int `yaml:"gc_percent"`
	// WarmUp is how long the server may ask itself for its newest records after
	// a start, so that users need not wait for what is read and made once; 0
	// turns it off. Only the embedded store is asked.
	WarmUp model.Duration `yaml:"warm_up"`
	// ReloadInterval is how often the file is looked at for changes.
	ReloadInterval model.Duration `yaml:"reload_interval"`
}

// Telemetry is the `telemetry` section.
type Telemetry struct {
	// LogLevel is debug, info, warn or error.
	LogLevel string `yaml:"log_level"`
	// LogFormat is text or json.
	LogFormat string `yaml:"log_format"`
	// StoreMetrics is how often clew stores its own metrics; 0 turns it off.
	StoreMetrics model.Duration `yaml:"store_metrics"`
	// SendToSelf makes clew send its own spans and logs to itself.
	SendToSelf bool `yaml:"send_to_self"`
	// Authorization is the header that clew's own exports carry, where
	// authentication is on.
	Authorization string `yaml:"authorization"`
}

// Default returns the configuration that holds where nothing is said.
func Default() Config {
	return Config{
		Target: TargetAll, Cluster: members.DefaultConfig(),
		Server: Server{
			HTTPListen:        "127.0.0.1:2539",
			OTLPGRPCListen:    "127.0.0.1:4317",
			OTLPHTTPListen:    "127.0.0.1:4318",
			ReadHeaderTimeout: model.Duration(10 * time.Second),
			IdleTimeout:       model.Duration(2 * time.Minute),
			ShutdownTimeout:   model.Duration(15 * time.Second),
			WarmUp:            model.Duration(10 * time.Second),
			ReloadInterval:    model.Duration(5 * time.Second),
		},
		Telemetry: Telemetry{LogLevel: "info", LogFormat: "text", StoreMetrics: model.Duration(15 * time.Second)},
		Rooms:     defaultRooms(),
	}
}

// Load reads the file at path over the defaults; "" means defaults alone.
func Load(path string) (Config, error) {
	c := Default()
	if path == "" {
		return c, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read the configuration: %w", err)
	}
	if err := strictyaml.Decode(data, &c, nil); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	c.File = path
	c.Again = func() (Config, error) { return Load(path) }
	c.AuthWritten = strictyaml.Has(data, "auth", "type")
	return c, nil
}

// Validate reports everything that is wrong with c.
func (c *Config) Validate() error {
	errs := []error{c.validateServer(), c.Auth.Validate(), c.validateTelemetry()}
	if err := c.Cluster.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("cluster: %w", err))
	}
	errs = append(errs, c.validateRooms()...)
	return errors.Join(errs...)
}

func (c *Config) validateServer() error {
	if err := c.validateTarget(); err != nil {
		return err
	}
	if c.Server.HTTPListen == "" {
		return errors.New("server.http_listen is empty; want host:port, such as 127.0.0.1:2539")
	}
	if c.Server.ReloadInterval <= 0 {
		return fmt.Errorf("server.reload_interval %s: want more than 0, such as 5s", c.Server.ReloadInterval)
	}
	if c.Server.MemoryLimitBytes < 0 {
		return fmt.Errorf("server.memory_limit_bytes %d: want 0 or more", c.Server.MemoryLimitBytes)
	}
	if c.Server.WarmUp < 0 {
		return fmt.Errorf("server.warm_up %s: want 0 (off) or more, such as 10s", c.Server.WarmUp)
	}
	if c.Server.GCPercent < 0 {
		return fmt.Errorf("server.gc_percent %d: want 0 (by the store) or more", c.Server.GCPercent)
	}
	for key, addr := range map[string]string{
		"http_listen": c.Server.HTTPListen, "otlp_grpc_listen": c.Server.OTLPGRPCListen, "otlp_http_listen": c.Server.OTLPHTTPListen,
	} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("server.%s %q: want host:port, such as 127.0.0.1:2539: %w", key, addr, err)
		}
		if !Loopback(addr) && !c.AuthWritten {
			return fmt.Errorf("server.%s %s can be reached from other machines, and authentication is off; set auth.type to token or basic, or write auth: {type: none} to allow everybody", key, addr)
		}
	}
	return nil
}

// The roles.
const (
	TargetAll       = "all"       // the others in one process
	TargetCollector = "collector" // takes data
	TargetQuery     = "query"     // answers
	TargetRuler     = "ruler"     // evaluates rules
)

// Runs reports whether the process has a role.
func (c *Config) Runs(target string) bool { return members.About{Target: c.Target}.Has(target) }

func (c *Config) validateTarget() error {
	switch c.Target {
	case TargetAll:
		return nil
	case TargetCollector, TargetQuery, TargetRuler:
	default:
		return fmt.Errorf("target %q: use all, collector, query or ruler", c.Target)
	}
	if c.Storage.Backend == BackendLocal || c.Storage.Metrics.Backend == BackendLocal {
		return fmt.Errorf("target %s: processes share what is kept elsewhere; set storage.backend to elasticsearch and storage.metrics.backend to remote, or use all", c.Target)
	}
	return nil
}

// Loopback reports whether only this machine can reach addr.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) validateTelemetry() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Telemetry.LogLevel)); err != nil {
		return fmt.Errorf("telemetry.log_level %q: use debug, info, warn or error", c.Telemetry.LogLevel)
	}
	if f := c.Telemetry.LogFormat; f != "text" && f != "json" {
		return fmt.Errorf("telemetry.log_format %q: use text or json", f)
	}
	return nil
}

// Print returns c as YAML, secrets masked.
func Print(c Config) (string, error) {
	c.Auth.Tokens = append([]auth.Token(nil), c.Auth.Tokens...)
	for i := range c.Auth.Tokens {
		mask(&c.Auth.Tokens[i].Token)
	}
	c.Auth.Users = append([]auth.User(nil), c.Auth.Users...)
	for i := range c.Auth.Users {
		mask(&c.Auth.Users[i].PasswordHash)
	}
	mask(&c.Telemetry.Authorization)
	mask(&c.Cluster.SecretKey)
	c.maskRooms()
	out, err := yaml.Marshal(c)
	return string(out), err
}

func mask(s *string) {
	if *s != "" {
		*s = "<secret>"
	}
}
