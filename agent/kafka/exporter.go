package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.uber.org/zap"
)

// NewFactory returns the factory of the exporter kafka, whose configuration is
// the Collector's.
func NewFactory() exporter.Factory {
	inner := kafkaexporter.NewFactory()
	return exporter.NewFactory(inner.Type(), inner.CreateDefaultConfig,
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
			bare, options := takeOver(cfg)
			e, err := inner.CreateLogs(ctx, set, bare)
			if err != nil {
				return nil, err
			}
			push := sender(e.ConsumeLogs, halveLogs, set.Logger)
			return exporterhelper.NewLogs(ctx, set, bare, push, append(options, lifecycle(e)...)...)
		}, inner.LogsStability()),
		exporter.WithTraces(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
			bare, options := takeOver(cfg)
			e, err := inner.CreateTraces(ctx, set, bare)
			if err != nil {
				return nil, err
			}
			push := sender(e.ConsumeTraces, halveTraces, set.Logger)
			return exporterhelper.NewTraces(ctx, set, bare, push, append(options, lifecycle(e)...)...)
		}, inner.TracesStability()),
		exporter.WithMetrics(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
			bare, options := takeOver(cfg)
			e, err := inner.CreateMetrics(ctx, set, bare)
			if err != nil {
				return nil, err
			}
			push := sender(e.ConsumeMetrics, halveMetrics, set.Logger)
			return exporterhelper.NewMetrics(ctx, set, bare, push, append(options, lifecycle(e)...)...)
		}, inner.MetricsStability()),
	)
}

// takeOver returns the configuration of an exporter without queue and retries,
// and those as options of the one around it. The timeout of a try stays inside.
func takeOver(cfg component.Config) (*kafkaexporter.Config, []exporterhelper.Option) {
	bare := *cfg.(*kafkaexporter.Config)
	options := []exporterhelper.Option{
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{}),
		exporterhelper.WithQueue(bare.QueueBatchConfig),
		exporterhelper.WithRetry(bare.BackOffConfig),
	}
	bare.QueueBatchConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	bare.BackOffConfig.Enabled = false
	return &bare, options
}

func lifecycle(c component.Component) []exporterhelper.Option {
	return []exporterhelper.Option{exporterhelper.WithStart(c.Start), exporterhelper.WithShutdown(c.Shutdown)}
}

// sender sends with send, in halves where the whole is too large for a message.
func sender[T any](send func(context.Context, T) error, halve func(T) (T, T, bool), log *zap.Logger) func(context.Context, T) error {
	var push func(context.Context, T) error
	push = func(ctx context.Context, data T) error {
		err := send(ctx, data)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, kerr.MessageTooLarge):
			return retryable(err)
		}
		a, b, ok := halve(data)
		if !ok {
			log.Error("A record is too large for a message of Kafka, and is dropped: raise producer.max_message_bytes and the topic's max.message.bytes.", zap.Error(err))
			return nil
		}
		if err := push(ctx, a); err != nil {
			return err
		}
		return push(ctx, b)
	}
	return push
}

// retryable is err without the mark that gives the data up.
func retryable(err error) error {
	if consumererror.IsPermanent(err) {
		return fmt.Errorf("kafka does not take it, trying again: %v", err) // not %w: the mark must not be found
	}
	return err
}
