package correlation

import "strings"

// scanPair looks at the = or : at text[at] and tells f the value behind it
// where a key of the vocabulary stands before it:
//
//	request_id=42   "orderId": "A-17"   \"order.id\":17   X-Request-Id: 8f3a
//	request{id=42}  "order":{"id":17}   'session_id' => 'x'
//	<requestId>42</requestId>           [unique_id "Y@lBbX8AAQEAAF-jJLwAAAAA"]
//
// A plain word after a colon is prose ("user id: unknown to us"), unless it is
// quoted or holds a digit, or is no word at all.
//
// Where the text is a part of a URL, %3D and %3A stand for the two.
func scanPair(text string, at int, f finder) bool {
	behind := at + 1
	if text[at] == '[' {
		return scanQuotedPair(text, behind, f)
	}
	if text[at] == '%' {
		if !isEscaped(text, at, '=') && !isEscaped(text, at, ':') {
			return true
		}
		behind = at + escapeLen
	}
	end, quotedKey := at, false
	for end > 0 && text[end-1] == ' ' && at-end < 2 {
		end--
	}
	for end > 0 && (isQuote(text[end-1]) || end >= escapeLen && isEscaped(text, end-escapeLen, '"')) {
		if text[end-1] == '2' {
			end -= escapeLen - 1
		}
		end, quotedKey = end-1, true
	}
	if !mayName(text[:end]) {
		return true
	}
	start := keyStart(text, end)
	if text[at] == '>' && !opensElement(text, start) {
		return true
	}
	kind, ok := KindOf(text[start:end])
	if !ok && end-start <= len("w3c") {
		kind, ok = kindOf(keyBefore(text, start), text[start:end])
	}
	if !ok {
		return true
	}
	value, quotedValue := valueAt(text, behind)
	if text[at] == '%' {
		value = upTo(value, '%')
	}
	if text[at] == '>' && (behind+len(value) >= len(text) || text[behind+len(value)] != '<') {
		return true
	}
	if isTrivial(value) || text[at] == ':' && !quotedKey && !quotedValue && !hasDigit(value) && !isJumble(value) {
		return true
	}
	if isAsked(text, start, kind) {
		kind = Token
	}
	return f.pair(kind, value)
}

// isAsked reports whether the key at start says what somebody looks for, which
// is no part of what they do: a trace in a URL, and what a condition of SQL
// compares. Such an ID is found, and leads nowhere.
func isAsked(text string, start int, kind Kind) bool {
	return kind.Joins() && inCondition(text, start) || kind == TraceID && inURL(text, start)
}

// opensElement reports whether a key at start is the name of an element of XML,
// behind its space at most: <requestId>, <ns:requestId>.
func opensElement(text string, start int) bool {
	return start > 0 && (text[start-1] == '<' || text[start-1] == ':' && strings.LastIndexByte(text[max(0, start-maxPrefix):start], '<') >= 0)
}

// isQuotedPair reports whether a key, a space and a quoted value stand at i, as
// behind the brackets of Apache's errors.
func isQuotedPair(text string, i int) bool {
	for i < len(text) && isKeyByte(text[i]) {
		i++
	}
	return i+2 < len(text) && text[i] == ' ' && text[i+1] == '"'
}

func scanQuotedPair(text string, start int, f finder) bool {
	end := start
	for isKeyByte(text[end]) {
		end++
	}
	kind, ok := KindOf(text[start:end])
	value, _ := valueAt(text, end)
	return !ok || isTrivial(value) || f.pair(kind, value)
}

// escapeLen is the length of %3D.
const escapeLen = 3

// isEscaped reports whether c stands at text[at] as URLs write it: %3D is =.
func isEscaped(text string, at int, c byte) bool {
	const digits = "0123456789ABCDEF"
	return at+escapeLen <= len(text) && text[at] == '%' && text[at+1] == digits[c>>4] &&
		(text[at+2] == digits[c&15] || text[at+2] == digits[c&15]|0x20)
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' || c == '\\' }

func isKeyByte(c byte) bool { return class[c]&clRun != 0 || c == '.' }

// keyStart returns where the key that ends at end starts.
func keyStart(text string, end int) int {
	start := end
	for start > 0 && end-start < maxKey && isKeyByte(text[start-1]) {
		start--
	}
	return unescape(text, start, end)
}

// keyBefore returns the word before a key that is just "id": the one in front
// of it in prose, or the one whose object it is in.
func keyBefore(text string, start int) string {
	i := start
	for i > 0 && isQuote(text[i-1]) {
		i--
	}
	for i > 0 && (text[i-1] == ' ' || text[i-1] == '{' || text[i-1] == '[' || text[i-1] == '(') {
		i--
	}
	if i > 0 && (text[i-1] == ':' || text[i-1] == '=') {
		i--
		for i > 0 && (isQuote(text[i-1]) || text[i-1] == ' ') {
			i--
		}
	}
	if i == start {
		return ""
	}
	return text[keyStart(text, i):i]
}

// valueAt returns the value that starts at or a little after i.
func valueAt(text string, i int) (value string, quoted bool) {
	if i < len(text) && text[i] == '>' {
		i++
	}
	for i < len(text) && (text[i] == ' ' || text[i] == '[') {
		i++
	}
	quote := i
	for quote < len(text) && text[quote] == '\\' && quote-i < maxEscapes {
		quote++ // JSON in a string of JSON, some times over
	}
	if quote < len(text) && isQuote(text[quote]) && text[quote] != '\\' && (quote == i || text[quote] == '"') {
		return quotedAt(text, quote+1, text[quote]), true
	}
	if isEscaped(text, i, '"') {
		return quotedAt(text, i+escapeLen, '%'), true
	}
	end := i
	for end < len(text) && end-i <= maxValue && !endsValue(text[end]) {
		end++
	}
	if strings.HasPrefix(text[i:end], "Root=") || strings.HasPrefix(text[i:end], "Self=") {
		for end < len(text) && end-i <= maxValue && (text[end] == ';' || !endsValue(text[end])) {
			end++ // X-Ray's header is a list of pairs itself
		}
	}
	for end > i && (text[end-1] == '.' || text[end-1] == ':') {
		end--
	}
	return text[i:end], false
}

// maxEscapes is how many backslashes before a quote are taken for its own.
const maxEscapes = 15

// quotedAt returns the text up to the closing quote, or an escaped one.
func quotedAt(text string, i int, quote byte) string {
	end := i
	for end < len(text) && end-i <= maxValue && text[end] != quote && text[end] != '\\' {
		end++
	}
	return text[i:end]
}

func endsValue(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', ',', ';', ')', ']', '}', '{', '(', '"', '\'', '`', '\\', '&', '<', '>', '|':
		return true
	}
	return false
}

// isJumble reports whether a value without a digit is none of a language: some
// random IDs have none.
func isJumble(s string) bool {
	n := count(s)
	return len(s) >= minMixed && n.lower >= 2 && n.upper*4 >= len(s) && n.classTurns >= 4
}

func hasDigit(s string) bool {
	for i := range len(s) {
		if class[s[i]]&clDigit != 0 {
			return true
		}
	}
	return false
}
