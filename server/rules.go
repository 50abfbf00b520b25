package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/clewhq/clew/alert"
	"github.com/clewhq/clew/query/api/loki"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/entry"
)

// promQL lets rules ask PromQL.
func (s *Server) promQL() alert.Language {
	return alert.Language{
		Query: func(tenant string) rules.QueryFunc {
			return func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
				data, err := s.query.prometheus.Queryable(tenant)
				if err != nil {
					return nil, err
				}
				return rules.EngineQueryFunc(s.query.prometheus.Engine(), data)(ctx, expr, at)
			}
		},
		Link: "/prometheus/api/v1/query?query=",
	}
}

// logQL lets rules ask LogQL. Only questions with numbers for an answer make
// sense in a rule.
func (s *Server) logQL() alert.Language {
	return alert.Language{
		Query: func(tenant string) rules.QueryFunc {
			return func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
				res, err := s.query.logql.Query(ctx, tenant, expr, logql.Params{Start: at.UnixNano(), End: at.UnixNano(), Instant: true})
				if err != nil {
					return nil, err
				}
				if len(res.Warnings) > 0 {
					return nil, fmt.Errorf("the answer is partial, and a rule decides by whole ones only: %s", strings.Join(res.Warnings, "; "))
				}
				return vector(res)
			}
		},
		Check: func(expr string) error {
			_, err := s.query.logql.Parse(expr)
			return err
		},
		Link: "/loki/api/v1/query?query=",
	}
}

// logRules are a tenant's LogQL rules for Loki's API.
type logRules struct{ alert.LogQLRules }

// Set implements loki.Rules.
func (r logRules) Set(namespace string, group rulefmt.RuleGroup) error {
	return rulesError(r.LogQLRules.Set(namespace, group))
}

// Delete implements loki.Rules.
func (r logRules) Delete(namespace, group string) error {
	return rulesError(r.LogQLRules.Delete(namespace, group))
}

// DeleteNamespace implements loki.Rules.
func (r logRules) DeleteNamespace(namespace string) error {
	return rulesError(r.LogQLRules.DeleteNamespace(namespace))
}

// rulesError says whose fault an error is.
func rulesError(err error) error {
	switch {
	case errors.Is(err, alert.ErrNoRules):
		return fmt.Errorf("%w: %w", loki.ErrNoRules, err)
	case errors.Is(err, alert.ErrBadRules), errors.Is(err, alert.ErrReadOnly):
		return fmt.Errorf("%w: %w", loki.ErrBadRules, err)
	}
	return err
}

func vector(res *logql.Result) (promql.Vector, error) {
	switch res.Kind {
	case logql.KindScalar:
		return promql.Vector{{T: res.Scalar.Time, F: res.Scalar.Value}}, nil
	case logql.KindVector:
		out := make(promql.Vector, 0, len(res.Series))
		for _, series := range res.Series {
			p := series.Points[len(series.Points)-1]
			out = append(out, promql.Sample{T: p.Time, F: p.Value, Metric: promLabels(series.Labels)})
		}
		return out, nil
	}
	return nil, fmt.Errorf("the expression returns %s; a rule wants numbers, such as count_over_time(...)", res.Kind)
}

func promLabels(ls []entry.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(ls))
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}
