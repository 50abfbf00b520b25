package coverage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/telemetry"
)

const tenant = "anonymous"

var whole = coverage.Query{Tenant: tenant, From: correlatetest.At(0), To: correlatetest.At(60_000)}

func render(a *coverage.Answer) string {
	var b strings.Builder
	line := func(name string, f coverage.Figures) {
		fmt.Fprintf(&b, "%s: logs %d/%d joined %d (%.2f), spans %d/%d (%.2f), traces %d rootless %d (%.2f) parentless %d (%.2f), unanswered %d\n", name, f.LogsWithTrace, f.Logs, f.LogsJoined,
			f.LogsWithTraceShare, f.SpansWithLogs, f.Spans, f.SpansWithLogsShare, f.Traces, f.TracesWithoutRoot, f.TracesWithRootShare,
			f.TracesWithMissingParents, f.TracesWithParentsShare, f.CallsUnanswered)
	}
	for _, s := range a.Services {
		line(s.Name, s.Figures)
		if s.Advice != "" {
			fmt.Fprintf(&b, "  %s\n", s.Advice)
		}
	}
	line("all", a.Total)
	return b.String()
}

func TestShop(t *testing.T) {
	a, err := coverage.New(coverage.DefaultConfig(), correlatetest.Shop(tenant)).Coverage(t.Context(), whole)
	if err != nil || a.Partial {
		t.Fatal(a, err)
	}
	want := `audit: logs 0/2 joined 0 (0.00), spans 0/0 (1.00), traces 0 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
  it logs and sends no spans: trace it
gateway: logs 0/1 joined 0 (0.00), spans 0/2 (0.00), traces 1 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
  put the trace context into its logs
checkout: logs 1/1 joined 0 (1.00), spans 1/6 (0.17), traces 1 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
shipping: logs 0/0 joined 0 (1.00), spans 0/1 (0.00), traces 1 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
stock: logs 1/1 joined 0 (1.00), spans 1/1 (1.00), traces 1 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
all: logs 2/5 joined 0 (0.40), spans 2/10 (0.20), traces 2 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
`
	if got := render(a); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatIsMissing(t *testing.T) {
	s := correlatetest.New()
	web, pay := correlatetest.Stream("web"), correlatetest.Stream("pay")
	span := func(st *telemetry.Stream, trace, id, parent string, kind telemetry.SpanKind, ms int, attrs ...string) telemetry.Span {
		return telemetry.Span{Stream: st, TraceID: correlatetest.Trace(trace), SpanID: correlatetest.Span(id), ParentID: correlatetest.Span(parent), Kind: kind,
			Start: correlatetest.At(ms), End: correlatetest.At(ms + 1), Attrs: correlatetest.Attrs(attrs...)}
	}
	s.AddSpans(tenant,
		span(web, "1", "1", "", telemetry.SpanKindServer, 0),
		span(web, "1", "2", "1", telemetry.SpanKindClient, 1, "server.address", "pay"),
		span(web, "1", "3", "1", telemetry.SpanKindClient, 2, "server.address", "pay.shop.svc"),
		span(web, "1", "4", "1", telemetry.SpanKindClient, 3, "server.address", "api.example.com"),
		span(pay, "1", "5", "2", telemetry.SpanKindServer, 4),
		span(pay, "2", "6", "77", telemetry.SpanKindServer, 5), span(web, "2", "7", "6", telemetry.SpanKindServer, 6))
	s.AddLogs(tenant, telemetry.Log{Stream: pay, Time: correlatetest.At(1), TraceID: correlatetest.Trace("1"), Attrs: correlatetest.Attrs(correlation.AttrJoined, "body, trace_id")})
	a, err := coverage.New(coverage.DefaultConfig(), s).Coverage(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	want := `pay: logs 1/1 joined 1 (1.00), spans 0/2 (0.00), traces 2 rootless 1 (0.50) parentless 1 (0.50), unanswered 1
  trace what calls it, or where its requests begin
web: logs 0/0 joined 0 (1.00), spans 0/5 (0.00), traces 2 rootless 0 (1.00) parentless 0 (1.00), unanswered 0
all: logs 1/1 joined 1 (1.00), spans 0/7 (0.00), traces 2 rootless 1 (0.50) parentless 1 (0.50), unanswered 1
`
	if got := render(a); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBoundsAndErrors(t *testing.T) {
	cfg := coverage.DefaultConfig()
	cfg.MaxRecords = 2
	shop := correlatetest.Shop(tenant)
	a, err := coverage.New(cfg, shop).Coverage(t.Context(), whole)
	if err != nil || !a.Partial || len(a.Warnings) != 2 {
		t.Errorf("over the bound: %+v, %v", a, err)
	}
	shop.Err = errors.New("disk on fire")
	if _, err := coverage.New(coverage.DefaultConfig(), shop).Coverage(t.Context(), whole); !errors.Is(err, shop.Err) {
		t.Errorf("error of the store: %v", err)
	}
	if a, err := coverage.New(coverage.DefaultConfig(), correlatetest.New()).Coverage(t.Context(), whole); err != nil || a.Services == nil || a.Total.LogsWithTraceShare != 1 {
		t.Errorf("of nothing: %+v, %v", a, err)
	}
	cfg.MaxRecords = 0
	if cfg.Validate() == nil || coverage.DefaultConfig().Validate() != nil {
		t.Error("validation")
	}
}
