package logqltest

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Store is what a test file is run against.
type Store interface {
	storage.Writer
	storage.Reader
}

// Runner runs files.
type Runner struct {
	// Open returns an empty store; it is called for every clear.
	Open func(t *testing.T) Store
	// Config of the engine.
	Config logql.Config
	// Update rewrites the answers in the file instead of comparing them.
	Update bool
}

// tenantName owns the data of the tests.
const tenantName = "anonymous"

// file is a test file on its way through.
type file struct {
	r     *Runner
	t     *testing.T
	store Store
	out   strings.Builder
	line  int
	cases int
}

// Run runs a file and returns how many queries it held.
func (r *Runner) Run(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{r: r, t: t, store: r.Open(t)}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		f.line = i + 1
		head := lines[i]
		f.out.WriteString(head + "\n")
		var body []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			i++
			body = append(body, lines[i][2:])
		}
		f.block(path, head, body)
	}
	if r.Update {
		if err := os.WriteFile(path, []byte(f.out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return f.cases
}

// block runs one head line and the lines under it.
func (f *file) block(path, head string, body []string) {
	word, rest, _ := strings.Cut(head, " ")
	switch word {
	case "", "#":
		return
	case "clear":
		f.store = f.r.Open(f.t)
		return
	case "stream":
		f.load(rest, body)
		return
	}
	options, query, ok := strings.Cut(rest, ": ")
	if !ok {
		f.t.Fatalf("%s:%d: expected OPTIONS : QUERY, got %q", path, f.line, head)
	}
	f.cases++
	got := f.answer(word, strings.Fields(options), query)
	for _, l := range got {
		f.out.WriteString("  " + l + "\n")
	}
	if f.r.Update {
		return
	}
	if want := strings.Join(body, "\n"); want != strings.Join(got, "\n") {
		f.t.Errorf("%s:%d: %s\ngot:\n%s\nwant:\n%s", path, f.line, head, strings.Join(got, "\n"), want)
	}
}

func (f *file) load(head string, body []string) {
	st, err := parseStream(head)
	if err != nil {
		f.t.Fatalf("line %d: %v", f.line, err)
	}
	var logs []telemetry.Log
	for _, l := range body {
		f.out.WriteString("  " + l + "\n")
		rec, err := parseRecord(st, l)
		if err != nil {
			f.t.Fatalf("line %d: %v", f.line, err)
		}
		logs = append(logs, rec)
	}
	batch := &telemetry.LogBatch{Raw: otlp.AppendLogs(nil, logs), Logs: logs}
	if _, err := f.store.WriteLogs(context.Background(), tenantName, batch); err != nil {
		f.t.Fatalf("line %d: %v", f.line, err)
	}
}

// seconds reads a time of the file.
func (f *file) seconds(s string) int64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		f.t.Fatalf("line %d: %q is no time in seconds", f.line, s)
	}
	return int64(math.Round(v * 1e9))
}

// answer runs a query and renders its result.
func (f *file) answer(kind string, options []string, query string) []string {
	engine := logql.New(f.r.Config, f.store, nil, nil)
	p := logql.Params{Start: 0, End: 1000e9, Direction: logql.Forward, Limit: 100}
	show := map[string]bool{}
	switch kind {
	case "format":
		e, err := engine.Parse(query)
		if err != nil {
			return failed(err)
		}
		again, err := syntax.Parse(e.String())
		if err != nil || again.String() != e.String() {
			f.t.Errorf("line %d: %s does not parse to itself: %v", f.line, e, err)
		}
		return []string{e.String()}
	case "instant":
		p.Instant, p.End = true, f.seconds(options[0])
	case "range":
		p.Start, p.End, p.Step = f.seconds(options[0]), f.seconds(options[1]), time.Duration(f.seconds(options[2]))
	case "logs":
		for _, o := range options {
			f.logOption(&p, show, o)
		}
	default:
		f.t.Fatalf("line %d: %q is no command", f.line, kind)
	}
	res, err := engine.Query(context.Background(), tenantName, query, p)
	if err != nil {
		return failed(err)
	}
	return render(res, show)
}

func failed(err error) []string {
	return []string{"error: " + strings.ReplaceAll(err.Error(), "\n", `\n`)}
}

func (f *file) logOption(p *logql.Params, show map[string]bool, o string) {
	name, value, _ := strings.Cut(o, "=")
	switch name {
	case "limit":
		p.Limit, _ = strconv.Atoi(value)
	case "backward":
		p.Direction = logql.Backward
	case "from":
		p.Start = f.seconds(value)
	case "to":
		p.End = f.seconds(value)
	case "interval":
		p.Interval = time.Duration(f.seconds(value))
	case "streams", "levels":
		show[name] = true
	default:
		f.t.Fatalf("line %d: %q is no option", f.line, o)
	}
}

func render(res *logql.Result, show map[string]bool) []string {
	var out []string
	switch res.Kind {
	case logql.KindScalar:
		return []string{"scalar " + number(res.Scalar.Value)}
	case logql.KindStreams:
		for _, r := range res.Rows {
			out = append(out, number(float64(r.Time)/1e9)+" | "+strings.ReplaceAll(r.Line, "\n", `\n`)+labelText(r.Labels, show))
		}
		return out
	}
	for _, s := range res.Series {
		line := seriesText(s.Labels)
		for _, p := range s.Points {
			if res.Kind == logql.KindVector {
				line += " " + number(p.Value)
			} else {
				line += " " + number(float64(p.Time)/1e3) + ":" + number(p.Value)
			}
		}
		out = append(out, line)
	}
	return out
}

// number renders a value with as many digits as floating point is good for.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 12, 64) }

func seriesText(labels []entry.Label) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func labelText(labels []pipeline.Label, show map[string]bool) string {
	var parts []string
	for _, l := range labels {
		text := l.Name + "=" + l.Value
		switch {
		case l.Name == entry.DetectedLevel && !show["levels"]:
			continue
		case l.Category == pipeline.FromStream && !show["streams"]:
			continue
		case l.Category == pipeline.FromMeta:
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return " | " + strings.Join(parts, ", ")
}
