package logql_test

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.test")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func files(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.test")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	return paths
}

// TestFiles runs every file against a store that uses all pushdowns, and
// against one that uses none: the answers are the same.
func TestFiles(t *testing.T) {
	total := 0
	for _, path := range files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := &logqltest.Runner{Config: logql.DefaultConfig(), Update: *update,
				Open: func(*testing.T) logqltest.Store { return &logqltest.Memory{} }}
			total += r.Run(t, path)
			naive := &logqltest.Runner{Config: logql.DefaultConfig(),
				Open: func(*testing.T) logqltest.Store { return &logqltest.Memory{Naive: true} }}
			naive.Run(t, path)
		})
	}
	t.Logf("%d queries", total)
	if total < 300 && !*update {
		t.Errorf("only %d queries in the files: the suite has shrunk", total)
	}
}
