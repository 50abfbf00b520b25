package serve

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/freeport"
)

// TestMain is also the server that is run: the test runs itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && (os.Args[1] == "serve" || os.Args[1] == "stay") {
		answer(os.Args[2], os.Args[1] == "serve")
	}
	goleak.VerifyTestMain(m)
}

// answer answers until it is asked to stop, and if it does not stop until it is
// killed. With no address it ends at once.
func answer(addr string, stops bool) {
	if addr == "" {
		os.Exit(3)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if !stops {
		stop = nil
		signal.Ignore(syscall.SIGTERM)
	}
	go func() {
		err := http.ListenAndServe(addr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		panic(err)
	}()
	<-stop
	os.Exit(0)
}

func config(t *testing.T) Config {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Command, cfg.ReadyURL = []string{os.Args[0], "serve", addr}, "http://"+addr
	return cfg
}

func TestStartsAndStops(t *testing.T) {
	for name, end := range map[string]func(*Process) error{"stop": (*Process).Stop, "kill": (*Process).Kill} {
		p, err := Start(context.Background(), config(t))
		if err != nil {
			t.Fatal(err)
		}
		if !p.Ready(context.Background()) || p.PID() == os.Getpid() {
			t.Errorf("%s: not ready after its start, or not a process of its own", name)
		}
		if err := end(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Ready(context.Background()) {
			t.Errorf("%s: it is still there", name)
		}
		if err := p.Kill(); err != nil {
			t.Errorf("%s: kill what has ended: %v", name, err)
		}
	}
}

func TestServerThatDoesNotStop(t *testing.T) {
	cfg := config(t)
	cfg.Command[1], cfg.StopWithin = "stay", 10*time.Millisecond
	p, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("got %v, want that it did not stop", err)
	}
	if p.Ready(context.Background()) {
		t.Error("it was not killed")
	}
}

func TestServerThatEnds(t *testing.T) {
	cfg := config(t)
	cfg.Command = []string{os.Args[0], "serve", ""}
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want its exit status", err)
	}
}

func TestServerThatIsNeverReady(t *testing.T) {
	cfg := config(t)
	cfg.ReadyURL += "0/nowhere"
	cfg.ReadyWithin = 50 * time.Millisecond
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "ready") {
		t.Errorf("got %v, want that it is not ready", err)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	cfg := config(t)
	cfg.Command = []string{"/nowhere/clew"}
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "/nowhere/clew") {
		t.Errorf("got %v, want the program's name", err)
	}
}

func TestBadSettings(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"command":  func(c *Config) { c.Command = nil },
		"positive": func(c *Config) { c.StopWithin = 0 },
	} {
		cfg := config(t)
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}
