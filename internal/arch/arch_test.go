package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/clewhq/clew"

// The limits are ratchets: they may be lowered.
const (
	maxFileLines     = 600
	maxFunctionLines = 70
	maxPackageFiles  = 24
)

// mayImport says which rooms a room may import; its own folders and internal/
// always. A name with a slash allows that package alone.
var mayImport = map[string][]string{
	"cmd":         {"server", "client", "agent"},
	"server":      {"collector", "query", "alert", "storage", "telemetry", "correlation"},
	"client":      {"query/correlate", "query/servicemap", "query/coverage", "query/compare", "telemetry"},
	"collector":   {"storage/.", "telemetry", "correlation"},
	"query":       {"storage/.", "telemetry", "correlation"},
	"alert":       {"storage/.", "telemetry", "correlation"},
	"storage":     {"telemetry", "correlation"},
	"correlation": {"telemetry"},
	"telemetry":   {},
	"agent":       {"telemetry", "correlation"},
	"dashboards":  {},
	"deploy":      {"dashboards"},
	"loadtest":    {},
	"internal":    {},
}

type source struct {
	file string // path from the top, with slashes
	test bool
	ast  *ast.File
	fset *token.FileSet
}

func (s source) dir() string  { return path.Dir(s.file) }
func (s source) room() string { return strings.Split(s.file, "/")[0] }

func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

var generated = regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.$`)

func load(t *testing.T) []source {
	t.Helper()
	top := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "data" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if len(f.Comments) > 0 && generated.MatchString(f.Comments[0].List[0].Text) {
			return nil
		}
		rel, err := filepath.Rel(top, p)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(rel), strings.HasSuffix(name, "_test.go"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found %d files only: the test looks in the wrong place", len(out))
	}
	return out
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range load(t) {
		if s.test { // tests may reach down into implementations
			continue
		}
		allowed, known := mayImport[s.room()]
		if !known {
			t.Errorf("%s: %q is not a room of the design", s.file, s.room())
			continue
		}
		for _, imp := range s.ast.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			rel, ours := strings.CutPrefix(p, module+"/")
			if !ours {
				continue
			}
			if !reachable(s, rel, allowed) {
				t.Errorf("%s:%d: %s must not import %s; allowed: %v", s.file, s.line(imp.Pos()), s.room(), rel, allowed)
			}
		}
	}
}

func reachable(s source, rel string, allowed []string) bool {
	room := strings.Split(rel, "/")[0]
	if room == s.room() || room == "internal" {
		return true
	}
	return slices.ContainsFunc(allowed, func(a string) bool {
		contract, only := strings.CutSuffix(a, "/.")
		if only {
			return rel == contract
		}
		return rel == a || strings.HasPrefix(rel, a+"/")
	})
}

// Backends know the contract, not each other; APIs know languages, not each
// other; languages do not know the APIs.
func TestSiblingsDoNotKnowEachOther(t *testing.T) {
	siblings := regexp.MustCompile(`^(storage|query/api|query|collector)/([a-z]+)`)
	for _, s := range load(t) {
		from := siblings.FindStringSubmatch(s.dir())
		if s.test || from == nil {
			continue
		}
		for _, imp := range s.ast.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			to := siblings.FindStringSubmatch(strings.TrimPrefix(p, module+"/"))
			if to == nil || from[1] != to[1] || from[2] == to[2] {
				continue
			}
			if from[1] == "storage" && to[2] == "storagetest" || from[1] == "collector" {
				continue
			}
			if rel := strings.TrimPrefix(p, module+"/"); from[1] == "storage" && (rel == "storage/local/wal" || rel == "storage/local/dedup") {
				continue // what makes an acknowledgement durable is one and the same
			}
			if from[1] == "query" && from[2] == "correlate" && to[2] == "servicemap" {
				continue // the story draws its edges with the map's rules
			}
			t.Errorf("%s:%d: %s and %s are siblings", s.file, s.line(imp.Pos()), from[0], to[0])
		}
	}
}

func TestNoPairOfPackagesImportsEachOthersFolder(t *testing.T) {
	edges := map[[2]string]string{}
	for _, s := range load(t) {
		if s.test {
			continue
		}
		for _, imp := range s.ast.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if rel, ours := strings.CutPrefix(p, module+"/"); ours {
				edges[[2]string{s.room(), strings.Split(rel, "/")[0]}] = s.file
			}
		}
	}
	for e, file := range edges {
		if back, mutual := edges[[2]string{e[1], e[0]}]; mutual && e[0] < e[1] {
			t.Errorf("%s and %s import each other (%s, %s)", e[0], e[1], file, back)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]string{}
	for _, s := range load(t) {
		if s.test {
			continue
		}
		seen[s.dir()] = s.file
		doc := s.ast.Doc.Text()
		if strings.HasPrefix(doc, "Package ") || strings.HasPrefix(doc, "Command ") {
			documented[s.dir()] = true
		}
	}
	for dir, file := range seen {
		if !documented[dir] {
			t.Errorf("%s: the package has no doc comment (for example in %s)", dir, file)
		}
	}
}

func TestExportedSymbolsAreDocumented(t *testing.T) {
	for _, s := range load(t) {
		if s.test || s.ast.Name.Name == "main" {
			continue
		}
		for _, decl := range s.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s:%d: %s has no comment", s.file, s.line(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && ts.Doc == nil && d.Doc == nil && ts.Comment == nil {
						t.Errorf("%s:%d: type %s has no comment", s.file, s.line(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
}

// exportedReceiver is true for functions and for methods that a reader of the
// documentation meets. Methods of well-known interfaces explain themselves.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	switch d.Name.Name {
	case "String", "Error", "Unwrap", "Len", "Less", "Swap", "Close", "ServeHTTP", "MarshalJSON", "UnmarshalJSON", "MarshalYAML", "UnmarshalYAML":
		return false
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if gen, ok := typ.(*ast.IndexExpr); ok {
		typ = gen.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	files := map[string]int{}
	for _, s := range load(t) {
		if s.test {
			continue
		}
		files[s.dir()]++
		if n := s.fset.File(s.ast.Pos()).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines; %d at most: which of its subjects is a file of its own?", s.file, n, maxFileLines)
		}
		for _, decl := range s.ast.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines; %d at most", s.file, s.line(f.Pos()), f.Name.Name, n, maxFunctionLines)
			}
		}
	}
	for dir, n := range files {
		if n > maxPackageFiles {
			t.Errorf("%s has %d files; %d at most: which of them are a package of their own?", dir, n, maxPackageFiles)
		}
	}
}

// The store is tested against simulated disks and clocks, which works only
// where it asks nobody else.
func TestTheStoreHasNoClockDiskOrDiceOfItsOwn(t *testing.T) {
	for _, s := range load(t) {
		if s.test || !strings.HasPrefix(s.file, "storage/local/") {
			continue
		}
		for _, imp := range s.ast.Imports {
			switch p, _ := strconv.Unquote(imp.Path.Value); p {
			case "os", "math/rand", "math/rand/v2", "io/ioutil":
				t.Errorf("%s:%d: the store gets its disk and dice from outside, not from %s", s.file, s.line(imp.Pos()), p)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since") {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s:%d: the store gets its clock from outside", s.file, s.line(call.Pos()))
				}
			}
			return true
		})
	}
}

// A goroutine that outlives its owner is found where it starts.
func TestPackagesWithGoroutinesCheckForLeaks(t *testing.T) {
	starts, checks := map[string]string{}, map[string]bool{}
	for _, s := range load(t) {
		if s.test {
			for _, imp := range s.ast.Imports {
				checks[s.dir()] = checks[s.dir()] || imp.Path.Value == `"go.uber.org/goleak"`
			}
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok && s.ast.Name.Name != "main" {
				starts[s.dir()] = s.file + ":" + strconv.Itoa(s.line(g.Pos()))
			}
			return true
		})
	}
	for dir, at := range starts {
		if !checks[dir] {
			t.Errorf("%s starts a goroutine (%s), but its tests do not check for leaks with goleak", dir, at)
		}
	}
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func TestNothingIsLeftUnfinished(t *testing.T) {
	for _, s := range load(t) {
		for _, g := range s.ast.Comments {
			for _, c := range g.List {
				if unfinished.MatchString(c.Text) {
					t.Errorf("%s:%d: %s", s.file, s.line(c.Pos()), strings.TrimSpace(c.Text))
				}
			}
		}
	}
}
