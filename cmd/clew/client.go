package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/clewhq/clew/client"
)

// defaultTimeout is how long a client command waits for its answer.
const defaultTimeout = 2 * time.Minute

// clientFlags is what the client commands have in common.
type clientFlags struct {
	client.Options
	json bool
}

// clientCommands returns the commands that ask a server.
func clientCommands() []*cobra.Command {
	return []*cobra.Command{correlateCommand(), mapCommand(), coverageCommand(), compareCommand(), logsCommand(), traceCommand(), searchCommand(), metricsCommand(), exportCommand(), deleteCommand()}
}

// clientCommand makes a command that takes one argument (none where arg is
// "") and asks a server.
func clientCommand(use, short, arg string, run func(context.Context, *client.Client, string) error) *cobra.Command {
	f := &clientFlags{}
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			want := 0
			if arg != "" {
				want = 1
			}
			if len(args) == want {
				return nil
			}
			if want == 0 {
				return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args)}
			}
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s wants %s; see %s --help", cmd.CommandPath(), arg, cmd.CommandPath())}
			}
			return usageError{fmt.Errorf("%s takes one argument, %s, got %d: put it in quotes", cmd.CommandPath(), arg, len(args))}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.json {
				f.Output = client.OutputJSON
			}
			c, err := client.New(f.Options, cmd.OutOrStdout(), os.Environ())
			if err != nil {
				return err
			}
			given := ""
			if arg != "" {
				given = args[0]
			}
			return run(cmd.Context(), c, given)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Server, "server", envOr("CLEW_SERVER", client.DefaultServer), "the server's URL (CLEW_SERVER)")
	flags.StringVar(&f.Tenant, "tenant", os.Getenv("CLEW_TENANT"), "the tenant (CLEW_TENANT)")
	flags.StringVar(&f.Token, "token", "", "the bearer token, where the server wants one (better: CLEW_TOKEN)")
	flags.StringVar(&f.From, "from", "", "start of the time range: RFC 3339, Unix time, or 1h for an hour ago")
	flags.StringVar(&f.To, "to", "", "end of the time range, by default now")
	flags.StringVarP(&f.Output, "output", "o", client.OutputText, "text or json")
	flags.BoolVar(&f.json, "json", false, "the same as --output json")
	flags.DurationVar(&f.Timeout, "timeout", defaultTimeout, "how long to wait for the answer")
	cmd.PreRun = func(*cobra.Command, []string) {
		if f.Token == "" { // not as the flag's default, which --help prints
			f.Token = os.Getenv("CLEW_TOKEN")
		}
	}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func correlateCommand() *cobra.Command {
	var o client.StoryOptions
	follow := false
	cmd := clientCommand("correlate ID", "Tell everything that happened to an ID, in order", "an ID",
		func(ctx context.Context, c *client.Client, id string) error {
			if follow {
				return c.CorrelateFollow(ctx, id, o, client.FollowEvery)
			}
			return c.Correlate(ctx, id, o)
		})
	cmd.Long = `Finds every span, log line and exemplar that carries an ID (of a trace, a span,
a request, a session, an order, or any token that looks like one), follows the
IDs in them, and shows all of it as one waterfall. No time range is needed.`
	cmd.Example = "  clew correlate 4bf92f3577b34da6a3ce929d0e0e4736\n  clew correlate req-8f3a2b --json"
	cmd.Flags().IntVar(&o.Hops, "hops", -1, "how far to follow the IDs that are found (default: the server's, 2)")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "the most entries to show (default: the server's, 5000)")
	cmd.Flags().StringVar(&o.Kinds, "kinds", "", "kinds of IDs to follow beside those of traces, requests and correlations: session_id,order_id")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes in, for a request that is still under way")
	return cmd
}

func coverageCommand() *cobra.Command {
	cmd := clientCommand("coverage", "Show how well logs, spans and traces join, by service", "",
		func(ctx context.Context, c *client.Client, _ string) error { return c.Coverage(ctx) })
	cmd.Example = "  clew coverage --from 6h"
	return cmd
}

func compareCommand() *cobra.Command {
	var o client.CompareOptions
	cmd := clientCommand("compare QUERY", "Tell what the selected traces or logs have in common that others do not", "a TraceQL query, or a LogQL query with --signal logs",
		func(ctx context.Context, c *client.Client, q string) error { return c.Compare(ctx, q, o) })
	cmd.Example = "  clew compare '{ status = error }' --by traces\n  clew compare '{ duration > 2s }' --baseline '{ duration < 200ms }'\n" +
		"  clew compare '{service_name=\"checkout\"} |= \"failed\"' --signal logs"
	cmd.Flags().StringVar(&o.Baseline, "baseline", "", "what it is compared with (default: everything that it does not select)")
	cmd.Flags().StringVar(&o.Signal, "signal", "", "traces or logs (default: traces)")
	cmd.Flags().StringVar(&o.By, "by", "", "what is counted of traces: spans, or whole traces (default: spans)")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "the most differences to show (default: the server's, 50)")
	return cmd
}

func mapCommand() *cobra.Command {
	o := client.MapOptions{}
	cmd := clientCommand("map", "Show who calls whom", "",
		func(ctx context.Context, c *client.Client, _ string) error { return c.Map(ctx, o) })
	cmd.Example = "  clew map --from 24h\n  clew map --service checkout --depth 2\n  clew map --source gateway --target postgresql:db-1/shop\n  clew map --from 1h --compare previous\n  clew map --format dot | dot -Tsvg > map.svg"
	cmd.Flags().StringVar(&o.Format, "format", "", "text, json, dot or mermaid (default: as --output says)")
	cmd.Flags().StringVar(&o.Service, "service", "", "only what is near this service")
	cmd.Flags().StringVar(&o.Source, "source", "", "with --target: only the ways by which its calls lead there")
	cmd.Flags().StringVar(&o.Target, "target", "", "see --source")
	cmd.Flags().StringVar(&o.Compare, "compare", "", "previous: compare with the period before")
	cmd.Flags().IntVar(&o.Depth, "depth", -1, "how many calls away from --service (default: the server's, 1)")
	return cmd
}

func logsCommand() *cobra.Command {
	var o client.LogOptions
	cmd := clientCommand("logs LOGQL", "Query logs with LogQL", "a LogQL query",
		func(ctx context.Context, c *client.Client, q string) error { return c.Logs(ctx, q, o) })
	cmd.Example = "  clew logs '{service_name=\"checkout\"} |= \"error\"' --from 6h\n  clew logs '{service_name=~\".+\"}' --follow"
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with the lines that come in")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "the most lines to show, the newest (default: the server's)")
	cmd.Flags().BoolVar(&o.Explain, "explain", false, "show the plan, what was read, and the time of each stage instead of the answer")
	return cmd
}

func traceCommand() *cobra.Command {
	cmd := clientCommand("trace ID", "Show one trace as a waterfall", "a trace ID",
		func(ctx context.Context, c *client.Client, id string) error { return c.Trace(ctx, id) })
	cmd.Example = "  clew trace 4bf92f3577b34da6a3ce929d0e0e4736"
	return cmd
}

func searchCommand() *cobra.Command {
	limit := 0
	cmd := clientCommand("search TRACEQL", "Search traces with TraceQL", "a TraceQL query",
		func(ctx context.Context, c *client.Client, q string) error { return c.Search(ctx, q, limit) })
	cmd.Example = "  clew search '{ resource.service.name = \"checkout\" && status = error }' --from 6h"
	cmd.Flags().IntVar(&limit, "limit", 0, "the most traces to show (default: the server's)")
	return cmd
}

func metricsCommand() *cobra.Command {
	var step time.Duration
	cmd := clientCommand("metrics PROMQL", "Query metrics with PromQL, over a range with --from", "a PromQL query",
		func(ctx context.Context, c *client.Client, q string) error { return c.Metrics(ctx, q, step) })
	cmd.Example = "  clew metrics 'up'\n  clew metrics 'rate(http_requests_total[5m])' --from 6h"
	cmd.Flags().DurationVar(&step, "step", 0, "time between values of a range (default: a sixtieth of it)")
	return cmd
}
