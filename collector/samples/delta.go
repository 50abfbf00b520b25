package samples

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatocumulativeprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// accumulators add up deltas, one for each tenant that sends any. Their sums
// live in memory: after a restart a counter begins at zero again, which PromQL
// sees as a reset.
type accumulators struct {
	mu       sync.Mutex
	byTenant map[string]processor.Metrics
	closed   bool
}

func newAccumulators() *accumulators {
	return &accumulators{byTenant: make(map[string]processor.Metrics)}
}

var errClosed = errors.New("the collector is closed")

func (a *accumulators) of(ctx context.Context, tenant string) (processor.Metrics, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, errClosed
	}
	if p := a.byTenant[tenant]; p != nil {
		return p, nil
	}
	factory := deltatocumulativeprocessor.NewFactory()
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		*ctx.Value(sumsKey{}).(*pmetric.Metrics) = md
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the consumer of added up deltas: %w", err)
	}
	set := processor.Settings{ID: component.NewID(factory.Type()), TelemetrySettings: component.TelemetrySettings{
		Logger: zap.NewNop(), MeterProvider: noop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider(),
	}}
	// The processor outlives the request that is the first to need it.
	ctx = context.WithoutCancel(ctx)
	p, err := factory.CreateMetrics(ctx, set, factory.CreateDefaultConfig(), next)
	if err != nil {
		return nil, fmt.Errorf("make the accumulator of deltas: %w", err)
	}
	if err := p.Start(ctx, nil); err != nil {
		return nil, fmt.Errorf("start the accumulator of deltas: %w", err)
	}
	a.byTenant[tenant] = p
	return p, nil
}

// sumsKey is where the context carries the place for a request's result, so
// that writing it happens outside the accumulator's lock.
type sumsKey struct{}

// sums returns md with its deltas replaced by the sums so far.
func (a *accumulators) sums(ctx context.Context, tenant string, md pmetric.Metrics) (pmetric.Metrics, error) {
	p, err := a.of(ctx, tenant)
	if err != nil {
		return md, err
	}
	out := pmetric.NewMetrics()
	if err := p.ConsumeMetrics(context.WithValue(ctx, sumsKey{}, &out), md); err != nil {
		return md, fmt.Errorf("add up deltas: %w", err)
	}
	return out, nil
}

func (a *accumulators) close(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var errs []error
	for _, p := range a.byTenant {
		errs = append(errs, p.Shutdown(ctx))
	}
	a.byTenant = nil
	return errors.Join(errs...)
}
