package alert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/tenant"
)

// owner is whose rules are evaluated in which language.
type owner struct {
	tenant string
	kind   kind
}

// logqlDir is the folder, in the rules folder or a tenant's, that holds LogQL.
const logqlDir = "logql"

// ruleFiles are the files of each owner, sorted.
type ruleFiles map[owner][]string

// findRules lists the rule files below dir. Folders whose names are nobody's
// are returned as errors, by path.
func findRules(dir string) (ruleFiles, map[string]error) {
	found, errs := ruleFiles{}, map[string]error{}
	found.add(dir, tenant.Anonymous, promQL, errs)
	found.add(filepath.Join(dir, logqlDir), tenant.Anonymous, logQL, errs)
	for _, name := range subfolders(dir) {
		if name == logqlDir {
			continue
		}
		path := filepath.Join(dir, name)
		if err := tenant.Check(name); err != nil {
			errs[path] = fmt.Errorf("%s: a folder of rules is named after a tenant: %w", path, err)
			continue
		}
		found.add(path, name, promQL, errs)
		found.add(filepath.Join(path, logqlDir), name, logQL, errs)
	}
	for o := range found {
		slices.Sort(found[o])
	}
	return found, errs
}

// add lists the rule files of one folder. A file's suffix may name another
// language than the folder's.
func (f ruleFiles) add(dir, tenantName string, k kind, errs map[string]error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			errs[dir] = fmt.Errorf("read folder of rules: %w", err)
		}
		return
	}
	for _, e := range entries {
		name := e.Name()
		ext := filepath.Ext(name)
		if strings.HasPrefix(name, ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		path := filepath.Join(dir, name)
		// Stat follows links: Kubernetes mounts files of a config map as such.
		if st, err := os.Stat(path); err != nil || st.IsDir() {
			continue
		}
		fileKind := k
		if strings.HasSuffix(strings.TrimSuffix(name, ext), "."+string(logQL)) {
			fileKind = logQL
		}
		o := owner{tenantName, fileKind}
		f[o] = append(f[o], path)
	}
}

// subfolders names the folders in dir that are not hidden.
func subfolders(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // add has reported it
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if st, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && st.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// piece names a group the same way on every machine that has the same rules.
func (c Config) piece(path, group string) string {
	if rel, err := filepath.Rel(c.RulesDir, path); err == nil {
		path = filepath.ToSlash(rel)
	}
	return path + "#" + group
}
