package correlation

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// AttrJoined is the attribute of a log record whose trace context was found in
// its text; it says where.
const AttrJoined = "clew.trace.source"

// A Context is the trace context that a log record tells of itself outside of
// the fields made for it.
type Context struct {
	TraceID telemetry.TraceID
	SpanID  telemetry.SpanID // zero where none is told
	InBody  bool
	// Key is the key or layout under which it stood: dd.trace_id, traceparent,
	// [service,trace,span].
	Key string
}

// Source says where the context stood: "attribute dd.trace_id", "body,
// trace_id".
func (c Context) Source() string {
	if c.InBody {
		return "body, " + c.Key
	}
	return "attribute " + c.Key
}

// maxJoinText is how much of a text is looked at: context stands near the
// beginning or in one of the fields, not deep in a dump.
const maxJoinText = 16 << 10

// FindContext returns the trace context that l tells in its attributes or in
// its text. It is made to be right rather than to find: a record gets none
//
//   - where two different traces are named at the same place,
//   - for an ID without a key or a layout that says what it is (a digest in a
//     message, a UUID),
//   - for keys that name another one's trace: parent_trace_id, linkedTraceId,
//   - for a trace that stands in the query of a URL, or in the condition of an
//     SQL statement: who asks for a trace is not part of it.
func FindContext(l *telemetry.Log) (Context, bool) {
	var c candidates
	for i := range l.Attrs {
		c.attr("", &l.Attrs[i], 0)
	}
	if ctx, found := c.best(); found || c.ambiguous {
		return ctx, found
	}
	c = candidates{}
	switch l.Body.Kind() {
	case telemetry.KindString:
		c.text(l.Body.Str())
	case telemetry.KindMap:
		for _, a := range l.Body.Map() {
			c.attr("", &a, 0)
		}
	case telemetry.KindBytes:
		if text, ok := l.Body.AsText(); ok {
			c.text(text)
		}
	default:
		return Context{}, false
	}
	ctx, found := c.best()
	ctx.InBody = true
	return ctx, found
}

// candidates are the traces and spans that a record names. Of those at
// different depths of an object the outermost count.
type candidates struct {
	trace      telemetry.TraceID
	span       telemetry.SpanID
	source     string
	traceDepth int
	spanDepth  int
	traces     int // different ones at traceDepth
	spans      int
	ambiguous  bool
	scratch    telemetry.SpanID
}

func (c *candidates) best() (Context, bool) {
	c.ambiguous = c.traces > 1
	if c.traces != 1 {
		return Context{}, false
	}
	ctx := Context{TraceID: c.trace, Key: c.source}
	if c.spans == 1 {
		ctx.SpanID = c.span
	}
	return ctx, true
}

func (c *candidates) addTrace(t telemetry.TraceID, source string, depth int) {
	switch {
	case t == allOnes: // as zeroes, it means none
	case c.traces == 0 || depth < c.traceDepth:
		c.trace, c.source, c.traceDepth, c.traces = t, source, depth, 1
	case depth > c.traceDepth || t == c.trace:
	case sameHalf(t, c.trace):
		if [8]byte(c.trace[:8]) == [8]byte{} {
			c.trace, c.source = t, source // the whole one of the two
		}
	default:
		c.traces++
	}
}

// allOnes is what some programs put where they have no trace.
var allOnes = telemetry.TraceID(bytes.Repeat([]byte{0xff}, len(telemetry.TraceID{})))

// sameHalf reports whether one of two IDs is the lower half of the other one,
// as Datadog's beside OpenTelemetry's.
func sameHalf(a, b telemetry.TraceID) bool {
	none := [8]byte{}
	return [8]byte(a[8:]) == [8]byte(b[8:]) && ([8]byte(a[:8]) == none || [8]byte(b[:8]) == none)
}

func (c *candidates) addSpan(s telemetry.SpanID, depth int) {
	switch {
	case s.IsZero():
	case c.spans == 0 || depth < c.spanDepth:
		c.span, c.spanDepth, c.spans = s, depth, 1
	case depth > c.spanDepth || s == c.span:
	default:
		c.spans++
	}
}

// maxJoinDepth is how deep objects are looked into.
const maxJoinDepth = 4

// attr takes what an attribute, or an entry of an object, says.
func (c *candidates) attr(parent string, a *telemetry.Attr, depth int) {
	switch a.Value.Kind() {
	case telemetry.KindString:
		c.keyed(parent, a.Key, a.Value.Str(), depth)
	case telemetry.KindInt:
		if a.Value.Int() > 0 && mayName(a.Key) {
			c.keyed(parent, a.Key, a.Value.Text(), depth)
		}
	case telemetry.KindBytes:
		c.bytes(parent, a, depth)
	case telemetry.KindArray: // a header, of which requests may have several
		if list := a.Value.List(); len(list) == 1 && list[0].Kind() == telemetry.KindString {
			c.keyed(parent, a.Key, list[0].Str(), depth)
		}
	case telemetry.KindMap:
		if depth < maxJoinDepth {
			for _, e := range a.Value.Map() {
				c.attr(a.Key, &e, depth+1)
			}
		}
	}
}

// bytes takes a trace or span ID that was sent as bytes.
func (c *candidates) bytes(parent string, a *telemetry.Attr, depth int) {
	switch b := a.Value.Str(); len(b) {
	case len(telemetry.TraceID{}), len(telemetry.SpanID{}):
		c.keyed(parent, a.Key, hex.EncodeToString([]byte(b)), depth)
	}
}

// minContext is the length of the shortest value that is looked at: eight
// bytes in base64. Of Datadog's numbers, one in ten million is shorter.
const minContext = 12

// keyed takes the value of a key.
func (c *candidates) keyed(parent, key, value string, depth int) {
	if len(value) < minContext || len(value) > maxValue {
		return
	}
	kind, own := contextKey(parent, key)
	if !own {
		return
	}
	switch kind {
	case TraceID:
		if t, s, ok := parseOwn(parent, key, value); ok {
			if parent != "" && len(key) == len("id") {
				key = parent + "." + key
			}
			c.addTrace(t, key, depth)
			c.addSpan(s, depth)
		}
	case SpanID:
		if isDatadog(parent, key) {
			n, _ := strconv.ParseUint(trim(value), 10, 64)
			if binary.BigEndian.PutUint64(c.scratch[:], n); n != 0 {
				c.addSpan(c.scratch, depth)
				return
			}
		}
		if s, ok := spanOf(trim(value)); ok {
			c.addSpan(s, depth)
		}
	}
}

// parseOwn is ParseContext for the value of a key: Datadog's are decimal, also
// where they could be hex.
func parseOwn(parent, key, value string) (t telemetry.TraceID, s telemetry.SpanID, ok bool) {
	if v := trim(value); isDatadog(parent, key) && len(v) < traceDigits {
		if n, err := strconv.ParseUint(v, 10, 64); err == nil && n != 0 {
			binary.BigEndian.PutUint64(t[8:], n)
			return t, s, true
		}
	}
	return ParseContext(value)
}

// isDatadog reports whether a key is one of Datadog's: dd.trace_id,
// {"dd":{"span_id":...}}, x-datadog-trace-id.
func isDatadog(parent, key string) bool {
	own := func(s string) bool {
		return strings.HasPrefix(s, "dd.") || strings.HasPrefix(s, "dd_") || strings.Contains(s, "datadog")
	}
	return parent == "dd" || own(key) || own(parent)
}

// othersWords are words in a key that make it speak of another trace or span
// than the record's own.
var othersWords = map[string]bool{
	"parent": true, "link": true, "linked": true, "links": true, "prev": true, "previous": true, "orig": true, "origin": true, "original": true,
	"originating": true, "other": true, "remote": true, "related": true, "cause": true, "caused": true, "child": true, "upstream": true,
	"downstream": true, "source": true, "target": true, "producer": true, "exemplar": true, "failed": true, "last": true, "first": true, "next": true,
	"from": true, "to": true, "ref": true, "reference": true, "follows": true, "stack": true,
}

// contextKey tells whether a key names the record's own trace or span.
func contextKey(parent, key string) (Kind, bool) {
	if key == "@tr" {
		return TraceID, true // Serilog's compact format
	}
	if key == "@sp" {
		return SpanID, true
	}
	kind, ok := kindOf(parent, key)
	if !ok || kind != TraceID && kind != SpanID {
		return kind, false
	}
	var w words
	w.add(parent)
	w.add(key)
	for i := range w.count {
		end := w.len
		if i+1 < w.count {
			end = int(w.starts[i+1])
		}
		if othersWords[string(w.text[w.starts[i]:end])] {
			return kind, false
		}
	}
	return kind, true
}

// text takes what a text says: pairs of keys and values, and the layouts that
// do without keys.
func (c *candidates) text(text string) {
	if len(text) > maxJoinText {
		text = text[:maxJoinText]
	}
	text = uncoloured(text)
	depth := depthOf{text: text, object: strings.HasPrefix(text, "{")}
	for _, word := range [...]string{"race", "RACE", "b3", "@tr"} {
		for at := 0; ; {
			i := strings.Index(text[at:], word)
			if i < 0 {
				break
			}
			at += i
			c.pairAt(text, at, len(word), &depth)
			at += len(word)
		}
	}
	if c.traces > 0 {
		c.spansOf(text, &depth)
		return
	}
	c.layouts(text)
}

// spansOf looks for the span beside a trace that has a key of its own.
func (c *candidates) spansOf(text string, depth *depthOf) {
	for _, word := range [...]string{"pan", "PAN", "@sp"} {
		for at := 0; ; {
			i := strings.Index(text[at:], word)
			if i < 0 {
				break
			}
			at += i
			c.pairAt(text, at, len(word), depth)
			at += len(word)
		}
	}
}
