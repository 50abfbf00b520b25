package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/clewhq/clew/client"
)

// deleteCommand asks for deletions, lists them and cancels them.
func deleteCommand() *cobra.Command {
	f := &clientFlags{}
	var o client.DeletionOptions
	var list bool
	var cancel string
	cmd := &cobra.Command{
		Use: "delete QUERY", Short: "Delete logs or spans for good",
		Long: `Deletes the records that a query selects, and that lie in the time range, for
good: the files that hold them are written anew. The query is LogQL for logs
and TraceQL for traces. Without a time range all of the past is meant.

A query that may select nearly everything is refused without --broad: one whose
conditions ask for no value, or where a value is empty, as a variable of a shell
leaves it that was not set.`,
		Example: "  clew delete '{service_name=~\".+\"} |= \"alice@example.com\"' --wait\n" +
			"  clew delete --signal traces '{ span.user.email = \"alice@example.com\" }' --wait\n  clew delete --list",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case (list || cancel != "") && len(args) == 0 && !(list && cancel != ""):
				return nil
			case list || cancel != "":
				return usageError{errors.New("give one of QUERY, --list and --cancel")}
			case len(args) == 0:
				return usageError{fmt.Errorf("%s wants a query; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
			case len(args) > 1:
				return usageError{fmt.Errorf("%s takes one query, got %d arguments: put it in quotes", cmd.CommandPath(), len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.json {
				f.Output = client.OutputJSON
			}
			c, err := client.New(f.Options, cmd.OutOrStdout(), os.Environ())
			switch {
			case err != nil:
				return err
			case list:
				return c.Deletions(cmd.Context())
			case cancel != "":
				return c.CancelDeletion(cmd.Context(), cancel)
			}
			return c.Delete(cmd.Context(), args[0], o)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.Signal, "signal", "logs", "logs or traces")
	flags.BoolVar(&o.Wait, "wait", false, "wait until no file has the records any more")
	flags.BoolVar(&o.Broad, "broad", false, "delete also where the query asks for no value, or for an empty one, and so may select nearly everything")
	flags.BoolVar(&list, "list", false, "list the deletions that wait, and the last ones that are done")
	flags.StringVar(&cancel, "cancel", "", "cancel the deletion with this ID")
	return cmd
}
