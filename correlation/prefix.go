package correlation

import "strings"

// minDigits of idPrefixes: of a word that is also a service's name, whose
// replicas are order-0 and order-1, more must follow.
const (
	anyDigits  = 1
	someDigits = 4
)

// idPrefixes are words that, before a dash, say that an ID follows: what
// follows may then be shorter than an ID that nobody announces. The number is
// how many digits an ID of digits alone has at least.
var idPrefixes = prefixes(map[int]string{
	anyDigits: "acct blk cid corr cus cust evt guid inv invoice msg ord pmt purchase ref refund req request reservation rid saga sess " +
		"shp sid ticket tkt trans transaction trx tx txn uid usr uuid",
	someDigits: "account appointment basket batch bill bkg booking call cart case charge checkout claim client cmd command conn correlation " +
		"customer delivery doc event exec execution flow id item job lead message op order parcel pay payment policy process quote run " +
		"session shipment sku span sub subscription task token trace track tracking transfer user wf workflow",
})

func prefixes(words map[int]string) map[string]int {
	out := map[string]int{}
	for digits, list := range words {
		for word := range strings.FieldsSeq(list) {
			out[word] = digits
		}
	}
	return out
}

// How much must follow a prefix.
const (
	knownShort    = 3 // half of it digits
	knownMixed    = 5
	unknownDigits = 8
	unknownMixed  = 6
	strongDigits  = 10
	strongHex     = 8
)

// isPrefixed reports whether run is a word, a dash, and an ID.
func isPrefixed(run string) bool {
	sep := segmentEnd(run, 0)
	if sep < minPrefix || sep > maxPrefix || sep == len(run) {
		return false
	}
	prefix := run[:sep]
	if n := count(prefix); n.letters() != len(prefix) {
		return false
	}
	known := prefixDigits(prefix)
	tail := run[sep+1:]
	for tail != "" && class[tail[0]]&clDash != 0 {
		tail = tail[1:]
	}
	if isUUID(tail) {
		return !isZero(tail)
	}
	if segmentEnd(tail, 0) < len(tail) {
		return isChain(tail, known > 0)
	}
	return isTail(tail, known)
}

// isPrefixedUUID reports whether run is a word, a dash, and a UUID.
func isPrefixedUUID(run string) bool {
	sep := len(run) - uuidLen - 1
	if sep < minPrefix || sep > maxPrefix || class[run[sep]]&clDash == 0 || !isUUID(run[sep+1:]) || isZero(run[sep+1:]) {
		return false
	}
	for i := range sep {
		if class[run[i]]&(clLower|clUpper) == 0 {
			return false
		}
	}
	return true
}

// prefixDigits is how many digits make an ID behind a prefix, 0 where it is
// none of idPrefixes.
func prefixDigits(prefix string) int {
	if len(prefix) < minPrefix || len(prefix) > maxPrefix {
		return 0
	}
	var buf [maxPrefix]byte
	for i := range len(prefix) {
		buf[i] = prefix[i] | 0x20
	}
	return idPrefixes[string(buf[:len(prefix)])]
}

// within tells f the prefixed ID that begins at segment at of a longer run
// and is two segments long, or a prefix and a UUID: the one of
// checkout-req-8f3a2b and of req-8f3a2b-retry. Such a one must be more than a
// number, and not a pod.
func within(run string, at int) (id string, ok bool) {
	sep := segmentEnd(run, at)
	if sep-at < minPrefix || sep-at > maxPrefix || sep == len(run) {
		return "", false
	}
	end := segmentEnd(run, sep+1)
	if end-sep <= knownMixed || at == 0 && end == len(run) {
		return "", false
	}
	tail := run[sep+1 : end]
	n := count(tail)
	if n.digits == 0 || prefixDigits(run[at:sep]) == 0 {
		return "", false
	}
	if isUUIDAt(run, sep+1) {
		id = run[at : sep+1+uuidLen]
		return id, !isZero(id[sep+1-at:]) && len(id) < len(run)
	}
	if n.letters() == 0 || end < len(run) && isPodSuffix(run[sep+1:]) {
		return "", false
	}
	return run[at:end], isTail(tail, someDigits)
}

// isTail decides on a single segment after a prefix, of which known says how
// many digits it wants at least, or 0.
func isTail(s string, known int) bool {
	n := count(s)
	digits, mixed := unknownDigits, unknownMixed
	if known > 0 {
		digits, mixed = known, knownMixed
	}
	switch {
	case n.digits == 0:
		return false
	case n.digits == len(s):
		return len(s) >= digits && (known > 0 || !isDate(s)) && !isZero(s)
	case len(s) < mixed:
		return known > 0 && len(s) >= knownShort && n.digits*2 >= len(s) && !isVersion(s)
	case n.hex == len(s), n.digits*3 > len(s) && (known > 0 || !isAlgorithm(s, n)):
		return true
	case known > 0:
		return len(s) >= unknownMixed && !isNumberedWord(s, n)
	}
	return len(s) >= unknownDigits && n.digits >= 2 && n.digitTurns >= 2 || len(s) >= minMixed && isMixed(s, n)
}

// isVersion knows v2 and v10, and other words of a letter and a number that
// count instead of naming.
func isVersion(s string) bool {
	return class[s[0]]&clDigit == 0 && allDigits(s[1:])
}

// isNumberedWord knows service2 and worker12: a word and its number.
func isNumberedWord(s string, n counts) bool {
	return n.lower > 0 && n.digitTurns == 1 && n.digits <= 2 && class[s[0]]&clDigit == 0
}

// isAlgorithm knows sha256 of hmac-sha256: a word that ends with a number of
// bits.
func isAlgorithm(s string, n counts) bool {
	return n.digitTurns == 1 && n.digits <= 3 && class[s[0]]&clDigit == 0
}

// isChain decides on several segments after a prefix. Unless the prefix says
// that an ID follows, the first of them must be too strong for a name, and
// the whole must not be a pod's name.
func isChain(tail string, known bool) bool {
	if !known {
		return isStrong(tail[:segmentEnd(tail, 0)]) && !isPodSuffix(tail)
	}
	if isAddress(tail) || isPodSuffix(tail) {
		return false
	}
	n := count(tail)
	if n.digits >= 6 && n.digits*2 >= len(tail) || n.digits >= 4 && n.digitTurns >= 2 {
		return true
	}
	for i, parts := 0, 0; i < len(tail) && parts < maxSegments; parts++ {
		end := segmentEnd(tail, i)
		if isStrong(tail[i:end]) || end == len(tail) && isShortHex(tail[i:end]) {
			return true
		}
		i = end + 1
	}
	return false
}

// isAddress reports whether tail begins with an IP address written with dashes,
// as providers name their customers' hosts.
func isAddress(tail string) bool {
	i := 0
	for range 4 {
		end := segmentEnd(tail, i)
		if end == i || end-i > 3 || !allDigits(tail[i:end]) {
			return false
		}
		i = min(end+1, len(tail))
	}
	return true
}

// isStrong reports whether s alone is hardly a part of a name.
func isStrong(s string) bool {
	n := count(s)
	switch {
	case n.digits == len(s):
		return len(s) >= strongDigits
	case n.digits > 0 && n.hex == len(s):
		return len(s) >= strongHex
	}
	return isSolid(s, n)
}

// isShortHex knows what tells requests apart behind a word: the last part of
// req-checkout-8f3a2b.
func isShortHex(s string) bool {
	n := count(s)
	return len(s) >= unknownMixed && n.hex == len(s) && n.digits > 1 && n.letters() > 0
}

// isPodSuffix reports whether tail ends as Kubernetes names pods: the
// template's hash, a dash, five letters and digits of its alphabet.
func isPodSuffix(tail string) bool {
	dash := len(tail) - 6
	if dash < minTemplate || tail[dash] != '-' || !isPodName(tail[dash+1:]) {
		return false
	}
	from := dash
	for from > 0 && class[tail[from-1]]&clDash == 0 {
		from--
	}
	return dash-from >= minTemplate && dash-from <= maxTemplate && isPodName(tail[from:dash])
}

// PodOwners splits the name of a pod of a deployment into the deployment's and
// the hash of the template that its replica set has: checkout and 7d9f8b6c5d
// of checkout-7d9f8b6c5d-x2x4z.
func PodOwners(pod string) (deployment, template string, ok bool) {
	if len(pod) < 6 || !isPodSuffix(pod) {
		return "", "", false
	}
	set := pod[:len(pod)-6]
	dash := strings.LastIndexByte(set, '-')
	if dash <= 0 {
		return "", "", false
	}
	return set[:dash], set[dash+1:], true
}

// How long a template's hash is.
const (
	minTemplate = 6
	maxTemplate = 10
)

func isPodName(s string) bool {
	for i := range len(s) {
		if !isPodByte(s[i]) {
			return false
		}
	}
	return true
}

// isPodByte knows the alphabet of Kubernetes's random names, which has no
// vowels and none of 0, 1 and 3.
func isPodByte(c byte) bool {
	switch c {
	case 'a', 'e', 'i', 'o', 'u', 'y', '0', '1', '3':
		return false
	}
	return class[c]&(clDigit|clLower) != 0
}

// isDate knows 20151018.
func isDate(s string) bool {
	return len(s) == 8 && (s[:2] == "19" || s[:2] == "20") && s[4] <= '1' && s[6] <= '3'
}
