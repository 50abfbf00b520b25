// Command clew-agent ships a host's logs, metrics and traces to a clew server.
// It is an OpenTelemetry Collector: without --config it runs a configuration
// made for the host it is on. Everything but this line of wiring is in package
// agent.
package main

import (
	"os"

	"github.com/clewhq/clew/agent"
)

// version is set by the linker: -ldflags "-X main.version=...".
var version = "dev"

func main() {
	if err := agent.NewCommand(version).Execute(); err != nil {
		os.Exit(1)
	}
}
