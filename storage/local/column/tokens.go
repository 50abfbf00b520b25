package column

import "encoding/binary"

// A text is taken apart into constant pieces and variables: the runs of ASCII
// letters and digits that have a digit, and UUIDs. Of a number with a unit,
// "12ms" or "5Z", the unit is no part of the variable. So a variable never
// stands next to another one.

const (
	charAlnum = 1 << iota
	charDigit
	charHex  // 0-9 and a-f
	charULID // 0-9 and A-Z but I, L, O and U
)

var chars = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = charAlnum | charDigit | charHex | charULID
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = charAlnum, charAlnum
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= charHex
	}
	for _, c := range ulidDigits {
		t[c] |= charULID
	}
	return t
}()

const uuidLen = 36

// nextVariable returns where the first variable of s at or behind i stands;
// start is len(s) where there is none.
func nextVariable(s string, i int) (start, end int) {
	for i < len(s) {
		if chars[s[i]]&charAlnum == 0 {
			i++
			continue
		}
		start, seen := i, uint8(0)
		for i < len(s) && chars[s[i]]&charAlnum != 0 {
			seen |= chars[s[i]]
			i++
		}
		if i-start == 8 && isUUID(s[start:]) {
			return start, start + uuidLen
		}
		if seen&charDigit != 0 {
			return start, start + withoutUnit(s[start:i])
		}
	}
	return len(s), len(s)
}

// withoutUnit returns how much of a run with a digit is before its unit: all of
// it where it is no number with a unit behind. Letters that may be hex digits
// are none.
func withoutUnit(run string) int {
	n := len(run)
	for n > 0 && len(run)-n <= maxUnit && chars[run[n-1]]&charDigit == 0 {
		n--
	}
	unit := run[n:]
	if len(unit) > maxUnit || len(unit) == 0 || !allDigits(run[:n]) {
		return len(run)
	}
	for i := range len(unit) {
		if chars[unit[i]|0x20]&charHex != 0 {
			return len(run)
		}
	}
	return n
}

// maxUnit is how long a unit may be.
const maxUnit = 2

func allDigits(s string) bool {
	for i := range len(s) {
		if chars[s[i]]&charDigit == 0 {
			return false
		}
	}
	return true
}

// isUUID reports whether s begins with a UUID in lower case that ends there.
func isUUID(s string) bool {
	if len(s) < uuidLen || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:uuidLen]) &&
		(len(s) == uuidLen || chars[s[uuidLen]]&charAlnum == 0)
}

func isHex(s string) bool {
	for i := range len(s) {
		if chars[s[i]]&charHex == 0 {
			return false
		}
	}
	return true
}

// How the values of a variable are written.
const (
	varStrings = iota
	varInts    // numbers without leading zeroes
	varPadded  // numbers of the same number of digits
	varUUID    // in lower case
	varHex32   // in lower case
	varHex16
	varULID     // in upper case
	varFraction // numbers without zeroes at their ends, with which they have the same number of digits
	varKinds
)

// maxDigits is how long a number may be that fits an integer.
const maxDigits = 18

// kindsOf returns the ways, as bits, in which a value may be written.
func kindsOf(s string) (kinds uint8) {
	switch len(s) {
	case uuidLen:
		if isUUID(s) {
			return 1 << varUUID
		}
		return 0
	case 32:
		if isHex(s) {
			return 1 << varHex32
		}
		return 0
	case ulidLen:
		if isULID(s) {
			return 1 << varULID
		}
		return 0
	case 16:
		if isHex(s) {
			kinds = 1 << varHex16
		}
	}
	if len(s) > maxDigits {
		return kinds
	}
	if !allDigits(s) {
		return kinds
	}
	if s[len(s)-1] != '0' {
		kinds |= 1 << varFraction
	}
	kinds |= 1 << varPadded
	if s[0] != '0' || len(s) == 1 {
		kinds |= 1 << varInts
	}
	return kinds
}

// number returns the value of decimal digits.
func number(s string) (v int64) {
	for i := range len(s) {
		v = v*10 + int64(s[i]-'0')
	}
	return v
}

// appendPadded appends v with leading zeroes up to width digits.
func appendPadded(dst []byte, v int64, width int) []byte {
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start && v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// appendFraction appends v with leading zeroes up to width digits, and without
// zeroes at its end.
func appendFraction(dst []byte, v int64, width int) []byte {
	start := len(dst)
	dst = appendPadded(dst, v, width)
	for len(dst) > start && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// packHex puts the hex digits of s, whatever dashes are among them, into dst.
func packHex(dst []byte, s string) {
	half := false
	n := 0
	for i := range len(s) {
		switch {
		case s[i] == '-':
		case half:
			dst[n] |= nibble(s[i])
			n++
			half = false
		default:
			dst[n] = nibble(s[i]) << 4
			half = true
		}
	}
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

func appendUUID(dst []byte, b *[16]byte) []byte {
	from := 0
	for _, to := range [...]int{4, 6, 8, 10, 16} {
		if from > 0 {
			dst = append(dst, '-')
		}
		dst = appendHex(dst, b[from:to])
		from = to
	}
	return dst
}

const (
	ulidLen    = 26
	ulidDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// isULID reports whether s, of this length, is 128 bits in the digits of ULIDs.
func isULID(s string) bool {
	for i := range len(s) {
		if chars[s[i]]&charULID == 0 {
			return false
		}
	}
	return s[0] <= '7'
}

var ulidValues = func() (t [256]byte) {
	for i, c := range ulidDigits {
		t[c] = byte(i)
	}
	return t
}()

// packULID puts the 128 bits of a ULID into dst: 26 digits of 5 bits, of which
// the first has 3.
func packULID(dst []byte, s string) {
	var high, low uint64
	for i := range len(s) {
		high = high<<5 | low>>59
		low = low<<5 | uint64(ulidValues[s[i]])
	}
	binary.BigEndian.PutUint64(dst, high)
	binary.BigEndian.PutUint64(dst[8:], low)
}

func appendULID(dst []byte, b *[wideLen]byte) []byte {
	high, low := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	start := len(dst)
	dst = append(dst, make([]byte, ulidLen)...)
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = ulidDigits[low&31]
		low = low>>5 | high<<59
		high >>= 5
	}
	return dst
}
