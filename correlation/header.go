package correlation

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// ParseContext reads the value of a header or a key that carries a trace's
// context, in the form of W3C, B3, Jaeger, X-Ray, Google, Sentry or Datadog:
//
//	00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01       traceparent
//	4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1           b3, sentry-trace
//	4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1         uber-trace-id
//	Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f...   X-Amzn-Trace-Id
//	105445aa7843bc8bf206b12000100000/1;o=1                        X-Cloud-Trace-Context
//	projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736         Google Cloud's logs
//	1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8          X-Ray's logs
//	0x4bf92f3577b34da6a3ce929d0e0e4736                            OpenTelemetry's Python and console
//	11803532876627986230                                          Datadog, in decimal, of 64 bits or 128
//	S/kvNXezTaajzpKdDg5HNg==                                      protobuf's JSON, in base64
//	4bf92f3577b34da6a3ce929d0e0e4736, a3ce929d0e0e4736            the ID alone
//
// The span is zero where v does not name one. A trace ID of 64 bits stands in
// the lower half, as OpenTelemetry has it.
func ParseContext(v string) (trace telemetry.TraceID, span telemetry.SpanID, ok bool) {
	v = trim(v)
	switch {
	case len(v) < minDecimalID:
	case len(v) == traceDigits && allHex(v):
		trace, ok = telemetry.ParseTraceID(v)
	case isBase64(v, len(trace)):
		trace, ok = traceOf(v)
	case strings.Contains(v, "Root="):
		return xrayContext(v)
	case len(v) > xrayLen && v[xrayLen] == '@' && isXRay(v[:xrayLen]):
		return pairOf(v[2:10]+v[11:xrayLen], v[xrayLen+1:])
	case isXRay(v):
		trace, ok = traceOf(v[2:10] + v[11:])
	case isTraceparentLike(v):
		return pairOf(v[3:35], v[36:52])
	case strings.ContainsAny(v, ":%"):
		return jaegerContext(v)
	case strings.IndexByte(v, '/') >= 0:
		return googleContext(v)
	case len(v) > traceDigits && v[traceDigits] == '-':
		return pairOf(v[:traceDigits], upTo(v[traceDigits+1:], '-'))
	case len(v) > spanDigits && v[spanDigits] == '-':
		return pairOf(v[:spanDigits], upTo(v[spanDigits+1:], '-'))
	default:
		trace, ok = traceOf(v)
	}
	return trace, span, ok
}

// minDecimalID is the length from which on a number may be an ID of 64 bits:
// of those drawn at random, one in ten thousand is shorter.
const minDecimalID = 15

// isTraceparentLike is isTraceparent that takes what later versions append.
func isTraceparentLike(v string) bool {
	return len(v) == tracePLen && isTraceparent(v) || len(v) > tracePLen && v[tracePLen] == '-' && isTraceparent(v[:tracePLen])
}

func upTo(s string, sep byte) string {
	if i := strings.IndexByte(s, sep); i >= 0 {
		return s[:i]
	}
	return s
}

// traceOf reads a trace ID alone: hex of either length, a few leading zeroes
// left out at most, or Datadog's decimal.
func traceOf(v string) (telemetry.TraceID, bool) {
	var t telemetry.TraceID
	if isPointer(v) && len(v) == len("0x")+traceDigits {
		v = v[len("0x"):]
	}
	switch n := len(v); {
	case n == traceDigits, n == spanDigits, n == traceDigits-1 || n == traceDigits-2, n == spanDigits-1 && !allDigits(v):
		if !allHex(v) {
			return t, false
		}
		t, ok := telemetry.ParseTraceID(v)
		return t, ok && !t.IsZero()
	}
	if isBase64(v, len(t)) {
		raw := fromBase64(v, len(t))
		if raw != nil {
			t = telemetry.TraceID(raw)
		}
		return t, !t.IsZero()
	}
	return decimalTrace(v)
}

// spanOf reads a span ID alone: see traceOf.
func spanOf(v string) (telemetry.SpanID, bool) {
	var s telemetry.SpanID
	if isPointer(v) && len(v) == len("0x")+spanDigits {
		v = v[len("0x"):]
	}
	if len(v) == spanDigits || len(v) == spanDigits-1 && !allDigits(v) {
		if !allHex(v) {
			return s, false
		}
		s, ok := telemetry.ParseSpanID(v)
		return s, ok && !s.IsZero()
	}
	if isBase64(v, len(s)) {
		if raw := fromBase64(v, len(s)); raw != nil {
			s = telemetry.SpanID(raw)
		}
		return s, !s.IsZero()
	}
	if n, ok := decimalID(v); ok {
		binary.BigEndian.PutUint64(s[:], n)
		return s, true
	}
	return s, false
}

// isBase64 reports whether v may be size bytes in base64, which for IDs always
// ends in =: without it, it would be any word.
func isBase64(v string, size int) bool {
	return len(v) == base64.StdEncoding.EncodedLen(size) && v[len(v)-1] == '='
}

// fromBase64 returns what v says, nil where that is not size bytes.
func fromBase64(v string, size int) []byte {
	raw, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(raw) != size {
		return nil
	}
	return raw
}

// How long numbers of 128 bits are that begin with a time or are drawn at
// random, as those of traces.
const (
	minDecimalTrace = 33
	maxDecimalTrace = 39
)

// decimalTrace reads a trace ID in decimal, of 64 bits or of 128.
func decimalTrace(v string) (t telemetry.TraceID, ok bool) {
	if n, ok := decimalID(v); ok {
		binary.BigEndian.PutUint64(t[8:], n)
		return t, true
	}
	if len(v) < minDecimalTrace || len(v) > maxDecimalTrace || !allDigits(v) {
		return t, false
	}
	var high, low uint64
	for i := range len(v) {
		over, product := bits.Mul64(low, 10)
		sum, carry := bits.Add64(product, uint64(v[i]-'0'), 0)
		tooHigh, shifted := bits.Mul64(high, 10)
		next, wrapped := bits.Add64(shifted, over, carry)
		if tooHigh != 0 || wrapped != 0 {
			return t, false
		}
		high, low = next, sum
	}
	binary.BigEndian.PutUint64(t[:8], high)
	binary.BigEndian.PutUint64(t[8:], low)
	return t, !t.IsZero()
}

// decimalID reads a number of 64 bits drawn at random. One of 16 digits is
// taken for hex.
func decimalID(v string) (uint64, bool) {
	if len(v) == spanDigits {
		return 0, false
	}
	return randomNumber(v)
}

// randomNumber reads a number of 64 bits that looks drawn at random.
func randomNumber(v string) (uint64, bool) {
	if len(v) < minDecimalID || !allDigits(v) {
		return 0, false
	}
	n, err := strconv.ParseUint(v, 10, 64)
	return n, err == nil && n != 0
}

// DecimalID returns in hex what Datadog writes in decimal: a number of 64 bits
// that looks drawn at random.
func DecimalID(v string) (hexID string, ok bool) {
	n, ok := decimalID(v)
	if !ok {
		return "", false
	}
	return hex64(n), true
}

// hex64 is a number in 16 hex digits.
func hex64(n uint64) string {
	s := strconv.FormatUint(n, 16)
	return strings.Repeat("0", spanDigits-len(s)) + s
}

func allDigits(s string) bool {
	for i := range len(s) {
		if class[s[i]]&clDigit == 0 {
			return false
		}
	}
	return true
}

// pairOf reads a trace and the span beside it; a span that is none is left out.
func pairOf(trace, span string) (t telemetry.TraceID, s telemetry.SpanID, ok bool) {
	if t, ok = traceOf(trace); !ok {
		return t, s, false
	}
	s, _ = spanOf(span)
	return t, s, true
}

// xrayContext reads X-Ray's header: pairs of which Root is the trace.
func xrayContext(v string) (t telemetry.TraceID, s telemetry.SpanID, ok bool) {
	for part := range strings.SplitSeq(v, ";") {
		key, id, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case key == "Root" && isXRay(id):
			t, ok = traceOf(id[2:10] + id[11:])
		case key == "Parent":
			s, _ = spanOf(id)
		}
	}
	return t, s, ok
}

// jaegerContext reads trace:span:parent:flags, leading zeroes left out, colons
// escaped where it stood in a URL's place.
func jaegerContext(v string) (t telemetry.TraceID, s telemetry.SpanID, ok bool) {
	if strings.IndexByte(v, '%') >= 0 {
		v = strings.NewReplacer("%3A", ":", "%3a", ":").Replace(v)
	}
	parts := strings.Split(v, ":")
	if len(parts) != 4 || len(parts[0]) < spanDigits/2 || len(parts[0]) > traceDigits || !allHex(parts[0]) {
		return t, s, false
	}
	if t, ok = telemetry.ParseTraceID(parts[0]); !ok || t.IsZero() {
		return t, s, false
	}
	if allHex(parts[1]) {
		s, _ = telemetry.ParseSpanID(parts[1])
	}
	return t, s, true
}

// googleContext reads Google's header, whose span is decimal, and the name
// under which its logs know a trace.
func googleContext(v string) (t telemetry.TraceID, s telemetry.SpanID, ok bool) {
	if strings.HasPrefix(v, "projects/") {
		_, id, _ := strings.Cut(v, "/traces/")
		t, ok = traceOf(id)
		return t, s, ok
	}
	id, rest, _ := strings.Cut(v, "/")
	if len(id) != traceDigits {
		return t, s, false
	}
	if n, err := strconv.ParseUint(upTo(rest, ';'), 10, 64); err == nil {
		binary.BigEndian.PutUint64(s[:], n)
	}
	t, ok = traceOf(id)
	return t, s, ok
}
