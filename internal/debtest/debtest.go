// Package debtest gets Debian's packages for tests: unpacked into the
// repository's .cache folder on first use, nothing is installed. It may import
// only the standard library.
package debtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/clewhq/clew/internal/checkout"
)

// Unpack returns the folder that holds the files of a package, fetching it
// once. prepare, if set, changes the files before anyone sees them.
func Unpack(name string, prepare func(root string) error) (string, error) {
	cache, err := checkout.Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, fetch(name, dir, prepare)
}

// fetch unpacks a package into dir. It is put there in one step, so that tests
// of several packages may fetch at once.
func fetch(name, dir string, prepare func(root string) error) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "fetch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := run(tmp, "apt-get", "download", name); err != nil {
		// A fresh machine has no package lists yet.
		if update := run(tmp, "apt-get", "update"); update != nil {
			return fmt.Errorf("%w; %w", err, update)
		}
		if err := run(tmp, "apt-get", "download", name); err != nil {
			return err
		}
	}
	debs, err := filepath.Glob(filepath.Join(tmp, name+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("want one package in %s, got %v", tmp, debs)
	}
	root := filepath.Join(tmp, "root")
	if err := run(tmp, "dpkg", "-x", debs[0], root); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(root); err != nil {
			return err
		}
	}
	if err := os.Rename(root, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return err
		}
	}
	return nil
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, bytes.TrimSpace(out))
	}
	return nil
}
