// Package strictyaml decodes configuration: environment variables are
// expanded, unknown and doubled keys are refused by line, and a wrong key is
// told which one was meant. It imports nothing of clew.
package strictyaml

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads data into v, a pointer to a struct that already holds the
// defaults. lookup gives the values of ${VAR}; nil means the environment.
// All wrong keys are reported at once.
func Decode(data []byte, v any, lookup func(string) (string, bool)) error {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	if len(doc.Content) == 0 { // empty, or comments alone
		return nil
	}
	root := doc.Content[0]
	w := &walker{lookup: lookup}
	w.expand(root)
	w.check(root, reflect.TypeOf(v).Elem(), "")
	if len(w.errs) > 0 {
		return errors.Join(w.errs...)
	}
	if err := root.Decode(v); err != nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	return nil
}

// Has reports whether data sets the key at path, such as "auth", "type".
func Has(data []byte, path ...string) bool {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return false
	}
	n := doc.Content[0]
	for _, key := range path {
		n = child(n, key)
		if n == nil {
			return false
		}
	}
	return true
}

func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

type walker struct {
	lookup func(string) (string, bool)
	errs   []error
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)

// expand replaces ${VAR} and ${VAR:-default} in scalars, after parsing, so
// that a value can never change the structure of the document.
func (w *walker) expand(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		n.Value = variable.ReplaceAllStringFunc(n.Value, func(m string) string {
			parts := variable.FindStringSubmatch(m)
			if value, ok := w.lookup(parts[1]); ok {
				return value
			}
			if parts[2] == "" {
				w.errs = append(w.errs, fmt.Errorf("line %d: the environment variable %s is not set; set it, or write ${%s:-default}", n.Line, parts[1], parts[1]))
			}
			return parts[3]
		})
		if n.Style == 0 { // a plain scalar may now be a number or a boolean
			n.Tag = ""
		}
	}
	for _, c := range n.Content {
		w.expand(c)
	}
}

// check compares the keys of n with the fields of t, all the way down.
func (w *walker) check(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		return
	}
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, c := range n.Content {
			w.check(c, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.check(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value))
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if f, ok := fields[key.Value]; ok {
				w.check(n.Content[i+1], f, join(path, key.Value))
				continue
			}
			w.errs = append(w.errs, unknown(key, path, fields))
		}
	}
}

func unknown(key *yaml.Node, path string, fields map[string]reflect.Type) error {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	at := join(path, key.Value)
	if near := Nearest(key.Value, names); near != "" {
		return fmt.Errorf("line %d: unknown key %q; did you mean %q?", key.Line, at, join(path, near))
	}
	return fmt.Errorf("line %d: unknown key %q; known here: %s", key.Line, at, strings.Join(names, ", "))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fieldsOf lists the YAML keys of a struct, those of inlined structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(opts, "inline"):
			for k, v := range fieldsOf(f.Type) {
				out[k] = v
			}
		case name == "-" || !f.IsExported():
		case name == "":
			out[strings.ToLower(f.Name)] = f.Type
		default:
			out[name] = f.Type
		}
	}
	return out
}

// Nearest returns the name closest to got, or "" where none is close: at most
// a third of its letters may differ.
func Nearest(got string, names []string) string {
	best, bestDist := "", len(got)/3+1
	for _, name := range names {
		if d := distance(strings.ToLower(got), name); d <= bestDist && (best == "" || d < bestDist) {
			best, bestDist = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
		}
		prev = cur
	}
	return prev[len(b)]
}
