package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// journalRemote is systemd's own writer of journals, from Debian's package
// systemd-journal-remote. It stands outside of the search path.
const journalRemote = "/lib/systemd/systemd-journal-remote"

// writeJournal appends entries, given in the journal's export format, to a
// journal file.
func writeJournal(t *testing.T, file, entries string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(journalRemote, "--output="+file, "-")
	cmd.Stdin = strings.NewReader(entries)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write a journal (the package systemd-journal-remote is needed): %v\n%s", err, out)
	}
}

// journalEntry is one entry in the export format.
func journalEntry(seconds int, more string) string {
	return fmt.Sprintf("__REALTIME_TIMESTAMP=%d123456\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n%s\n\n", seconds, seconds, 7, more)
}

// TestHostLogs ships the logs of a made-up node: files, containers, journal.
func TestHostLogs(t *testing.T) {
	s, dir := newSink(t), t.TempDir()
	root := hostRoot(t, "var/log/private/")
	journal := filepath.Join(root, "run/log/journal", strings.Repeat("07", 16), "system.journal")
	writeJournal(t, journal, journalEntry(1771000000, "MESSAGE=Started shop.\nPRIORITY=6\nSYSLOG_IDENTIFIER=systemd\n_PID=1"))
	pod := "var/log/pods/shop_checkout-6d5f_0a1b2c3d-0000-4000-8000-000000000001/server/0.log"
	for name, text := range map[string]string{
		pod: "2026-01-02T03:04:05.1Z stdout F {\"level\":\"warn\",\"msg\":\"slow\"}\n" +
			"2026-01-02T03:04:06.2Z stderr P half a \n" +
			"2026-01-02T03:04:06.3Z stderr F line\n" +
			"not what a runtime writes\n",
		"var/log/containers/checkout.log": "a link to the pod's log, read there\n",
		"var/log/dpkg.log":                "2026-01-02 03:04:05 install jq \r\n\n  an indented line\n",
		"var/log/apt/history.log":         "Start-Date: 2026-01-02  03:04:05\n",
		"var/log/syslog":                  "Jan  2 03:04:05 h systemd[1]: Started shop.\n", // the journal has it
		"var/log/wtmp":                    "binary\n",
		"var/log/shop.log.1":              "rotated while the agent was down\n",
		"var/log/shop.log.2":              "older\n",
		"var/log/shop.log-20260102.gz":    "compressed\n",
		"etc/hostname":                    "node-7\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p := startAgentWith(t, s, dir, []string{"CLEW_HOST_ROOT=" + root, "TZ=UTC"},
		"--set", "receivers.host_metrics.root_path=/", "--set", "receivers.file_log/pods.poll_interval=20ms")

	want := []string{
		`warn|server|/` + pod + `|2026-01-02T03:04:05.1Z|{"level":"warn","msg":"slow"}`,
		`|server|/` + pod + `|2026-01-02T03:04:06.2Z|half a line`,
		`|server|/` + pod + `||not what a runtime writes`,
		`|dpkg|/var/log/dpkg.log|2026-01-02T03:04:05Z|2026-01-02 03:04:05 install jq `,
		`|dpkg|/var/log/dpkg.log||  an indented line`,
		`|apt|/var/log/apt/history.log|2026-01-02T03:04:05Z|Start-Date: 2026-01-02  03:04:05`,
		`|shop|/var/log/shop.log.1||rotated while the agent was down`,
		`info|systemd||2026-02-13T16:26:40.123456Z|Started shop.`,
		`crit|kernel||2026-02-13T16:26:41.123456Z|disk is gone`,
	}
	s.await(t, "what stood there before", func() bool { return len(s.logs) >= len(want)-1 })
	writeJournal(t, journal, journalEntry(1771000001, "MESSAGE=disk is gone\nPRIORITY=2\nSYSLOG_IDENTIFIER=kernel"))
	s.await(t, "what came while it ran", func() bool { return len(s.logs) >= len(want) })
	p.kill(syscall.SIGTERM)
	got := describe(t, s)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("unexpected %s", line)
		}
	}
}

// describe writes each record in a line, and checks where it came from.
func describe(t *testing.T, s *sink) []string {
	t.Helper()
	var got []string
	for _, l := range s.logs {
		time := ""
		if l.Timestamp() != 0 {
			time = l.Timestamp().AsTime().Format("2006-01-02T15:04:05.999999999Z")
		}
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s", l.SeverityText(), l.attr("service.name"), l.attr("log.file.path"), time, l.Body().AsString()))
		if l.attr("host.name") != "node-7" {
			t.Errorf("host of %q is %q", l.Body().AsString(), l.attr("host.name"))
		}
		if l.attr("log.iostream") != "" && (l.attr("k8s.pod.name") != "checkout-6d5f" || l.attr("k8s.namespace.name") != "shop" ||
			l.attr("k8s.container.name") != "server") {
			t.Errorf("%q comes from %v", l.Body().AsString(), l.resource.AsRaw())
		}
	}
	return got
}
