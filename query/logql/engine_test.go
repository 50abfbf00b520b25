package logql_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// many is a store of n records, each with a label of its own.
func many(n int) *logqltest.Memory {
	mem := &logqltest.Memory{}
	st := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "app", Value: telemetry.String("x")}}}, telemetry.Scope{})
	logs := make([]telemetry.Log, n)
	for i := range logs {
		logs[i] = telemetry.Log{Stream: st, Time: int64(i+1) * 1e9, Body: telemetry.String(fmt.Sprintf("n=%d", i))}
	}
	_, _ = mem.WriteLogs(context.Background(), "", &telemetry.LogBatch{Logs: logs})
	return mem
}

func TestLimits(t *testing.T) {
	all := logql.Params{End: 1000e9, Step: 10 * time.Second}
	for _, c := range []struct {
		name, query string
		set         func(*logql.Config)
		params      logql.Params
	}{
		{"max_query_length_bytes", `{app="x"}`, func(c *logql.Config) { c.MaxQueryLength = 5 }, all},
		{"max_entries", `{app="x"}`, func(c *logql.Config) { c.MaxEntries = 10 }, logql.Params{End: 1e9, Limit: 11}},
		{"max_series", `count_over_time({app="x"} | logfmt [1000s])`, func(c *logql.Config) { c.MaxSeries = 10 }, logql.Params{Instant: true, End: 1000e9}},
		{"max_series", `count_over_time({app="x"} | logfmt [1000s])`, func(c *logql.Config) { c.MaxSeries = 10 }, all},
		{"max_inner_series", `count(count_over_time({app="x"} | logfmt [1000s]))`, func(c *logql.Config) { c.MaxInnerSeries = 10 }, all},
		{"max_samples", `count(count_over_time({app="x"} | logfmt [1000s]))`, func(c *logql.Config) { c.MaxSamples = 1000 }, all},
		{"max_samples", `quantile_over_time(0.5, {app="x"} | logfmt | unwrap n [1000s]) by ()`, func(c *logql.Config) { c.MaxSamples = 50 }, all},
		{"max_samples", `vector(1)`, func(c *logql.Config) { c.MaxSamples = 5 }, all},
		{"max_steps", `vector(1)`, func(c *logql.Config) { c.MaxSteps = 5 }, all},
		{"max_rows", `{app="x"} |= "nothing"`, func(c *logql.Config) { c.MaxRows = 99 }, all},
		{"max_rows", `sum(count_over_time({app="x"}[1m]))`, func(c *logql.Config) { c.MaxRows = 99 }, all},
		{"max_query_range", `{app="x"}`, func(c *logql.Config) { c.MaxQueryRange = model.Duration(time.Minute) }, all},
		{"max_lookback", `rate({app="x"}[1h])`, func(c *logql.Config) { c.MaxLookback = model.Duration(time.Minute) }, all},
	} {
		cfg := logql.DefaultConfig()
		c.set(&cfg)
		mem := many(100)
		mem.Naive = true
		_, err := logql.New(cfg, mem, nil, nil).Query(context.Background(), "", c.query, c.params)
		if !errors.Is(err, logql.ErrLimit) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %s: got %v", c.name, c.query, err)
		}
	}
}

// failing is a store whose reads end in an error or hang until their context ends.
type failing struct {
	storage.Reader
	err error
}

func (f failing) Logs(ctx context.Context, _ storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return func(yield func([]telemetry.Log, error) bool) {
		if f.err != nil {
			yield(nil, f.err)
			return
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

func TestFailingStore(t *testing.T) {
	cfg := logql.DefaultConfig()
	cfg.Timeout = model.Duration(time.Millisecond)
	broken := errors.New("broken disk")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, query := range []string{`{app="x"}`, `sum(rate({app="x"}[1m]))`} {
		p := logql.Params{End: 1000e9, Step: time.Minute}
		ask := func(ctx context.Context, err error) error {
			_, got := logql.New(cfg, failing{err: err}, nil, nil).Query(ctx, "", query, p)
			return got
		}
		if err := ask(context.Background(), nil); !errors.Is(err, logql.ErrTimeout) || !strings.Contains(err.Error(), "timed out after 1ms") {
			t.Errorf("%s: hanging store: %v", query, err)
		}
		if err := ask(context.Background(), broken); !errors.Is(err, broken) {
			t.Errorf("%s: broken store: %v", query, err)
		}
		if err := ask(context.Background(), fmt.Errorf("read: %w", storage.ErrBudget)); !errors.Is(err, logql.ErrLimit) {
			t.Errorf("%s: store's budget: %v", query, err)
		}
		if err := ask(canceled, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: canceled: %v", query, err)
		}
	}
}

func TestBadQueriesAreTold(t *testing.T) {
	e := logql.New(logql.DefaultConfig(), many(1), nil, nil)
	_, err := e.Query(context.Background(), "", "{", logql.Params{End: 1})
	var pe *syntax.ParseError
	if !errors.Is(err, logql.ErrBadQuery) || !errors.As(err, &pe) || err.Error() != pe.Error() {
		t.Errorf("got %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := logql.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for name, set := range map[string]func(*logql.Config){
		"max_entries": func(c *logql.Config) { c.MaxEntries = 0 }, "timeout": func(c *logql.Config) { c.Timeout = -1 },
		"max_lookback": func(c *logql.Config) { c.MaxLookback = -1 }, "max_rows": func(c *logql.Config) { c.MaxRows = -5 },
	} {
		c := logql.DefaultConfig()
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestStatsMetricsAndPlan(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := logql.New(logql.DefaultConfig(), many(100), nil, reg)
	res, err := e.Query(context.Background(), "", `{app="x"} |= "9"`, logql.Params{End: 1000e9, Limit: 5, Explain: true})
	if err != nil || len(res.Rows) != 5 || res.Stats.Lines != 5 || res.Stats.Returned != 5 || res.Stats.Bytes != 20 {
		t.Errorf("got %+v, %v", res, err)
	}
	if plan := strings.Join(res.Plan, "\n"); !strings.Contains(plan, `text in every line: ["9"]`) {
		t.Errorf("plan: %s", plan)
	}
	got, err := reg.Gather()
	if err != nil || len(got) != 2 {
		t.Errorf("metrics: %v, %v", got, err)
	}
}

func TestLines(t *testing.T) {
	e := logql.New(logql.DefaultConfig(), many(100), nil, nil)
	expr, err := syntax.ParseLog(`{app="x"} | line_format "x{{__line__}}"`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	stats, err := e.Lines(context.Background(), "", expr, 0, 1000e9, func(l logql.Line) bool {
		n++
		if !strings.HasPrefix(l.Text, "xn=") || l.Level != "unknown" {
			t.Errorf("got %+v", l)
		}
		return n < 50
	})
	if err != nil || n != 50 || stats.Lines != 50 {
		t.Errorf("got %d lines, %+v, %v", n, stats, err)
	}
}

func BenchmarkCountByService(b *testing.B) {
	benchmark(b, `sum by (service_name) (count_over_time({app="x"}[1m]))`)
}

func BenchmarkCountByLevel(b *testing.B) {
	benchmark(b, `sum by (detected_level) (count_over_time({app="x"}[1m]))`)
}

func BenchmarkUnwrap(b *testing.B) {
	benchmark(b, `avg_over_time({app="x"} | logfmt | unwrap n [5m]) by (app)`)
}

// benchmark reports the time for one record.
func benchmark(b *testing.B, query string) {
	const n = 100_000
	e := logql.New(logql.DefaultConfig(), many(n), nil, nil)
	p := logql.Params{End: n * 1e9, Step: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Query(context.Background(), "", query, p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
