package column

import (
	"strconv"
	"strings"
)

// verdict is what a template tells about whether its texts hold a literal.
type verdict uint8

const (
	never verdict = iota
	maybe
	always
)

func appendDecimal(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// judge tells whether the texts of t hold lit.
func (t *template) judge(lit string) verdict {
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
	for i := range t.vars {
		// It begins in a variable or, behind that, in a piece that ends in one.
		if t.vars[i].mayHold(lit) || t.startsIn(i, lit) {
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
	x := &t.vars[i]
	for n := 0; ; n++ {
		// n bytes of rest are the variable's.
		if n == len(rest) {
			return ends
		}
		if next := t.pieces[i+1]; len(next) >= len(rest)-n {
			if strings.HasPrefix(next, rest[n:]) {
				return true
			}
		} else if strings.HasPrefix(rest[n:], next) && i+1 < len(t.vars) && t.continues(i+1, rest[n+len(next):], true) {
			return true
		}
		if !x.takes(rest[n]) {
			return false
		}
	}
}

// takes reports whether a value may have the byte.
func (x *variable) takes(c byte) bool {
	class := chars[c]
	switch x.kind {
	case varInts, varPadded:
		return class&charDigit != 0
	case varHex32, varHex16:
		return class&charHex != 0
	case varUUID:
		return class&charHex != 0 || c == '-'
	case varStrings:
		return class&charAlnum != 0 || c == '-'
	}
	return false
}

// mayHold reports whether lit may stand in a value of the variable.
func (x *variable) mayHold(lit string) bool {
	if x.kind == varStrings {
		return x.strs.holds(lit)
	}
	if len(lit) > uuidLen {
		return false
	}
	for i := range len(lit) {
		if !x.takes(lit[i]) {
			return false
		}
	}
	return true
}
