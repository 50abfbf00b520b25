package otlp

import (
	"context"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// sink takes in the protobuf bytes of one request and returns when they are
// durable.
type sink func(ctx context.Context, protocol string, raw []byte) (admission.Outcome, error)

// signal is what differs between logs, traces and metrics.
type signal struct {
	name     telemetry.Signal
	service  string // of gRPC
	rejected string // JSON name of the count in the partial success
	sink     sink
	// fromJSON turns a JSON request into the protobuf bytes of the same one.
	fromJSON func([]byte) ([]byte, error)
}

func signals(gate *admission.Gate, metrics sink) []signal {
	return []signal{
		{telemetry.Logs, "opentelemetry.proto.collector.logs.v1.LogsService", "rejectedLogRecords", gate.Logs, otlp.LogsFromJSON},
		{telemetry.Traces, "opentelemetry.proto.collector.trace.v1.TraceService", "rejectedSpans", gate.Spans, otlp.SpansFromJSON},
		{telemetry.Metrics, "opentelemetry.proto.collector.metrics.v1.MetricsService", "rejectedDataPoints", metrics, otlp.MetricsFromJSON},
	}
}
