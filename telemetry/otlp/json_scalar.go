package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// jsonScalar is a string, unescaped, or a bare word as it stands.
type jsonScalar struct {
	text   []byte
	quoted bool
	offset int
}

func (v jsonScalar) String() string {
	const limit = 64
	text := v.text
	if len(text) > limit {
		text = append(slices.Clone(text[:limit]), "..."...)
	}
	if v.quoted {
		return strconv.Quote(string(text))
	}
	return string(text)
}

// parse returns what v is as a value of f: bits of a number, or text.
func (f *jsonField) parse(v jsonScalar) (bits uint64, text []byte, err error) {
	ok := false
	switch f.kind {
	case jsonText:
		text, ok = v.text, v.quoted
	case jsonBase64:
		text, ok = fromBase64(v)
	case jsonTraceID, jsonSpanID, jsonExemplarTraceID, jsonExemplarSpanID:
		text, ok = f.id(v)
	case jsonBool:
		bits, ok = boolBits(v)
	case jsonUint32, jsonFixed32:
		bits, ok = v.unsigned(math.MaxUint32)
	case jsonUint64, jsonFixed64:
		bits, ok = v.unsigned(math.MaxUint64)
	case jsonInt64, jsonSfixed64:
		bits, ok = v.signed(math.MinInt64, math.MaxInt64)
	case jsonSint32:
		bits, ok = v.signed(math.MinInt32, math.MaxInt32)
		bits = zigzag(int64(bits))
	case jsonDouble:
		bits, ok = v.double()
	case jsonEnum:
		return f.enumValue(v)
	}
	if !ok {
		return 0, nil, fmt.Errorf("%s, want %s", v, kindNames[f.kind])
	}
	return bits, text, nil
}

func boolBits(v jsonScalar) (uint64, bool) {
	switch {
	case v.quoted:
	case string(v.text) == "true":
		return 1, true
	case string(v.text) == "false":
		return 0, true
	}
	return 0, false
}

// enumValue takes a number, also one that has no name yet, or a name.
func (f *jsonField) enumValue(v jsonScalar) (uint64, []byte, error) {
	if n, ok := v.signed(math.MinInt32, math.MaxInt32); ok {
		return n, nil, nil
	}
	if n, ok := f.enum[string(v.text)]; ok && v.quoted {
		return n, nil, nil
	}
	example := ""
	for name := range f.enum {
		example = max(example, name)
	}
	return 0, nil, fmt.Errorf("%s, want the number or the name of a value, such as %q", v, example)
}

// id returns the bytes of an ID in hex, or in the base64 that clients write who
// leave JSON to their protobuf library. Of what is none, the text is returned
// where the caller finds out by its length, or nothing.
func (f *jsonField) id(v jsonScalar) ([]byte, bool) {
	if !v.quoted {
		return nil, false
	}
	size := 16
	if f.kind == jsonSpanID || f.kind == jsonExemplarSpanID {
		size = 8
	}
	id, err := hex.AppendDecode(nil, v.text)
	if err == nil && (len(id) == size || len(id) == 0) {
		return id, true
	}
	if b, ok := base64ID(v.text, size); ok {
		return b, true
	}
	if f.kind == jsonExemplarTraceID || f.kind == jsonExemplarSpanID {
		return nil, true
	}
	if err != nil || len(id) == size {
		id = slices.Clone(v.text)
	}
	for len(id) == 16 || len(id) == 8 {
		id = append(id, '?') // text of a right length must not pass for an ID
	}
	return id, true
}

// base64ID reads an ID in base64, which ends in = at these sizes. No hex does.
func base64ID(text []byte, size int) ([]byte, bool) {
	if len(text) != base64.StdEncoding.EncodedLen(size) || text[len(text)-1] != '=' {
		return nil, false
	}
	id, err := base64.StdEncoding.AppendDecode(nil, text)
	return id, err == nil && len(id) == size
}

// fromBase64 takes both alphabets, with and without padding.
func fromBase64(v jsonScalar) ([]byte, bool) {
	if !v.quoted {
		return nil, false
	}
	text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(string(v.text), "="))
	b, err := base64.RawStdEncoding.DecodeString(text)
	return b, err == nil
}

func (v jsonScalar) unsigned(most uint64) (uint64, bool) {
	if !v.number() {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v.text), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		f, ok := v.whole()
		if !ok || f < 0 || f >= 1<<64 {
			return 0, false
		}
		n, err = uint64(f), nil
	}
	return n, err == nil && n <= most
}

func (v jsonScalar) signed(least, most int64) (uint64, bool) {
	if !v.number() {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.text), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		f, ok := v.whole()
		if !ok || f < -1<<63 || f >= 1<<63 {
			return 0, false
		}
		n, err = int64(f), nil
	}
	return uint64(n), err == nil && least <= n && n <= most
}

// whole is a number such as 1.5e9 or 7.0 that has no fraction.
func (v jsonScalar) whole() (float64, bool) {
	f, err := strconv.ParseFloat(string(v.text), 64)
	return f, err == nil && f == math.Trunc(f)
}

func (v jsonScalar) double() (uint64, bool) {
	if v.number() {
		f, err := strconv.ParseFloat(string(v.text), 64)
		return math.Float64bits(f), err == nil
	}
	if !v.quoted {
		return 0, false
	}
	switch string(v.text) {
	case "NaN":
		return math.Float64bits(math.NaN()), true
	case "Infinity", "+Inf", "Inf":
		return math.Float64bits(math.Inf(1)), true
	case "-Infinity", "-Inf":
		return math.Float64bits(math.Inf(-1)), true
	}
	return 0, false
}

// number reports whether v is a number as JSON spells them.
func (v jsonScalar) number() bool {
	t := v.text
	if len(t) > 0 && t[0] == '-' {
		t = t[1:]
	}
	digits := func() bool {
		n := 0
		for n < len(t) && t[n] >= '0' && t[n] <= '9' {
			n++
		}
		t = t[n:]
		return n > 0
	}
	zero := len(t) > 1 && t[0] == '0' && t[1] >= '0' && t[1] <= '9'
	if zero && !v.quoted || !digits() {
		return false
	}
	if len(t) > 0 && t[0] == '.' {
		t = t[1:]
		if !digits() {
			return false
		}
	}
	if len(t) > 0 && (t[0] == 'e' || t[0] == 'E') {
		t = t[1:]
		if len(t) > 0 && (t[0] == '+' || t[0] == '-') {
			t = t[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(t) == 0
}
