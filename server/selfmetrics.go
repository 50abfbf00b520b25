package server

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/prometheus/common/model"
)

// selfMetrics stores what /metrics shows, so that clew's dashboards work
// without a scraper.
type selfMetrics struct {
	gather   prometheus.Gatherer
	open     func() (promstorage.Appendable, error) // fails while the disk is full
	every    time.Duration
	instance string
	log      *slog.Logger
}

// run writes a sample of everything each interval until ctx ends. It tells of
// the first failure of a row.
func (s *selfMetrics) run(ctx context.Context) {
	failed := false
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := s.write(ctx, now)
			if err != nil && ctx.Err() == nil && !failed {
				s.log.Warn("store clew's own metrics", "error", err)
			}
			failed = err != nil
		}
	}
}

func (s *selfMetrics) write(ctx context.Context, now time.Time) error {
	families, err := s.gather.Gather()
	if err != nil {
		return err
	}
	store, err := s.open()
	if err != nil {
		return err
	}
	app := store.Appender(ctx)
	for _, f := range families {
		for _, m := range f.Metric {
			if err := s.append(app, f, m, now.UnixMilli()); err != nil {
				_ = app.Rollback() // the first error is the one to tell
				return err
			}
		}
	}
	return app.Commit()
}

func (s *selfMetrics) append(app promstorage.Appender, f *dto.MetricFamily, m *dto.Metric, ts int64) error {
	add := func(suffix string, v float64, extra ...string) error {
		l := s.labels(f.GetName()+suffix, m, extra...)
		ref, err := app.Append(0, l, ts, v)
		if err == nil && suffix == "" {
			_, err = app.UpdateMetadata(ref, l, metadata.Metadata{Type: typeOf(f), Help: f.GetHelp()})
		}
		return err
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		return add("", m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		return add("", m.GetGauge().GetValue())
	case dto.MetricType_UNTYPED:
		return add("", m.GetUntyped().GetValue())
	case dto.MetricType_SUMMARY:
		for _, q := range m.GetSummary().Quantile {
			if err := add("", q.GetValue(), "quantile", formatFloat(q.GetQuantile())); err != nil {
				return err
			}
		}
		return both(add, float64(m.GetSummary().GetSampleCount()), m.GetSummary().GetSampleSum())
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		for _, b := range h.Bucket {
			if err := add("_bucket", float64(b.GetCumulativeCount()), "le", formatFloat(b.GetUpperBound())); err != nil {
				return err
			}
		}
		if err := add("_bucket", float64(h.GetSampleCount()), "le", "+Inf"); err != nil {
			return err
		}
		return both(add, float64(h.GetSampleCount()), h.GetSampleSum())
	}
	return nil
}

func both(add func(string, float64, ...string) error, count, sum float64) error {
	if err := add("_count", count); err != nil {
		return err
	}
	return add("_sum", sum)
}

func (s *selfMetrics) labels(name string, m *dto.Metric, extra ...string) labels.Labels {
	b := labels.NewScratchBuilder(len(m.Label) + 4)
	b.Add(model.MetricNameLabel, name)
	b.Add("job", "clew")
	b.Add("instance", s.instance)
	for _, l := range m.Label {
		b.Add(l.GetName(), l.GetValue())
	}
	for i := 0; i+1 < len(extra); i += 2 {
		b.Add(extra[i], extra[i+1])
	}
	b.Sort()
	return b.Labels()
}

func typeOf(f *dto.MetricFamily) model.MetricType {
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		return model.MetricTypeCounter
	case dto.MetricType_GAUGE:
		return model.MetricTypeGauge
	case dto.MetricType_SUMMARY:
		return model.MetricTypeSummary
	}
	return model.MetricTypeUnknown
}

func formatFloat(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
