package pipeline

import (
	"testing"
	"unicode/utf8"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/telemetry"
)

var bare = entry.NewStream(telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{}))

func compiled(t testing.TB, query string, lim Limits) *Pipeline {
	t.Helper()
	e, err := syntax.ParseLog(query)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(e.Stages, lim)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// FuzzParsers checks that no line breaks a parser, and that what parsers find
// has names that labels can have.
func FuzzParsers(f *testing.F) {
	for _, line := range []string{
		"", "a=b", `a="b c" d=`, `a="\"`, `{"a":{"b":[1,{"c":2}]},"d":"\u00e9\ud800"}`, `{"a":1`, `[1]`, `"x"`, "=x", "a==b", `a"b`,
		"\xff\xfe=1", `{"":1,"1":2,"é":3}`, `{"_entry":"x","a":"b"}`, "1.2.3.4 ::1 fe80::1%eth0", "\x1b[31mred\x1b[", "<_> x <a>",
	} {
		f.Add(line)
	}
	var pipes []*Pipeline
	for _, q := range []string{
		`| json`, `| logfmt`, `| logfmt --strict --keep-empty`, `| unpack`, `| json a="a.b[0]", c="d"`, `| logfmt a, b="c"`,
		"| pattern `<a> <_>=<b>`", "| regexp `(?P<a>\\S+) (?P<b>.*)`", `| decolorize`, `|= ip("1.0.0.0/8")`, "|> `<_> x <_>`",
		"| logfmt | json | a > 5 | b < 1s or c >= 1KB | d = ip(\"::1\") | line_format `{{.a}}{{__line__}}`",
	} {
		pipes = append(pipes, compiled(f, `{x="y"} `+q, DefaultLimits()))
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range pipes {
			r := p.Process(bare, 1, line, nil)
			if r == nil {
				continue
			}
			for _, l := range r.Labels.Sorted() {
				if l.Name == "" || entry.Name(l.Name) != l.Name {
					t.Errorf("%q: label %q", line, l.Name)
				}
			}
		}
		parser, fields := Detect(line)
		if (parser == "") != (len(fields) == 0) && parser != "json" {
			t.Errorf("%q: parser %q with %d fields", line, parser, len(fields))
		}
		for _, fl := range fields {
			if utf8.ValidString(line) && !utf8.ValidString(fl.Value) {
				t.Errorf("%q: value %q", line, fl.Value)
			}
		}
	})
}

// FuzzTemplate checks that no template breaks the engine or runs away.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		`{{.a}}`, `{{range fromJson .a}}{{.}}{{end}}`, `{{range $i, $x := fromJson "[1,2]"}}{{range fromJson "[1]"}}{{$x}}{{end}}{{else}}z{{end}}`,
		`{{range 100000000}}{{end}}`, `{{range $i := 100000000}}x{{end}}`, `{{repeat 100000 (repeat 100000 "x")}}`, `{{indent 1000000000 "x"}}`,
		`{{with .a}}{{.}}{{end}}`, `{{if .a}}{{else if .b}}{{end}}`, `{{alignLeft 2000000000 "x"}}`, `{{printf "%1000000d" 5}}`, `{{div 1 0}}`,
		`{{substr 5 2 "hello"}}`, `{{trunc -100 "x"}}`, `{{date "x" 1}}`, `{{round "x" 400}}`, `{{index .a 5}}`, `{{slice .a 1 5}}`, `{{call .a}}`,
		`{{clew_range 5}}`, `{{block "x" .}}{{end}}`, `{{template "x"}}`, `{{break}}`, `{{int64 .a}}`, `{{mod .a .b}}`, `{{unixToTime "5"}}`,
		`{{regexReplaceAll "(" "a" "b"}}`, `{{toDateInZone "x" "Nowhere" "y"}}`, `{{ .a | default 5 | add 3 }}`, `{{ .a.b.c }}`, `{{ nil }}`, `{{ $ }}`,
	} {
		f.Add(text)
	}
	lim := Limits{TemplateBytes: 10_000, DistinctValues: 10}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := New([]syntax.Stage{&syntax.LineFormat{Template: text}}, lim)
		if err != nil {
			return
		}
		if r := p.Process(bare, 1, `the "line"`, nil); r == nil || len(r.Line) > lim.TemplateBytes {
			t.Errorf("%q: %v", text, r)
		}
	})
}

func TestDistinctRemembersAsMuchAsItMay(t *testing.T) {
	p := compiled(t, `{x="y"} | logfmt | distinct a`, Limits{TemplateBytes: 10, DistinctValues: 1})
	for i, want := range []bool{true, false, true} {
		line := []string{"a=1", "a=1", "a=2"}[i]
		if got := p.Process(bare, 1, line, nil) != nil; got != want {
			t.Errorf("%d: got %v", i, got)
		}
	}
}

func BenchmarkLogfmtFilter(b *testing.B) {
	p := compiled(b, `{x="y"} |= "GET" | logfmt | status >= 400`, DefaultLimits())
	line := `ts=2024-01-01T00:00:00Z level=info method=GET path=/api/v1/users status=503 took=12ms msg="served the request"`
	b.ReportAllocs()
	for b.Loop() {
		p.Process(bare, 1, line, nil)
	}
}
