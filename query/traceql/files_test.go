package traceql

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/storage"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

// newEngine returns an engine with small batches and slices, so that tests
// meet their edges.
func newEngine(r storage.Reader) *Engine {
	cfg := DefaultConfig()
	cfg.BatchTraces = 2
	cfg.FirstSlice = 1_000_000 // 1 ms
	return New(cfg, r, nil, nil)
}

// TestFiles runs the files of testdata. Each holds traces, then cases: a line
// that asks ("search Q", "range FROM TO STEP Q" and "instant FROM TO Q", times
// counted from the base), and indented lines with what the answer must be.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	cases := 0
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { cases += runFile(t, f) })
	}
	t.Logf("%d cases", cases)
}

func runFile(t *testing.T, name string) int {
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	first := len(lines)
	for i, l := range lines {
		if isAsk(l) {
			first = i
			break
		}
	}
	spans, err := traceqltest.Parse(strings.Join(lines[:first], "\n"))
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: "t", All: spans}
	dir := t.TempDir()
	embedded := openLocal(t, dir)
	fillLocal(t, embedded, spans)
	if err := embedded.Close(); err != nil {
		t.Fatal(err)
	}
	embedded = openLocal(t, dir) // what it answers from is what came back
	defer embedded.Close()
	out := lines[:first:first]
	cases := 0
	for i := first; i < len(lines); {
		if !isAsk(lines[i]) {
			out = append(out, lines[i])
			i++
			continue
		}
		ask := lines[i]
		cases++
		out = append(out, ask)
		at := i + 1
		var want []string
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "  "); i++ {
			want = append(want, lines[i])
		}
		got := answer(newEngine(store), ask)
		if also := answer(newEngine(embedded), ask); strings.Join(also, "\n") != strings.Join(got, "\n") {
			t.Errorf("%s:%d: %s\nthe embedded store answers:\n%s\nbut it is:\n%s", name, at, ask, strings.Join(also, "\n"), strings.Join(got, "\n"))
		}
		out = append(out, got...)
		if !*update && strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:%d: %s\n got:\n%s\nwant:\n%s", name, at, ask, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

func isAsk(line string) bool {
	return strings.HasPrefix(line, "search ") || strings.HasPrefix(line, "range ") || strings.HasPrefix(line, "instant ")
}

// answer runs one case and renders the answer as the file does.
func answer(e *Engine, ask string) []string {
	kind, rest, _ := strings.Cut(ask, " ")
	var times []int64
	for n := map[string]int{"range": 3, "instant": 2}[kind]; n > 0; n-- {
		word, tail, _ := strings.Cut(rest, " ")
		d, err := time.ParseDuration(word)
		if err != nil {
			return []string{"  bad case: " + err.Error()}
		}
		times, rest = append(times, int64(d)), tail
	}
	q, err := syntax.Parse(rest)
	if err != nil {
		return []string{"  " + errorText(err)}
	}
	if kind == "search" {
		return searchAnswer(e, q)
	}
	base := traceqltest.Base.UnixNano()
	req := MetricsRequest{Tenant: "t", Query: q, From: base + times[0], To: base + times[1], Exemplars: 0}
	if req.Instant = kind == "instant"; !req.Instant {
		req.Step = times[2]
	}
	res, err := e.QueryRange(context.Background(), req)
	if err != nil {
		return []string{"  " + errorText(err)}
	}
	return seriesAnswer(res)
}

func errorText(err error) string { return "error: " + err.Error() }

// searchAnswer renders "trace: spans" for each spanset, with the attributes of
// spansets and spans.
func searchAnswer(e *Engine, q *syntax.Query) []string {
	if q.Pipeline == nil {
		return []string{"  error: metrics query"}
	}
	res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q})
	if err != nil {
		return []string{"  " + errorText(err)}
	}
	var out []string
	for _, t := range res.Traces {
		for _, set := range t.Spansets {
			line := "  " + strings.TrimLeft(t.TraceID.String(), "0") + ":"
			for _, s := range set.Spans {
				line += " " + strings.TrimLeft(s.Span.SpanID.String(), "0") + attrsText(s.Attrs)
			}
			if len(set.Attrs) > 0 {
				line += " |" + strings.TrimPrefix(strings.TrimSuffix(attrsText(set.Attrs), "]"), "[")
			}
			out = append(out, line)
		}
	}
	if out == nil {
		return []string{"  nothing"}
	}
	return out
}

func attrsText(attrs []Attr) string {
	if len(attrs) == 0 {
		return ""
	}
	parts := make([]string, len(attrs))
	for i, a := range attrs {
		parts[i] = a.Key + "=" + a.Value.Text()
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// seriesAnswer renders each series with its samples as "second=value".
func seriesAnswer(m *MetricsResult) []string {
	var out []string
	for i := range m.Series {
		s := &m.Series[i]
		line := "  " + s.PromLabels()
		for k, v := range s.Values {
			if !math.IsNaN(v) {
				at := time.Duration(m.Time(k) - traceqltest.Base.UnixNano())
				line += fmt.Sprintf(" %s=%s", at, strconv.FormatFloat(v, 'g', 6, 64))
			}
		}
		out = append(out, line)
	}
	for _, w := range m.Warnings {
		out = append(out, "  warning: "+w)
	}
	if out == nil {
		return []string{"  nothing"}
	}
	return out
}
