package agent

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asAgent in the environment makes this test binary run as clew-agent: the
// tests that kill one need a process, and get it without another build.
const asAgent = "CLEW_TEST_RUN_AS_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		if err := NewCommand("test").Execute(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
