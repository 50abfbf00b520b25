package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"github.com/clewhq/clew/server"
	"github.com/clewhq/clew/server/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show, check or explain the configuration"}
	var file string
	f := config.Default()
	show := &cobra.Command{
		Use: "print", Short: "Print the effective configuration, secrets masked", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd, file, f)
			if err != nil {
				return err
			}
			out, err := config.Print(c)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), out)
			return nil
		},
	}
	addServeFlags(show, &file, &f)
	check := &cobra.Command{
		Use: "check FILE", Short: "Check a configuration file", Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err == nil {
				err = c.Validate()
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good\n", args[0])
			return nil
		},
	}
	docs := &cobra.Command{
		Use: "docs", Short: "Print what every key means", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprint(cmd.OutOrStdout(), config.Reference)
			return nil
		},
	}
	cmd.AddCommand(show, check, docs)
	return cmd
}

func checkCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use: "check DIR", Short: "Verify a data directory: every checksum, and what is wrong where",
		Long: `Reads everything in a data directory that no server uses, and compares every
checksum, and indexes with data. With the server's configuration file, what it
has in object storage is read as well.`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(file)
			if err != nil {
				return usageError{err}
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			good, err := server.CheckData(cmd.Context(), dir, c.Storage.Local.Objects, vfs.Default, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if !good {
				return errors.New("the data directory is damaged; what is named above is lost, everything else is good")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file, which says where object storage is")
	return cmd
}

func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s wants one %s, got %d; see %s --help", cmd.CommandPath(), name, len(args), cmd.CommandPath())}
		}
		return nil
	}
}
