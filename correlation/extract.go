package correlation

import (
	"encoding/binary"
	"encoding/hex"
	"sync"

	"github.com/clewhq/clew/telemetry"
)

// AppendLog appends the IDs that l carries, each value once.
func AppendLog(dst []ID, l *telemetry.Log) []ID {
	w := walker{sink: sink{ids: dst, base: len(dst)}}
	w.log(l)
	return w.ids
}

// AppendSpan appends the IDs that s carries, each value once.
func AppendSpan(dst []ID, s *telemetry.Span) []ID {
	w := walker{sink: sink{ids: dst, base: len(dst)}}
	w.span(s)
	return w.ids
}

// AppendLogHashes appends the Hash of every ID that l carries, for indexes;
// faster than AppendLog, and the same set. Hashes may repeat.
func AppendLogHashes(dst []uint64, l *telemetry.Log) []uint64 {
	w := hashers.Get().(*walker)
	w.hashes = dst
	w.log(l)
	return w.hashed()
}

// AppendSpanHashes: see AppendLogHashes.
func AppendSpanHashes(dst []uint64, s *telemetry.Span) []uint64 {
	w := hashers.Get().(*walker)
	w.hashes = dst
	w.span(s)
	return w.hashed()
}

// hashers are walkers that hash. They remember the hashes of the stream that
// they saw last: the records of a stream mostly come one after the other.
var hashers = sync.Pool{New: func() any { return &walker{sink: sink{hashing: true}} }}

// hashed returns what was gathered and gives the walker back.
func (w *walker) hashed() []uint64 {
	out := w.hashes
	w.hashes = nil
	hashers.Put(w)
	return out
}

// source is where an ID stood: what kind of place, and its key or name. The
// text is put together only where somebody wants it.
type source struct{ place, key string }

func (s source) String() string {
	if s.key == "" {
		return s.place
	}
	return s.place + " " + s.key
}

// walker goes through a record and hands every ID to its sink. Lists and
// hashes are made by the same walk, so that they cannot differ.
type walker struct {
	sink
	src  source
	last lastStream
}

// lastStream is a stream and the hashes of its IDs, which hold as long as the
// vocabulary does.
type lastStream struct {
	stream *telemetry.Stream
	lex    *lexicon
	hashes []uint64
}

func (w *walker) log(l *telemetry.Log) {
	w.src = source{place: "trace context"}
	w.trace(l.TraceID)
	w.spanID(l.SpanID)
	w.attrs("attribute", l.Attrs)
	w.src = source{place: "body"}
	w.value("", l.Body)
	if isChange(l) {
		w.src = source{place: "what it tells of"}
		w.emitNormal([]byte(ChangeID), Change)
	}
	w.resource(l.Stream)
}

func (w *walker) span(s *telemetry.Span) {
	w.src = source{place: "trace context"}
	w.trace(s.TraceID)
	w.spanID(s.SpanID)
	if s.ParentID.IsZero() || s.Kind == telemetry.SpanKindServer || s.Kind == telemetry.SpanKindConsumer {
		w.half(s.TraceID)
	}
	w.src = source{place: "parent"}
	w.spanID(s.ParentID)
	w.attrs("attribute", s.Attrs)
	if isChangeSpan(s) {
		w.src = source{place: "what it tells of"}
		w.emitNormal([]byte(ChangeID), Change)
	}
	for i := range s.Events {
		w.src = source{"event", s.Events[i].Name}
		w.entries("", s.Events[i].Attrs)
	}
	for i := range s.Links {
		w.src = source{place: "link"}
		w.trace(s.Links[i].TraceID)
		w.spanID(s.Links[i].SpanID)
		w.entries("", s.Links[i].Attrs)
	}
	w.resource(s.Stream)
}

// trace tells a trace ID; one of 64 bits also in the short form in which those
// who made it write it.
func (w *walker) trace(t telemetry.TraceID) {
	if t.IsZero() {
		return
	}
	var buf [traceDigits]byte
	hex.Encode(buf[:], t[:])
	w.emitNormal(buf[:], TraceID)
	if [8]byte(t[:8]) == [8]byte{} {
		w.emitNormal(buf[spanDigits:], TraceID)
	}
}

// half tells the lower half of a trace ID, which is all that Datadog's logs
// have of it. A service's first span of a trace tells it, for all of them.
func (w *walker) half(t telemetry.TraceID) {
	if n := binary.BigEndian.Uint64(t[8:]); n != 0 && [8]byte(t[:8]) != [8]byte{} {
		w.number(n, TraceID)
	}
}

func (w *walker) spanID(s telemetry.SpanID) {
	if s.IsZero() {
		return
	}
	var buf [spanDigits]byte
	hex.Encode(buf[:], s[:])
	w.emitNormal(buf[:], SpanID)
}

func (w *walker) attrs(place string, attrs telemetry.Attrs) {
	for i := range attrs {
		w.src = source{place, attrs[i].Key}
		w.entry("", &attrs[i])
	}
}

// resource tells the IDs of the vocabulary alone: see the package's comment.
func (w *walker) resource(s *telemetry.Stream) {
	if s == nil {
		return
	}
	if !w.hashing {
		w.resourceIDs(s)
		return
	}
	if l := lex.Load(); w.last.stream != s || w.last.lex != l {
		from := len(w.hashes)
		w.resourceIDs(s)
		w.last = lastStream{stream: s, lex: l, hashes: append(w.last.hashes[:0], w.hashes[from:]...)}
		return
	}
	w.hashes = append(w.hashes, w.last.hashes...)
}

func (w *walker) resourceIDs(s *telemetry.Stream) {
	for i := range s.Resource.Attrs {
		a := &s.Resource.Attrs[i]
		if kind, ok := KindOf(a.Key); ok {
			w.src = source{"resource attribute", a.Key}
			w.named(kind, a.Value)
		}
	}
}

func (w *walker) entries(parent string, attrs telemetry.Attrs) {
	for i := range attrs {
		w.entry(parent, &attrs[i])
	}
}

func (w *walker) entry(parent string, a *telemetry.Attr) {
	if kind, ok := kindOf(parent, a.Key); ok {
		w.named(kind, a.Value)
	}
	w.value(a.Key, a.Value)
}

// value tells the IDs inside a value of no known key.
func (w *walker) value(key string, v telemetry.Value) {
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		if text, ok := v.AsText(); ok {
			scan(uncoloured(text), true, w)
		}
	case telemetry.KindArray:
		for _, e := range v.List() {
			w.value(key, e)
		}
	case telemetry.KindMap:
		w.entries(key, v.Map())
	}
}

// named tells the value of a key of the vocabulary, or each of its values.
func (w *walker) named(kind Kind, v telemetry.Value) {
	switch v.Kind() {
	case telemetry.KindString:
		if s := trim(v.Str()); !isTrivial(s) {
			w.pair(kind, s)
		}
	case telemetry.KindInt:
		if v.Int() != 0 {
			w.emit(v.Text(), kind)
		}
	case telemetry.KindBytes:
		w.rawBytes(kind, v)
	case telemetry.KindArray:
		for _, e := range v.List() {
			w.named(kind, e)
		}
	}
}

// token implements finder.
func (w *walker) token(t string, as int) bool {
	switch {
	case w.hashing && as == formHex:
		var buf [maxToken]byte
		w.hashes = append(w.hashes, hashBytes(appendHex(buf[:0], t)))
	case w.hashing && as == formAsIs:
		w.hashes = append(w.hashes, Hash(t))
	default:
		w.emit(t, Token)
	}
	return true
}

// pair implements finder. A trace's key may hold more than its ID: the headers
// that carry trace context hold the span's, and flags.
func (w *walker) pair(kind Kind, v string) bool {
	switch {
	case kind == TraceID && len(v) == traceDigits && allHex(v):
	case kind == TraceID:
		return w.context(v)
	case kind == SpanID:
		if w.spanKey(v) {
			return true
		}
	}
	w.emit(v, kind)
	return true
}

// spanKey tells what a span's key holds in other forms than hex, and whether
// the value itself is told thereby.
func (w *walker) spanKey(v string) bool {
	if isBase64(v, len(telemetry.SpanID{})) {
		s, ok := spanOf(v)
		w.spanID(s)
		return ok
	}
	if n, ok := randomNumber(v); ok {
		w.number(n, SpanID)
	}
	return false
}

// context tells what a trace's key holds, in all the forms in which those who
// made it write it.
func (w *walker) context(v string) bool {
	if t, s, ok := ParseContext(v); ok {
		w.trace(t)
		w.spanID(s)
		if allDigits(v) {
			w.emit(v, TraceID)
			if n, ok := randomNumber(v); ok && len(v) == spanDigits {
				w.number(n, TraceID) // hex it may be, and Datadog's
			}
		}
		return true
	}
	found := 0
	if body, as := form(v); as == formAsIs && !allHex(body) {
		scan(v, false, tokenFunc(func(t string) bool {
			w.emit(t, contextKind(t, found))
			found++
			return true
		}))
	}
	if found == 0 {
		w.emit(v, TraceID)
	}
	return true
}

// contextKind tells trace from span in a header that holds both: the first ID
// is the trace's.
func contextKind(t string, nth int) Kind {
	switch {
	case nth == 0, len(t) > spanDigits:
		return TraceID
	default:
		return SpanID
	}
}

// number tells an ID of 64 bits in hex.
func (w *walker) number(n uint64, kind Kind) {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], n)
	var buf [spanDigits]byte
	hex.Encode(buf[:], raw[:])
	w.emitNormal(buf[:], kind)
}
