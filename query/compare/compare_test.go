package compare_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

const tenant = "anonymous"

// orders is 200 requests of which those of one region and version fail.
func orders() *correlatetest.Store {
	s := correlatetest.New()
	for i := range 200 {
		region, version, failed := []string{"eu", "us"}[i%2], "1.4", false
		if i%10 == 0 {
			version, failed = "1.5", true
		}
		web, pay := correlatetest.Stream("web", "region", region), correlatetest.Stream("pay", "service.version", version)
		trace := correlatetest.Trace(fmt.Sprintf("%x", i+1))
		a := telemetry.Span{Stream: web, TraceID: trace, SpanID: correlatetest.Span("1"), Kind: telemetry.SpanKindServer, Name: "GET /", Start: correlatetest.At(i), End: correlatetest.At(i + 9),
			Attrs: correlatetest.Attrs("http.route", "/", "request.id", fmt.Sprintf("req-%d", i))}
		b := telemetry.Span{Stream: pay, TraceID: trace, SpanID: correlatetest.Span("2"), ParentID: a.SpanID, Kind: telemetry.SpanKindServer, Name: "Pay", Start: correlatetest.At(i + 1), End: correlatetest.At(i + 8)}
		l := telemetry.Log{Stream: pay, Time: correlatetest.At(i), Severity: telemetry.SeverityInfo, Body: telemetry.String("paid")}
		if failed {
			a.Status, l.Severity = telemetry.StatusError, telemetry.SeverityError
			l.Attrs = correlatetest.Attrs("card", "expired")
		}
		s.AddSpans(tenant, a, b)
		s.AddLogs(tenant, l)
	}
	return s
}

func engine(s storage.Reader, cfg compare.Config) *compare.Engine {
	logs, spans := logql.New(logql.DefaultConfig(), s, nil, nil), traceql.New(traceql.DefaultConfig(), s, nil, nil)
	return compare.New(cfg, s, storage.Selectors{Logs: logs.Select, Spans: spans.Select})
}

func ask(t *testing.T, s storage.Reader, q compare.Request) *compare.Answer {
	t.Helper()
	q.Tenant, q.From, q.To = tenant, correlatetest.At(0), correlatetest.At(60_000)
	a, err := engine(s, compare.DefaultConfig()).Compare(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func render(a *compare.Answer) string {
	out := []string{fmt.Sprintf("%s %d against %d", a.By, a.Selection.Count, a.Baseline.Count)}
	for _, d := range a.Differences {
		out = append(out, fmt.Sprintf("%s %s=%s %d %d %+.2f", d.Scope, d.Key, d.Value, d.Selection, d.Baseline, d.Difference))
	}
	return strings.Join(out, "\n")
}

func TestWhatFailingSpansHaveInCommon(t *testing.T) {
	got := render(ask(t, orders(), compare.Request{Selection: "{ status = error }", Baseline: `{ name = "GET /" && status != error }`}))
	want := `spans 20 against 180
intrinsic status=error 20 0 +1.00
resource region=eu 20 80 +0.56
resource region=us 0 100 -0.56
intrinsic status=unset 0 180 -1.00`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What fails at the front has its reason further down.
func TestWhatFailingTracesHaveInCommon(t *testing.T) {
	a := ask(t, orders(), compare.Request{Selection: "{ status = error }", By: compare.ByTraces, Limit: 4})
	want := `traces 20 against 180
resource service.version=1.5 20 0 +1.00
intrinsic status=error 20 0 +1.00
resource region=eu 20 80 +0.56
resource service.version=1.4 0 180 -1.00`
	got := strings.Split(render(a), "\n")
	for _, line := range strings.Split(want, "\n") {
		if !strings.Contains(strings.Join(got, "\n"), line) {
			t.Errorf("lacks %s:\n%s", line, strings.Join(got, "\n"))
		}
	}
}

func TestWhatBadLogsHaveInCommon(t *testing.T) {
	for _, base := range []string{"", `{service_name="pay"} | detected_level != "error"`} {
		got := render(ask(t, orders(), compare.Request{Signal: "logs", Selection: `{service_name="pay"} | detected_level = "error"`, Baseline: base}))
		for _, line := range []string{"logs 20 against 180", "attribute card=expired 20 0 +1.00", "resource service.version=1.5 20 0 +1.00", "intrinsic severity=info 0 180 -1.00"} {
			if !strings.Contains(got, line) {
				t.Errorf("baseline %q lacks %s:\n%s", base, line, got)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	q := compare.Request{Tenant: tenant, From: correlatetest.At(0), To: correlatetest.At(60_000), Selection: "{ status = error }"}
	cfg := compare.DefaultConfig()
	cfg.MaxRecords, cfg.MaxValues = 50, 5
	if a, err := engine(orders(), cfg).Compare(t.Context(), q); err != nil || !a.Partial || len(a.Warnings) != 2 {
		t.Errorf("over the bounds: %+v, %v", a, err)
	}
	cfg = compare.DefaultConfig()
	cfg.MaxTraces = 10
	q.By = compare.ByTraces
	if a, err := engine(orders(), cfg).Compare(t.Context(), q); err != nil || a.Selection.Count != 10 || a.Baseline.Count != 10 || len(a.Warnings) != 2 {
		t.Errorf("a sample: %+v, %v", a, err)
	}
	broken := orders()
	broken.Err = errors.New("disk on fire")
	if _, err := engine(broken, cfg).Compare(t.Context(), q); !errors.Is(err, broken.Err) {
		t.Errorf("error of the store: %v", err)
	}
	cfg.MaxTraces = 0
	if cfg.Validate() == nil || compare.DefaultConfig().Validate() != nil {
		t.Error("validation")
	}
}

func TestBadRequests(t *testing.T) {
	for want, q := range map[string]compare.Request{
		"selection is empty":     {To: 1},
		"to must be after from":  {Selection: "{}"},
		"limit is -1":            {Selection: "{}", To: 1, Limit: -1},
		"signal is \"metrics\"":  {Selection: "{}", To: 1, Signal: "metrics"},
		"by is \"pods\"":         {Selection: "{}", To: 1, By: "pods"},
		"one by one":             {Selection: "{}", To: 1, Signal: "logs", By: "spans"},
		"selection: ":            {Selection: "{ status = ", To: 1},
		"baseline: ":             {Selection: "{}", Baseline: "{ nonsense", To: 1},
		"selection: parse error": {Selection: "nonsense", Signal: "logs", To: 1},
	} {
		_, err := engine(orders(), compare.DefaultConfig()).Compare(t.Context(), q)
		if !errors.Is(err, compare.ErrBadRequest) || !strings.Contains(err.Error(), strings.TrimSuffix(want, " parse error")) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
}
