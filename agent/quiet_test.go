package agent

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestPlainWords(t *testing.T) {
	core, seen := observer.New(zap.WarnLevel)
	log := zap.New(core).WithOptions(plainWords())
	shutdown := zap.Error(errors.New(interrupted + ": connection refused"))
	log.Error("Exporting failed. Dropping data.", shutdown)
	log.With(zap.String("id", "otlp_http")).Error("Exporting failed. Dropping data.", shutdown)
	log.Error("Exporting failed. Dropping data.", zap.Error(errors.New("400 Bad Request")))
	log.Info("below the level")
	var got []string
	for _, e := range seen.All() {
		got = append(got, e.Level.String()+" "+e.Message)
	}
	want := "warn " + keptMessage + "; error Exporting failed. Dropping data."
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("said %q, want %q", s, want)
	}
}

func TestOneAgentPerDataDir(t *testing.T) {
	dir := t.TempDir() + "/made"
	if err := lockDataDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := lockDataDir(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("a second agent: %v", err)
	}
	if err := lockDataDir("/dev/null/x"); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("a directory that cannot be: %v", err)
	}
}
