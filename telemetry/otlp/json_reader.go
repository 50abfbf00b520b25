package otlp

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of objects and arrays: three of them for
// each level of values, and those around the values.
const maxJSONDepth = 4*maxDepth + 16

// jsonReader walks over JSON without building anything of it.
type jsonReader struct {
	buf   []byte
	pos   int
	depth int
	text  []byte // of the last string with escapes
}

// fail returns an error at offset; its text may end in %w.
func (r *jsonReader) fail(offset int, format string, args ...any) error {
	return &wireError{offset: offset, reason: fmt.Errorf(format, args...).Error()}
}

func (r *jsonReader) space() {
	for r.pos < len(r.buf) {
		switch r.buf[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is not white space, 0 at the end.
func (r *jsonReader) peek() byte {
	r.space()
	if r.pos < len(r.buf) {
		return r.buf[r.pos]
	}
	return 0
}

// what names what stands at the position.
func (r *jsonReader) what() string {
	if r.pos >= len(r.buf) {
		return "end of the body"
	}
	switch c := r.buf[r.pos]; c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	default:
		if c < utf8.RuneSelf {
			return strconv.QuoteRune(rune(c))
		}
		return fmt.Sprintf("byte 0x%02x", c)
	}
}

// open steps into an object or array.
func (r *jsonReader) open(c byte, want string) error {
	if r.peek() != c {
		return r.fail(r.pos, "%s, want %s", r.what(), want)
	}
	if r.depth++; r.depth > maxJSONDepth {
		return r.fail(r.pos, "objects and arrays are nested more than %d deep", maxJSONDepth)
	}
	r.pos++
	return nil
}

// next reports whether another element follows, and steps behind the comma
// before it, or behind end.
func (r *jsonReader) next(end byte, first bool) (bool, error) {
	c := r.peek()
	if c == end {
		r.pos++
		r.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, r.fail(r.pos, "unexpected %s, want ',' or '%c'", r.what(), end)
	}
	r.pos++
	if r.peek() == end {
		return false, r.fail(r.pos, "unexpected '%c' behind a comma", end)
	}
	return true, nil
}

// key reads a name and the colon behind it. It is valid until the next read.
func (r *jsonReader) key() ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.fail(r.pos, "unexpected %s, want the name of a field in quotes", r.what())
	}
	key, err := r.str()
	if err != nil {
		return nil, err
	}
	if r.peek() != ':' {
		return nil, r.fail(r.pos, "unexpected %s, want ':'", r.what())
	}
	r.pos++
	return key, nil
}

// null steps over a null, if that is what follows.
func (r *jsonReader) null() bool {
	r.space()
	if !bytes.HasPrefix(r.buf[r.pos:], []byte("null")) {
		return false
	}
	r.pos += len("null")
	return true
}

// scalar reads a string, a number, true or false.
func (r *jsonReader) scalar(want string) (jsonScalar, error) {
	c := r.peek()
	start := r.pos
	if c == '"' {
		text, err := r.str()
		return jsonScalar{text: text, quoted: true, offset: start}, err
	}
	for r.pos < len(r.buf) && bare(r.buf[r.pos]) {
		r.pos++
	}
	if r.pos == start {
		return jsonScalar{}, r.fail(start, "%s, want %s", r.what(), want)
	}
	return jsonScalar{text: r.buf[start:r.pos], offset: start}, nil
}

func bare(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// str reads a string. The result is part of the body, or of r.text where it
// has escapes, and is valid until the next read.
func (r *jsonReader) str() ([]byte, error) {
	start := r.pos
	r.pos++
	for i := r.pos; i < len(r.buf); i++ {
		switch c := r.buf[i]; {
		case c == '"':
			text := r.buf[r.pos:i]
			r.pos = i + 1
			return text, nil
		case c == '\\':
			r.text = append(r.text[:0], r.buf[r.pos:i]...)
			r.pos = i
			return r.escaped(start)
		case c < ' ':
			return nil, r.fail(i, "control character 0x%02x in a string, want \\u%04x", c, c)
		}
	}
	return nil, r.fail(start, "string without an end")
}

// escaped reads the rest of a string, from its first escape on.
func (r *jsonReader) escaped(start int) ([]byte, error) {
	for r.pos < len(r.buf) {
		c := r.buf[r.pos]
		r.pos++
		switch {
		case c == '"':
			return r.text, nil
		case c == '\\':
			if err := r.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, r.fail(r.pos-1, "control character 0x%02x in a string, want \\u%04x", c, c)
		default:
			r.text = append(r.text, c)
		}
	}
	return nil, r.fail(start, "string without an end")
}

// escape reads what stands behind a backslash.
func (r *jsonReader) escape() error {
	const short, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if r.pos >= len(r.buf) {
		return r.fail(r.pos, "end of the body in an escape")
	}
	c := r.buf[r.pos]
	if i := bytes.IndexByte([]byte(short), c); i >= 0 {
		r.text = append(r.text, means[i])
		r.pos++
		return nil
	}
	first, ok := r.hex4(r.pos)
	if !ok {
		return r.fail(r.pos-1, "unknown escape \\%c", c)
	}
	r.pos += 5
	if utf16.IsSurrogate(first) {
		second := rune(0)
		if r.pos < len(r.buf) && r.buf[r.pos] == '\\' {
			second, _ = r.hex4(r.pos + 1)
		}
		if first = utf16.DecodeRune(first, second); first != utf8.RuneError {
			r.pos += 6
		} // half a pair stands for nothing: the replacement character
	}
	r.text = utf8.AppendRune(r.text, first)
	return nil
}

// hex4 reads u and four hex digits at i.
func (r *jsonReader) hex4(i int) (rune, bool) {
	if i+5 > len(r.buf) || r.buf[i] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.buf[i+1:i+5]), 16, 16)
	return rune(n), err == nil
}

// skip passes over a value of any kind.
func (r *jsonReader) skip() error {
	switch r.peek() {
	case '{':
		if err := r.open('{', ""); err != nil {
			return err
		}
		for first := true; ; first = false {
			more, err := r.next('}', first)
			if !more {
				return err
			}
			if _, err := r.key(); err != nil {
				return err
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	case '[':
		if err := r.open('[', ""); err != nil {
			return err
		}
		for first := true; ; first = false {
			more, err := r.next(']', first)
			if !more {
				return err
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	}
	v, err := r.scalar("a value")
	if err != nil {
		return err
	}
	if word := string(v.text); v.quoted || v.number() || word == "true" || word == "false" || word == "null" {
		return nil
	}
	return r.fail(v.offset, "%s is not a value", v)
}
