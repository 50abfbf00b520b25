package rulequery_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/query/logql/rulequery"
	"github.com/clewhq/clew/telemetry"
)

func TestQuery(t *testing.T) {
	st := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "app", Value: telemetry.String("x")}}}, telemetry.Scope{})
	mem := &logqltest.Memory{}
	_, _ = mem.WriteLogs(context.Background(), "t", &telemetry.LogBatch{Logs: []telemetry.Log{
		{Stream: st, Time: 5e9, Body: telemetry.String("a")}, {Stream: st, Time: 6e9, Body: telemetry.String("b")},
	}})
	var query rules.QueryFunc = rulequery.New(logql.New(logql.DefaultConfig(), mem, nil, nil), "t")
	for _, c := range []struct{ query, want string }{
		{`sum by (app) (count_over_time({app="x"}[10s])) > 1`, "{app=\"x\"} => 2 @[10000]"},
		{`1 + 1`, "{} => 2 @[10000]"},
		{`vector(3)`, "{} => 3 @[10000]"},
	} {
		vec, err := query(context.Background(), c.query, time.Unix(10, 0))
		if err != nil || len(vec) != 1 || vec[0].String() != c.want {
			t.Errorf("%s: got %v, %v; want %s", c.query, vec, err, c.want)
		}
	}
	if _, err := query(context.Background(), `{app="x"}`, time.Unix(10, 0)); err == nil {
		t.Error("a log query was taken for a rule")
	}
}

func TestCheck(t *testing.T) {
	if err := rulequery.Check(`rate({app="x"}[5m]) > 1`); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`{app="x"}`, `rate(`, `up`} {
		if rulequery.Check(bad) == nil {
			t.Errorf("%s was taken for a rule", bad)
		}
	}
}
