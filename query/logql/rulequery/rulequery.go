// Package rulequery lets Prometheus's rule manager evaluate LogQL: it turns
// instant answers of the engine into Prometheus's vectors.
//
// It stands apart from query/logql so that only those who evaluate rules link
// Prometheus's engine. It may import query/logql and Prometheus.
package rulequery

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/syntax"
)

// New returns what evaluates metric queries over the data of a tenant; it has
// the shape of rules.QueryFunc. A number becomes one sample without labels, as
// Prometheus does it.
func New(e *logql.Engine, tenant string) func(ctx context.Context, query string, t time.Time) (promql.Vector, error) {
	return func(ctx context.Context, query string, t time.Time) (promql.Vector, error) {
		res, err := e.Query(ctx, tenant, query, logql.Params{Instant: true, End: t.UnixNano()})
		if err != nil {
			return nil, fmt.Errorf("evaluate LogQL: %w", err)
		}
		if res.Kind == logql.KindScalar {
			return promql.Vector{{T: res.Scalar.Time, F: res.Scalar.Value, Metric: labels.EmptyLabels()}}, nil
		}
		out := make(promql.Vector, 0, len(res.Series))
		for _, s := range res.Series {
			b := labels.NewScratchBuilder(len(s.Labels))
			for _, l := range s.Labels {
				b.Add(l.Name, l.Value)
			}
			out = append(out, promql.Sample{T: s.Points[0].Time, F: s.Points[0].Value, Metric: b.Labels()})
		}
		return out, nil
	}
}

// Check returns an error where a query cannot be a rule's expression.
func Check(query string) error {
	_, err := syntax.ParseSample(query)
	return err
}
