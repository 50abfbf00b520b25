package syntax

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// cases reads a file of queries, one a line; # begins a comment. In invalid
// ones "=>" separates the query from a part of its error.
func cases(t testing.TB, name string) [][2]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out [][2]string
	for _, line := range strings.Split(string(raw), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		query, want, _ := strings.Cut(line, "\t=> ")
		out = append(out, [2]string{query, want})
	}
	return out
}

// TestValid parses every query, and again what the tree renders to: it must
// render to the same.
func TestValid(t *testing.T) {
	for _, c := range cases(t, "valid.txt") {
		q, err := Parse(c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		text := q.String()
		again, err := Parse(text)
		if err != nil {
			t.Errorf("%s renders to %s, which does not parse: %v", c[0], text, err)
			continue
		}
		if again.String() != text {
			t.Errorf("%s renders to %s, and that to %s", c[0], text, again)
		}
		if c[1] != "" && text != c[1] {
			t.Errorf("%s renders to\n%s, want\n%s", c[0], text, c[1])
		}
	}
}

// TestInvalid demands an error with its place, and what it says.
func TestInvalid(t *testing.T) {
	for _, c := range cases(t, "invalid.txt") {
		q, err := Parse(c[0])
		if err == nil {
			t.Errorf("%s parses, as %s", c[0], q)
			continue
		}
		var place *Error
		if !errors.As(err, &place) {
			t.Errorf("%s: error of type %T", c[0], err)
		}
		if !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s\n got: %v\nwant: %s", c[0], err, c[1])
		}
	}
}

func TestParseAttribute(t *testing.T) {
	for in, want := range map[string]Attribute{
		"name":                  {Intrinsic: Name},
		"span:name":             {Intrinsic: Name},
		"trace:rootService":     {Intrinsic: RootServiceName},
		"event:name":            {Intrinsic: EventName},
		".foo":                  {Name: "foo"},
		"span.http.method":      {Scope: ScopeSpan, Name: "http.method"},
		"resource.service.name": {Scope: ScopeResource, Name: "service.name"},
		"resource.a/b":          {Scope: ScopeResource, Name: "a/b"},
		"parent.span.x":         {Scope: ScopeSpan, Parent: true, Name: "x"},
		"parent.x":              {Parent: true, Name: "x"},
		`span."a b"`:            {Scope: ScopeSpan, Name: "a b"},
	} {
		got, err := ParseAttribute(in)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "foo", "span.", "span:nope", "name name", "{ }", `span."x`, "trace.x"} {
		if got, err := ParseAttribute(in); err == nil {
			t.Errorf("%q parses as %+v", in, got)
		}
	}
}

// TestDeepNesting makes sure that depth is an error, not a stack overflow.
func TestDeepNesting(t *testing.T) {
	for _, q := range []string{
		strings.Repeat("(", 100_000) + "{ }" + strings.Repeat(")", 100_000),
		"{ " + strings.Repeat("(", 100_000) + "true" + strings.Repeat(")", 100_000) + " }",
		"{ " + strings.Repeat("!", 100_000) + "true }",
		"{ " + strings.Repeat("-", 100_000) + "1 = 1 }",
		strings.Repeat("-", 100_000) + "1 = count()",
		"{ 1 = " + strings.Repeat("1 ^ ", 100_000) + "1 }",
	} {
		if _, err := Parse(q); err == nil || !strings.Contains(err.Error(), "deeper than") {
			t.Errorf("%.20s...: %v", q, err)
		}
	}
}

func TestStatic(t *testing.T) {
	list := Array([]Static{Int(1), String("a")})
	for _, c := range []struct {
		a, b  Static
		equal bool
	}{
		{Int(1), Int(1), true}, {Int(1), Float(1), true}, {Int(1), Duration(1), true},
		{Float(1.5), Float(1.5), true}, {String("a"), String("a"), true}, {String("a"), Int(1), false},
		{Nil, Nil, false}, {Nil, Int(0), false}, {Bool(true), Bool(true), true}, {Status(1), Kind(1), false},
		{list, list, true}, {list, Array(nil), false}, {Bool(true), Int(1), false},
	} {
		if got := c.a.Equal(c.b); got != c.equal {
			t.Errorf("%s equal to %s: %v", c.a.Source(), c.b.Source(), got)
		}
		if c.a.Equal(c.b) != c.b.Equal(c.a) {
			t.Errorf("%s and %s: not symmetric", c.a.Source(), c.b.Source())
		}
	}
	if list.Source() != "[1, `a`]" {
		t.Errorf("array renders as %s", list.Source())
	}
}

// FuzzParse demands of any text an error or a tree that renders to an equal
// one, and no panic.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"valid.txt", "invalid.txt"} {
		for _, c := range cases(f, name) {
			f.Add(c[0])
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		rendered := q.String()
		again, err := Parse(rendered)
		if err != nil {
			t.Fatalf("%q renders to %q, which does not parse: %v", text, rendered, err)
		}
		if again.String() != rendered {
			t.Fatalf("%q renders to %q, and that to %q", text, rendered, again)
		}
	})
}
