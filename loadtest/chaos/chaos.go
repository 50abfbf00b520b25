// Package chaos runs a server and kills it without warning, again and again,
// while somebody works with it. It owns the process and nothing else, and
// imports nothing of clew.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Config says what to run and how to treat it.
type Config struct {
	// Command is the program and its arguments.
	Command []string
	// ReadyURL answers 200 once the program can serve.
	ReadyURL string
	// Every is the typical time from one kill to the next.
	Every time.Duration
	// ReadyWithin is how long a start may take, with the replay of what a
	// kill left behind.
	ReadyWithin time.Duration
	// StopWithin is how long it may take to stop when it is asked to.
	StopWithin time.Duration
	// Output takes what the program writes.
	Output io.Writer
	// Seed decides when the kills come.
	Seed uint64
}

// DefaultConfig kills about once a second.
func DefaultConfig() Config {
	return Config{Every: time.Second, ReadyWithin: time.Minute, StopWithin: 30 * time.Second, Output: io.Discard}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case len(c.Command) == 0:
		return errors.New("chaos has no command: want the server's command line")
	case c.Every <= 0 || c.ReadyWithin <= 0 || c.StopWithin <= 0:
		return fmt.Errorf("chaos every %s, ready within %s, stopped within %s: want positive times", c.Every, c.ReadyWithin, c.StopWithin)
	}
	return nil
}

// readyPoll is how often a starting server is asked whether it is ready.
const readyPoll = 20 * time.Millisecond

// Server is a running program. Its methods must not be called at once.
type Server struct {
	cfg   Config
	rng   *rand.Rand
	http  *http.Client
	cmd   *exec.Cmd
	done  chan error // what Wait returned
	kills int
}

// Start runs the program and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0)),
		http: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Kills is how often the program was killed so far.
func (s *Server) Kills() int { return s.kills }

// Torment kills and restarts the program until ctx ends. It returns an error
// where the program did not come back.
func (s *Server) Torment(ctx context.Context) error {
	for {
		pause := s.cfg.Every/2 + time.Duration(s.rng.Int64N(int64(s.cfg.Every)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		// Begun is finished, also when ctx ends meanwhile.
		if err := s.Restart(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// Restart kills the program as a power cut would, and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill server: %w", err)
	}
	<-s.done
	s.kills++
	return s.start(ctx)
}

func (s *Server) start(ctx context.Context) error {
	cmd, done := exec.Command(s.cfg.Command[0], s.cfg.Command[1:]...), make(chan error, 1)
	cmd.Stdout, cmd.Stderr = s.cfg.Output, s.cfg.Output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	go func() { done <- cmd.Wait() }()
	s.cmd, s.done = cmd, done
	if err := s.waitReady(ctx); err != nil {
		_ = cmd.Process.Kill() // it is of no use; the first error is the one to tell
		return err
	}
	return nil
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ReadyWithin)
	defer cancel()
	for {
		if s.ready(ctx) {
			return nil
		}
		select {
		case err := <-s.done:
			s.done <- err // for who waits after us
			return fmt.Errorf("start server: it ended before it was ready (after %d kills): %w", s.kills, errOr(err))
		case <-ctx.Done():
			return fmt.Errorf("start server: %s does not say that it is ready (after %d kills): %w", s.cfg.ReadyURL, s.kills, ctx.Err())
		case <-time.After(readyPoll):
		}
	}
}

// errOr makes an end without an error one, too: a server must not end.
func errOr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (s *Server) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.ReadyURL, nil)
	if err != nil {
		return false
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop ends the program as an operator does.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("stop server: %w", err)
		}
		return nil
	case <-time.After(s.cfg.StopWithin):
		_ = s.cmd.Process.Kill() // it had its chance
		<-s.done
		return fmt.Errorf("stop server: still there after %s", s.cfg.StopWithin)
	}
}
