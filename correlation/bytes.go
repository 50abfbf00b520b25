package correlation

import (
	"encoding/hex"

	"github.com/clewhq/clew/telemetry"
)

// rawBytes tells an ID that was sent as bytes: a trace's or a span's, a UUID's,
// or its text.
func (w *walker) rawBytes(kind Kind, v telemetry.Value) {
	b := v.Str()
	text, isText := v.AsText()
	switch {
	case kind == TraceID && len(b) == len(telemetry.TraceID{}):
		w.trace(telemetry.TraceID([]byte(b)))
	case kind == SpanID && len(b) == len(telemetry.SpanID{}):
		w.spanID(telemetry.SpanID([]byte(b)))
	case isText:
		w.named(kind, telemetry.String(text))
	case len(b) == uuidBytes:
		w.emit(hex.EncodeToString([]byte(b)), kind)
	}
}

// uuidBytes is the length of a UUID.
const uuidBytes = traceDigits / 2
