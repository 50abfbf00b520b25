// Package maventest puts together Java programs for tests: what a pom.xml asks
// of Maven Central and makes of it is kept in the repository's .cache folder
// from its first use on. It may import only the standard library and checkout.
package maventest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/clewhq/clew/internal/checkout"
)

// Build returns the folder home/ that `mvn package` makes beside the pom.xml
// of sources, which stands in its folder node/. made is a path in home/ that
// is there once all is.
func Build(name string, sources fs.FS, made string) (string, error) {
	for program, pkg := range map[string]string{"java": "openjdk-17-jdk-headless", "javac": "openjdk-17-jdk-headless", "mvn": "maven"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s is missing: install the package %s", program, pkg)
		}
	}
	cache, err := checkout.Cache()
	if err != nil {
		return "", err
	}
	sum, err := hash(sources)
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, name+"-"+sum)
	if _, err := os.Stat(filepath.Join(home, made)); err == nil {
		return home, nil
	}
	// Test programs run side by side: each makes its own, the first one stays.
	temp, err := os.MkdirTemp(cache, name+"-build-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.CopyFS(temp, sources); err != nil {
		return "", err
	}
	cmd := exec.Command("mvn", "-q", "-B", "package")
	cmd.Dir = filepath.Join(temp, "node")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn package: %w: %s", err, lastLines(out))
	}
	if err := os.Rename(filepath.Join(temp, "node", "home"), home); err != nil {
		if _, there := os.Stat(home); there != nil {
			return "", err
		}
	}
	return home, nil
}

func lastLines(out []byte) string {
	var lines []string
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		lines = append(lines, sc.Text())
	}
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// hash names the folder, so that a changed source makes a new one.
func hash(sources fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sources, path)
		h.Write([]byte(path))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:6]), err
}
