package deploy

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// strict decodes YAML into out and refuses keys that out does not know.
func strict(t *testing.T, path string, out any) {
	t.Helper()
	dec := yaml.NewDecoder(bytes.NewReader(read(t, path)))
	dec.KnownFields(true)
	if err := dec.Decode(out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// composeFile is what our compose file uses of the compose specification.
type composeFile struct {
	Name     string
	Clew     any `yaml:"x-clew"` // what services share
	Services map[string]struct {
		Image           string
		Build           *struct{ Context, Dockerfile, Target string }
		Restart         string
		Ports           []string
		Volumes         []yaml.Node
		Environment     map[string]string
		Command         []string
		DependsOn       []string `yaml:"depends_on"`
		StopGracePeriod string   `yaml:"stop_grace_period"`
		ReadOnly        bool     `yaml:"read_only"`
		Tmpfs           []string
		CapDrop         []string `yaml:"cap_drop"`
		CapAdd          []string `yaml:"cap_add"`
		SecurityOpt     []string `yaml:"security_opt"`
		Pid             string
	}
	Volumes map[string]any
}

func readCompose(t *testing.T, file string) composeFile {
	t.Helper()
	var c composeFile
	strict(t, filepath.Join("compose", file), &c)
	return c
}

func TestComposeFiles(t *testing.T) {
	for file, wants := range map[string][]string{
		"compose.yaml": {"clew", "clew-agent", "grafana", "alertmanager"},
		"roles.yaml":   {"collector", "query", "ruler", "elasticsearch", "prometheus"},
	} {
		c := readCompose(t, file)
		for _, want := range wants {
			if _, ok := c.Services[want]; !ok {
				t.Errorf("%s: service %s is missing", file, want)
			}
		}
		checkServices(t, c)
	}
}

func checkServices(t *testing.T, c composeFile) {
	t.Helper()
	for name, s := range c.Services {
		for _, dep := range s.DependsOn {
			if _, ok := c.Services[dep]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, dep)
			}
		}
		for _, p := range s.Ports {
			if host, _, _ := strings.Cut(p, ":"); net.ParseIP(host) == nil || !net.ParseIP(host).IsLoopback() {
				t.Errorf("%s publishes %s to everybody", name, p)
			}
		}
		for _, v := range s.Volumes {
			checkComposeVolume(t, name, v, c.Volumes)
		}
		if s.Build == nil {
			continue
		}
		file := filepath.Join("compose", s.Build.Context, s.Build.Dockerfile)
		if !slices.Contains(stages(string(read(t, file))), s.Build.Target) {
			t.Errorf("%s is built from stage %q, which %s does not have", name, s.Build.Target, file)
		}
	}
}

func checkComposeVolume(t *testing.T, service string, node yaml.Node, named map[string]any) {
	t.Helper()
	var short string
	if node.Decode(&short) != nil {
		return // the long form names a directory of the host
	}
	source, _, bound := strings.Cut(short, ":")
	if !bound {
		return // a volume without a name
	}
	if !strings.HasPrefix(source, ".") {
		if _, ok := named[source]; !ok {
			t.Errorf("%s mounts volume %s, which is not declared", service, source)
		}
		return
	}
	if _, err := os.Stat(filepath.Join("compose", source)); err != nil {
		t.Errorf("%s mounts a file that is not there: %v", service, err)
	}
}

// stages returns the names of a Dockerfile's stages.
func stages(dockerfile string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`).FindAllStringSubmatch(dockerfile, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestDockerfile(t *testing.T) {
	text := string(read(t, "docker/Dockerfile"))
	have := stages(text)
	for _, m := range regexp.MustCompile(`--from=(\S+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(have, m[1]) {
			t.Errorf("copies from stage %s, which is not there", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`go build .* \./(\S+)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("builds a program that is not there: %v", err)
		}
	}
	if n := strings.Count(text, "\nFROM gcr.io/distroless/static"); n != 2 {
		t.Errorf("%d final stages are distroless, want 2", n)
	}
}

func TestSystemdUnits(t *testing.T) {
	hardening := []string{
		"NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "RestrictNamespaces=yes",
		"LockPersonality=yes", "SystemCallFilter=@system-service", "Restart=on-failure", "StateDirectory=",
	}
	section := regexp.MustCompile(`^\[(Unit|Service|Install)\]$`)
	setting := regexp.MustCompile(`^[A-Z][A-Za-z]+=.*$`)
	for _, path := range []string{"systemd/clew.service", "systemd/clew-agent.service"} {
		text := string(read(t, path))
		for i, line := range strings.Split(text, "\n") {
			if line != "" && line[0] != '#' && !section.MatchString(line) && !setting.MatchString(line) {
				t.Errorf("%s:%d: %q is neither a section nor a setting", path, i+1, line)
			}
		}
		for _, h := range hardening {
			if !strings.Contains(text, "\n"+h) {
				t.Errorf("%s has no %s", path, h)
			}
		}
	}
}

// TestSystemdAccepts asks systemd itself where it is installed. Programs that
// are not installed are not the units' fault.
func TestSystemdAccepts(t *testing.T) {
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed")
	}
	for _, unit := range []string{"systemd/clew.service", "systemd/clew-agent.service"} {
		out, _ := exec.Command(path, "verify", unit).CombinedOutput()
		for _, line := range strings.Split(string(out), "\n") {
			if strings.Contains(line, filepath.Base(unit)) && !strings.Contains(line, "is not executable") {
				t.Errorf("%s", line)
			}
		}
	}
}

func TestRules(t *testing.T) {
	files, err := filepath.Glob("rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, f := range files {
		groups, errs := rulefmt.ParseFile(f, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		for _, err := range errs {
			t.Errorf("%s: %v", f, err)
		}
		if groups == nil || len(groups.Groups) == 0 {
			t.Errorf("%s has no groups", f)
		}
	}
}
