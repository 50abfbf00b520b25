package correlation

import (
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// maxSpellings bounds what a question is tried as.
const maxSpellings = 6

// Spellings returns the normal forms under which what a question means by id
// may stand, the likeliest first: the ID as it is; a trace or span ID whose
// leading zeroes were left out; the hex of what Datadog writes in decimal and
// protobuf's JSON in base64; the IDs of a header that carries a trace's context.
// They are tried one after the other: they are readings of the question, of
// which one is right.
func Spellings(id string) []string {
	out := []string{Normalize(id)}
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) && len(out) < maxSpellings {
			out = append(out, s)
		}
	}
	if hexID, ok := DecimalID(out[0]); ok {
		out = []string{hexID, out[0]} // records that carry the number carry this, too
	}
	if t, s, ok := ParseContext(id); ok {
		if trace := t.String(); len(out) == 1 && !isPlainID(out[0]) {
			out = []string{trace, out[0]}
		}
		add(t.String())
		add(s.String())
	}
	if t, ok := telemetry.ParseTraceID(out[0]); ok {
		if s, ok := telemetry.ParseSpanID(out[0]); ok {
			add(s.String())
		}
		add(t.String())
	}
	if n, ok := randomNumber(out[0]); ok {
		add(hex64(n)) // of 16 digits, which may be hex as well
	}
	if s, ok := spanOf(trim(id)); ok {
		add(s.String())
	}
	if len(out[0]) > 2*len(telemetry.TraceID{}) {
		Tokens(id, func(t string) bool {
			add(Normalize(t))
			return true
		})
	}
	return out
}

// isPlainID reports whether an ID in its normal form is hex alone.
func isPlainID(id string) bool { return len(id) >= spanDigits && len(id) <= traceDigits && allHex(id) }

// Cases returns the normal form of a prefixed ID as those write it who change
// its case: REQ-8F3A2B for req-8f3a2b. What follows the prefix must be hex or
// digits, which mean the same in either case. The result holds id itself first.
func Cases(id string) []string {
	out := []string{id}
	if len(id) > maxToken || !isPrefixed(id) {
		return out
	}
	n := count(id[segmentEnd(id, 0):])
	if n.hex < n.digits+n.letters() {
		return out
	}
	for _, other := range []string{strings.ToLower(id), strings.ToUpper(id)} {
		if !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	return out
}
