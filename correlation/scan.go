package correlation

// What a byte can be part of. A run of bytes with any of these bits is what
// the shapes are tested on; everything else separates runs.
const (
	clDigit uint8 = 1 << iota
	clHex         // 0-9, a-f, A-F
	clLower
	clUpper
	clDash   // - and _
	clAssign // = and :, which may stand between a key and its value, % of their escapes, > behind an element's name, [ before a key
	clNoULID // letters that a ULID does without
)

// clRun are the bits of the bytes that make up runs.
const clRun = clDigit | clLower | clUpper | clDash

var class = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = clDigit | clHex
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = clLower
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = clUpper
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= clHex
		t[c-'a'+'A'] |= clHex
	}
	t['-'], t['_'] = clDash, clDash
	for _, c := range "=:%>[" {
		t[c] = clAssign
	}
	for _, c := range "iloILOuU" {
		t[c] |= clNoULID
	}
	return t
}()

// minRun is the length of the shortest token that can be an ID by its shape:
// a two-letter prefix, a dash and a digit.
const minRun = 4

// A finder is told what stands in a text. Both methods return false to stop.
type finder interface {
	// token gets a token that is an ID by its shape, and its form where that is
	// known by now: one of those of package's form function, or formUnknown.
	token(t string, as int) bool
	// pair gets the value of a key of the vocabulary.
	pair(kind Kind, value string) bool
}

// scan tells f every ID of text in one pass. Without pairs it skips looking
// for keys.
func scan(text string, pairs bool, f finder) {
	l := lex.Load()
	for i := 0; i < len(text); {
		c := class[text[i]]
		if c&clRun == 0 {
			if c&clAssign != 0 && pairs && l.mayPair(text, i) && !scanPair(text, i, f) {
				return
			}
			i++
			continue
		}
		start, seen := i, uint8(0)
		for i < len(text) {
			c := class[text[i]]
			if c&clRun == 0 {
				break
			}
			seen |= c
			i++
		}
		if i-start == traceDigits && i < len(text) && text[i] == '.' {
			if end := segmentedEnd(text, start, i); end > i && !f.token(text[start:end], formAsIs) {
				return
			}
		}
		if mayBeID(seen, i-start) && !classify(text[unescape(text, start, i):i], f) {
			return
		}
	}
}

// mayPair rules out most of the places where no key of the vocabulary stands
// before a = or : by the two bytes there: those of times and addresses.
func (l *lexicon) mayPair(text string, at int) bool {
	switch {
	case text[at] == '[':
		return isQuotedPair(text, at+1)
	case at < 2:
		return false
	case text[at] == '>':
		return class[text[at-1]]&clRun != 0 && l.mayEnd(text[at-2:at])
	case text[at] == '%' || text[at-1] == '2' && text[at-2] == '2':
		return true // escapes in a URL: %22
	case class[text[at-1]]&clRun != 0:
		return l.mayEnd(text[at-2 : at])
	}
	return text[at-1] == ' ' || isQuote(text[at-1])
}

// segmentedEnd returns where an ID of SkyWalking ends whose first part is
// text[start:end], or end: hex of a process, a thread, a time and a number.
// Its first part alone is that of all traces of the process.
func segmentedEnd(text string, start, end int) int {
	if !allHex(text[start:end]) {
		return end
	}
	thread := digitsEnd(text, end+1)
	if thread == end+1 || thread >= len(text) || text[thread] != '.' {
		return end
	}
	if last := digitsEnd(text, thread+1); last-thread > minDecimalID && (last == len(text) || class[text[last]]&clRun == 0) {
		return last
	}
	return end
}

func digitsEnd(text string, i int) int {
	for i < len(text) && class[text[i]]&clDigit != 0 {
		i++
	}
	return i
}

// mayBeID rules out most runs by their length and the classes seen in them:
// every ID has a digit, none shorter than a trace ID is without a letter, and
// only a short one needs a dash.
func mayBeID(seen uint8, length int) bool {
	switch {
	case seen&clDigit == 0:
		return false
	case seen&(clLower|clUpper) == 0:
		return length >= traceDigits
	case seen&clDash == 0:
		return length >= minShortMixed
	}
	return length >= minRun
}

// unescape returns where the run text[start:end] begins once what belongs to
// an escape before it is cut: %2F of a URL, \n and \u0026 of a quoted text, the
// colour of a terminal.
func unescape(text string, start, end int) int {
	if start == 0 {
		return start
	}
	switch text[start-1] {
	case '%':
		if end-start > 2 && class[text[start]]&class[text[start+1]]&clHex != 0 {
			return start + 2
		}
	case '\\':
		switch text[start] {
		case 'n', 'r', 't', 'b', 'f':
			return start + 1
		case 'u':
			if end-start > 5 && allHex(text[start+1:start+5]) {
				return start + 5
			}
		}
	case '[', ';':
		return afterColour(text, start, end)
	}
	return start
}

// afterColour skips the "31m" of ESC[31m and ESC[1;31m.
func afterColour(text string, start, end int) int {
	esc := start - 1
	for esc > 0 && (text[esc] == ';' || class[text[esc]]&clDigit != 0) {
		esc--
	}
	if text[esc] != '[' || esc == 0 || text[esc-1] != 0x1b {
		return start
	}
	i := start
	for i < end && class[text[i]]&clDigit != 0 {
		i++
	}
	if i < end && text[i] == 'm' {
		return i + 1
	}
	return start
}

// tokenFunc is a finder of shapes alone.
type tokenFunc func(string) bool

func (f tokenFunc) token(t string, _ int) bool { return f(t) }
func (f tokenFunc) pair(_ Kind, _ string) bool { return true }

// Tokens calls yield for every ID-shaped token of text, as it is spelled
// there, until yield returns false. A token inside another one is told too:
// req-6f1a6f2e-... is an ID, and so is the UUID in it.
func Tokens(text string, yield func(token string) bool) {
	scan(text, false, tokenFunc(yield))
}
