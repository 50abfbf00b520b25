package samples

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Writer brings metrics into a store. It is safe for concurrent use.
type Writer struct {
	cfg    Config
	gate   *admission.Gate
	store  storage.Metrics
	deltas *accumulators
}

// New returns a writer with the valid config cfg.
func New(cfg Config, gate *admission.Gate, store storage.Metrics) *Writer {
	return &Writer{cfg: cfg, gate: gate, store: store, deltas: newAccumulators()}
}

// Close stops what the writer started.
func (w *Writer) Close(ctx context.Context) error { return w.deltas.close(ctx) }

// Metrics takes in raw, an ExportMetricsServiceRequest. It returns when what
// it took in is durable.
func (w *Writer) Metrics(ctx context.Context, protocol string, raw []byte) (admission.Outcome, error) {
	req := pmetricotlp.NewExportRequest()
	if err := req.UnmarshalProto(raw); err != nil {
		if where := otlp.CheckMetrics(raw); where != nil {
			err = where
		} else {
			err = fmt.Errorf("%w: metrics: %w", otlp.ErrMalformed, err)
		}
		return admission.Outcome{}, err
	}
	md := req.Metrics()
	total := md.DataPointCount()
	w.gate.Received(telemetry.Metrics, protocol, total, len(raw))
	if err := w.gate.Take(ctx, total, len(raw)); err != nil {
		return admission.Outcome{}, err
	}
	var out admission.Outcome
	delta := w.filter(ctx, raw, md, &out)
	if delta {
		var err error
		if md, err = w.deltas.sums(ctx, tenant.From(ctx), md); err != nil {
			return admission.Outcome{}, err
		}
	}
	if md.ResourceMetrics().Len() > 0 {
		if err := w.append(ctx, md, &out); err != nil {
			return admission.Outcome{}, err
		}
	}
	out.Rejected = min(out.Rejected, total)
	for reason, n := range out.Reasons() {
		w.gate.Rejected(telemetry.Metrics, reason, n)
	}
	return out, nil
}

// filter takes the bad points out of md and reports whether deltas are left.
func (w *Writer) filter(ctx context.Context, raw []byte, md pmetric.Metrics, out *admission.Outcome) bool {
	cfg := w.gate.Config()
	now := w.gate.Now()
	f := &filter{
		newest: now.Add(time.Duration(cfg.MaxFuture)), maxFuture: time.Duration(cfg.MaxFuture),
		keepDelta: w.cfg.Delta == DeltaConvert, out: out,
		received: sync.OnceValue(func() pcommon.Timestamp { return pcommon.Timestamp(w.gate.ReceiveTime(ctx, raw)) }),
	}
	if cfg.MaxAge.Metrics > 0 {
		f.oldest = now.Add(-time.Duration(cfg.MaxAge.Metrics))
	}
	f.apply(md)
	return f.delta
}

func (w *Writer) append(ctx context.Context, md pmetric.Metrics, out *admission.Outcome) error {
	store, err := w.store.Tenant(tenant.From(ctx))
	if err != nil {
		return fmt.Errorf("open the tenant's metrics: %w", err)
	}
	app := &appender{AppenderV2: store.AppenderV2(ctx), out: out, now: w.gate.Now().UnixMilli()}
	annots, err := prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(ctx, md, w.cfg.settings())
	if app.fatal == nil {
		app.fatal = ctx.Err()
	}
	if app.fatal != nil {
		if err := app.Rollback(); err != nil {
			return fmt.Errorf("store metrics: %w (and roll back: %w)", app.fatal, err)
		}
		return fmt.Errorf("store metrics: %w", app.fatal)
	}
	for _, e := range flat(err) {
		out.Reject(admission.InvalidRecord, e.Error(), 1)
	}
	for _, e := range annots.AsErrors() {
		out.Warn(e.Error())
	}
	if err := app.Commit(); err != nil {
		return fmt.Errorf("store metrics: %w", err)
	}
	return nil
}

// flat lists the errors that errors.Join put together in err.
func flat(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flat(e)...)
	}
	return out
}
