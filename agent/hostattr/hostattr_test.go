package hostattr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
)

// fakeRoot writes files into an empty root.
func fakeRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var debian = map[string]string{
	"etc/hostname":              "node-7\n",
	"etc/machine-id":            "0123456789abcdef0123456789abcdef\n",
	"etc/os-release":            "# made by hand\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME='Debian'\nVERSION_ID=\"12\"\nbroken\n",
	"proc/sys/kernel/osrelease": "6.1.0-1\n",
}

func TestDescribe(t *testing.T) {
	arch := runtime.GOARCH
	for _, c := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		host  string // what os.Hostname says; empty is an error
		want  map[string]string
	}{
		{"a mounted Debian", debian, nil, "container", map[string]string{
			"host.name": "node-7", "host.id": "0123456789abcdef0123456789abcdef", "host.arch": arch, "os.type": runtime.GOOS,
			"os.name": "Debian", "os.version": "12", "os.description": "Debian GNU/Linux 12 (bookworm) (kernel 6.1.0-1)",
		}},
		{"on Kubernetes", debian, map[string]string{"K8S_NODE_NAME": "worker-1", "K8S_CLUSTER_NAME": "prod"}, "pod", map[string]string{
			"host.name": "worker-1", "host.id": "0123456789abcdef0123456789abcdef", "host.arch": arch, "os.type": runtime.GOOS,
			"os.name": "Debian", "os.version": "12", "os.description": "Debian GNU/Linux 12 (bookworm) (kernel 6.1.0-1)",
			"k8s.node.name": "worker-1", "k8s.cluster.name": "prod",
		}},
		{"nothing but a kernel", map[string]string{"proc/sys/kernel/osrelease": "6.1", "etc/machine-id": "uninitialized", "var/lib/dbus/machine-id": "dbus"}, nil, "h",
			map[string]string{"host.name": "h", "host.id": "dbus", "host.arch": arch, "os.type": runtime.GOOS, "os.description": "Linux 6.1"}},
		{"nothing", nil, nil, "", map[string]string{"host.arch": arch, "os.type": runtime.GOOS}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]string{}
			for _, a := range Describe(Host{
				Root:   fakeRoot(t, c.files),
				Getenv: func(k string) string { return c.env[k] },
				Hostname: func() (string, error) {
					if c.host == "" {
						return "", errors.New("no name")
					}
					return c.host, nil
				},
			}) {
				got[a.Key] = a.Value
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("description (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArchNamesFollowTheConvention(t *testing.T) {
	for goarch, want := range map[string]string{"386": "x86", "arm": "arm32"} {
		if archNames[goarch] != want {
			t.Errorf("%s is called %q, want %q", goarch, archNames[goarch], want)
		}
	}
}

func TestApply(t *testing.T) {
	s := &stamp{attributes: []Attribute{{"host.name", "me"}, {"host.id", "1"}, {"os.type", "linux"}}, service: "host", instance: "me"}
	for _, c := range []struct {
		name     string
		in, want map[string]any
	}{
		{"nothing there", map[string]any{}, map[string]any{"host.name": "me", "host.id": "1", "os.type": "linux", "service.name": "host", "service.instance.id": "me"}},
		{"a service", map[string]any{"service.name": "shop"}, map[string]any{"host.name": "me", "host.id": "1", "os.type": "linux", "service.name": "shop"}},
		{"ours, named already", map[string]any{"host.name": "me", "service.name": "a"}, map[string]any{"host.name": "me", "host.id": "1", "os.type": "linux", "service.name": "a"}},
		{"another host", map[string]any{"host.name": "other"}, map[string]any{"host.name": "other"}},
		{"another host by ID", map[string]any{"host.id": "2"}, map[string]any{"host.id": "2"}},
		{"another value", map[string]any{"os.type": "windows", "service.name": "a"}, map[string]any{"host.name": "me", "host.id": "1", "os.type": "windows", "service.name": "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := pcommon.NewResource()
			if err := r.Attributes().FromRaw(c.in); err != nil {
				t.Fatal(err)
			}
			s.apply(r)
			if diff := cmp.Diff(c.want, r.Attributes().AsRaw()); diff != "" {
				t.Errorf("resource (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEverySignalIsStamped(t *testing.T) {
	ctx, f := context.Background(), NewFactory()
	set := processortest.NewNopSettings(f.Type())
	cfg := &Config{Root: fakeRoot(t, debian), Attributes: map[string]string{"deployment.environment.name": "test", "host.name": "mine"}}
	want := map[string]string{"host.name": "mine", "deployment.environment.name": "test", "os.name": "Debian"}
	check := func(signal string, r pcommon.Resource) {
		t.Helper()
		for key, value := range want {
			if got, ok := r.Attributes().Get(key); !ok || got.Str() != value {
				t.Errorf("%s have %s %q, want %q", signal, key, got.AsString(), value)
			}
		}
	}

	var logs consumertest.LogsSink
	lp, err := f.CreateLogs(ctx, set, cfg, &logs)
	if err != nil {
		t.Fatal(err)
	}
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	if err := lp.ConsumeLogs(ctx, ld); err != nil {
		t.Fatal(err)
	}
	check("logs", logs.AllLogs()[0].ResourceLogs().At(0).Resource())

	var metrics consumertest.MetricsSink
	mp, err := f.CreateMetrics(ctx, set, cfg, &metrics)
	if err != nil {
		t.Fatal(err)
	}
	md := pmetric.NewMetrics()
	md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	if err := mp.ConsumeMetrics(ctx, md); err != nil {
		t.Fatal(err)
	}
	check("metrics", metrics.AllMetrics()[0].ResourceMetrics().At(0).Resource())

	var traces consumertest.TracesSink
	tp, err := f.CreateTraces(ctx, set, cfg, &traces)
	if err != nil {
		t.Fatal(err)
	}
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	if err := tp.ConsumeTraces(ctx, td); err != nil {
		t.Fatal(err)
	}
	check("traces", traces.AllTraces()[0].ResourceSpans().At(0).Resource())
}

func TestConfig(t *testing.T) {
	if err := (&Config{Root: "hostfs"}).Validate(); err == nil {
		t.Error("a relative root is accepted")
	}
	if err := NewFactory().CreateDefaultConfig().(*Config).Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
}
