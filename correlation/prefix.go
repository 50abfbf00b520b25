package correlation

// idPrefixes are words that, before a dash, say that an ID follows: what
// follows may then be shorter than an ID that nobody announces.
var idPrefixes = map[string]bool{
	"account": true, "acct": true, "appointment": true, "basket": true, "batch": true, "blk": true, "booking": true,
	"call": true, "cart": true, "case": true, "charge": true, "cid": true, "claim": true, "client": true, "cmd": true,
	"command": true, "conn": true, "corr": true, "correlation": true, "cus": true, "cust": true, "customer": true,
	"delivery": true, "doc": true, "event": true, "evt": true, "execution": true, "flow": true, "guid": true, "id": true,
	"inv": true, "invoice": true, "item": true, "job": true, "lead": true, "message": true, "msg": true, "op": true,
	"ord": true, "order": true, "parcel": true, "pay": true, "payment": true, "policy": true, "process": true,
	"purchase": true, "quote": true, "ref": true, "refund": true, "req": true, "request": true, "reservation": true,
	"rid": true, "run": true, "saga": true, "sess": true, "session": true, "shipment": true, "sid": true, "span": true,
	"sub": true, "subscription": true, "task": true, "ticket": true, "tkt": true, "trace": true, "trans": true,
	"transaction": true, "transfer": true, "tx": true, "txn": true, "uid": true, "user": true, "usr": true, "uuid": true,
	"workflow": true,
}

// How much must follow a prefix.
const (
	knownDigits   = 4
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
	known := isIDPrefix(prefix)
	tail := run[sep+1:]
	for tail != "" && class[tail[0]]&clDash != 0 {
		tail = tail[1:]
	}
	if isUUID(tail) {
		return !isZero(tail)
	}
	if segmentEnd(tail, 0) < len(tail) {
		return isChain(tail, known)
	}
	return isTail(tail, known)
}

func isIDPrefix(prefix string) bool {
	var buf [maxPrefix]byte
	for i := range len(prefix) {
		buf[i] = prefix[i] | 0x20
	}
	return idPrefixes[string(buf[:len(prefix)])]
}

// isTail decides on a single segment after a prefix.
func isTail(s string, known bool) bool {
	n := count(s)
	digits, mixed := unknownDigits, unknownMixed
	if known {
		digits, mixed = knownDigits, knownMixed
	}
	switch {
	case n.digits == 0:
		return false
	case n.digits == len(s):
		return len(s) >= digits && (known || !isDate(s)) && !isZero(s)
	case len(s) < mixed:
		return false
	case n.hex == len(s), n.digits*3 > len(s):
		return true
	case known:
		return len(s) >= unknownMixed && !isNumberedWord(s, n)
	}
	return len(s) >= unknownDigits && n.digits >= 2 && n.digitTurns >= 2 || len(s) >= minMixed && isMixed(s, n)
}

// isNumberedWord knows service2 and worker12: a word and its number.
func isNumberedWord(s string, n counts) bool {
	return n.lower > 0 && n.digitTurns == 1 && n.digits <= 2 && class[s[0]]&clDigit == 0
}

// isChain decides on several segments after a prefix. Unless the prefix says
// that an ID follows, the first of them must be too strong for a name, and
// the whole must not be a pod's name.
func isChain(tail string, known bool) bool {
	first := tail[:segmentEnd(tail, 0)]
	if !known {
		return isStrong(first) && !isPodSuffix(tail)
	}
	if isAddress(tail) {
		return false
	}
	n := count(tail)
	if n.digits >= 6 && n.digits*2 >= len(tail) || n.digits >= 4 && n.digitTurns >= 2 {
		return true
	}
	for i, parts := 0, 0; i < len(tail) && parts < maxSegments; parts++ {
		end := segmentEnd(tail, i)
		if isStrong(tail[i:end]) {
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

// isPodSuffix reports whether tail ends as Kubernetes names pods: the
// template's hash, a dash, five letters and digits of its alphabet.
func isPodSuffix(tail string) bool {
	dash := len(tail) - 6
	if dash < 6 || tail[dash] != '-' {
		return false
	}
	for _, c := range []byte(tail[dash+1:]) {
		if !isPodByte(c) {
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
