package correlation

import (
	"encoding/binary"
	"strings"
)

// Lengths of the hex IDs that have a layout of their own.
const (
	traceDigits = 32
	spanDigits  = 16
	uuidLen     = 36
	xrayLen     = 35
)

// minPointerDigits is how many digits a 0x number needs to be an ID in another
// spelling rather than a small constant.
const minPointerDigits = 8

// Normalize returns the form in which two spellings of the same ID are equal:
// surrounding space and quotes cut; UUIDs (also in braces or as urn:uuid:),
// X-Ray trace IDs and hex of 16 digits and more in lower case without dashes
// or 0x; ULIDs in upper case; everything else as it is.
func Normalize(id string) string {
	body, as := form(id)
	if as == formHex && !isPlainHex(body) {
		return string(appendHex(make([]byte, 0, len(body)), body))
	}
	if as == formULID {
		return strings.ToUpper(body)
	}
	return body
}

// appendNormal appends the normal form of id to dst, without allocating.
func appendNormal(dst []byte, id string) []byte {
	body, as := form(id)
	switch as {
	case formHex:
		return appendHex(dst, body)
	case formULID:
		for i := range len(body) {
			c := body[i]
			if class[c]&clLower != 0 {
				c &^= 0x20
			}
			dst = append(dst, c)
		}
		return dst
	}
	return append(dst, body...)
}

// How what is left of an ID becomes its normal form.
const (
	formUnknown = iota - 1
	formAsIs
	formHex  // hex digits and dashes that want lower case and no dashes
	formULID // letters and digits that want upper case
)

// form cuts what surrounds an ID and tells what the rest is.
func form(id string) (body string, as int) {
	id = trim(id)
	if len(id) < minPointerDigits {
		return id, formAsIs
	}
	inner := unwrapUUID(id)
	switch {
	case isHexWithDashes(inner, traceDigits):
		return inner, formHex
	case isXRay(inner):
		return inner[2:], formHex
	case isPointer(inner):
		return inner[2:], formHex
	case len(id) >= spanDigits && allHex(id):
		return id, formHex
	case isULID(id):
		return id, formULID
	}
	return id, formAsIs
}

// trim cuts space and quotes. Most IDs have neither.
func trim(id string) string {
	for len(id) > 0 && isQuoteOrSpace(id[0]) {
		id = id[1:]
	}
	for len(id) > 0 && isQuoteOrSpace(id[len(id)-1]) {
		id = id[:len(id)-1]
	}
	return id
}

func isQuoteOrSpace(c byte) bool {
	return c == ' ' || c == '"' || c == '\'' || c == '`' || (c >= '\t' && c <= '\r')
}

// unwrapUUID takes {} and urn:uuid: away.
func unwrapUUID(id string) string {
	const urn = "urn:uuid:"
	if len(id) > len(urn) && strings.EqualFold(id[:len(urn)], urn) {
		id = id[len(urn):]
	}
	if len(id) > 2 && id[0] == '{' && id[len(id)-1] == '}' {
		id = id[1 : len(id)-1]
	}
	return id
}

// isHexWithDashes reports whether s is exactly n hex digits and any dashes
// between them.
func isHexWithDashes(s string, n int) bool {
	if len(s) < n || len(s) > n+n/2 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	digits := 0
	for i := range len(s) {
		if class[s[i]]&clHex != 0 {
			digits++
		} else if s[i] != '-' {
			return false
		}
	}
	return digits == n
}

// isXRay reports whether s is an X-Ray trace ID: 1-8 hex digits-24 hex digits.
func isXRay(s string) bool {
	return len(s) == xrayLen && s[0] == '1' && s[1] == '-' && s[10] == '-' && allHex(s[2:10]) && allHex(s[11:])
}

// isPointer reports whether s is a 0x number of some length.
func isPointer(s string) bool {
	return len(s) >= minPointerDigits+2 && s[0] == '0' && s[1]|0x20 == 'x' && allHex(s[2:])
}

func allHex(s string) bool {
	for i := range len(s) {
		if class[s[i]]&clHex == 0 {
			return false
		}
	}
	return true
}

// isPlainHex reports whether the hex digits s are in their normal form.
func isPlainHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '-' || (c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// appendHex appends hex digits in lower case, without the dashes between them.
func appendHex(dst []byte, s string) []byte {
	from := len(dst)
	for {
		dash := strings.IndexByte(s, '-')
		if dash < 0 {
			break
		}
		dst = append(dst, s[:dash]...)
		s = s[dash+1:]
	}
	dst = append(dst, s...)
	lower(dst[from:])
	return dst
}

// lower turns hex digits into lower case, eight at a time: the bit that makes
// a capital small is set in digits anyhow.
func lower(hex []byte) {
	const bits = 0x2020202020202020
	for len(hex) >= 8 {
		binary.LittleEndian.PutUint64(hex, binary.LittleEndian.Uint64(hex)|bits)
		hex = hex[8:]
	}
	for i := range hex {
		hex[i] |= 0x20
	}
}
