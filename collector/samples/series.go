package samples

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/telemetry"
)

// Series is one series of a remote write request, or the metadata of a metric
// family without samples.
type Series struct {
	Labels     labels.Labels
	Metadata   metadata.Metadata
	Floats     []Float
	Histograms []Histogram
	Exemplars  []exemplar.Exemplar
	// Bad says why none of it can be taken; Samples is how many it concerns.
	Bad     string
	Samples int
}

// Float is a sample; T is in Unix milliseconds.
type Float struct {
	T int64
	V float64
}

// Histogram is a native histogram, an integer one or a float one.
type Histogram struct {
	T  int64
	H  *histogram.Histogram
	FH *histogram.FloatHistogram
}

// Written is what a request stored.
type Written struct{ Samples, Histograms, Exemplars int }

// Write stores the series of a request of size bytes that holds total
// samples. It returns when they are durable.
func (w *Writer) Write(ctx context.Context, protocol string, series []Series, total, size int) (Written, admission.Outcome, error) {
	w.gate.Received(telemetry.Metrics, protocol, total, size)
	if err := w.gate.Take(ctx, total, size); err != nil {
		return Written{}, admission.Outcome{}, err
	}
	store, err := w.store.Tenant(tenant.From(ctx))
	if err != nil {
		return Written{}, admission.Outcome{}, fmt.Errorf("open the tenant's metrics: %w", err)
	}
	cfg := w.gate.Config()
	now := w.gate.Now()
	a := &seriesAppender{
		app: store.Appender(ctx), now: now.UnixMilli(),
		newest: now.Add(time.Duration(cfg.MaxFuture)).UnixMilli(), maxFuture: cfg.MaxFuture,
	}
	if cfg.MaxAge.Metrics > 0 {
		a.oldest = now.Add(-time.Duration(cfg.MaxAge.Metrics)).UnixMilli()
	}
	for i := range series {
		if err := a.series(&series[i]); err != nil {
			if undo := a.app.Rollback(); undo != nil {
				return Written{}, admission.Outcome{}, fmt.Errorf("store samples: %w (and roll back: %w)", err, undo)
			}
			return Written{}, admission.Outcome{}, fmt.Errorf("store samples: %w", err)
		}
	}
	if err := a.app.Commit(); err != nil {
		return Written{}, admission.Outcome{}, fmt.Errorf("store samples: %w", err)
	}
	for reason, n := range a.out.Reasons() {
		w.gate.Rejected(telemetry.Metrics, reason, n)
	}
	return a.written, a.out, nil
}

// seriesAppender appends the series of one request.
type seriesAppender struct {
	app       promstorage.Appender
	now       int64 // this and the bounds are Unix milliseconds
	oldest    int64
	newest    int64
	maxFuture model.Duration
	out       admission.Outcome
	written   Written
}

// series appends s. It rejects what is wrong with single samples and returns
// the errors that end the request.
func (a *seriesAppender) series(s *Series) error {
	if why := invalid(s); why != "" {
		a.out.Reject(admission.InvalidLabels, why, max(1, s.Samples))
		return nil
	}
	var ref promstorage.SeriesRef
	for _, f := range s.Floats {
		if a.outOfBounds(s.Labels, f.T) {
			continue
		}
		got, err := a.app.Append(ref, s.Labels, f.T, f.V)
		if err := a.took(err, s.Labels, f.T, &a.written.Samples); err != nil {
			return err
		}
		ref = got
	}
	for _, h := range s.Histograms {
		if a.outOfBounds(s.Labels, h.T) {
			continue
		}
		got, err := ref, reduce(h)
		if err == nil {
			got, err = a.app.AppendHistogram(ref, s.Labels, h.T, h.H, h.FH)
		}
		if err := a.took(err, s.Labels, h.T, &a.written.Histograms); err != nil {
			return err
		}
		ref = got
	}
	for _, e := range s.Exemplars {
		// An exemplar that the store does not take (it is late, or its series
		// is not there) costs nobody a sample.
		if _, err := a.app.AppendExemplar(ref, s.Labels, e); err == nil {
			a.written.Exemplars++
		}
	}
	if !s.Metadata.IsEmpty() && (ref != 0 || s.Samples == 0) {
		if _, err := a.app.UpdateMetadata(ref, s.Labels, s.Metadata); err != nil {
			a.out.Warn(fmt.Sprintf("metadata of %s is not stored: %v", s.Labels, err))
		}
	}
	return nil
}

// took counts a sample that was appended or rejected.
func (a *seriesAppender) took(err error, ls labels.Labels, t int64, n *int) error {
	if err == nil {
		*n++
		return nil
	}
	if r := reason(err, t, a.now); r != "" {
		a.out.Reject(r, fmt.Sprintf("%s: %v", ls, err), 1)
		return nil
	}
	return err
}

func (a *seriesAppender) outOfBounds(ls labels.Labels, t int64) bool {
	at := func() string { return time.UnixMilli(t).UTC().Format(time.RFC3339) }
	switch {
	case t > a.newest:
		a.out.Reject(admission.TooFarInFuture, fmt.Sprintf("%s: time %s is more than %s ahead of the server's clock", ls, at(), a.maxFuture), 1)
	case t < a.oldest:
		a.out.Reject(admission.TooOld, fmt.Sprintf("%s: time %s is older than what is kept", ls, at()), 1)
	default:
		return false
	}
	return true
}

func invalid(s *Series) string {
	if s.Bad != "" {
		return s.Bad
	}
	if !s.Labels.Has(model.MetricNameLabel) || !s.Labels.IsValid(model.UTF8Validation) {
		return fmt.Sprintf("%s: no metric name, or a label name that is empty or not UTF-8", s.Labels)
	}
	if name, dup := s.Labels.HasDuplicateLabelNames(); dup {
		return fmt.Sprintf("%s: label %q stands there twice", s.Labels, name)
	}
	return ""
}

// reduce brings a histogram of a finer resolution than the store has down to
// the finest it has.
func reduce(h Histogram) error {
	finer := func(schema int32) bool {
		return histogram.IsExponentialSchemaReserved(schema) && schema > histogram.ExponentialSchemaMax
	}
	if h.H != nil && finer(h.H.Schema) {
		return h.H.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	if h.FH != nil && finer(h.FH.Schema) {
		return h.FH.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	return nil
}
