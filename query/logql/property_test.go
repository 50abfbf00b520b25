package logql_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// generator makes random data and random queries over it from a small
// vocabulary, so that they meet often.
type generator struct{ *rand.Rand }

func (g generator) one(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g generator) id() string { return fmt.Sprintf("%032x", 0xabcdef0123456789+uint64(g.IntN(4))) }

func (g generator) record(st *telemetry.Stream) telemetry.Log {
	l := telemetry.Log{Stream: st, Time: int64(g.IntN(100))*1e9 + int64(g.IntN(3))}
	if g.IntN(2) == 0 {
		l.Severity = telemetry.Severity(g.IntN(27))
	}
	if g.IntN(3) == 0 {
		l.TraceID, _ = telemetry.ParseTraceID(g.id())
	}
	if g.IntN(3) == 0 {
		l.Attrs = append(l.Attrs, telemetry.Attr{Key: g.one("level", "n", "trace_id", "trace.id", "user.id"), Value: telemetry.String(g.one("warn", "5", g.id(), "u1"))})
	}
	if g.IntN(2) == 0 {
		size := []telemetry.Value{telemetry.Int(int64(g.IntN(5))), telemetry.Double(0.1 * float64(g.IntN(5))), telemetry.Double(1e17), telemetry.String("7")}
		l.Attrs = append(l.Attrs, telemetry.Attr{Key: "size", Value: size[g.IntN(len(size))]}, telemetry.Attr{Key: "room", Value: telemetry.String(g.one("7", "3KB"))})
	}
	words := []string{}
	for range 1 + g.IntN(5) {
		words = append(words, g.one("error", "n="+g.one("1", "22", "x"), "id="+g.id(), g.id(), "level="+g.one("info", "error"), `"q"`, "GET", "/a/b", "10.0.0.1"))
	}
	text := strings.Join(words, g.one(" ", ", ", ";"))
	if g.IntN(4) == 0 {
		text = fmt.Sprintf(`{"n":%d,"trace_id":%q,"level":%q,"msg":%q}`, g.IntN(9), g.id(), g.one("info", "warn"), text)
	}
	l.Body = telemetry.String(text)
	return l
}

// fill writes the same random records to all stores.
func (g generator) fill(t *testing.T, stores ...storage.Writer) {
	t.Helper()
	for i := range 1 + g.IntN(4) {
		attrs := telemetry.Attrs{{Key: "app", Value: telemetry.String(fmt.Sprint("a", i%3))}}
		if g.IntN(2) == 0 {
			attrs = append(attrs, telemetry.Attr{Key: g.one("env", "level", "trace_id", "detected_level"), Value: telemetry.String(g.one("info", "x", g.id()))})
		}
		st := telemetry.NewStream(telemetry.Resource{Attrs: attrs}, telemetry.Scope{})
		var logs []telemetry.Log
		for range g.IntN(40) {
			logs = append(logs, g.record(st))
		}
		for _, s := range stores {
			if _, err := s.WriteLogs(context.Background(), "t", &telemetry.LogBatch{Raw: otlp.AppendLogs(nil, logs), Logs: logs}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (g generator) stage() string {
	switch g.IntN(12) {
	case 0, 1:
		return g.one(`|= `, `!= `) + fmt.Sprintf("%q", g.one("error", "n=", " "+g.id()+" ", "id="+g.id()+", ", g.id()+" ", `"q"`, ""))
	case 2:
		return g.one(`|~ `, `!~ `) + fmt.Sprintf("%q", g.one("err.*", "(?i)ERROR", "n=[0-9]+", "^GET", "(error|GET) n", "e+rror"))
	case 3:
		return g.one(`|> `, `!> `) + fmt.Sprintf("%q", g.one("<_>error<_>", "error<_>", "<_> n=<_>"))
	case 4:
		return "| " + g.one("json", "logfmt", "json | drop __error__, __error_details__", `regexp "(?P<n>[0-9]+)"`, `pattern "<w> <_>"`, "decolorize")
	case 5:
		return "| trace_id" + g.one("=", "=", "!=", "=~") + fmt.Sprintf("%q", g.id())
	case 6:
		return "| detected_level" + g.one("=", "!=", "=~", "!~") + fmt.Sprintf("%q", g.one("error", "info", "warn", "unknown", "fatal"))
	case 7:
		return "| " + g.one(`n > 3`, `n="5" or level="warn"`, `level=""`, `user_id="u1"`, `env="x"`, `severity_number >= 9`)
	case 8:
		return "| " + g.one("drop level", "keep app, n", "drop trace_id", `label_format trace_id="x"`, "label_format lvl=level")
	case 9:
		return "| line_format " + g.one("`{{.n}} {{__line__}}`", "`x{{.level}}`")
	case 10:
		return g.one(`|= "error" or "GET"`, `|= ip("10.0.0.0/8")`, `!= "x" or "error"`)
	}
	return "| distinct n"
}

func (g generator) log() string {
	q := g.one(`{app="a0"}`, `{app=~"a.*"}`, `{app=~"a0|a1", env!="x"}`, `{service_name=~".+"}`)
	for range g.IntN(4) {
		q += " " + g.stage()
	}
	return q
}

func (g generator) sample(depth int) string {
	if depth > 0 && g.IntN(3) == 0 {
		return g.sample(depth-1) + g.one(" + ", " / ", " > ", " or ", " and ", " unless ") + g.sample(depth-1)
	}
	rng := g.one("[10s]", "[1m]", "[25s]", "[40s] offset 10s")
	by := g.one("", " by (app)", " by (detected_level)", " by (level, detected_level)", " by (user_id, severity_text)", " by (trace_id, app)", " without (n, w)", " by (service_name)")
	clean := g.one(" | drop __error__, __error_details__ ", " | drop __error__, __error_details__ ", " | drop n, __error__, __error_details__ ")
	switch g.IntN(5) {
	case 4:
		return g.unwrapped(rng)
	case 0:
		return "sum" + by + " (" + g.one("count_over_time", "rate", "bytes_over_time") + "(" + g.log() + clean + rng + "))"
	case 1:
		return g.one("count_over_time", "rate", "bytes_rate") + "(" + g.log() + clean + rng + ")"
	case 2:
		return g.one("sum", "max", "min", "count", "avg") + by + " (" + g.one("sum_over_time", "max_over_time", "min_over_time") +
			"(" + g.log() + " | json n | unwrap n | __error__=\"\" " + rng + "))"
	}
	return g.one("avg_over_time", "quantile_over_time(0.5, ", "last_over_time") + "(" + g.log() + ` | unwrap n | __error__="" ` + rng + ")" + g.one("", " by (app)")
}

// unwrapped is of an attribute that a store may count the values of.
func (g generator) unwrapped(rng string) string {
	by := g.one(" by (app)", " by (app)", " by ()", " by (user_id, app)", " by (size)", " by (detected_level)", "")
	of := g.one(`{app="a0"}`, `{app=~"a.*"}`) + g.one("", "", ` |= "error"`, ` | user_id="u1"`, ` | level!="x"`) +
		" | unwrap " + g.one("size", "size", "size", "bytes(room)", "room", "severity_number", "n") + " " + rng + ")"
	if g.IntN(3) == 0 {
		return "sum" + by + " (" + g.one("sum_over_time(", "rate(") + of + ")"
	}
	return g.one("avg_over_time(", "min_over_time(", "max_over_time(", "stddev_over_time(", "quantile_over_time(0.5, ", "quantile_over_time(0.9, ") + of + by
}

// TestPushdownEqualsNaive asks random queries of random data twice: of a store
// that uses everything that is pushed down, and of one that ignores it.
func TestPushdownEqualsNaive(t *testing.T) {
	asked, answered := 0, 0
	for seed := range uint64(150) {
		g := generator{rand.New(rand.NewPCG(seed, 7))}
		full, naive := &logqltest.Memory{}, &logqltest.Memory{Naive: true}
		g.fill(t, full, naive)
		for range 10 {
			query, p := g.question()
			asked++
			if compare(t, seed, full, naive, query, p) {
				answered++
			}
		}
	}
	if answered < asked/2 {
		t.Errorf("only %d of %d queries had an answer: the test tests little", answered, asked)
	}
}

// TestLocalStoreEqualsNaive does the same with the embedded store.
func TestLocalStoreEqualsNaive(t *testing.T) {
	for seed := range uint64(25) {
		g := generator{rand.New(rand.NewPCG(seed, 8))}
		store, naive := openLocal(t), &logqltest.Memory{Naive: true}
		g.fill(t, store, naive)
		if seed%2 == 0 { // from segments, half of it with a head as well
			if err := store.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			if seed%4 == 0 {
				g.fill(t, store, naive)
			}
		}
		for range 12 {
			query, p := g.question()
			if strings.Contains(query, "distinct") || strings.Contains(query, "last_over_time") {
				continue // records of one nanosecond come in any order
			}
			compare(t, seed, store, naive, query, p)
		}
	}
}

// question returns a random query and how to ask it.
func (g generator) question() (string, logql.Params) {
	query := g.log()
	if g.IntN(2) == 0 {
		query = strings.ReplaceAll(g.sample(1), "(0.5, (", "(0.5, ")
	}
	return query, logql.Params{Start: int64(g.IntN(50)) * 1e9, End: int64(50+g.IntN(60)) * 1e9,
		Step: time.Duration(1+g.IntN(20)) * time.Second, Direction: logql.Direction(g.IntN(2)), Limit: 1000}
}

// sortRows puts rows of the same nanosecond in an order of their own.
func sortRows(rows []logql.Row) {
	slices.SortFunc(rows, func(a, b logql.Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Line, b.Line), strings.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})
}

// compare reports whether both stores had an answer that holds something.
func compare(t *testing.T, seed uint64, store, naive storage.Reader, query string, p logql.Params) bool {
	t.Helper()
	got, err := logql.New(logql.DefaultConfig(), store, nil, nil).Query(context.Background(), "t", query, p)
	want, wantErr := logql.New(logql.DefaultConfig(), naive, nil, nil).Query(context.Background(), "t", query, p)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("seed %d: %s: got error %v, naive %v", seed, query, err, wantErr)
		return false
	}
	if err != nil {
		if !errors.Is(err, logql.ErrBadQuery) {
			t.Errorf("seed %d: %s: %v", seed, query, err)
		}
		return false
	}
	sortRows(got.Rows)
	sortRows(want.Rows)
	if !reflect.DeepEqual(got.Rows, want.Rows) {
		t.Errorf("seed %d: %s: got %d rows, naive %d", seed, query, len(got.Rows), len(want.Rows))
	}
	if len(got.Series) != len(want.Series) {
		t.Errorf("seed %d: %s: got %d series, naive %d", seed, query, len(got.Series), len(want.Series))
		return false
	}
	for i := range got.Series {
		if !equalSeries(got.Series[i], want.Series[i]) {
			t.Errorf("seed %d: %s: got %v, naive %v", seed, query, got.Series[i], want.Series[i])
		}
	}
	return len(got.Rows)+len(got.Series) > 0
}

func equalSeries(a, b logql.Series) bool {
	if !slices.Equal(a.Labels, b.Labels) || len(a.Points) != len(b.Points) {
		return false
	}
	for i := range a.Points {
		x, y := a.Points[i].Value, b.Points[i].Value
		if a.Points[i].Time != b.Points[i].Time || (math.Abs(x-y) > 1e-9*math.Max(math.Abs(x), 1) && !(math.IsNaN(x) && math.IsNaN(y))) {
			return false
		}
	}
	return true
}
