package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// child is a program that runs under this one and logs to a file.
type child struct {
	name, log string
	cmd       *exec.Cmd
	done      chan struct{}
	err       error // valid when done is closed
}

func startChild(name, dir, program string, args []string) (*child, error) {
	logs := filepath.Join(dir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("make a directory for the %s's log: %w", name, err)
	}
	c := &child{name: name, log: filepath.Join(logs, name+".txt"), done: make(chan struct{})}
	out, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("make the %s's log: %w", name, err)
	}
	c.cmd = exec.Command(program, args...)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	// A process group of its own: Ctrl-C reaches this program alone, which
	// then stops its children in order.
	c.cmd.SysProcAttr = childAttributes()
	if err := c.cmd.Start(); err != nil {
		_ = out.Close() // nothing was written
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		_ = out.Close() // the child wrote it, not we
		close(c.done)
	}()
	return c, nil
}

// stopGrace is how long a child may take to stop before it is killed.
const stopGrace = 20 * time.Second

func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-c.done:
	case <-time.After(stopGrace):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// failure tells why a child that should run does not, with its last words.
func (c *child) failure() error {
	text := fmt.Sprintf("the %s has stopped", c.name)
	if c.err != nil {
		text += " (" + c.err.Error() + ")"
	}
	if tail := lastLines(c.log, 10); tail != "" {
		text += "; its last words:\n" + tail
	}
	return errors.New(text)
}

func lastLines(file string, n int) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	var lines []string
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		lines = append(lines, "  "+scan.Text())
		if len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}

func firstEnd(children []*child) <-chan *child {
	out := make(chan *child, len(children))
	for _, c := range children {
		go func() { <-c.done; out <- c }()
	}
	return out
}
