// Command loadtest makes up the telemetry of a small shop from a seed, sends
// it as OTLP, and with --verify asks the server for all of it and reports what
// is lost, doubled or wrong.
//
// It may import its own packages; nothing of clew, whose judge it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, time.Now)
	stop()
	os.Exit(code)
}

// run is main with its surroundings passed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, now func() time.Time) int {
	opts, err := parseFlags(args, stderr, now())
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "loadtest:", err)
		return exitUsage
	}
	ok, err := execute(ctx, opts, stdout, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "loadtest:", err)
		return exitFailed
	}
	if !ok {
		return exitFailed
	}
	return exitGood
}
