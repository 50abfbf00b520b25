package chaos

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

// TestMain is also the server that is killed: the test runs itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

// serve answers until it is asked to stop. With no address it ends at once.
func serve(addr string) {
	if addr == "" {
		os.Exit(3)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
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
	cfg.Every = 10 * time.Millisecond
	return cfg
}

func TestKillsAndRestarts(t *testing.T) {
	cfg := config(t)
	s, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	first := s.cmd.Process.Pid
	ctx, cancel := context.WithCancel(context.Background())
	tormented := make(chan error)
	go func() { tormented <- s.Torment(ctx) }()
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := <-tormented; err != nil {
		t.Fatal(err)
	}
	before := s.Kills()
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if before == 0 || s.Kills() != before+1 || s.cmd.Process.Pid == first {
		t.Errorf("%d kills, then %d", before, s.Kills())
	}
	if !s.ready(context.Background()) {
		t.Error("it is not ready after the last restart")
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if s.ready(context.Background()) {
		t.Error("it is still there")
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
		"positive": func(c *Config) { c.Every = 0 },
	} {
		cfg := config(t)
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}
