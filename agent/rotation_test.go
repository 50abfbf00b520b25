package agent

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRotation: whichever way a file is rotated, while the agent runs or while
// it is down, every line comes once.
func TestRotation(t *testing.T) {
	s, dir := newSink(t), t.TempDir()
	logs := filepath.Join(dir, "host/var/log")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(logs, "shop.log")
	lines, step := 0, 200
	write := func() { appendLines(t, file, lines, lines+step); lines += step }
	start := func() *process {
		return startAgentWith(t, s, dir, []string{"CLEW_HOST_ROOT=" + filepath.Join(dir, "host")}, "--set", "receivers.host_metrics.root_path=/")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	arrived := func(what string) { t.Helper(); s.await(t, what, func() bool { return len(s.bodies()) == lines }) }

	p := start()
	write()
	arrived("the first lines")
	write()
	must(os.Rename(file, file+".1"))
	write()
	arrived("lines around a renaming")

	text, err := os.ReadFile(file)
	must(err)
	must(os.WriteFile(file+".1", text, 0o600)) // copytruncate
	must(os.Truncate(file, 0))
	write()
	arrived("lines around a truncation")

	p.kill(syscall.SIGTERM)
	write()
	must(os.Rename(file, file+".1"))
	write()
	p = start()
	arrived("lines around a renaming while the agent was down")
	p.kill(syscall.SIGTERM)
	for body, n := range s.bodies() {
		if n != 1 {
			t.Errorf("%q came %d times", body, n)
		}
	}
}
