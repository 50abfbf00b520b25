package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clewhq/clew/server"
	"github.com/clewhq/clew/server/config"
)

func serveCommand() *cobra.Command {
	var file string
	f := config.Default()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd, file, f)
			if err != nil {
				return err
			}
			return server.Run(cmd.Context(), c, version, cmd.ErrOrStderr())
		},
	}
	addServeFlags(cmd, &file, &f)
	return cmd
}

// addServeFlags adds the flags that have a key in the configuration file. A
// flag that is given wins over the file.
func addServeFlags(cmd *cobra.Command, file *string, f *config.Config) {
	fl := cmd.Flags()
	fl.StringVar(file, "config", "", "configuration file (YAML); see: clew config docs")
	fl.StringVar(&f.Target, "target", f.Target, "role of this process")
	fl.StringVar(&f.Storage.Local.Dir, "data-dir", f.Storage.Local.Dir, "where logs, spans and metrics are stored")
	fl.StringVar(&f.Server.HTTPListen, "http-listen", f.Server.HTTPListen, "address of all HTTP APIs and the web interface")
	fl.StringVar(&f.Server.OTLPGRPCListen, "otlp-grpc-listen", f.Server.OTLPGRPCListen, `address of OTLP over gRPC; "" turns it off`)
	fl.StringVar(&f.Server.OTLPHTTPListen, "otlp-http-listen", f.Server.OTLPHTTPListen, `address of OTLP over HTTP; "" turns it off`)
	fl.StringVar(&f.Auth.Type, "auth-type", f.Auth.Type, "none, token or basic")
	fl.StringVar(&f.Alert.RulesDir, "rules-dir", f.Alert.RulesDir, "directory of Prometheus rule files")
	fl.StringSliceVar(&f.Alert.Alertmanagers, "alertmanager", f.Alert.Alertmanagers, "Alertmanager to send alerts to; may be given several times")
	fl.StringVar(&f.Telemetry.LogLevel, "log-level", f.Telemetry.LogLevel, "debug, info, warn or error")
}

// load reads the file and lays the flags that were given over it.
func load(cmd *cobra.Command, file string, f config.Config) (config.Config, error) {
	c, err := config.Load(file)
	if err != nil {
		return c, usageError{err}
	}
	for name, set := range map[string]func(){
		"target":           func() { c.Target = f.Target },
		"data-dir":         func() { c.Storage.Local.Dir = f.Storage.Local.Dir },
		"http-listen":      func() { c.Server.HTTPListen = f.Server.HTTPListen },
		"otlp-grpc-listen": func() { c.Server.OTLPGRPCListen = f.Server.OTLPGRPCListen },
		"otlp-http-listen": func() { c.Server.OTLPHTTPListen = f.Server.OTLPHTTPListen },
		"auth-type":        func() { c.Auth.Type, c.AuthWritten = f.Auth.Type, true },
		"rules-dir":        func() { c.Alert.RulesDir = f.Alert.RulesDir },
		"alertmanager":     func() { c.Alert.Alertmanagers = f.Alert.Alertmanagers },
		"log-level":        func() { c.Telemetry.LogLevel = f.Telemetry.LogLevel },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	if file != "" {
		c.Again = func() (config.Config, error) { return load(cmd, file, f) }
	}
	return c, nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}
