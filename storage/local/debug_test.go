package local

import (
	"log/slog"
	"os"
	"testing"
)

func TestDebugCrash(t *testing.T) {
	if *crashSeed == 0 {
		t.Skip()
	}
	c := newCrashTest(t, *crashSeed)
	c.log = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.run()
}
