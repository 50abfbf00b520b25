package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/clewhq/clew/client"
)

// exportCommand differs from the other client commands in its output, which is
// a file.
func exportCommand() *cobra.Command {
	f := &clientFlags{}
	o := client.ExportOptions{}
	cmd := &cobra.Command{
		Use: "export [QUERY]", Short: "Write logs or spans as a Parquet file, for DuckDB and others",
		Long: `Writes the records that a query selects, and that lie in the time range, as a
Parquet file. The query is LogQL for logs and TraceQL for traces; without one,
and without a time range, everything is exported.`,
		Example: "  clew export '{service_name=\"checkout\"} |= \"error\"' --from 24h --output checkout.parquet\n" +
			"  clew export --signal traces '{ duration > 1s }' --output slow.parquet\n" +
			"  duckdb -c \"select service, count(*) from 'checkout.parquet' group by all\"",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%s takes one query, got %d arguments: put it in quotes", cmd.CommandPath(), len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File, f.Output = f.Output, client.OutputText
			c, err := client.New(f.Options, cmd.OutOrStdout(), os.Environ())
			if err != nil {
				return err
			}
			query := ""
			if len(args) == 1 {
				query = args[0]
			}
			return c.Export(cmd.Context(), query, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.Signal, "signal", "logs", "logs or traces")
	out := flags.Lookup("output")
	out.Usage, out.DefValue = "the file; - is standard output", "-"
	f.Output = "-"
	for _, name := range []string{"json", "timeout"} { // an export takes as long as it takes
		_ = flags.MarkHidden(name) // known flags
	}
	return cmd
}
