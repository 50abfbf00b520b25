package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "rewrite reference.md from the comments on the fields")

// The reference is generated, so that it cannot say what is not so.
func TestReference(t *testing.T) {
	w := &writer{t: t, comments: map[string]map[string]string{}}
	w.b.WriteString("# The configuration, key by key\n\n")
	w.b.WriteString("One YAML file, given with `--config`. `${VAR}` and `${VAR:-default}` are replaced from the environment. Unknown keys are refused. Durations are written like `30s`, `1h`, `30d`.\n\n")
	w.b.WriteString("| key | default | what it is |\n|---|---|---|\n")
	w.section("", reflect.ValueOf(Default()))
	if *update {
		if err := os.WriteFile("reference.md", []byte(w.b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if w.b.String() != Reference {
		t.Error("reference.md is not what the comments say; run: go generate ./server/config")
	}
}

type writer struct {
	t        *testing.T
	b        strings.Builder
	comments map[string]map[string]string // directory -> Type.Field -> comment
}

func (w *writer) section(path string, v reflect.Value) {
	typ := v.Type()
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		if strings.Contains(opts, "inline") {
			w.section(path, v.Field(i))
			continue
		}
		if name == "" {
			w.t.Errorf("%s.%s has no yaml tag", typ, f.Name)
		}
		key := strings.TrimPrefix(path+"."+name, ".")
		text := w.comment(typ, f.Name)
		if isSection(f.Type) {
			w.row("**"+key+"**", "", text)
			w.section(key, v.Field(i))
			continue
		}
		w.row("`"+key+"`", w.value(v.Field(i)), text)
		if elem := f.Type; elem.Kind() == reflect.Slice && elem.Elem().Kind() == reflect.Struct {
			w.section(key+"[]", reflect.New(elem.Elem()).Elem())
		}
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]())
}

func (w *writer) row(key, value, text string) {
	fmt.Fprintf(&w.b, "| %s | %s | %s |\n", key, value, strings.ReplaceAll(text, "|", "\\|"))
}

func (w *writer) value(v reflect.Value) string {
	out, err := yaml.Marshal(v.Interface())
	if err != nil {
		w.t.Fatal(err)
	}
	s := strings.TrimSpace(string(out))
	if strings.Contains(s, "\n") {
		s = strings.Join(strings.Fields(strings.ReplaceAll(s, "\n", " ")), " ")
	}
	return "`" + s + "`"
}

// comment returns what stands above or behind a field in the source.
func (w *writer) comment(typ reflect.Type, field string) string {
	dir := filepath.Join("..", "..", strings.TrimPrefix(typ.PkgPath(), "github.com/clewhq/clew/"))
	if w.comments[dir] == nil {
		w.comments[dir] = w.parse(dir)
	}
	text := w.comments[dir][typ.Name()+"."+field]
	if text == "" {
		w.t.Errorf("%s.%s has no comment to make the reference from", typ, field)
	}
	return text
}

func (w *writer) parse(dir string) map[string]string {
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			w.t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			ts, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			st, ok := ts.Type.(*ast.StructType)
			if !ok {
				return true
			}
			above := "" // a comment may speak for the fields right below it too
			for _, field := range st.Fields.List {
				if text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " "); text != "" {
					above = text
				}
				for _, name := range field.Names {
					out[ts.Name.Name+"."+name.Name] = above
				}
			}
			return true
		})
	}
	return out
}
