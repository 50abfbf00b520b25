package column

import (
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// verdict is what a template tells about whether its texts hold a literal.
type verdict uint8

const (
	unjudged verdict = iota
	never
	maybe
	always
)

func appendDecimal(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// judge tells whether the texts of t hold lit.
func (v *templates) judge(t *template, lit string) verdict {
	if t.whole {
		if t.vars[0].strs.holds(lit) {
			return maybe
		}
		return never
	}
	for _, p := range t.pieces {
		if strings.Contains(p, lit) {
			return always
		}
	}
	// A variable that may hold all of it is told faster than one that holds an end.
	for i, kind := range t.kinds {
		if takesAll(kind, lit) && (kind != varStrings || v.variables(t)[i].strs.holds(lit)) {
			return maybe
		}
	}
	for i := range t.kinds {
		if t.startsIn(i, lit) {
			return maybe
		}
	}
	return never
}

// startsIn reports whether lit may begin in the piece before variable i and
// go on into that variable, or begin in variable i and go on into what follows.
func (t *template) startsIn(i int, lit string) bool {
	p := t.pieces[i]
	for from := max(0, len(p)-len(lit)); from < len(p); from++ {
		if strings.HasPrefix(lit, p[from:]) && t.continues(i, lit[len(p)-from:], true) {
			return true
		}
	}
	return t.continues(i, lit, false)
}

// continues reports whether a text from somewhere in variable i on may go on
// with rest; whether it may also end in that variable, says ends.
func (t *template) continues(i int, rest string, ends bool) bool {
	for n := 0; ; n++ {
		// n bytes of rest are the variable's.
		if n == len(rest) {
			return ends
		}
		if next := t.pieces[i+1]; len(next) >= len(rest)-n {
			if strings.HasPrefix(next, rest[n:]) {
				return true
			}
		} else if strings.HasPrefix(rest[n:], next) && i+1 < len(t.kinds) && t.continues(i+1, rest[n+len(next):], true) {
			return true
		}
		if !takes(t.kinds[i], rest[n]) {
			return false
		}
	}
}

// takes reports whether a value of the kind may have the byte.
func takes(kind, c byte) bool {
	class := chars[c]
	switch kind {
	case varInts, varPadded, varFraction:
		return class&charDigit != 0
	case varHex32, varHex16:
		return class&charHex != 0
	case varUUID:
		return class&charHex != 0 || c == '-'
	case varULID:
		return class&charULID != 0
	case varStrings:
		return class&charAlnum != 0 || c == '-'
	}
	return strings.IndexByte(timeChars, c) >= 0
}

// timeChars are those of times.
const timeChars = "0123456789-:.,TZ "

// takesAll reports whether lit may stand in a value of the kind.
func takesAll(kind byte, lit string) bool {
	for i := range len(lit) {
		if !takes(kind, lit[i]) {
			return false
		}
	}
	return true
}

// StandsWhole reports whether a literal, where it stands in strings of a
// column, stands in the column's bytes as it is: letters are not parted, and
// where they have one that no hex ID has, and one that no ULID has, they are in
// no ID.
func StandsWhole(lit string) bool {
	all := uint8(charHex | charULID)
	for i := range len(lit) {
		class := chars[lit[i]]
		if class&charAlnum == 0 || class&charDigit != 0 {
			return false
		}
		all &= class
	}
	return all == 0
}

// AreTexts reports whether a column of values, of which b is all, is of
// strings alone.
func AreTexts(b []byte) bool {
	return len(b) > 1 && b[0] == intsConst && b[1] == byte(zigzag(int64(telemetry.KindString)))
}
