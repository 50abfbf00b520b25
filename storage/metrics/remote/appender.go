package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/clewhq/clew/storage"
)

// transaction collects what one commit makes durable. It is what both
// generations of appender share.
type transaction struct {
	t      *Tenant
	latest int64 // newest time that is taken, in milliseconds
	req    prompb.WriteRequest
	places map[uint64][]int // of series in req, by the hash of their labels
	sets   []labels.Labels  // of the series in req
	done   bool
}

func (t *Tenant) begin() transaction {
	tx := transaction{t: t, latest: 1<<63 - 1, places: map[uint64][]int{}}
	if ahead := time.Duration(t.store.cfg.MaxFuture); ahead > 0 {
		tx.latest = t.store.now().Add(ahead).UnixMilli()
	}
	return tx
}

// series returns the place of a series; a reference is a place and one.
func (tx *transaction) series(ref promstorage.SeriesRef, ls labels.Labels) (int, error) {
	if i := int(ref) - 1; i >= 0 && i < len(tx.sets) && labels.Equal(tx.sets[i], ls) {
		return i, nil
	}
	hash := ls.Hash()
	for _, i := range tx.places[hash] {
		if labels.Equal(tx.sets[i], ls) {
			return i, nil
		}
	}
	kept := ls.WithoutEmpty()
	if kept.IsEmpty() {
		return 0, fmt.Errorf("series without labels: %w", tsdb.ErrInvalidSample)
	}
	if name, twice := kept.HasDuplicateLabelNames(); twice {
		return 0, fmt.Errorf("label %q stands twice: %w", name, tsdb.ErrInvalidSample)
	}
	i := len(tx.sets)
	tx.sets = append(tx.sets, ls.Copy())
	tx.places[hash] = append(tx.places[hash], i)
	tx.req.Timeseries = append(tx.req.Timeseries, prompb.TimeSeries{Labels: prompb.FromLabels(tx.t.own(kept), nil)})
	return i, nil
}

// admit checks the time of a sample.
func (tx *transaction) admit(ts int64) error {
	if ts > tx.latest {
		return fmt.Errorf("%w: sample time %s is more than %s ahead of the server's clock",
			promstorage.ErrOutOfBounds, time.UnixMilli(ts).UTC().Format(time.RFC3339), tx.t.store.cfg.MaxFuture)
	}
	return nil
}

func (tx *transaction) sample(ref promstorage.SeriesRef, ls labels.Labels, ts int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) (promstorage.SeriesRef, error) {
	if err := tx.admit(ts); err != nil {
		return 0, err
	}
	var native prompb.Histogram
	var err error
	switch {
	case h != nil:
		native, err = prompb.FromIntHistogram(ts, h), h.Validate()
	case fh != nil:
		native, err = prompb.FromFloatHistogram(ts, fh), fh.Validate()
	}
	if err != nil {
		return 0, err
	}
	i, err := tx.series(ref, ls)
	if err != nil {
		return 0, err
	}
	s := &tx.req.Timeseries[i]
	if h == nil && fh == nil {
		s.Samples = append(s.Samples, prompb.Sample{Timestamp: ts, Value: v})
	} else {
		s.Histograms = append(s.Histograms, native)
	}
	return promstorage.SeriesRef(i + 1), nil
}

func (tx *transaction) exemplar(ref promstorage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (promstorage.SeriesRef, error) {
	if err := tx.admit(e.Ts); err != nil {
		return 0, err
	}
	i, err := tx.series(ref, ls)
	if err != nil {
		return 0, err
	}
	s := &tx.req.Timeseries[i]
	s.Exemplars = append(s.Exemplars, prompb.Exemplar{Labels: prompb.FromLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts})
	return promstorage.SeriesRef(i + 1), nil
}

// describe sends the metadata of a family where it is new.
func (tx *transaction) describe(family string, md metadata.Metadata) {
	if family == "" || md == (metadata.Metadata{}) || !tx.t.meta.learn(family, md) {
		return
	}
	tx.req.Metadata = append(tx.req.Metadata, prompb.MetricMetadata{
		Type: prompb.FromMetadataType(md.Type), MetricFamilyName: family, Help: md.Help, Unit: md.Unit,
	})
}

// Commit makes what was appended durable.
func (tx *transaction) Commit() error {
	if tx.done {
		return errors.New("commit metrics: the appender was used up")
	}
	tx.done = true
	if len(tx.req.Timeseries) == 0 && len(tx.req.Metadata) == 0 {
		return nil
	}
	s := tx.t.store
	s.commits.RLock()
	defer s.commits.RUnlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return fmt.Errorf("commit metrics: %w", storage.ErrClosed)
	}
	data, err := tx.req.Marshal()
	if err != nil {
		return fmt.Errorf("commit metrics: %w", err)
	}
	if err := s.queue.append(tx.t.name, snappy.Encode(nil, data)); err != nil {
		return fmt.Errorf("commit metrics: %w", err)
	}
	return nil
}

// Rollback forgets what was appended.
func (tx *transaction) Rollback() error {
	tx.done = true
	tx.req = prompb.WriteRequest{}
	return nil
}

// Appender implements promstorage.Appendable.
func (t *Tenant) Appender(context.Context) promstorage.Appender { return &appender{t.begin()} }

// AppenderV2 implements promstorage.AppendableV2.
func (t *Tenant) AppenderV2(context.Context) promstorage.AppenderV2 { return &appenderV2{t.begin()} }

// appenderV2 implements promstorage.AppenderV2.
type appenderV2 struct{ transaction }

// Append implements promstorage.AppenderV2.
func (a *appenderV2) Append(ref promstorage.SeriesRef, ls labels.Labels, _, ts int64, v float64,
	h *histogram.Histogram, fh *histogram.FloatHistogram, opts promstorage.AppendV2Options,
) (promstorage.SeriesRef, error) {
	ref, err := a.sample(ref, ls, ts, v, h, fh)
	if err != nil {
		return 0, err
	}
	family := opts.MetricFamilyName
	if family == "" {
		family = storage.FamilyOf(ls.Get(model.MetricNameLabel), opts.Metadata.Type)
	}
	a.describe(family, opts.Metadata)
	for _, e := range opts.Exemplars {
		if _, err := a.exemplar(ref, ls, e); err != nil {
			return ref, err
		}
	}
	return ref, nil
}

// appender implements promstorage.Appender.
type appender struct{ transaction }

// SetOptions implements promstorage.Appender. There is none that applies here.
func (a *appender) SetOptions(*promstorage.AppendOptions) {}

// Append implements promstorage.Appender.
func (a *appender) Append(ref promstorage.SeriesRef, ls labels.Labels, ts int64, v float64) (promstorage.SeriesRef, error) {
	return a.sample(ref, ls, ts, v, nil, nil)
}

// AppendHistogram implements promstorage.HistogramAppender.
func (a *appender) AppendHistogram(ref promstorage.SeriesRef, ls labels.Labels, ts int64,
	h *histogram.Histogram, fh *histogram.FloatHistogram,
) (promstorage.SeriesRef, error) {
	return a.sample(ref, ls, ts, 0, h, fh)
}

// AppendHistogramSTZeroSample implements promstorage.HistogramAppender. The
// protocol has no start times.
func (a *appender) AppendHistogramSTZeroSample(ref promstorage.SeriesRef, _ labels.Labels, _, _ int64,
	_ *histogram.Histogram, _ *histogram.FloatHistogram,
) (promstorage.SeriesRef, error) {
	return ref, nil
}

// AppendSTZeroSample implements promstorage.StartTimestampAppender. The
// protocol has no start times.
func (a *appender) AppendSTZeroSample(ref promstorage.SeriesRef, _ labels.Labels, _, _ int64) (promstorage.SeriesRef, error) {
	return ref, nil
}

// AppendExemplar implements promstorage.ExemplarAppender.
func (a *appender) AppendExemplar(ref promstorage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (promstorage.SeriesRef, error) {
	return a.exemplar(ref, ls, e)
}

// UpdateMetadata implements promstorage.MetadataUpdater.
func (a *appender) UpdateMetadata(ref promstorage.SeriesRef, ls labels.Labels, m metadata.Metadata) (promstorage.SeriesRef, error) {
	a.describe(storage.FamilyOf(ls.Get(model.MetricNameLabel), m.Type), m)
	return ref, nil
}
