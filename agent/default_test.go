package agent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
)

// hostRoot makes a host's file system out of empty files and, where the name
// ends in a slash, directories.
func hostRoot(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		dir := path
		if !strings.HasSuffix(name, "/") {
			dir = filepath.Dir(path)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != path && !strings.HasSuffix(name, "/") {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func hasJournalctl(string) (string, error) { return "/usr/bin/journalctl", nil }
func noJournalctl(string) (string, error)  { return "", errors.New("not found") }

// resolve reads the default configuration as the Collector does, and checks
// it against the components that are linked.
func resolve(t *testing.T, text []byte) map[string]any {
	t.Helper()
	settings := otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
		URIs:              []string{"clew-test:" + string(text)},
		ProviderFactories: []confmap.ProviderFactory{textProvider(t), envFactory()},
		DefaultScheme:     "env",
	}}
	provider, err := otelcol.NewConfigProvider(settings)
	if err != nil {
		t.Fatal(err)
	}
	factories, err := Factories()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := provider.Get(context.Background(), factories)
	if err != nil {
		t.Fatalf("the configuration cannot be read: %v\n%s", err, text)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatalf("the configuration is not valid: %v\n%s", err, text)
	}
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := retrieved.AsRaw()
	if err != nil {
		t.Fatal(err)
	}
	return raw.(map[string]any)
}

func TestDefaultConfigFitsTheHost(t *testing.T) {
	journal := "var/log/journal/0123/system.journal"
	for _, c := range []struct {
		name       string
		files      []string
		journalctl func(string) (string, error)
		options    func(*Options)
		receivers  []any
		include    []string // below the root
		exclude    []string // among others
		extensions []any
	}{
		{name: "a container", journalctl: noJournalctl, receivers: []any{"file_log/host"}, include: hostLogs},
		{name: "a Debian without a journal", files: []string{"var/log/syslog", "var/log/journal/"}, journalctl: hasJournalctl,
			receivers: []any{"file_log/host"}, include: hostLogs},
		{name: "a journal but no journalctl", files: []string{journal}, journalctl: noJournalctl, receivers: []any{"file_log/host"}, include: hostLogs},
		{name: "a journal", files: []string{journal, "var/log/syslog"}, journalctl: hasJournalctl,
			receivers: []any{"file_log/host", "journald"}, include: hostLogs, exclude: journalCopies},
		{name: "a volatile journal", files: []string{"run/log/journal/0123/system.journal"}, journalctl: hasJournalctl,
			receivers: []any{"file_log/host", "journald"}, include: hostLogs, exclude: journalCopies},
		{name: "a Kubernetes node", files: []string{"var/log/pods/", journal}, journalctl: hasJournalctl,
			receivers: []any{"file_log/host", "file_log/pods", "journald"}, include: hostLogs, exclude: otherReaders},
		{name: "globs and everything else that can be said", journalctl: noJournalctl, receivers: []any{"file_log/host"},
			options: func(o *Options) {
				o.LogGlobs = []string{"/srv/$x/\"a\".log", "/b/*.log"}
				o.Token, o.Tenant, o.CAFile, o.HealthListen = true, true, "/ca.pem", "127.0.0.1:13133"
				o.Endpoint = "clew.example:4318/"
			},
			include: []string{"/srv/$$x/\"a\".log", "/b/*.log"}, extensions: []any{"health_check"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := hostRoot(t, c.files...)
			o, err := OptionsFromEnv(func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			o.HostRoot, o.DataDir = root, t.TempDir()
			if c.options != nil {
				c.options(&o)
			} else {
				c.include = below(root, c.include)
			}
			text, err := DefaultConfig(o, probe(root, c.journalctl))
			if err != nil {
				t.Fatal(err)
			}
			cfg := resolve(t, text)
			at := func(path ...string) any { return dig(t, cfg, path...) }
			if diff := cmp.Diff(c.receivers, at("service", "pipelines", "logs/files", "receivers")); diff != "" {
				t.Errorf("receivers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.include, texts(at("receivers", "file_log/host", "include"))); diff != "" {
				t.Errorf("include (-want +got):\n%s", diff)
			}
			exclude := texts(at("receivers", "file_log/host", "exclude"))
			for _, path := range below(root, c.exclude) {
				if !slices.Contains(exclude, path) {
					t.Errorf("%s is not excluded", path)
				}
			}
			for _, e := range c.extensions {
				if !slices.Contains(at("service", "extensions").([]any), e) {
					t.Errorf("extension %s is not on", e)
				}
			}
		})
	}
}

func dig(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("the configuration has no %v", path)
		}
		v = m[key]
	}
	return v
}

func texts(v any) []string {
	var out []string
	for _, s := range v.([]any) {
		out = append(out, s.(string))
	}
	return out
}

// TestDefaultConfigIsDurable holds what the promise "nothing is lost" rests on.
func TestDefaultConfigIsDurable(t *testing.T) {
	o, _ := OptionsFromEnv(func(string) string { return "" })
	o.DataDir = t.TempDir()
	text, err := DefaultConfig(o, Layout{PodLogs: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := resolve(t, text)
	for _, c := range []struct {
		want any
		path []string
	}{
		{"clew_queue_file", []string{"exporters", "otlp_http", "sending_queue", "storage"}},
		{true, []string{"exporters", "otlp_http", "sending_queue", "block_on_overflow"}},
		{"0s", []string{"exporters", "otlp_http", "retry_on_failure", "max_elapsed_time"}},
		{true, []string{"extensions", "clew_queue_file", "fsync"}},
		{"file_storage/offsets", []string{"receivers", "file_log/host", "storage"}},
		{"file_storage/offsets", []string{"receivers", "file_log/pods", "storage"}},
		{"file_storage/offsets", []string{"processors", "clew_keep", "storage"}},
		{true, []string{"receivers", "file_log/host", "include_file_record_offset"}},
	} {
		if diff := cmp.Diff(c.want, dig(t, cfg, c.path...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.path, diff)
		}
	}
	queue := dig(t, cfg, "exporters", "otlp_http", "sending_queue").(map[string]any)
	if _, ok := queue["batch"]; ok {
		t.Error("the queue joins requests behind itself: a crash then sends them cut otherwise")
	}
}

// TestLean: the agent runs on every node, so it links no cloud, but for what
// signs the log-in to a Kafka there, and no cluster.
func TestLean(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../cmd/clew-agent").Output()
	if err != nil {
		t.Fatalf("list what is linked: %v", err)
	}
	deps := strings.Fields(string(out))
	for _, dep := range deps {
		for _, heavy := range []string{"k8s.io/", "github.com/aws/aws-sdk-go-v2/service/ec2", "github.com/aws/aws-sdk-go-v2/service/s3", "cloud.google.com/", "github.com/Azure/", "github.com/prometheus/prometheus"} {
			if strings.HasPrefix(dep, heavy) {
				t.Errorf("links %s", dep)
			}
		}
		if own, ok := strings.CutPrefix(dep, "github.com/clewhq/clew/"); ok {
			room, _, _ := strings.Cut(own, "/")
			if !slices.Contains([]string{"agent", "telemetry", "correlation", "cmd"}, room) && own != "internal/wait" {
				t.Errorf("links %s: an agent may use telemetry, correlation and internal/wait only", dep)
			}
		}
	}
	const most = 1300 // packages, the standard library's included
	if len(deps) > most {
		t.Errorf("links %d packages, want at most %d", len(deps), most)
	}
}
