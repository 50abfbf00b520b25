package ship

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/clewhq/clew/loadtest/send"
)

// The programs that bring records into Elasticsearch.
const (
	Clew      = "clew"
	Collector = "collector"
)

// Programs are their names.
var Programs = []string{Clew, Collector}

// side is a program in one of its configurations.
type side struct {
	name    string
	program string
	// config is its configuration in configs/.
	config string
	args   func(config string) []string
	// ready is the path of the address that says whether it can serve.
	ready string
	// streams are the data streams of its records, others what else it makes.
	streams map[send.Signal]string
	others  []string
	// settings are those of the indices, where the side leaves them to be set
	// up: its mappings are then in configs/.
	settings map[string]any
	// leaves are templates that it makes by itself.
	leaves []string
}

func clewArgs(config string) []string      { return []string{"serve", "--config", config} }
func collectorArgs(config string) []string { return []string{"--config", config} }

// collectorStreams are where the exporter puts log records and events of spans,
// and spans, where nothing in them says otherwise.
var collectorStreams = map[send.Signal]string{send.Logs: "logs-generic.otel-default", send.Traces: "traces-generic.otel-default"}

// Two kinds of index are usual for what the exporter writes: an ordinary one
// that is compressed well, and Elasticsearch's mode for logs, as its basic
// licence has it.
var (
	ordinary = map[string]any{"codec": "best_compression", "number_of_replicas": 0}
	logsdb   = map[string]any{
		"mode": "logsdb", "mapping.source.mode": "stored", "number_of_replicas": 0,
		"sort.field": []string{"resource.attributes.host.name", "@timestamp"}, "sort.order": []string{"asc", "desc"},
	}
)

// sides are all that can be compared.
var sides = []side{
	{
		name: "clew", program: Clew, config: "clew.yaml", args: clewArgs, ready: "/readyz",
		streams: map[send.Signal]string{send.Logs: "logs-loadtest-anonymous", send.Traces: "traces-loadtest-anonymous"},
		others:  []string{"clew-streams-loadtest-*", "clew-deletions-loadtest"},
		leaves:  []string{"clew-logs-loadtest", "clew-traces-loadtest", "clew-streams-loadtest", "clew-deletions-loadtest", "clew-deadletter-loadtest"},
	},
	{
		name: "collector", program: Collector, config: "collector.yaml", args: collectorArgs, ready: "/",
		streams: collectorStreams, settings: ordinary,
	},
	{
		name: "collector-durable", program: Collector, config: "collector-durable.yaml", args: collectorArgs, ready: "/",
		streams: collectorStreams, settings: ordinary,
	},
	{
		name: "collector-logsdb", program: Collector, config: "collector.yaml", args: collectorArgs, ready: "/",
		streams: collectorStreams, settings: logsdb,
	},
}

// Names are the names of all sides.
func Names() []string {
	var out []string
	for _, s := range sides {
		out = append(out, s.name)
	}
	return out
}

//go:embed configs
var configs embed.FS

// place is what a configuration says of where it runs.
type place struct {
	Elasticsearch, Dir string
	// HTTP is the address that tells whether it is ready, OTLP takes the load.
	HTTP, OTLP, GRPC string
}

// writeConfig writes the side's configuration into p.Dir.
func (s side) writeConfig(p place) (path string, err error) {
	t, err := template.ParseFS(configs, "configs/"+s.config)
	if err != nil {
		return "", fmt.Errorf("read the configuration of %s: %w", s.name, err)
	}
	path = filepath.Join(p.Dir, s.config)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := t.Execute(f, p); err != nil {
		_ = f.Close()
		return "", fmt.Errorf("write the configuration of %s: %w", s.name, err)
	}
	return path, f.Close()
}
