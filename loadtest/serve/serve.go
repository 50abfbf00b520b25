// Package serve runs a server's program, waits until it is ready, and ends it:
// as an operator does or as a power cut would. It owns the process and nothing
// else, and imports nothing of clew.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Config says what to run.
type Config struct {
	// Command is the program and its arguments.
	Command []string
	// ReadyURL answers 200 once the program can serve.
	ReadyURL string
	// ReadyWithin is how long a start may take, with the replay of what a
	// kill left behind.
	ReadyWithin time.Duration
	// StopWithin is how long it may take to stop when it is asked to.
	StopWithin time.Duration
	// Output takes what the program writes.
	Output io.Writer
}

// DefaultConfig waits long enough for a replay.
func DefaultConfig() Config {
	return Config{ReadyWithin: time.Minute, StopWithin: 30 * time.Second, Output: io.Discard}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case len(c.Command) == 0:
		return errors.New("no command: want the server's command line")
	case c.ReadyWithin <= 0 || c.StopWithin <= 0:
		return fmt.Errorf("ready within %s, stopped within %s: want positive times", c.ReadyWithin, c.StopWithin)
	}
	return nil
}

// readyPoll is how often a starting server is asked whether it is ready.
const readyPoll = 20 * time.Millisecond

// Process is a running program. Its methods must not be called at once.
type Process struct {
	cfg  Config
	http *http.Client
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; set before done is closed
}

// Start runs the program and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Process{
		cfg: cfg, cmd: exec.Command(cfg.Command[0], cfg.Command[1:]...), done: make(chan struct{}),
		http: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	p.cmd.Stdout, p.cmd.Stderr = cfg.Output, cfg.Output
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := p.waitReady(ctx); err != nil {
		_ = p.Kill() // it is of no use; the first error is the one to tell
		return nil, err
	}
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// waitReady returns when the program is ready, or has ended instead.
func (p *Process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReadyWithin)
	defer cancel()
	for !p.Ready(ctx) {
		select {
		case <-p.done:
			return fmt.Errorf("start server: it ended before it was ready: %w", errOr(p.err))
		case <-ctx.Done():
			return fmt.Errorf("start server: %s does not say that it is ready: %w", p.cfg.ReadyURL, ctx.Err())
		case <-time.After(readyPoll):
		}
	}
	return nil
}

// errOr makes an end without an error one, too: a server must not end.
func errOr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Ready reports whether the program says that it can serve.
func (p *Process) Ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.ReadyURL, nil)
	if err != nil {
		return false
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Kill ends the program as a power cut would, and waits for its end.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill server: %w", err)
	}
	<-p.done
	return nil
}

// Stop ends the program as an operator does.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("stop server: %w", p.err)
		}
		return nil
	case <-time.After(p.cfg.StopWithin):
		_ = p.Kill() // it had its chance
		return fmt.Errorf("stop server: still there after %s", p.cfg.StopWithin)
	}
}
