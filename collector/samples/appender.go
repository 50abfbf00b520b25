package samples

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/clewhq/clew/collector/admission"
)

// reason returns why a store rejects one sample of time t alone, "" where err
// is about more than the sample. Both times are in Unix milliseconds.
func reason(err error, t, now int64) string {
	var h histogram.Error
	switch {
	case errors.Is(err, promstorage.ErrOutOfOrderSample):
		return admission.OutOfOrder
	case errors.Is(err, promstorage.ErrOutOfBounds) && t > now:
		return admission.TooFarInFuture
	case errors.Is(err, promstorage.ErrOutOfBounds), errors.Is(err, promstorage.ErrTooOldSample):
		return admission.TooOld
	case errors.Is(err, promstorage.ErrDuplicateSampleForTimestamp):
		return admission.DuplicateSample
	case errors.Is(err, tsdb.ErrInvalidSample):
		return admission.InvalidLabels
	case errors.As(err, &h):
		return admission.InvalidRecord
	}
	return ""
}

// appender passes samples on and keeps the converter going past those the
// store rejects alone. The first other error is kept: it ends the request.
type appender struct {
	promstorage.AppenderV2
	out   *admission.Outcome
	now   int64 // Unix milliseconds
	fatal error
}

// Append rejects one sample or ends the request; see appender.
func (a *appender) Append(ref promstorage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram,
	fh *histogram.FloatHistogram, opts promstorage.AOptions) (promstorage.SeriesRef, error) {
	got, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err == nil {
		return got, nil
	}
	// Exemplars are kept as far as the store takes them: one that comes late
	// is no reason to reject its sample.
	var partial *promstorage.AppendPartialError
	if _, err := partial.Handle(err); err == nil {
		return got, nil
	}
	if r := reason(err, t, a.now); r != "" {
		if countsAsPoint(ls, opts) {
			a.out.Reject(r, fmt.Sprintf("%s: %v", ls, err), 1)
		}
		return got, nil
	}
	if a.fatal == nil {
		a.fatal = err
	}
	return 0, err
}

// countsAsPoint tells whether a sample stands for its data point. Of the many
// samples of a classic histogram or a summary the _count does, and target_info,
// which nobody sent, never does.
func countsAsPoint(ls labels.Labels, opts promstorage.AOptions) bool {
	name := ls.Get(model.MetricNameLabel)
	switch {
	case name == "target_info":
		return false
	case opts.Metadata.Type == model.MetricTypeHistogram || opts.Metadata.Type == model.MetricTypeSummary:
		return strings.HasSuffix(name, "_count") || name == opts.MetricFamilyName && !ls.Has("quantile")
	}
	return true
}
