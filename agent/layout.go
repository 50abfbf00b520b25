package agent

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Layout is what the default configuration needs to know of a host.
type Layout struct {
	// PodLogs says that a kubelet writes container logs here.
	PodLogs bool
	// Journal is the directory of a journal that can be read, or empty.
	Journal string
	// Journalctl is the program that reads it.
	Journalctl string
}

// Probe looks at the host whose file system is at root.
func Probe(root string) Layout {
	return probe(root, exec.LookPath)
}

func probe(root string, lookPath func(string) (string, error)) Layout {
	l := Layout{PodLogs: isDir(filepath.Join(root, "var/log/pods"))}
	journalctl, err := lookPath("journalctl")
	if err != nil {
		return l
	}
	// The persistent journal first: where there is one, the volatile one is
	// empty or a part of it.
	for _, dir := range []string{"var/log/journal", "run/log/journal"} {
		if dir = filepath.Join(root, dir); hasJournal(dir) {
			l.Journal, l.Journalctl = dir, journalctl
			return l
		}
	}
	return l
}

// hasJournal reports whether dir holds a journal file that this process may
// read; distributions ship the directory empty.
func hasJournal(dir string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.journal"))
	if err != nil {
		return false
	}
	for _, name := range files {
		if f, err := os.Open(name); err == nil {
			f.Close()
			return true
		}
	}
	return false
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
