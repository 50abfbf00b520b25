package otlp

import (
	"errors"

	"github.com/clewhq/clew/telemetry"
)

// ErrMalformed is wrapped by every error of a decoder: the bytes are not the
// message they should be. The text says which field at which offset.
var ErrMalformed = errors.New("malformed OTLP")

// DecodeLogs reads an ExportLogsServiceRequest. The batch keeps raw and its
// strings point into it. Records of equal resource and scope share a Stream.
func DecodeLogs(raw []byte) (*telemetry.LogBatch, error) { return nil, ErrMalformed }

// DecodeSpans reads an ExportTraceServiceRequest; see DecodeLogs.
func DecodeSpans(raw []byte) (*telemetry.SpanBatch, error) { return nil, ErrMalformed }
