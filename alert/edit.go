package alert

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"

	"github.com/clewhq/clew/internal/tenant"
)

// Errors of what is done to rules over an API.
var (
	// ErrNoRules says that there is no such group or namespace.
	ErrNoRules = errors.New("no such rules")
	// ErrBadRules refuses rules that could not be evaluated.
	ErrBadRules = errors.New("the rules are wrong")
	// ErrReadOnly refuses changes where the configuration does.
	ErrReadOnly = errors.New("rules cannot be changed over the API: alert.allow_edits is false; they are files in the folder that alert.rules_dir names")
)

// LogQLRules are the LogQL rules of a tenant: what a ruler's API lists and
// changes. A namespace is a file.
type LogQLRules struct {
	manager *Manager
	tenant  string
}

// LogQLRules returns the LogQL rules of a tenant.
func (m *Manager) LogQLRules(tenant string) LogQLRules { return LogQLRules{m, tenant} }

// Groups returns the groups as they stand in their files, by namespace.
func (r LogQLRules) Groups() (map[string][]rulefmt.RuleGroup, error) {
	paths, err := r.paths()
	if err != nil {
		return nil, err
	}
	out := map[string][]rulefmt.RuleGroup{}
	for _, path := range paths {
		groups, err := readGroups(path)
		if err != nil {
			return nil, err
		}
		out[namespaceOf(path)] = append(out[namespaceOf(path)], groups...)
	}
	return out, nil
}

// Set puts a group in the place of that of its name, or adds it.
func (r LogQLRules) Set(namespace string, group rulefmt.RuleGroup) error {
	return r.edit(namespace, func(groups []rulefmt.RuleGroup) ([]rulefmt.RuleGroup, error) {
		if i := indexOf(groups, group.Name); i >= 0 {
			groups[i] = group
			return groups, nil
		}
		return append(groups, group), nil
	})
}

// Delete takes a group away.
func (r LogQLRules) Delete(namespace, group string) error {
	return r.edit(namespace, func(groups []rulefmt.RuleGroup) ([]rulefmt.RuleGroup, error) {
		i := indexOf(groups, group)
		if i < 0 {
			return nil, fmt.Errorf("%w: namespace %q has no group %q", ErrNoRules, namespace, group)
		}
		return slices.Delete(groups, i, i+1), nil
	})
}

// DeleteNamespace takes all groups of a namespace away.
func (r LogQLRules) DeleteNamespace(namespace string) error {
	return r.edit(namespace, func(groups []rulefmt.RuleGroup) ([]rulefmt.RuleGroup, error) {
		if len(groups) == 0 {
			return nil, fmt.Errorf("%w: there is no namespace %q", ErrNoRules, namespace)
		}
		return nil, nil
	})
}

func indexOf(groups []rulefmt.RuleGroup, name string) int {
	return slices.IndexFunc(groups, func(g rulefmt.RuleGroup) bool { return g.Name == name })
}

// paths lists the tenant's files of LogQL rules.
func (r LogQLRules) paths() ([]string, error) {
	if r.manager == nil {
		return nil, nil // alerting is off
	}
	found, errs := findRules(r.manager.cfg.RulesDir)
	if err := errors.Join(errs[r.dir()], errs[filepath.Dir(r.dir())]); err != nil {
		return nil, err
	}
	return found[owner{r.tenant, logQL}], nil
}

// dir is where new namespaces go.
func (r LogQLRules) dir() string {
	dir := r.manager.cfg.RulesDir
	if r.tenant != tenant.Anonymous {
		dir = filepath.Join(dir, r.tenant)
	}
	return filepath.Join(dir, logqlDir)
}

// namespaceOf is the name of a file without what makes it a file of rules.
func namespaceOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name = strings.TrimSuffix(name, "."+string(logQL))
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// longestNamespace keeps names of files within what file systems take.
const longestNamespace = 200

// fileOf is the name of the file of a namespace.
func fileOf(namespace string) (string, error) {
	name := url.PathEscape(namespace)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	if name == "" || len(name) > longestNamespace {
		return "", fmt.Errorf("%w: a namespace has a name of 1 to %d characters, got %q", ErrBadRules, longestNamespace, namespace)
	}
	return name + ".yaml", nil
}

func readGroups(path string) ([]rulefmt.RuleGroup, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rule file: %w", err)
	}
	var groups rulefmt.RuleGroups
	if err := yaml.Unmarshal(content, &groups); err != nil {
		return nil, fmt.Errorf("read rule file %s: %w", path, err)
	}
	return groups.Groups, nil
}

// edit changes the groups of a namespace and puts the change to work. The file
// is written anew, without comments, or removed where nothing is left.
func (r LogQLRules) edit(namespace string, change func([]rulefmt.RuleGroup) ([]rulefmt.RuleGroup, error)) error {
	m := r.manager
	if m == nil || !m.cfg.AllowEdits {
		return ErrReadOnly
	}
	p := m.parsers[logQL]
	if p == nil {
		return ErrReadOnly
	}
	if r.tenant == logqlDir {
		return fmt.Errorf("%w: the folder of tenant %q would be that of all others' LogQL", ErrBadRules, r.tenant)
	}
	name, err := fileOf(namespace)
	if err != nil {
		return err
	}
	m.editing.Lock()
	defer m.editing.Unlock()
	paths, err := r.paths()
	if err != nil {
		return err
	}
	path, groups := filepath.Join(r.dir(), name), []rulefmt.RuleGroup(nil)
	if i := slices.IndexFunc(paths, func(p string) bool { return namespaceOf(p) == namespace }); i >= 0 {
		path = paths[i]
		if groups, err = readGroups(path); err != nil {
			return err
		}
	}
	if groups, err = change(groups); err != nil {
		return err
	}
	var content bytes.Buffer
	if err := yaml.NewEncoder(&content).Encode(rulefmt.RuleGroups{Groups: groups}); err != nil {
		return fmt.Errorf("write the rules as YAML: %w", err)
	}
	if _, errs := rulefmt.Parse(content.Bytes(), false, model.UTF8Validation, p, m.log); len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrBadRules, errors.Join(errs...))
	}
	if len(groups) == 0 {
		err = os.Remove(path)
	} else {
		err = replaceFile(path, content.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write rule file: %w", err)
	}
	_ = m.Reload() // what is wrong with other files is logged and kept
	return nil
}

// replaceFile puts content in the place of a file, or leaves it as it was.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".rules-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
