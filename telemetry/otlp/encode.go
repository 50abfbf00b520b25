package otlp

import "github.com/clewhq/clew/telemetry"

// AppendLogs appends an ExportLogsServiceRequest (which is also a LogsData)
// that holds logs, one ResourceLogs for each run of the same stream.
func AppendLogs(dst []byte, logs []telemetry.Log) []byte { return dst }

// AppendSpans appends an ExportTraceServiceRequest (which is also a TracesData
// and a Tempo Trace); see AppendLogs. Sub-messages resource, scope and status
// are always written, even empty.
func AppendSpans(dst []byte, spans []telemetry.Span) []byte { return dst }
