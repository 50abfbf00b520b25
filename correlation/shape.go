package correlation

// The longest tokens that are taken for IDs. What is longer is data: base64,
// JSON Web Tokens, digests of several hashes.
const (
	maxToken      = 128
	maxMixed      = 64
	minMixed      = 16
	minShortMixed = 12
	minPointer    = 15 // digits of a 0x number; a pointer has 12 and fewer
	ulidLen       = 26
	tracePLen     = 55
	maxPrefix     = 16
	minPrefix     = 2
	maxSegments   = 12
)

// counts is what the shapes are decided by.
type counts struct {
	digits, lower, upper, hex, dashes int
	classTurns                        int // between digit, lower and upper
	digitTurns                        int // between digit and letter
}

func count(s string) (n counts) {
	for len(s) > maxTallied {
		m := count(s[:maxTallied])
		n.digits, n.lower, n.upper, n.hex, n.dashes = n.digits+m.digits, n.lower+m.lower, n.upper+m.upper, n.hex+m.hex, n.dashes+m.dashes
		n.classTurns, n.digitTurns = n.classTurns+m.classTurns, n.digitTurns+m.digitTurns
		s = s[maxTallied:] // the turn between the two is lost: so long a run is no ID
	}
	var sums, turns uint64
	last := uint8(sortDash)
	for i := range len(s) {
		c := s[i]
		sums += tallies[c]
		sort := sorts[c]
		turns += turnTallies[last|sort]
		last = sort << 2 & 0xf
	}
	const mask = maxTallied
	n.digits, n.lower, n.upper = int(sums&mask), int(sums>>12&mask), int(sums>>24&mask)
	n.hex, n.dashes = int(sums>>36&mask), int(sums>>48)
	n.classTurns, n.digitTurns = int(turns&mask), int(turns>>12)
	return n
}

// maxTallied is the longest run whose counts fit twelve bits each.
const maxTallied = 1<<12 - 1

// The sorts of bytes between which turns are counted.
const (
	sortDash = iota
	sortDigit
	sortLower
	sortUpper
)

// tallies say what a byte adds to the counts, in twelve bits each, sorts of
// which sort it is, and turnTallies what one behind another adds to the turns.
var (
	tallies     [256]uint64
	sorts       [256]uint8
	turnTallies [16]uint64
)

func init() {
	for c := range 256 {
		cl := class[c]
		switch {
		case cl&clDigit != 0:
			tallies[c], sorts[c] = 1, sortDigit
		case cl&clLower != 0:
			tallies[c], sorts[c] = 1<<12, sortLower
		case cl&clUpper != 0:
			tallies[c], sorts[c] = 1<<24, sortUpper
		default:
			tallies[c] = 1 << 48
		}
		if cl&clHex != 0 {
			tallies[c] += 1 << 36
		}
	}
	for last := sortDigit; last <= sortUpper; last++ {
		for next := sortDigit; next <= sortUpper; next++ {
			if last == next {
				continue
			}
			turnTallies[last<<2|next] = 1
			if last == sortDigit || next == sortDigit {
				turnTallies[last<<2|next] += 1 << 12
			}
		}
	}
}

// form tells the form of a token with these counts.
func (n counts) form(token string) int {
	if n.hex+n.dashes == len(token) && len(token) >= spanDigits {
		return formHex // hex of 16 digits and more, or a UUID
	}
	return formUnknown
}

// isUUID is isUUID of a run with these counts.
func (n counts) isUUID(s string) bool {
	return len(s) == uuidLen && n.hex == traceDigits && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}

func (n counts) letters() int { return n.lower + n.upper }

// classify tells f the IDs in a run of letters, digits, dashes and
// underscores. It returns false where f wants no more.
func classify(run string, f finder) bool {
	for len(run) > 0 && class[run[0]]&clDash != 0 {
		run = run[1:]
	}
	for len(run) > 0 && class[run[len(run)-1]]&clDash != 0 {
		run = run[:len(run)-1]
	}
	if len(run) < minRun {
		return true
	}
	n := count(run)
	if n.digits == 0 {
		return true
	}
	if n.dashes == 0 {
		return !isSolid(run, n) && !isShortMixed(run, n) || f.token(run, n.form(run))
	}
	switch {
	case n.isUUID(run):
		return isZero(run) || f.token(run, formHex)
	case isXRay(run):
		return f.token(run, formHex)
	case isTraceparent(run):
		return f.token(run[3:35], formHex) && f.token(run[36:52], formHex)
	case n.letters() == 0 && len(run) < spanDigits:
		return true
	}
	return classifyParts(run, n, f)
}

// classifyParts tells f what stands between the dashes of run, and run itself
// where it is one ID.
func classifyParts(run string, n counts, f finder) bool {
	if isPrefixedUUID(run) {
		return f.token(run[len(run)-uuidLen:], formHex) && f.token(run, formAsIs)
	}
	found := 0
	for i := 0; i < len(run); {
		end := segmentEnd(run, i)
		if id, ok := within(run, i); ok && !f.token(id, formUnknown) {
			return false
		}
		part := run[i:end]
		if len(run)-i >= uuidLen && end-i == 8 && isUUIDAt(run, i) {
			end = i + uuidLen
			part = run[i:end]
		}
		if len(part) >= minMixed {
			m := count(part)
			if m.isUUID(part) || isSolid(part, m) {
				found++
				if !isZero(part) && !f.token(part, m.form(part)) {
					return false
				}
			}
		}
		i = end + 1
	}
	if len(run) > maxToken {
		return true
	}
	if isPrefixed(run) || found == 0 && isRandom(run, n) {
		return f.token(run, formUnknown)
	}
	return true
}

func segmentEnd(s string, i int) int {
	for i < len(s) && class[s[i]]&clDash == 0 {
		i++
	}
	return i
}

// isUUIDAt reports whether a UUID stands at i and ends with a segment.
func isUUIDAt(s string, i int) bool {
	end := i + uuidLen
	return end <= len(s) && (end == len(s) || class[s[end]]&clDash != 0) && isUUID(s[i:end])
}

func isUUID(s string) bool {
	return len(s) == uuidLen && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		allHex(s[:8]) && allHex(s[9:13]) && allHex(s[14:18]) && allHex(s[19:23]) && allHex(s[24:])
}

// isTraceparent knows the header of W3C Trace Context: version-trace-span-flags.
func isTraceparent(s string) bool {
	return len(s) == tracePLen && s[2] == '-' && s[35] == '-' && s[52] == '-' && allHex(s[:2]) &&
		allHex(s[3:35]) && allHex(s[36:52]) && allHex(s[53:]) && !isZero(s[3:35]) && !isZero(s[36:52])
}

// isZero reports whether s is zeroes and dashes alone: the ID that means none.
func isZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' && s[i] != '-' {
			return false
		}
	}
	return true
}

// isSolid reports whether s, which has no dashes, is an ID.
func isSolid(s string, n counts) bool {
	if len(s) < minMixed || len(s) > maxToken {
		return false
	}
	if n.hex == len(s) {
		return (n.digits > 0 && n.letters() > 0 || len(s) >= traceDigits) && !isZero(s)
	}
	if s[0] == '0' && s[1]|0x20 == 'x' && n.hex == len(s)-1 {
		return len(s) >= minPointer+2 && !isZero(s[2:min(len(s), 6)])
	}
	if n.digits == 0 || n.letters() == 0 || len(s) > maxMixed || isCompactTime(s) {
		return false
	}
	return isULID(s) || isMixed(s, n)
}

// isShortMixed knows random mixes a little too short for isMixed: their
// letters and digits must take turns.
func isShortMixed(s string, n counts) bool {
	return len(s) >= minShortMixed && len(s) < minMixed && n.digits >= 3 && n.letters() >= 3 && n.digitTurns >= 4 &&
		(s[0] != '0' || s[1]|0x20 != 'x')
}

// isMixed tells a random mix of letters and digits from a name that has some
// digits. Names have few of them, and in one place; in mixed case they change
// case rarely.
func isMixed(s string, n counts) bool {
	switch {
	case n.letters() <= 2 && n.digitTurns == 1:
		return false // a number and its unit
	case n.digits*3 >= len(s):
		return true
	case n.digits >= 4:
		return n.digitTurns >= 2
	case n.digits >= 2 && n.digitTurns >= 3:
		return true
	}
	if n.digits == 1 && n.upper*4 < len(s) {
		return false // Log4jLoggerAdapter: capitals where its words begin
	}
	return n.lower > 0 && n.upper > 0 && n.classTurns*5 >= 2*(len(s)-1)
}

func isULID(s string) bool {
	if len(s) != ulidLen || s[0] < '0' || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		if c := class[s[i]]; c&clNoULID != 0 || c&(clDigit|clLower|clUpper) == 0 {
			return false
		}
	}
	return true
}

// isCompactTime knows 20151018T180618Z and its like.
func isCompactTime(s string) bool {
	if len(s) > 24 || s[8]|0x20 != 't' {
		return false
	}
	for i := range len(s) {
		digit := class[s[i]]&clDigit != 0
		if i != 8 && !digit && (i != len(s)-1 || s[i]|0x20 != 'z') {
			return false
		}
	}
	return true
}

// isRandom reports whether s, which has dashes, is a NanoID or its like: all
// three classes, changing all the time.
func isRandom(s string, n counts) bool {
	return len(s) >= minMixed && len(s) <= maxMixed && n.digits >= 2 && n.lower >= 2 && n.upper >= 2 &&
		n.classTurns*5 >= 2*(len(s)-1)
}
