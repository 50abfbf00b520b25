package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// killDir makes the test binary a process that writes there until it is killed.
const killDir = "CLEW_TEST_KILL_DIR"

const killWriters = 3

func killConfig(dir string) Config {
	cfg := testConfig()
	cfg.Dir = dir
	cfg.FlushBytes, cfg.WALFileBytes = 100_000, 50_000
	cfg.MaintainEvery = model.Duration(5 * time.Millisecond)
	return cfg
}

func killTenant(w int) string { return fmt.Sprint("writer", w) }

// TestKillChild is the process that gets killed. It says on its standard output
// what was acknowledged.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("it runs as a child of TestKill")
	}
	s := mustOpen(t, vfs.Default, killConfig(dir))
	for w := range killWriters {
		go func() {
			g := storagetest.NewGen(uint64(w))
			for {
				if _, err := s.WriteLogs(context.Background(), killTenant(w), g.Logs(10)); err != nil {
					fmt.Println("failed", w, err)
					return
				}
				fmt.Println("acked", w)
			}
		}()
	}
	select {} // until killed
}

// TestKill kills a process while it writes, flushes and merges on real files.
// What it was acknowledged is there once and equal; of what was under way, all
// or nothing.
func TestKill(t *testing.T) {
	for round := range 3 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run", "^TestKillChild$")
		child.Env = append(os.Environ(), killDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var acked [killWriters]int
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			var w int
			if _, err := fmt.Sscanf(lines.Text(), "acked %d", &w); err != nil {
				t.Errorf("the child says %q", lines.Text())
				break
			}
			acked[w]++
			if n++; n == 60+50*round {
				_ = child.Process.Kill() // what is in the pipe is read to its end
			}
		}
		_ = child.Wait()
		s := mustOpen(t, vfs.Default, killConfig(dir))
		for w, n := range acked {
			checkKilled(t, s, w, n)
		}
		mustClose(t, s)
		if r, err := Check(dir, vfs.Default); err != nil || !r.OK() {
			t.Errorf("check: %v, %v", err, r.Problems)
		}
	}
}

// checkKilled compares what is there of a writer with n batches, and the one
// that may have been under way.
func checkKilled(t *testing.T, s *Store, w, n int) {
	t.Helper()
	got := storagetest.Logs(t, s, storage.LogQuery{Tenant: killTenant(w)})
	g := storagetest.NewGen(uint64(w))
	var want []telemetry.Log
	for range n {
		want = append(want, g.Logs(10).Logs...)
	}
	if len(got) > len(want) {
		want = append(want, g.Logs(10).Logs...)
	}
	if d := storagetest.DiffLogs(got, want); d != "" {
		t.Errorf("writer %d, %d batches acknowledged: %s", w, n, d)
	}
}
