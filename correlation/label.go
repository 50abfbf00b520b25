package correlation

// LabelID returns the ID that a label of a metric's exemplar names, in its
// normal form, and whether it is a trace's; ok is false where labels of this
// name carry none.
func LabelID(name, value string) (id string, isTrace, ok bool) {
	kind, ok := KindOf(name)
	if !ok {
		return "", false, false
	}
	if kind == TraceID {
		if len(value) == traceDigits && isPlainHex(value) && allHex(value) {
			return value, true, true
		}
		if t, _, ok := ParseContext(value); ok {
			return t.String(), true, true
		}
	}
	return Normalize(value), false, true
}
