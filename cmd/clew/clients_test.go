package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clientPackages are OpenTelemetry's Python messages and Google's gRPC: an
// implementation that shares no line with this one.
var clientPackages = []string{"opentelemetry-proto==1.45.2", "grpcio==1.85.1"}

// pythonWithOTLP returns a Python that has clientPackages, put into .cache on
// first use.
func pythonWithOTLP(t *testing.T) string {
	t.Helper()
	cache, err := filepath.Abs(filepath.Join("..", "..", ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "otlp-python-1.45.2")
	python := filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(python); err == nil {
		return python
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp(cache, "otlp-python-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	install := append([]string{filepath.Join(temp, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, clientPackages...)
	for _, args := range [][]string{{"python3", "-m", "venv", temp}, install} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		t.Fatal(err)
	}
	return python
}

// TestWhatClientsSentComesBackEqual: random records with odd values, sent by
// OpenTelemetry's own Python messages over every way that OTLP has, are the
// same when asked for: out of memory, after a kill, and out of segments.
func TestWhatClientsSentComesBackEqual(t *testing.T) {
	python := pythonWithOTLP(t)
	i := newInstance(t)
	sent := filepath.Join(t.TempDir(), "sent")
	client := func(do, when string) {
		t.Helper()
		if out, err := exec.Command(python, filepath.Join("testdata", "otlp_client.py"), do, sent, i.http, i.otlp, i.otlpGRPC).CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%.4000s", do, when, err, out)
		}
	}
	i.start()
	client("send", "at first")
	client("check", "out of memory")
	i.kill()
	i.start()
	client("check", "after a kill")
	i.kill()

	small := filepath.Join(t.TempDir(), "clew.yaml")
	text := "storage: {local: {flush_bytes: 20000, flush_age: 100ms, maintain_every: 50ms}}"
	if err := os.WriteFile(small, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	i.extra = []string{"--config", small}
	i.start()
	if err := untilSegments(i.dir); err != nil {
		t.Fatal(err)
	}
	client("check", "out of segments")
}

// untilSegments waits until both signals have segment files below dir.
func untilSegments(dir string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		logs, _ := filepath.Glob(filepath.Join(dir, "records", "segments", "*", "logs", "*", "*.seg"))
		traces, _ := filepath.Glob(filepath.Join(dir, "records", "segments", "*", "traces", "*", "*.seg"))
		if len(logs) > 0 && len(traces) > 0 {
			return nil
		}
	}
	return fmt.Errorf("no segments were written below %s", dir)
}
