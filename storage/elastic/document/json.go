package document

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// encoder appends JSON. exact stays true as long as what it wrote reads back
// equal to what it was given.
type encoder struct {
	buf   []byte
	exact bool
	// origins are resource and scope of the streams that were met, as they
	// stand in documents; nil for none.
	origins map[*telemetry.Stream][]byte
	ids     []correlation.ID // memory for those of a record
}

const hexDigits = "0123456789abcdef"

func (e *encoder) raw(s string) { e.buf = append(e.buf, s...) }

// key begins a member; a comma stands in front of all but the first.
func (e *encoder) key(k string) {
	e.comma()
	e.buf = append(e.buf, '"')
	e.buf = append(e.buf, k...) // clew's own names need no escaping
	e.buf = append(e.buf, '"', ':')
}

func (e *encoder) comma() {
	if e.buf[len(e.buf)-1] != '{' {
		e.buf = append(e.buf, ',')
	}
}

// text appends a string. Bytes that are not UTF-8 become replacement
// characters.
func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		e.exact = false
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	e.buf = append(e.buf, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		e.buf = append(e.buf, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			e.buf = append(e.buf, '\\', c)
		case '\n':
			e.raw(`\n`)
		case '\t':
			e.raw(`\t`)
		default:
			e.raw(`\u00`)
			e.buf = append(e.buf, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	e.buf = append(e.buf, s[start:]...)
	e.buf = append(e.buf, '"')
}

// str writes a member unless it is empty.
func (e *encoder) str(key, s string) {
	if s != "" {
		e.key(key)
		e.text(s)
	}
}

// hex writes a member of bytes unless all are zero.
func (e *encoder) hex(key string, id []byte) {
	for _, b := range id {
		if b != 0 {
			e.key(key)
			e.buf = append(e.buf, '"')
			e.buf = append(hex.AppendEncode(e.buf, id), '"')
			return
		}
	}
}

func (e *encoder) num(key string, n int64) {
	if n != 0 {
		e.key(key)
		e.buf = strconv.AppendInt(e.buf, n, 10)
	}
}

// timeLayout keeps every nanosecond, so that texts compare as times do.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// FormatTime writes a time as documents and queries hold it. A date_nanos
// field knows none before 1970.
func FormatTime(t int64) string {
	return time.Unix(0, max(t, 0)).UTC().Format(timeLayout)
}

// appendTime is timeLayout by hand, which is most of what a document's times
// cost.
func appendTime(dst []byte, t int64) []byte {
	at := time.Unix(0, t).UTC()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	dst = appendDigits(dst, year, 1000)
	dst = appendDigits(append(dst, '-'), int(month), 10)
	dst = appendDigits(append(dst, '-'), day, 10)
	dst = appendDigits(append(dst, 'T'), hour, 10)
	dst = appendDigits(append(dst, ':'), minute, 10)
	dst = appendDigits(append(dst, ':'), second, 10)
	dst = appendDigits(append(dst, '.'), at.Nanosecond(), 100_000_000)
	return append(dst, 'Z')
}

// appendDigits writes as many digits as unit, a power of ten, has.
func appendDigits(dst []byte, n, unit int) []byte {
	for ; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}

// ParseTime reads what FormatTime writes.
func ParseTime(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UnixNano(), err
}

func (e *encoder) time(key string, t int64) {
	e.exact = e.exact && t >= 0
	e.key(key)
	e.buf = append(e.buf, '"')
	e.buf = append(appendTime(e.buf, max(t, 0)), '"')
}

// attrs writes attributes as an object whose keys keep their dots.
func (e *encoder) attrs(key string, attrs telemetry.Attrs) {
	if len(attrs) == 0 {
		return
	}
	e.key(key)
	e.buf = append(e.buf, '{')
	for i := range attrs {
		k := attrs[i].Key
		if !usable(k) || doubled(attrs, i) {
			e.exact = false
			continue
		}
		e.comma()
		e.text(k)
		e.buf = append(e.buf, ':')
		e.value(attrs[i].Value)
	}
	e.buf = append(e.buf, '}')
}

// maxKey is the longest key that becomes a field.
const maxKey = 256

// usable reports whether Elasticsearch takes a field of this name.
func usable(key string) bool {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || key[0] == '.' || key[len(key)-1] == '.' ||
		strings.Contains(key, "..") || strings.TrimSpace(key) != key {
		return false
	}
	for i := 0; i < len(key); i++ {
		if key[i] < 0x20 || key[i] == '*' {
			return false
		}
	}
	for part := range strings.SplitSeq(key, ".") {
		if strings.TrimSpace(part) == "" {
			return false
		}
	}
	return true
}

func doubled(attrs telemetry.Attrs, i int) bool {
	for j := range i {
		if attrs[j].Key == attrs[i].Key {
			return true
		}
	}
	return false
}

func (e *encoder) value(v telemetry.Value) {
	switch v.Kind() {
	case telemetry.KindArray:
		e.list(v)
	case telemetry.KindMap:
		e.exact = false
		e.text(v.Text())
	default:
		e.scalar(v)
	}
}

// list writes an array of scalars of one kind. Any other is written as text: a
// field has one type.
func (e *encoder) list(v telemetry.Value) {
	kind := telemetry.KindEmpty
	for _, el := range v.List() {
		k := el.Kind()
		if kind == telemetry.KindEmpty {
			kind = k
		}
		if k == telemetry.KindArray || k == telemetry.KindMap || k != kind && k != telemetry.KindEmpty {
			e.exact = false
			e.text(v.Text())
			return
		}
	}
	e.buf = append(e.buf, '[')
	for i, el := range v.List() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.scalar(el)
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) scalar(v telemetry.Value) {
	switch v.Kind() {
	case telemetry.KindString:
		e.text(v.Str())
	case telemetry.KindBool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case telemetry.KindInt:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case telemetry.KindDouble:
		e.double(v.Double())
	case telemetry.KindBytes:
		e.exact = false
		e.text(base64.StdEncoding.EncodeToString([]byte(v.Str())))
	default:
		e.raw("null")
	}
}

// double writes a number with a point or an exponent, so that it is not taken
// for an integer.
func (e *encoder) double(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.exact = false
		e.text(strconv.FormatFloat(f, 'g', -1, 64))
		return
	}
	start := len(e.buf)
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64)
	for _, c := range e.buf[start:] {
		if c == '.' || c == 'e' {
			return
		}
	}
	e.raw(".0")
}
