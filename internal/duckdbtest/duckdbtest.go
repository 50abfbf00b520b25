// Package duckdbtest asks a real DuckDB for tests: the release from PyPI, put
// into the repository's .cache folder on first use. Where it is not to be had
// the test fails: a file that no other program has read proves nothing.
package duckdbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clewhq/clew/internal/checkout"
)

// version is the release that the tests were written with.
const version = "2.0.0"

// script prints the rows of the query in its argument as JSON; the time zone
// of texts made of times is UTC.
const script = `
import duckdb, json, sys
c = duckdb.connect()
c.sql("set TimeZone = 'UTC'")
r = c.sql(sys.argv[1])
print(json.dumps([dict(zip(r.columns, row)) for row in r.fetchall()], default=str))
`

// Query runs a query and decodes its rows, objects by column, into rows.
func Query(t testing.TB, query string, rows any) {
	t.Helper()
	python, err := interpreter()
	if err != nil {
		t.Fatalf("a real DuckDB is needed: %v", err)
	}
	out, err := exec.Command(python, "-c", script, query).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatalf("DuckDB: %s: %v", query, err)
	}
	if err := json.Unmarshal(out, rows); err != nil {
		t.Fatalf("DuckDB: %s: %v: %s", query, err, out)
	}
}

// interpreter returns a Python that has DuckDB.
var interpreter = sync.OnceValues(func() (string, error) {
	cache, err := checkout.Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "duckdb-"+version)
	python := filepath.Join("bin", "python")
	if _, err := os.Stat(filepath.Join(dir, python)); err == nil {
		return filepath.Join(dir, python), nil
	}
	// Test programs run side by side: each makes its own, the first one stays.
	temp, err := os.MkdirTemp(filepath.Dir(dir), "duckdb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	for _, args := range [][]string{
		{"python3", "-m", "venv", temp},
		{filepath.Join(temp, python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "duckdb==" + version},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, python)); there != nil {
			return "", err
		}
	}
	return filepath.Join(dir, python), nil
})
