package agent

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed *.yaml.tmpl
var templates embed.FS

// hostLogs are the log files of a host: everything that is called .log, and
// the classic names of the syslog daemons that have no ending. The newest
// rotated files are among them: what was written to them while the agent was
// down is nowhere else. A file that was read before it was rotated is known by
// its content and not read again.
var hostLogs = []string{
	"/var/log/**/*.log", "/var/log/**/*.log.1", "/var/log/**/*.log-[0-9]*",
	"/var/log/syslog", "/var/log/syslog.1",
	"/var/log/messages", "/var/log/messages.1", "/var/log/messages-[0-9]*",
	"/var/log/secure", "/var/log/secure-[0-9]*",
	"/var/log/maillog", "/var/log/maillog-[0-9]*",
	"/var/log/cron", "/var/log/cron-[0-9]*",
}

// otherReaders are files below /var/log that another receiver reads, or that
// only look like logs.
var otherReaders = []string{
	"/var/log/pods/**", "/var/log/containers/**", "/var/log/journal/**",
	"/var/log/**/*.gz", "/var/log/**/*.xz", "/var/log/**/*.bz2", "/var/log/**/*.zst",
}

// journalCopies are what a syslog daemon writes out of the journal. Where the
// journal itself is read they would say everything twice.
var journalCopies = []string{
	"/var/log/syslog*", "/var/log/messages*", "/var/log/secure*", "/var/log/maillog*", "/var/log/cron*",
	"/var/log/auth.log*", "/var/log/kern.log*", "/var/log/daemon.log*", "/var/log/user.log*", "/var/log/mail.log*",
}

// settings are what the template is filled with.
type settings struct {
	Options
	Layout
	Include, Exclude, FileReceivers, Extensions []string
	QueueDir, OffsetsDir                        string
	HealthTargets                               []healthTarget
	Exporter                                    string // where everything goes
	MetricsHost, MetricsPort                    string
}

// DefaultConfig returns the configuration, as YAML, for a host of this layout.
func DefaultConfig(o Options, l Layout) ([]byte, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := durable(o)
	s.Layout, s.Include, s.Exclude, s.FileReceivers = l, o.LogGlobs, below(o.HostRoot, otherReaders), []string{"file_log/host"}
	if len(s.Include) == 0 {
		s.Include = below(o.HostRoot, hostLogs)
		if l.Journal != "" {
			s.Exclude = append(s.Exclude, below(o.HostRoot, journalCopies)...)
		}
	}
	if l.PodLogs {
		s.FileReceivers = append(s.FileReceivers, "file_log/pods")
	}
	if l.Journal != "" {
		s.FileReceivers = append(s.FileReceivers, "journald")
	}
	return render("default.yaml.tmpl", s)
}

// ClusterConfig returns the configuration, as YAML, of what runs once in a
// Kubernetes cluster.
func ClusterConfig(o Options) ([]byte, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return render("cluster.yaml.tmpl", durable(o))
}

// durable returns the settings of what keeps a queue on disk before a server,
// or Kafka.
func durable(o Options) settings {
	s := settings{
		Options:    o,
		Extensions: []string{"clew_queue_file", "file_storage/offsets", "clew_patience"},
		QueueDir:   filepath.Join(o.DataDir, "queue"),
		OffsetsDir: filepath.Join(o.DataDir, "offsets"),
		Exporter:   "otlp_http",
	}
	if len(o.Kafka.Brokers) > 0 {
		s.Exporter = "kafka"
	}
	for _, check := range o.HealthChecks {
		s.HealthTargets = append(s.HealthTargets, healthTargetOf(check))
	}
	if o.HealthListen != "" {
		s.Extensions = append(s.Extensions, "health_check")
	}
	return s
}

func render(name string, s settings) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"q":     quote,
		"list":  quoteList,
		"root":  func(path string) string { return filepath.Join(s.HostRoot, path) },
		"topic": func(signal string) string { return s.Kafka.TopicPrefix + "otlp_" + signal },
	}).ParseFS(templates, name, "ways.yaml.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse the template of the configuration: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return nil, fmt.Errorf("fill in the template of the configuration: %w", err)
	}
	return out.Bytes(), nil
}

// quote writes s as a YAML string (JSON's are) that the Collector does not
// expand.
func quote(s string) (string, error) {
	b, err := json.Marshal(strings.ReplaceAll(s, "$", "$$"))
	return string(b), err
}

func quoteList(list []string) (string, error) {
	quoted := make([]string, len(list))
	for i, s := range list {
		var err error
		if quoted[i], err = quote(s); err != nil {
			return "", err
		}
	}
	return "[" + strings.Join(quoted, ", ") + "]", nil
}

func below(root string, paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Join(root, p)
	}
	return out
}
