package compare

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/loadtest/workload"
)

// target is a store that counts what it is sent and knows no answers, only
// how many there should be.
type target struct {
	*httptest.Server
	dir         string
	logs, spans atomic.Int64
	asked       atomic.Int64
	answer      func(path string) string
}

func newTarget(t *testing.T, otlpPath string, answer func(path string) string) *target {
	s := &target{dir: t.TempDir(), answer: answer}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+otlpPath+"/v1/logs", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Errorf("logs: %v", err)
		}
		s.logs.Add(int64(req.Logs().LogRecordCount()))
		s.keep(t, body)
	})
	mux.HandleFunc("POST "+otlpPath+"/v1/traces", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Errorf("traces: %v", err)
		}
		s.spans.Add(int64(req.Traces().SpanCount()))
		s.keep(t, body)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		answer := s.answer(r.URL.Path)
		if answer == "" {
			http.Error(w, "no such thing", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *target) keep(t *testing.T, body []byte) {
	f, err := os.OpenFile(filepath.Join(s.dir, "kept"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(body); err != nil {
		t.Error(err)
	}
}

const (
	oneLine  = `{"data":{"result":[{"values":[["1","2"]]}]}}`
	oneTrace = `{"data":[{"spans":[{}]}]}`
)

func clewAnswers(path string) string {
	switch {
	case strings.HasPrefix(path, "/jaeger/"):
		return oneTrace
	case strings.HasPrefix(path, "/api/v1/correlate/"):
		return `{"timeline":[{}]}`
	}
	return oneLine
}

func victoriaLogsAnswers(path string) string {
	if strings.HasSuffix(path, "stats_query_range") {
		return oneLine
	}
	return "{}\n"
}

func testWorkload(t *testing.T) (*workload.Workload, *workload.Truth) {
	t.Helper()
	cfg := workload.DefaultConfig(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cfg.Requests, cfg.Logs = 40, 400
	w, err := workload.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.Truth()
}

// testConfig compares two targets that both live in this process, which is
// found by their ports, and that are settled at once.
func testConfig(clew, peer *target) Config {
	c := DefaultConfig()
	c.Targets = []Target{
		{Name: Clew, URL: clew.URL, OTLP: clew.URL, Dirs: []string{clew.dir}},
		{Name: VictoriaLogs, URL: peer.URL, OTLP: peer.URL + "/insert/opentelemetry", Dirs: []string{peer.dir}},
	}
	c.Send.Gzip = false
	c.Questions, c.Rounds, c.WarmUp = 4, 2, 1
	c.Quiet, c.SettleMin, c.SettleMax = time.Millisecond, 0, 2*time.Millisecond
	return c
}

func TestRun(t *testing.T) {
	clew, peer := newTarget(t, "", clewAnswers), newTarget(t, "/insert/opentelemetry", victoriaLogsAnswers)
	w, truth := testWorkload(t)
	report, err := Run(context.Background(), testConfig(clew, peer), w, truth)
	if err != nil {
		t.Fatal(err)
	}
	if got := clew.logs.Load(); got != int64(truth.Logs) {
		t.Errorf("clew was sent %d logs, want %d", got, truth.Logs)
	}
	if got := clew.spans.Load(); got != int64(truth.Spans) {
		t.Errorf("clew was sent %d spans, want %d", got, truth.Spans)
	}
	if l, s := peer.logs.Load(), peer.spans.Load(); l != int64(truth.Logs) || s != 0 {
		t.Errorf("a store of logs was sent %d logs and %d spans, want %d and 0", l, s, truth.Logs)
	}
	if n := len(report.Loads); n != 3 {
		t.Fatalf("%d loads in the report, want logs to both and spans to clew", n)
	}
	for _, l := range report.Loads {
		if l.Failed != 0 || l.Disk <= 0 || l.PeakMemory <= 0 || l.WireBytes <= 0 {
			t.Errorf("%s of %s: %+v", l.Signal, l.Target, l)
		}
	}
	asked := map[string]int{}
	for _, a := range report.Asked {
		asked[a.Target]++
		if a.N != 4 || a.Failed != 0 || a.Median <= 0 || a.Slowest < a.Median {
			t.Errorf("%s: %s: %+v", a.Target, a.Kind, a)
		}
	}
	if asked[Clew] != len(allKinds) || asked[VictoriaLogs] != len(allKinds)-2 {
		t.Errorf("kinds of questions asked: %v; clew can answer %d, a store of logs two fewer", asked, len(allKinds))
	}
	if !report.OK() {
		t.Error("the report is not OK")
	}
	var out bytes.Buffer
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU s per million", "victorialogs", string(Word), " x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestRunNamesFailures(t *testing.T) {
	clew := newTarget(t, "", clewAnswers)
	peer := newTarget(t, "/insert/opentelemetry", func(path string) string {
		if strings.HasSuffix(path, "stats_query_range") {
			return ""
		}
		return victoriaLogsAnswers(path)
	})
	w, truth := testWorkload(t)
	cfg := testConfig(clew, peer)
	cfg.Load = false
	report, err := Run(context.Background(), cfg, w, truth)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK() {
		t.Error("a report with an unanswered question is OK")
	}
	if clew.logs.Load() != 0 || len(report.Loads) != 0 {
		t.Error("a comparison without load sent something")
	}
	var out bytes.Buffer
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("victorialogs: %s: 4 of 4 failed", ErrorsPerMinute); !strings.Contains(out.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, out.String())
	}
}

func TestQuestionsAreTheSameForASeed(t *testing.T) {
	w, _ := testWorkload(t)
	a, b := questions(w, 5), questions(w, 5)
	for _, k := range allKinds {
		if len(a[k]) != 5 {
			t.Errorf("%d questions for %s, want 5", len(a[k]), k)
		}
		for i := range a[k] {
			if a[k][i] != b[k][i] {
				t.Errorf("%s: question %d is %+v, and then %+v", k, i, a[k][i], b[k][i])
			}
		}
	}
	for _, q := range a[TraceByID] {
		if q.want < 1 {
			t.Errorf("trace %s has %d spans", q.id, q.want)
		}
	}
}
