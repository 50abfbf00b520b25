package alert

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// loader reads the rule files of one owner and keeps the last good version of
// each. It implements rules.GroupLoader over what it keeps. Its owner calls it
// from one goroutine at a time.
type loader struct {
	parser parser.Parser
	log    *slog.Logger
	files  map[string]*loadedFile
	owns   func(path, group string) bool // nil where all are owned
}

// loadedFile is a rule file as it was read last.
type loadedFile struct {
	content []byte              // as it was last read, good or bad
	groups  *rulefmt.RuleGroups // of the last good version, nil where none was
	err     error               // what is wrong with content
}

func newLoader(p parser.Parser, log *slog.Logger) *loader {
	return &loader{parser: p, log: log, files: map[string]*loadedFile{}}
}

// refresh reads the files and reports whether any good version changed.
func (l *loader) refresh(paths []string) (changed bool) {
	for path, f := range l.files {
		if !slices.Contains(paths, path) {
			changed = changed || f.groups != nil
			delete(l.files, path)
			l.log.Info("rule file is gone", "file", path)
		}
	}
	for _, path := range paths {
		if l.read(path) {
			changed = true
		}
	}
	return changed
}

// read reads one file and reports whether its good version changed.
func (l *loader) read(path string) bool {
	f := l.files[path]
	content, err := os.ReadFile(path)
	switch {
	case f == nil:
		f = &loadedFile{}
		l.files[path] = f
	case err == nil && f.content != nil && bytes.Equal(content, f.content):
		return false
	}
	if err != nil {
		f.content = nil // so that it is read again
		f.err = fmt.Errorf("read rule file: %w", err)
		return false
	}
	f.content = content
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, l.parser, l.log)
	if len(errs) > 0 {
		for i, err := range errs {
			errs[i] = fmt.Errorf("%s:%w", path, err)
		}
		f.err = errors.Join(errs...)
		return false
	}
	f.groups, f.err = groups, nil
	l.log.Info("rule file loaded", "file", path, "groups", len(groups.Groups))
	return true
}

// good lists the files that have a good version, sorted.
func (l *loader) good() []string {
	var paths []string
	for path, f := range l.files {
		if f.groups != nil {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// below lists the files that were loaded from the folders that are keys of
// dirs.
func (l *loader) below(dirs map[string]error) []string {
	var paths []string
	for path := range l.files {
		if dirs[filepath.Dir(path)] != nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// Load implements rules.GroupLoader: the groups that are owned.
func (l *loader) Load(path string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	f := l.files[path]
	if f == nil || f.groups == nil {
		return nil, []error{fmt.Errorf("rule file %s is not loaded", path)}
	}
	if l.owns == nil {
		return f.groups, nil
	}
	own := *f.groups
	own.Groups = nil
	for _, g := range f.groups.Groups {
		if l.owns(path, g.Name) {
			own.Groups = append(own.Groups, g)
		}
	}
	return &own, nil
}

// Parse implements rules.GroupLoader.
func (l *loader) Parse(expr string) (parser.Expr, error) { return l.parser.ParseExpr(expr) }
