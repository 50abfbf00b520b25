// Package checkout finds the folder that the project's sources are in, for tests
// that keep what they fetch. It may import only the standard library.
package checkout

import (
	"errors"
	"os"
	"path/filepath"
)

// Cache returns the folder .cache beside go.mod, which it makes.
func Cache() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			cache := filepath.Join(dir, ".cache")
			return cache, os.MkdirAll(cache, 0o755)
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
