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
		answer(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

// answer answers until it is asked to stop. With no address it ends at once.
func answer(addr string) {
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
	first := s.PID()
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
	if before == 0 || s.Kills() != before+1 || s.PID() == first {
		t.Errorf("%d kills, then %d", before, s.Kills())
	}
	if !s.Ready(context.Background()) {
		t.Error("it is not ready after the last restart")
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if s.Ready(context.Background()) {
		t.Error("it is still there")
	}
}

// TestServerThatDoesNotComeBack: the error says so, and stopping what is not
// there does not wait.
func TestServerThatDoesNotComeBack(t *testing.T) {
	s, err := Start(context.Background(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Command = []string{os.Args[0], "serve", ""}
	if err := s.Restart(context.Background()); err == nil || !strings.Contains(err.Error(), "after 1 kills") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want the kill and its exit status", err)
	}
	if err := s.Stop(); err == nil {
		t.Error("what was killed stopped well")
	}
}

func TestBadSettings(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"command":     func(c *Config) { c.Command = nil },
		"chaos every": func(c *Config) { c.Every = 0 },
	} {
		cfg := config(t)
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}
