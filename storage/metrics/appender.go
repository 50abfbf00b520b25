package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/storage"
)

// errWriteFailed is a write-ahead log that failed under another commit.
var errWriteFailed = errors.New("the write-ahead log could not be written")

// transaction is what both generations of appender share: it turns the TSDB's
// commit into a durable one.
type transaction struct {
	t       *Tenant
	db      *openDB // nil where refused says why
	refused error   // what Commit answers; appending to a refused one is a no-op
	latest  int64   // newest time that is taken, in milliseconds
	used    bool
	done    bool
	changes map[string]metadata.Metadata
}

func (t *Tenant) begin() transaction {
	tx := transaction{t: t, latest: 1<<63 - 1}
	db, err := t.acquire()
	if err != nil {
		tx.refused = err
		return tx
	}
	if err = t.failure(); err == nil {
		err = t.store.room()
	}
	if err != nil {
		t.release(db)
		tx.refused = err
		return tx
	}
	tx.db = db
	if ahead := time.Duration(t.store.cfg.MaxFuture); ahead > 0 {
		tx.latest = t.store.deps.Now().Add(ahead).UnixMilli()
	}
	return tx
}

// admit checks the time of a sample.
func (tx *transaction) admit(ts int64) error {
	if ts > tx.latest {
		return fmt.Errorf("%w: sample time %s is more than %s ahead of the server's clock",
			promstorage.ErrOutOfBounds, time.UnixMilli(ts).UTC().Format(time.RFC3339), tx.t.store.cfg.MaxFuture)
	}
	tx.used = true
	return nil
}

// describe notes the metadata of a family, to be kept by the commit.
func (tx *transaction) describe(family string, md metadata.Metadata) {
	if family == "" || md == (metadata.Metadata{}) || !tx.t.meta.changed(family, md) {
		return
	}
	if tx.changes == nil {
		tx.changes = map[string]metadata.Metadata{}
	}
	tx.changes[strings.Clone(family)] = metadata.Metadata{
		Type: model.MetricType(strings.Clone(string(md.Type))), Unit: strings.Clone(md.Unit), Help: strings.Clone(md.Help),
	}
}

// commit commits app, waits until it is durable, and ends the transaction.
func (tx *transaction) commit(app promstorage.AppenderTransaction) error {
	if tx.done {
		return errors.New("commit metrics: the appender was used up")
	}
	tx.done = true
	if tx.refused != nil {
		tx.t.store.metrics.count(tx.refused)
		return fmt.Errorf("commit metrics: %w", tx.refused)
	}
	defer tx.t.release(tx.db)
	err := tx.commitDurably(app)
	tx.t.store.metrics.count(err)
	return err
}

func (tx *transaction) commitDurably(app promstorage.AppenderTransaction) error {
	if err := tx.t.meta.write(tx.changes); err != nil {
		return fmt.Errorf("commit metrics: %w", errors.Join(asDiskFull(err), app.Rollback()))
	}
	err := tx.db.guard(app.Commit)
	if err == nil && tx.db.registry.failed() {
		// The record of this commit may stand behind a torn one, where no
		// replay finds it, or its out-of-order part was not logged at all.
		if err = tx.t.store.room(); err == nil {
			err = errWriteFailed
		}
	}
	if err == nil && !tx.used && len(tx.changes) == 0 {
		return nil
	}
	if err == nil {
		var led int
		if led, err = tx.db.commits.wait(); led > 0 {
			tx.t.store.metrics.shared.Observe(float64(led))
		}
	}
	if err != nil {
		err = asDiskFull(err)
		tx.t.fail(tx.db, err)
		return fmt.Errorf("commit metrics: %w", err)
	}
	tx.t.stored()
	return nil
}

func (tx *transaction) rollback(app promstorage.AppenderTransaction) error {
	if tx.done || tx.refused != nil {
		tx.done = true
		return nil
	}
	tx.done = true
	defer tx.t.release(tx.db)
	err := app.Rollback()
	if err != nil || tx.db.registry.failed() {
		tx.t.fail(tx.db, asDiskFull(errors.Join(errWriteFailed, err)))
	}
	return err
}

// asDiskFull makes an error of a full disk or quota recognisable to callers.
func asDiskFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrDiskFull, err)
	}
	return err
}

// Appender implements promstorage.Appendable.
func (t *Tenant) Appender(ctx context.Context) promstorage.Appender {
	a := &appender{tx: t.begin()}
	if a.tx.db != nil {
		a.app = a.tx.db.Appender(ctx)
	}
	return a
}

// AppenderV2 implements promstorage.AppendableV2.
func (t *Tenant) AppenderV2(ctx context.Context) promstorage.AppenderV2 {
	a := &appenderV2{tx: t.begin()}
	if a.tx.db != nil {
		a.app = a.tx.db.AppenderV2(ctx)
	}
	return a
}

// appenderV2 implements promstorage.AppenderV2.
type appenderV2 struct {
	app promstorage.AppenderV2 // nil where the transaction is refused
	tx  transaction
}

// Append implements promstorage.AppenderV2.
func (a *appenderV2) Append(ref promstorage.SeriesRef, ls labels.Labels, st, t int64, v float64,
	h *histogram.Histogram, fh *histogram.FloatHistogram, opts promstorage.AppendV2Options,
) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(t); err != nil {
		return 0, err
	}
	family := opts.MetricFamilyName
	if family == "" && opts.Metadata != (metadata.Metadata{}) {
		family = storage.FamilyOf(ls.Get(model.MetricNameLabel), opts.Metadata.Type)
	}
	a.tx.describe(family, opts.Metadata)
	a.tx.db.exemplars.note(a.tx.db, a.tx.t.store.cfg.MaxExemplars, opts.Exemplars...)
	return a.app.Append(ref, ls, st, t, v, h, fh, opts)
}

// Commit implements promstorage.AppenderTransaction.
func (a *appenderV2) Commit() error { return a.tx.commit(a.app) }

// Rollback implements promstorage.AppenderTransaction.
func (a *appenderV2) Rollback() error { return a.tx.rollback(a.app) }

// GetRef implements promstorage.GetRef.
func (a *appenderV2) GetRef(ls labels.Labels, hash uint64) (promstorage.SeriesRef, labels.Labels) {
	if g, ok := a.app.(promstorage.GetRef); ok {
		return g.GetRef(ls, hash)
	}
	return 0, labels.EmptyLabels()
}

// appender implements promstorage.Appender.
type appender struct {
	app promstorage.Appender // nil where the transaction is refused
	tx  transaction
}

// SetOptions implements promstorage.Appender.
func (a *appender) SetOptions(opts *promstorage.AppendOptions) {
	if a.app != nil {
		a.app.SetOptions(opts)
	}
}

// Append implements promstorage.Appender.
func (a *appender) Append(ref promstorage.SeriesRef, ls labels.Labels, t int64, v float64) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(t); err != nil {
		return 0, err
	}
	return a.app.Append(ref, ls, t, v)
}

// AppendHistogram implements promstorage.HistogramAppender.
func (a *appender) AppendHistogram(ref promstorage.SeriesRef, ls labels.Labels, t int64,
	h *histogram.Histogram, fh *histogram.FloatHistogram,
) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(t); err != nil {
		return 0, err
	}
	return a.app.AppendHistogram(ref, ls, t, h, fh)
}

// AppendHistogramSTZeroSample implements promstorage.HistogramAppender.
func (a *appender) AppendHistogramSTZeroSample(ref promstorage.SeriesRef, ls labels.Labels, t, st int64,
	h *histogram.Histogram, fh *histogram.FloatHistogram,
) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(t); err != nil {
		return 0, err
	}
	return a.app.AppendHistogramSTZeroSample(ref, ls, t, st, h, fh)
}

// AppendSTZeroSample implements promstorage.StartTimestampAppender.
func (a *appender) AppendSTZeroSample(ref promstorage.SeriesRef, ls labels.Labels, t, st int64) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(t); err != nil {
		return 0, err
	}
	return a.app.AppendSTZeroSample(ref, ls, t, st)
}

// AppendExemplar implements promstorage.ExemplarAppender.
func (a *appender) AppendExemplar(ref promstorage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (promstorage.SeriesRef, error) {
	if a.app == nil {
		return ref, nil
	}
	if err := a.tx.admit(e.Ts); err != nil {
		return 0, err
	}
	a.tx.db.exemplars.note(a.tx.db, a.tx.t.store.cfg.MaxExemplars, e)
	return a.app.AppendExemplar(ref, ls, e)
}

// UpdateMetadata implements promstorage.MetadataUpdater. Metadata is kept by
// family rather than by series, so it does not need the series to exist.
func (a *appender) UpdateMetadata(ref promstorage.SeriesRef, ls labels.Labels, m metadata.Metadata) (promstorage.SeriesRef, error) {
	if a.app != nil {
		a.tx.describe(storage.FamilyOf(ls.Get(model.MetricNameLabel), m.Type), m)
	}
	return ref, nil
}

// Commit implements promstorage.AppenderTransaction.
func (a *appender) Commit() error { return a.tx.commit(a.app) }

// Rollback implements promstorage.AppenderTransaction.
func (a *appender) Rollback() error { return a.tx.rollback(a.app) }

// GetRef implements promstorage.GetRef.
func (a *appender) GetRef(ls labels.Labels, hash uint64) (promstorage.SeriesRef, labels.Labels) {
	if g, ok := a.app.(promstorage.GetRef); ok {
		return g.GetRef(ls, hash)
	}
	return 0, labels.EmptyLabels()
}
