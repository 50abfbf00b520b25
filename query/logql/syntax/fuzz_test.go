package syntax

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeds are the queries of all test files.
func seeds(f *testing.F) {
	paths, err := filepath.Glob("../testdata/*.test")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if _, query, ok := strings.Cut(line, " : "); ok && !strings.HasPrefix(line, " ") {
				f.Add(query)
			}
		}
	}
}

// FuzzParse checks that no text breaks the parser, that errors carry a place
// inside the text, and that the canonical form is a fixed point.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Add("")
	f.Add(strings.Repeat("(", 500))
	f.Add(strings.Repeat("1+", 500) + "1")
	f.Add("{a=\"\xff\"}")
	f.Add("{a='\\'\\n'} |= 'x\\\"y'")
	f.Fuzz(func(t *testing.T, query string) {
		e, err := Parse(query)
		if err != nil {
			var pe *ParseError
			if !errors.As(err, &pe) || pe.Pos.Line < 1 || pe.Pos.Line > strings.Count(query, "\n")+1 || pe.Pos.Col < 1 {
				t.Fatalf("%q: error %v has no good place", query, err)
			}
			return
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q became %q, which does not parse: %v", query, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q became %q and then %q", query, text, again)
		}
	})
}

func TestDepthIsBounded(t *testing.T) {
	for _, q := range []string{
		strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000),
		strings.Repeat("1^", 1000) + "1",
		strings.Repeat("1+", 2000) + "1",
		`{a="b"} | ` + strings.Repeat("(", 1000) + `c="d"` + strings.Repeat(")", 1000),
		"rate(" + strings.Repeat("(", 1000) + `{a="b"}` + strings.Repeat(")", 1000) + "[5m])",
		strings.Repeat("sum(", 1000) + "1" + strings.Repeat(")", 1000),
	} {
		if _, err := Parse(q); err == nil || !(strings.Contains(err.Error(), "nests deeper") || strings.Contains(err.Error(), "more than 1000 operations")) {
			t.Errorf("%.20s...: %v", q, err)
		}
	}
}

func TestPositions(t *testing.T) {
	for _, c := range []struct {
		query string
		want  Pos
	}{
		{"{a=\"b\"}\n  |= x", Pos{2, 6}},
		{"{a=\"ü漢\"} ~", Pos{1, 10}},
		{"# comment\n# more\n  rate(", Pos{3, 8}},
		{"{a=`two\nlines`} }", Pos{2, 9}},
		{"", Pos{1, 1}},
	} {
		_, err := Parse(c.query)
		var pe *ParseError
		if !errors.As(err, &pe) || pe.Pos != c.want {
			t.Errorf("%q: got %v, want %v", c.query, err, c.want)
		}
	}
}

func TestParseKinds(t *testing.T) {
	if _, err := ParseLog(`rate({a="b"}[5m])`); err == nil {
		t.Error("a metric query was taken for a log query")
	}
	if _, err := ParseSample(`{a="b"}`); err == nil {
		t.Error("a log query was taken for a metric query")
	}
	for _, s := range []string{`{}`, `{a=~".*"}`, `{a="b",}`} {
		if m, err := ParseMatchers(s); err != nil || m == nil {
			t.Errorf("%s: %v, %v", s, m, err)
		}
	}
	if m, err := ParseMatchers("  "); m != nil || err != nil {
		t.Errorf("blank: %v, %v", m, err)
	}
	if _, err := ParseMatchers(`{a="b"} |= "c"`); err == nil {
		t.Error("a pipeline was taken for a selector")
	}
}
