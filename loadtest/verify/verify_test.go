package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/loadtest/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newVerifier(t *testing.T, handler http.HandlerFunc, change func(*Config)) *Verifier {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	cfg := DefaultConfig()
	cfg.Server = srv.URL
	if change != nil {
		change(&cfg)
	}
	wcfg := workload.DefaultConfig(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	wcfg.Requests = 10
	w, err := workload.New(wcfg)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(cfg, w, w.Truth())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// serveLines answers range queries out of lines that are sorted by time.
func serveLines(t *testing.T, times []int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.ParseInt(r.FormValue("start"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil {
			t.Error(err)
		}
		values := [][]string{}
		for i, at := range times {
			if at >= from && len(values) < limit {
				values = append(values, []string{strconv.FormatInt(at, 10), fmt.Sprintf("line %d", i)})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{
			"resultType": "streams", "result": []any{map[string]any{"stream": map[string]string{}, "values": values}},
		}})
	}
}

// TestPagesYieldEveryLineOnce walks over lines of equal times with pages that
// end in the middle of them.
func TestPagesYieldEveryLineOnce(t *testing.T) {
	at := time.Date(2026, 11, 21, 11, 50, 0, 0, time.UTC).UnixNano()
	var times []int64
	for i := range 40 {
		times = append(times, at+int64(i/3))
	}
	for _, page := range []int{4, 5, 7, 39, 40, 41, 100} {
		v := newVerifier(t, serveLines(t, times), func(c *Config) { c.LogPage = page })
		seen := map[string]int{}
		if err := v.pages(context.Background(), "{}", func(l line) { seen[l.text]++ }); err != nil {
			t.Fatalf("pages of %d: %v", page, err)
		}
		for i := range times {
			if n := seen[fmt.Sprintf("line %d", i)]; n != 1 {
				t.Errorf("pages of %d: line %d came %d times", page, i, n)
			}
		}
	}
}

func TestPagesSayWhenTheyCannotGoOn(t *testing.T) {
	at := time.Date(2026, 11, 21, 11, 50, 0, 0, time.UTC).UnixNano()
	v := newVerifier(t, serveLines(t, []int64{at, at, at, at, at}), func(c *Config) { c.LogPage = 3 })
	err := v.pages(context.Background(), "{}", func(line) {})
	if err == nil || !strings.Contains(err.Error(), "longer pages") {
		t.Errorf("got %v, want advice to ask for longer pages", err)
	}
}

// TestErrorsAreUnanswered holds that no check takes an error for an answer.
func TestErrorsAreUnanswered(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"501":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, handler, nil)
			report, err := v.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if report.OK {
				t.Error("the report is ok")
			}
			for _, c := range report.Checks {
				if c.Findings[Unanswered] == 0 {
					t.Errorf("check %q: %v, want unanswered", c.Name, c.Findings)
				}
			}
		})
	}
}

// TestEmptyServerHasLostEverything answers every question with nothing.
func TestEmptyServerHasLostEverything(t *testing.T) {
	v := newVerifier(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/correlate/") || strings.Contains(r.URL.Path, "/traces/"):
			http.NotFound(w, r)
		case strings.HasSuffix(r.URL.Path, "/query_range"):
			_, _ = w.Write([]byte(`{"data":{"resultType":"streams","result":[]}}`))
		case strings.HasSuffix(r.URL.Path, "/query"):
			_, _ = w.Write([]byte(`{"data":{"resultType":"vector","result":[]}}`))
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	}, nil)
	report, err := v.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if c.Findings[Lost] == 0 || c.Findings[Unanswered] != 0 {
			t.Errorf("check %q: %v, want only lost", c.Name, c.Findings)
		}
	}
	if _, sent, err := v.SentAt(context.Background()); sent || err != nil {
		t.Errorf("an empty server holds the workload: %v, %v", sent, err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	v := newVerifier(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = w.Write([]byte(`{}`))
	}, nil)
	if _, err := v.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
}

func TestSampleIsSpread(t *testing.T) {
	v := newVerifier(t, func(http.ResponseWriter, *http.Request) {}, func(c *Config) { c.Parallel = 1 })
	for most, want := range map[int]string{0: "[0 1 2 3 4 5 6 7 8 9]", 2: "[0 5]", 3: "[0 3 6]", 99: "[0 1 2 3 4 5 6 7 8 9]"} {
		var got []int
		v.eachStory(context.Background(), most, func(s *workload.Story) { got = append(got, s.Index) })
		if fmt.Sprint(got) != want {
			t.Errorf("sample of %d is %v, want %s", most, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	c := &Check{}
	c.compare(multiset{"same": 1, "twice": 2, "strange": 3}, multiset{"same": 1, "twice": 1, "gone": 1}, "thing")
	want := map[Verdict]int{Lost: 1, Doubled: 1, Wrong: 3}
	for v, n := range want {
		if c.Findings[v] != n {
			t.Errorf("%d %s, want %d", c.Findings[v], v, n)
		}
	}
	if c.OK() || (&Check{}).OK() == false {
		t.Error("OK is wrong")
	}
}

func TestReportTells(t *testing.T) {
	bad := &Check{Name: "traces"}
	for i := range 20 {
		bad.find(Lost, 1, "span %d", i)
	}
	r := &Report{Checks: []*Check{{Name: "log counts"}, bad}}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ok    log counts", "FAIL  traces", "20 lost", "lost: span 0", "not the truth"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("report does not say %q:\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "lost: "); n != notesKept {
		t.Errorf("%d notes, want %d", n, notesKept)
	}
}

func TestBadSettings(t *testing.T) {
	tests := map[string]func(*Config){
		"server":   func(c *Config) { c.Server = "127.0.0.1:2539" },
		"sample":   func(c *Config) { c.Sample = -1 },
		"parallel": func(c *Config) { c.Parallel = 0 },
		"page":     func(c *Config) { c.LogPage = 1 },
		"timeout":  func(c *Config) { c.Timeout = 0 },
	}
	for want, change := range tests {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}

// FuzzTraceField feeds answers that no server should give.
func FuzzTraceField(f *testing.F) {
	f.Add([]byte{1<<3 | 2, 0})
	f.Add([]byte{2 << 3, 1, 1<<3 | 2, 3, 1, 2, 3})
	f.Add([]byte{1<<3 | 2, 255})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		trace, err := traceField(b)
		if err == nil && len(trace) > len(b) {
			t.Errorf("%d bytes out of %d", len(trace), len(b))
		}
		if err == nil {
			if td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(trace); err == nil {
				readSpans(td)
			}
		}
	})
}
