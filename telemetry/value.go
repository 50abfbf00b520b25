package telemetry

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// Kind tells what a Value holds. The numbers are part of the storage formats:
// append, never renumber.
type Kind uint8

// The kinds of OpenTelemetry's AnyValue.
const (
	KindEmpty Kind = iota
	KindString
	KindBool
	KindInt
	KindDouble
	KindBytes
	KindArray
	KindMap
)

// Value is OpenTelemetry's AnyValue. The zero Value is the empty one.
type Value struct {
	kind Kind
	num  uint64 // bool, int64 bits, float64 bits
	str  string // string or bytes
	comp *composite
}

type composite struct {
	list []Value
	kvs  Attrs
}

// String returns a string Value.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Bool returns a boolean Value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// Int returns an integer Value.
func Int(i int64) Value { return Value{kind: KindInt, num: uint64(i)} }

// Double returns a floating point Value.
func Double(f float64) Value { return Value{kind: KindDouble, num: math.Float64bits(f)} }

// Bytes returns a bytes Value; b holds the raw bytes.
func Bytes(b string) Value { return Value{kind: KindBytes, str: b} }

// Array returns a Value that holds list, which must not be changed afterwards.
func Array(list []Value) Value { return Value{kind: KindArray, comp: &composite{list: list}} }

// Map returns a Value that holds kvs, which must not be changed afterwards.
func Map(kvs Attrs) Value { return Value{kind: KindMap, comp: &composite{kvs: kvs}} }

// Kind tells what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsEmpty reports whether v holds nothing.
func (v Value) IsEmpty() bool { return v.kind == KindEmpty }

// Str returns the string of a string Value and the raw bytes of a bytes Value,
// and "" for any other kind.
func (v Value) Str() string { return v.str }

// Bool returns the boolean; false for any other kind.
func (v Value) Bool() bool { return v.kind == KindBool && v.num == 1 }

// Int returns the integer; 0 for any other kind.
func (v Value) Int() int64 {
	if v.kind != KindInt {
		return 0
	}
	return int64(v.num)
}

// Double returns the number of an integer or floating point Value; 0 otherwise.
func (v Value) Double() float64 {
	switch v.kind {
	case KindDouble:
		return math.Float64frombits(v.num)
	case KindInt:
		return float64(int64(v.num))
	}
	return 0
}

// List returns the elements of an array Value; nil otherwise.
func (v Value) List() []Value {
	if v.kind != KindArray || v.comp == nil {
		return nil
	}
	return v.comp.list
}

// Map returns the entries of a map Value; nil otherwise.
func (v Value) Map() Attrs {
	if v.kind != KindMap || v.comp == nil {
		return nil
	}
	return v.comp.kvs
}

// Text renders v for people and for text matching: a string as it is, numbers
// in their shortest form, bytes as base64, arrays and maps as JSON.
func (v Value) Text() string {
	switch v.kind {
	case KindString:
		return v.str
	case KindEmpty:
		return ""
	}
	var b strings.Builder
	v.appendText(&b, false)
	return b.String()
}

func (v Value) appendText(b *strings.Builder, quote bool) {
	switch v.kind {
	case KindEmpty:
		b.WriteString("null")
	case KindString:
		if quote {
			appendJSONString(b, v.str)
			return
		}
		b.WriteString(v.str)
	case KindBool:
		b.WriteString(strconv.FormatBool(v.num == 1))
	case KindInt:
		b.WriteString(strconv.FormatInt(int64(v.num), 10))
	case KindDouble:
		b.WriteString(formatDouble(math.Float64frombits(v.num), quote))
	case KindBytes:
		s := base64.StdEncoding.EncodeToString([]byte(v.str))
		if quote {
			appendJSONString(b, s)
			return
		}
		b.WriteString(s)
	case KindArray:
		b.WriteByte('[')
		for i, e := range v.List() {
			if i > 0 {
				b.WriteByte(',')
			}
			e.appendText(b, true)
		}
		b.WriteByte(']')
	case KindMap:
		b.WriteByte('{')
		for i, a := range v.Map() {
			if i > 0 {
				b.WriteByte(',')
			}
			appendJSONString(b, a.Key)
			b.WriteByte(':')
			a.Value.appendText(b, true)
		}
		b.WriteByte('}')
	}
}

// formatDouble quotes NaN and the infinities inside JSON, which has no word
// for them.
func formatDouble(f float64, inJSON bool) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if inJSON && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return `"` + s + `"`
	}
	return s
}

func appendJSONString(b *strings.Builder, s string) {
	const digits = "0123456789abcdef"
	b.WriteByte('"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[start:i])
		start = i + 1
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	b.WriteString(s[start:])
	b.WriteByte('"')
}

// Equal reports whether v and o hold the same kind and value. NaN equals NaN:
// what went in must compare equal to what comes out.
func (v Value) Equal(o Value) bool {
	if v.kind != o.kind || v.num != o.num || v.str != o.str {
		return false
	}
	switch v.kind {
	case KindArray:
		a, b := v.List(), o.List()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Equal(b[i]) {
				return false
			}
		}
	case KindMap:
		return v.Map().Equal(o.Map())
	}
	return true
}

// Any returns v as the plain Go value that encoding/json writes as people
// expect: string, bool, int64, float64, []any, map[string]any, nil; bytes as
// base64 and numbers JSON cannot hold as strings.
func (v Value) Any() any {
	switch v.kind {
	case KindString:
		return v.str
	case KindBool:
		return v.num == 1
	case KindInt:
		return int64(v.num)
	case KindDouble:
		f := math.Float64frombits(v.num)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return formatDouble(f, false)
		}
		return f
	case KindBytes:
		return base64.StdEncoding.EncodeToString([]byte(v.str))
	case KindArray:
		out := make([]any, 0, len(v.List()))
		for _, e := range v.List() {
			out = append(out, e.Any())
		}
		return out
	case KindMap:
		return v.Map().Any()
	}
	return nil
}

// Attr is one key and its value.
type Attr struct {
	Key   string
	Value Value
}

// Attrs is a list of attributes in the order they came in. Keys are unique in
// valid OTLP; where they are not, the first one counts.
type Attrs []Attr

// Get returns the value of key, and whether it is there.
func (a Attrs) Get(key string) (Value, bool) {
	for i := range a {
		if a[i].Key == key {
			return a[i].Value, true
		}
	}
	return Value{}, false
}

// Text returns the value of key as text, "" where there is none.
func (a Attrs) Text(key string) string {
	v, _ := a.Get(key)
	return v.Text()
}

// Equal reports whether a and b hold the same attributes in the same order.
func (a Attrs) Equal(b Attrs) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !a[i].Value.Equal(b[i].Value) {
			return false
		}
	}
	return true
}

// Any returns the attributes as a map for encoding/json, never nil.
func (a Attrs) Any() map[string]any {
	out := make(map[string]any, len(a))
	for i := range a {
		if _, dup := out[a[i].Key]; !dup {
			out[a[i].Key] = a[i].Value.Any()
		}
	}
	return out
}

// TraceID is a W3C trace ID; all zeroes means none.
type TraceID [16]byte

// IsZero reports whether there is no trace ID.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// String returns 32 lower-case hex digits, "" for none.
func (t TraceID) String() string {
	if t.IsZero() {
		return ""
	}
	return hex.EncodeToString(t[:])
}

// ParseTraceID reads 1 to 32 hex digits of any case, leading zeroes possibly
// left out. It reports false for anything else and for all zeroes.
func ParseTraceID(s string) (t TraceID, ok bool) {
	ok = parseHex(t[:], s) && !t.IsZero()
	return t, ok
}

// SpanID is a W3C span ID; all zeroes means none.
type SpanID [8]byte

// IsZero reports whether there is no span ID.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// String returns 16 lower-case hex digits, "" for none.
func (s SpanID) String() string {
	if s.IsZero() {
		return ""
	}
	return hex.EncodeToString(s[:])
}

// ParseSpanID reads 1 to 16 hex digits of any case, leading zeroes possibly
// left out. It reports false for anything else and for all zeroes.
func ParseSpanID(s string) (id SpanID, ok bool) {
	ok = parseHex(id[:], s) && !id.IsZero()
	return id, ok
}

func parseHex(dst []byte, s string) bool {
	if s == "" || len(s) > 2*len(dst) {
		return false
	}
	s = strings.Repeat("0", 2*len(dst)-len(s)) + s
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}
