// Command clew is the server and the command line: flags and wiring, nothing
// else. The server's insides are in server/, the client commands in client/.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags "-X main.version=...".
var version = "dev"

// Exit codes; part of the contract.
const (
	exitFailed = 1
	exitUsage  = 2
)

// codedError is an error that chooses its exit code.
type codedError interface{ ExitCode() int }

// usageError is wrong usage of the command line.
type usageError struct{ error }

func (usageError) ExitCode() int   { return exitUsage }
func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, rootCommand(), os.Args[1:]))
}

// run executes root and returns the exit code.
func run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(root.ErrOrStderr(), "clew:", text)
	}
	var coded codedError
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "clew",
		Short: "One ID in, the whole story out: logs, traces and metrics behind one server",
		Long: `clew stores logs, spans and metrics, and answers in the query languages that
dashboards already speak. Hold one ID of a request, a trace, a session or an
order, and "clew correlate ID" tells what happened to it, everywhere, in order.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{unknownCommand(cmd, args[0])}
			}
			return cmd.Help()
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(serveCommand(), configCommand(), checkCommand(), upCommand())
	root.AddCommand(clientCommands()...)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q", name)
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return errors.New(text + "; see clew --help")
}
