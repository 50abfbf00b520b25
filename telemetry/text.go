package telemetry

import (
	"strings"
	"unicode/utf8"
)

// AsText returns the text in v where it holds one: a string, or bytes that are
// UTF-8, as some shippers declare the lines that they send.
func (v Value) AsText() (text string, ok bool) {
	switch v.kind {
	case KindString:
		return v.str, true
	case KindBytes:
		return v.str, utf8.ValidString(v.str) && strings.IndexByte(v.str, 0) < 0
	}
	return "", false
}
