package compare

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/freeport"
)

// TestMain is also a server of its own, which cold starts need: the test runs
// itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		serveAnswers(os.Args[2], os.Args[3])
	}
	goleak.VerifyTestMain(m)
}

// serveAnswers answers as clew does until it is asked to stop, and notes in dir
// what it did.
func serveAnswers(addr, dir string) {
	note := func(what string) {
		f, err := os.OpenFile(filepath.Join(dir, "notes"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(what + "\n")
		}
		if err != nil {
			panic(err)
		}
		_ = f.Close()
	}
	note("started")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		panic(http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" || r.URL.Path == "/health" {
				return
			}
			note(r.URL.Path)
			_, _ = w.Write([]byte(clewAnswers(r.URL.Path)))
		})))
	}()
	<-stop
	note("stopped")
	os.Exit(0)
}

// coldTarget is a target that is such a server.
func coldTarget(t *testing.T, name string) Target {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return Target{Name: name, URL: "http://" + addr, OTLP: "http://" + addr,
		Command: []string{os.Args[0], "serve", addr, dir}, Dirs: []string{dir}}
}

// TestRunCold: every question is the first one after a start, and no server is
// left behind.
func TestRunCold(t *testing.T) {
	w, truth := testWorkload(t)
	cfg := DefaultConfig()
	cfg.Targets = []Target{coldTarget(t, Clew), coldTarget(t, VictoriaLogs)}
	cfg.Load, cfg.Cold, cfg.ColdPause = false, 2, 0
	report, err := Run(context.Background(), cfg, w, truth)
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string][]Kind{}
	for _, a := range report.Asked {
		asked[a.Target] = append(asked[a.Target], a.Kind)
		if a.N != 2 || a.Median <= 0 || a.Target == Clew && a.Failed > 0 {
			t.Errorf("%s: %s: %+v", a.Target, a.Kind, a)
		}
	}
	if !slices.Equal(asked[Clew], coldKinds) || !slices.Equal(asked[VictoriaLogs], coldKinds[:2]) {
		t.Errorf("asked for %v", asked)
	}
	const path = "/loki/api/v1/query_range"
	want := []string{"started", "stopped"} // before the first question, for the load that there is none of
	for _, p := range []string{path, path, path, path, "/jaeger/api/traces/", "/jaeger/api/traces/"} {
		want = append(want, "started", p, "stopped")
	}
	notes, err := os.ReadFile(filepath.Join(cfg.Targets[0].Dirs[0], "notes"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(notes))
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("clew saw %v, want %v", got, want)
	}
}

func TestColdNeedsCommandsAndDirectories(t *testing.T) {
	for name, change := range map[string]func(*Target){
		"command": func(t *Target) { t.Command = nil }, "directory": func(t *Target) { t.Dirs = nil },
	} {
		cfg := DefaultConfig()
		cfg.Targets = []Target{coldTarget(t, Clew), coldTarget(t, Jaeger)}
		cfg.Cold = 1
		change(&cfg.Targets[1])
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "jaeger") || !strings.Contains(err.Error(), "--serve") {
			t.Errorf("without a %s: %v, want an error that names the peer and --serve", name, err)
		}
	}
}

func TestRunNamesTheProgramThatDoesNotStart(t *testing.T) {
	w, truth := testWorkload(t)
	cfg := DefaultConfig()
	cfg.Targets = []Target{coldTarget(t, Clew), coldTarget(t, Jaeger)}
	cfg.Targets[1].Command[0] = "/nowhere/jaeger"
	if _, err := Run(context.Background(), cfg, w, truth); err == nil || !strings.Contains(err.Error(), "run jaeger") {
		t.Errorf("got %v, want that jaeger does not start", err)
	}
}
