package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDataDir makes the data directory and keeps other agents out of it for
// as long as this process lives: two would send from one queue, and what the
// second says of it without this is "timeout".
func lockDataDir(dir string) error {
	const onlyOwner = 0o750
	if err := os.MkdirAll(dir, onlyOwner); err != nil {
		return fmt.Errorf("make the data directory: %w; choose another with --data-dir", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("write to the data directory: %w; choose another with --data-dir", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		locks = append(locks, f)
		return nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("data directory %s is in use by another clew-agent: stop that one, or choose another with --data-dir", dir)
	}
	return fmt.Errorf("lock the data directory: %w", err)
}

// locks keeps the files open; the kernel lets go of them when the process
// ends, however it ends.
var locks []*os.File
