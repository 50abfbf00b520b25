package otlp

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/telemetry"
)

// sink takes in the protobuf bytes of one request and returns when they are
// durable.
type sink func(ctx context.Context, protocol string, raw []byte) (admission.Outcome, error)

// message is a request that can be read as JSON and written as protobuf.
type message interface {
	UnmarshalJSON([]byte) error
	MarshalProto() ([]byte, error)
}

// signal is what differs between logs, traces and metrics.
type signal struct {
	name     telemetry.Signal
	service  string // of gRPC
	rejected string // JSON name of the count in the partial success
	sink     sink
	message  func() message
}

func signals(gate *admission.Gate, metrics sink) []signal {
	return []signal{
		{telemetry.Logs, "opentelemetry.proto.collector.logs.v1.LogsService", "rejectedLogRecords", gate.Logs,
			func() message { return plogotlp.NewExportRequest() }},
		{telemetry.Traces, "opentelemetry.proto.collector.trace.v1.TraceService", "rejectedSpans", gate.Spans,
			func() message { return ptraceotlp.NewExportRequest() }},
		{telemetry.Metrics, "opentelemetry.proto.collector.metrics.v1.MetricsService", "rejectedDataPoints", metrics,
			func() message { return pmetricotlp.NewExportRequest() }},
	}
}

// fromJSON turns a JSON request into the protobuf bytes of the same message.
func (s *signal) fromJSON(body []byte) (raw []byte, err error) {
	m := s.message()
	if err := m.UnmarshalJSON(body); err != nil {
		return nil, admission.Invalid("malformed OTLP: JSON of %s: %w", s.name, err)
	}
	raw, err = m.MarshalProto()
	if err != nil {
		return nil, fmt.Errorf("write JSON of %s as protobuf: %w", s.name, err)
	}
	return raw, nil
}
