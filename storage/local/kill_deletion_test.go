package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// killDeletionDir makes the test binary a process that deletes a person's
// records there, while it takes others in, until it is killed.
const killDeletionDir = "CLEW_TEST_KILL_DELETION_DIR"

// personal returns batches of which each has records of a person among others.
func personal() (out []*telemetry.LogBatch) {
	g := storagetest.NewGen(77)
	for range 30 {
		b := g.Logs(20)
		for i := 0; i < len(b.Logs); i += 6 {
			b.Logs[i].Body = telemetry.String("login of " + secret)
		}
		out = append(out, storagetest.LogBatch(b.Logs))
	}
	return out
}

func openForDeletion(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(killConfig(dir), Deps{FS: vfs.Default, Selectors: testSelectors})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestKillDeletionChild is the process that gets killed.
func TestKillDeletionChild(t *testing.T) {
	dir := os.Getenv(killDeletionDir)
	if dir == "" {
		return // it is for a child of TestKillWhileDeleting
	}
	s := openForDeletion(t, dir)
	for _, b := range personal() {
		storagetest.WriteLogs(t, s, tenantA, b)
	}
	if _, err := s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: secret}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("asked")
	g := storagetest.NewGen(0)
	for { // the deletion is carried out in the background meanwhile
		if _, err := s.WriteLogs(context.Background(), killTenant(0), g.Logs(10)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("acked 0")
	}
}

// TestKillWhileDeleting kills a process while it deletes a person's records
// under load. After the next start the deletion goes on to its end; then no file
// holds anything of them, and everything else is there.
func TestKillWhileDeleting(t *testing.T) {
	for _, after := range []int{0, 3, 10, 40} {
		dir := t.TempDir()
		acked := killWhileDeleting(t, dir, after)
		s := openForDeletion(t, dir)
		for round := 0; ; round++ {
			mustTidy(t, s)
			list, err := s.Deletions(context.Background(), tenantA)
			if err != nil || len(list) != 1 {
				t.Fatalf("killed after %d: %d deletions, %v", after, len(list), err)
			}
			if list[0].Done != 0 {
				break
			}
			if round > 20 {
				t.Fatalf("killed after %d: not done: %+v", after, list[0])
			}
		}
		var want []telemetry.Log
		for _, b := range personal() {
			want = append(want, slices.DeleteFunc(slices.Clone(b.Logs), func(l telemetry.Log) bool { return logHas(&l, secret) })...)
		}
		if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: tenantA}), want); d != "" {
			t.Errorf("killed after %d: %s", after, d)
		}
		checkKilled(t, s, 0, acked)
		mustClose(t, s)
		if where := holdingIn(t, vfs.Default, dir, secret); len(where) > 0 {
			t.Errorf("killed after %d: %v still hold it", after, where)
		}
		if r, err := Check(dir, vfs.Default); err != nil || !r.OK() {
			t.Errorf("killed after %d: check: %v, %v", after, err, r.Problems)
		}
	}
}

// killWhileDeleting runs the child until so many batches were acknowledged after
// the deletion was, and returns how many were in the end.
func killWhileDeleting(t *testing.T, dir string, after int) (acked int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestKillDeletionChild$")
	child.Env = append(os.Environ(), killDeletionDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	asked, lines := false, bufio.NewScanner(out)
	for lines.Scan() {
		switch text := lines.Text(); text {
		case "asked":
			asked = true
		case "acked 0":
			acked++
		default:
			t.Errorf("the child says %q", text)
		}
		if asked && acked == after {
			_ = child.Process.Kill() // what is in the pipe is read to its end
		}
	}
	_ = child.Wait()
	if !asked {
		t.Fatal("the child has not asked for the deletion")
	}
	return acked
}
