package segment

import (
	"strings"

	"github.com/clewhq/clew/correlation"
)

// A search for an ID as text, |= "6f1a6f2e-...", must find it wherever it
// stands in a body, also inside something longer. The ID index answers it all
// the same: it holds every run of letters and digits that is an ID by its
// shape, and every UUID whatever stands around it. Only a run longer than the
// one that is searched can hide it, and the block index says how long the
// longest ones of a block are.

// minIndexed is the length from which runs are in the index.
const minIndexed = 16

// tokenBounds are the lengths of the longest runs of at least minIndexed
// letters and digits with a digit: those of hex digits alone, and others.
type tokenBounds struct{ hex, mixed int }

// Character classes, as bits.
const (
	isAlnum = 1 << iota
	isDigit
	isHexDigit
)

var charClass = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = isAlnum | isDigit | isHexDigit
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = isAlnum, isAlnum
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= isHexDigit
		t[c-'a'+'A'] |= isHexDigit
	}
	return t
}()

// tokenRun is a run of letters and digits.
type tokenRun struct {
	from, to int
	hex      bool // of hex digits alone
}

// runs calls visit for every run of minIndexed and more letters and digits
// with a digit, then uuid for every UUID.
func runs(text string, visit func(tokenRun), uuid func(from int)) {
	// Such a run has no gap among any minIndexed bytes from its start on: of
	// what stands between gaps, only the last bytes are looked at.
	for from := 0; from+minIndexed <= len(text); {
		gap := from + minIndexed - 1
		for gap >= from && charClass[text[gap]]&isAlnum != 0 {
			gap--
		}
		if gap < from {
			gap = visitRun(text, from, visit)
		}
		from = gap + 1
	}
	for i := uuidDash; i < len(text); i++ {
		next := strings.IndexByte(text[i:], '-')
		if next < 0 {
			return
		}
		i += next
		if isUUIDAt(text, i-uuidDash) {
			uuid(i - uuidDash)
		}
	}
}

// visitRun calls visit for the run at from, where it has a digit, and returns
// where it ends.
func visitRun(text string, from int, visit func(tokenRun)) (to int) {
	any, all := uint8(0), uint8(0xff)
	for to = from; to < len(text) && charClass[text[to]]&isAlnum != 0; to++ {
		any |= charClass[text[to]]
		all &= charClass[text[to]]
	}
	if any&isDigit != 0 {
		visit(tokenRun{from, to, all&isHexDigit != 0})
	}
	return to
}

// uuidLen is how long a UUID is, uuidDash where in it the first dash stands.
const (
	uuidLen  = 36
	uuidDash = 8
)

// isUUIDAt reports whether a UUID stands at i, whatever is behind it.
func isUUIDAt(s string, i int) bool {
	if len(s)-i < uuidLen || s[i+13] != '-' || s[i+18] != '-' || s[i+23] != '-' {
		return false
	}
	for at, c := range []byte(s[i : i+uuidLen]) {
		if charClass[c]&isHexDigit == 0 && (c != '-' || at != 8 && at != 13 && at != 18 && at != 23) {
			return false
		}
	}
	return true
}

// isToken reports whether a run is an ID by its shape.
func isToken(run string) (ok bool) {
	correlation.Tokens(run, func(t string) bool {
		ok = t == run
		return !ok
	})
	return ok
}

// add takes a body's runs into account and appends the hashes of its IDs.
func (b *tokenBounds) add(dst []uint64, text string) []uint64 {
	runs(text, func(r tokenRun) {
		if r.hex {
			b.hex = max(b.hex, r.to-r.from)
		} else {
			b.mixed = max(b.mixed, r.to-r.from)
		}
		if run := text[r.from:r.to]; isToken(run) {
			dst = append(dst, correlation.Hash(correlation.Normalize(run)))
		}
	}, func(from int) {
		dst = append(dst, correlation.Hash(correlation.Normalize(text[from:from+uuidLen])))
	})
	return dst
}

// textToken is an ID in a literal.
type textToken struct {
	hash uint64
	// within are the bounds up to which a block's runs cannot hide it.
	within tokenBounds
}

const noBound = 1 << 30

// tokensOf returns the IDs that every text with the literal in it holds.
func tokensOf(lit string) (out []textToken) {
	runs(lit, func(r tokenRun) {
		run := lit[r.from:r.to]
		if !isToken(run) {
			return
		}
		t := textToken{correlation.Hash(correlation.Normalize(run)), tokenBounds{noBound, noBound}}
		if r.from == 0 || r.to == len(lit) {
			// In the text it may be a part of a longer run.
			t.within.mixed = len(run)
			if r.hex {
				t.within.hex = len(run)
			}
		}
		out = append(out, t)
	}, func(from int) {
		out = append(out, textToken{
			correlation.Hash(correlation.Normalize(lit[from : from+uuidLen])), tokenBounds{noBound, noBound}})
	})
	return out
}

// HasID reports whether a literal has an ID that the index leads to.
func HasID(lit string) bool { return len(tokensOf(lit)) > 0 }

// mayHide reports whether a text of a block with bounds b may hold the ID
// without it being in the index.
func (t *textToken) mayHide(b tokenBounds) bool {
	return b.hex > t.within.hex || b.mixed > t.within.mixed
}
