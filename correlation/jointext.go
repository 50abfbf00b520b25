package correlation

import "strings"

// pairAt takes the key around text[at:at+n] and the value behind it, where
// there is a = or : between them.
func (c *candidates) pairAt(text string, at, n int, depth *depthOf) {
	start, end := keyStart(text, at), at+n
	if text[at] == '@' {
		start = at
	}
	for end < len(text) && end-start <= maxKey && isKeyByte(text[end]) {
		end++
	}
	key := text[start:end]
	if len(key) > maxKey || inURL(text, start) || inCondition(text, start) {
		return
	}
	i := end
	for i < len(text) && isQuote(text[i]) {
		i++
	}
	quoted := i > end
	for spaces := 0; i < len(text) && text[i] == ' ' && spaces < 2; spaces++ {
		i++
	}
	if i >= len(text) || class[text[i]]&clAssign == 0 || text[i] == '[' || text[i] == '>' && !opensElement(text, start) {
		return
	}
	if key == "trace" || key == "span" {
		if quoted || text[i] == '=' { // "could not find trace: ..." is prose
			c.plainKey(text, key, i, depth.at(start))
		}
		return
	}
	value, _ := valueAt(text, i+1)
	if value == "" {
		value = inObject(text, i+1, `"w3c"`) // Kong's, one for every kind of header
	}
	parent := ""
	if len(value) <= spanDigits && allDigits(value) && ofDatadog(text, start) {
		parent = "dd"
	}
	level := depth.at(start)
	if depth.object && !quoted {
		level++ // in the text of one of the object's strings
	}
	c.keyed(parent, key, value, level)
}

// ofDatadog reports whether a key at start is of an object that "dd" names.
func ofDatadog(text string, start int) bool {
	before := text[max(0, start-maxObject):start]
	open := strings.LastIndexByte(before, '{')
	if open < 0 || strings.IndexByte(before[open:], '}') >= 0 {
		return false
	}
	name := strings.TrimRight(before[:open], "\\\"': ")
	return strings.HasSuffix(name, "dd") && (len(name) == 2 || !isKeyByte(name[len(name)-3]))
}

// maxObject is how much of {"trace":{...}} is looked at for its "id".
const maxObject = 512

// plainKey takes the value of a key that is no more than "trace" or "span": an
// object with an ID ({"trace":{"id":...}}), Google's name of a trace, or hex of
// the right length.
func (c *candidates) plainKey(text, key string, assign, depth int) {
	i := assign + 1
	for i < len(text) && text[i] == ' ' {
		i++
	}
	value, _ := valueAt(text, assign+1)
	switch {
	case i < len(text) && text[i] == '{':
		c.keyed(key, "id", inObject(text, i, `"id"`), depth)
	case key == "trace" && strings.HasPrefix(value, "projects/"), key == "trace" && len(value) == traceDigits:
		c.keyed("", "trace_id", value, depth)
	case key == "span" && len(value) == spanDigits:
		c.keyed("", "span_id", value, depth)
	}
}

// inObject returns the value of a key, in its quotes, of the object that stands
// at i, behind spaces at most, "" where there is none.
func inObject(text string, i int, key string) string {
	object := strings.TrimLeft(text[i:min(len(text), i+maxObject)], " ")
	if !strings.HasPrefix(object, "{") {
		return ""
	}
	object = upTo(object, '}')
	at := strings.Index(object, key)
	if at < 0 {
		return ""
	}
	colon := strings.IndexByte(object[at:], ':')
	if colon < 0 {
		return ""
	}
	value, _ := valueAt(object, at+colon+1)
	return value
}

// inURL reports whether a key at start is a parameter of a URL.
func inURL(text string, start int) bool {
	return start > 0 && (text[start-1] == '?' || text[start-1] == '&')
}

// inCondition reports whether a key at start is a column in a condition of
// SQL: WHERE trace_id = '...', AND t.trace_id = '...'.
func inCondition(text string, start int) bool {
	before := text[:start]
	if len(before) == 0 || before[len(before)-1] != ' ' && before[len(before)-1] != '(' {
		return false
	}
	before = strings.TrimRight(before, " (\"`")
	word := before[strings.LastIndexByte(before, ' ')+1:]
	switch word {
	case "AND", "OR", "ON", "NOT":
		return true
	}
	return strings.EqualFold(word, "where")
}

// depthOf tells how many objects of a JSON text are open at a place, asked
// from left to right. Braces inside of strings count, too: that is rare, and
// then no more than the choice between two traces hangs on it.
type depthOf struct {
	text   string
	object bool
	pos    int
	depth  int
}

func (d *depthOf) at(i int) int {
	if !d.object {
		return 0
	}
	if i < d.pos {
		d.pos, d.depth = 0, 0
	}
	for ; d.pos < i; d.pos++ {
		switch d.text[d.pos] {
		case '{':
			d.depth++
		case '}':
			d.depth--
		}
	}
	return d.depth
}

// layouts knows the places where context stands without a key:
//
//	[checkout,4bf92f35...,00f067aa...]  [4bf92f35...-00f067aa...]   Spring
//	"00-4bf92f35...-00f067aa...-01"                              traceparent, in access logs
//	"Root=1-5759e988-bd862e3fe1be46a994272793"                      load balancers of AWS
//	NR-LINKING|guid|host|4bf92f35...|00f067aa...|name|              New Relic's agents
func (c *candidates) layouts(text string) {
	for at := 0; ; at++ {
		i := strings.IndexByte(text[at:], '[')
		if i < 0 {
			break
		}
		at += i
		c.bracket(text[at+1:])
	}
	// Dashes are rarer than zeroes.
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '-')
		if i < 0 {
			break
		}
		at += i + 1
		if from := at - len("00-"); from >= 0 && text[from:at] == "00-" && c.bareTraceparent(text, from) {
			at = from + tracePLen
		}
	}
	if i := strings.Index(text, "Root=1-"); i >= 0 {
		if t, s, ok := ParseContext(quotedAt(text, quoteBefore(text, i)+1, '"')); ok {
			c.addTrace(t, "X-Amzn-Trace-Id", 0)
			c.addSpan(s, 0)
		}
	}
	if i := strings.Index(text, newRelic); i >= 0 {
		c.newRelic(text[i+len(newRelic):])
	}
}

// quoteBefore returns where the quotes open in which X-Ray's Root stands, behind
// a Self at most; the text's end where it is not quoted.
func quoteBefore(text string, root int) int {
	i := strings.LastIndexByte(text[:root], '"')
	if between := text[i+1 : root]; i < 0 || between != "" && !strings.HasPrefix(between, "Self=1-") {
		return len(text) - 1
	}
	return i
}

// newRelic begins what New Relic's agents append to lines: the entity, the
// host, the trace, the span.
const newRelic = "NR-LINKING|"

func (c *candidates) newRelic(text string) {
	parts := strings.SplitN(text, "|", 5)
	if len(parts) < 5 || len(parts[2]) != traceDigits {
		return
	}
	if t, s, ok := pairOf(parts[2], parts[3]); ok {
		c.addTrace(t, "NR-LINKING", 0)
		c.addSpan(s, 0)
	}
}

// bareTraceparent takes a traceparent that stands alone at text[at:].
func (c *candidates) bareTraceparent(text string, at int) bool {
	end := at + tracePLen
	if end > len(text) || !isTraceparent(text[at:end]) || at > 0 && isKeyByte(text[at-1]) || end < len(text) && isKeyByte(text[end]) || at > 0 && text[at-1] == '/' {
		return false
	}
	t, s, ok := ParseContext(text[at:end])
	if ok {
		c.addTrace(t, "traceparent", 0)
		c.addSpan(s, 0)
	}
	return ok
}

// maxBracket is the longest content of brackets that is looked at: a service's
// name, both IDs and a flag.
const maxBracket = 128

// bracket takes the trace and span that text begins with, up to a bracket.
func (c *candidates) bracket(text string) {
	if len(text) > maxBracket {
		text = text[:maxBracket]
	}
	end := strings.IndexByte(text, ']')
	if end < spanDigits+1+spanDigits {
		return
	}
	text = text[:end]
	layout := "[trace-span]"
	trace, span, ok := strings.Cut(text, "-")
	if strings.IndexByte(text, ',') >= 0 {
		parts := strings.Split(text, ",")
		layout = "[trace,span]"
		if len(parts) > 2 && !isHexID(strings.TrimSpace(parts[0])) {
			parts, layout = parts[1:], "[service,trace,span]"
		}
		trace, span, ok = strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), len(parts) <= 3
	}
	if !ok || !isHexID(trace) || len(span) != spanDigits || !allHex(span) {
		return
	}
	if t, ok := traceOf(trace); ok {
		s, _ := spanOf(span)
		c.addTrace(t, layout, 0)
		c.addSpan(s, 0)
	}
}

// isHexID reports whether s is hex of the length of a trace ID.
func isHexID(s string) bool {
	return (len(s) == traceDigits || len(s) == spanDigits) && allHex(s)
}
