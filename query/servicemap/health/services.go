package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/clewhq/clew/telemetry"
)

// serviceLabels name a service on a series. OTLP's job has its namespace.
var serviceLabels = []string{"job", "service_name", telemetry.AttrServiceName}

// services finds the services that only metrics tell of. Labels tell who there
// may be; whether one sent anything in the range its series do.
func (l *look) services(ctx context.Context) error {
	q, err := l.metrics.source.Querier(l.From/milli, l.To/milli)
	if err != nil {
		return fmt.Errorf("open the metrics: %w", err)
	}
	defer q.Close()
	left := l.cfg.MaxServices
	for _, name := range serviceLabels {
		values, _, err := q.LabelValues(ctx, name, nil)
		if err != nil {
			return fmt.Errorf("list the services that have metrics: %w", err)
		}
		for _, v := range values {
			if len(l.subjects.named(v, "")) > 0 || strings.TrimSpace(v) == "" {
				continue
			}
			if left--; left < 0 {
				return fmt.Errorf("more than %d services may be known by their metrics only (query.servicemap.health.max_metric_services): some are not on the map", l.cfg.MaxServices)
			}
			sent, err := anySample(ctx, q, l.From/milli, l.To/milli, labels.MustNewMatcher(labels.MatchEqual, name, v))
			if err != nil {
				return fmt.Errorf("look for metrics of %s: %w", v, err)
			}
			if sent {
				l.found.Services = append(l.found.Services, v)
				l.subjects.add(Subject{ID: v, Service: true})
			}
		}
	}
	slices.Sort(l.found.Services)
	return nil
}

// anySample reports whether a series has a sample in the range. Of the series
// that alerts leave behind no service is known.
func anySample(ctx context.Context, q promstorage.Querier, mint, maxt int64, m *labels.Matcher) (bool, error) {
	noAlert := labels.MustNewMatcher(labels.MatchNotRegexp, model.MetricNameLabel, metricAlerts+"|"+metricAlertsFor)
	set := q.Select(ctx, false, &promstorage.SelectHints{Start: mint, End: maxt}, m, noAlert)
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		if it.Seek(mint) != chunkenc.ValNone && it.AtT() <= maxt {
			return true, nil
		}
	}
	return false, set.Err()
}
