package syntax

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Type is the type of a value.
type Type uint8

// The types. TypeAny is that of an attribute whose type only the data knows.
const (
	TypeNil Type = iota
	TypeAny
	TypeInt
	TypeFloat
	TypeDuration
	TypeString
	TypeBool
	TypeStatus
	TypeKind
	TypeArray
)

// String names the type in messages.
func (t Type) String() string {
	names := [...]string{"nil", "attribute", "int", "float", "duration", "string", "bool", "status", "kind", "array"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// Numeric reports whether values of t take part in arithmetic.
func (t Type) Numeric() bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }

// Static is a value: a literal of the query, or what an attribute holds. The
// zero Static is nil, the value of an attribute that is not there.
type Static struct {
	Type Type
	num  uint64
	str  string
	list []Static
}

// Nil is the value of what is not there.
var Nil = Static{}

// Int returns an integer.
func Int(i int64) Static { return Static{Type: TypeInt, num: uint64(i)} }

// Float returns a floating point number.
func Float(f float64) Static { return Static{Type: TypeFloat, num: math.Float64bits(f)} }

// Duration returns a duration.
func Duration(d time.Duration) Static { return Static{Type: TypeDuration, num: uint64(d)} }

// String returns a string value.
func String(s string) Static { return Static{Type: TypeString, str: s} }

// Bool returns a boolean.
func Bool(b bool) Static {
	if b {
		return Static{Type: TypeBool, num: 1}
	}
	return Static{Type: TypeBool}
}

// Status returns a span status by OpenTelemetry's number.
func Status(code uint8) Static { return Static{Type: TypeStatus, num: uint64(code)} }

// Kind returns a span kind by OpenTelemetry's number.
func Kind(k uint8) Static { return Static{Type: TypeKind, num: uint64(k)} }

// Array returns an array, which must not be changed afterwards.
func Array(list []Static) Static { return Static{Type: TypeArray, list: list} }

// IsNil reports whether there is no value.
func (s Static) IsNil() bool { return s.Type == TypeNil }

// IsTrue reports whether s is the boolean true.
func (s Static) IsTrue() bool { return s.Type == TypeBool && s.num == 1 }

// AsInt returns the integer, duration, status or kind as a number.
func (s Static) AsInt() int64 { return int64(s.num) }

// Str returns the text of a string.
func (s Static) Str() string { return s.str }

// List returns the elements of an array.
func (s Static) List() []Static { return s.list }

// AsFloat returns the number as floating point, NaN for what is none.
func (s Static) AsFloat() float64 {
	switch s.Type {
	case TypeFloat:
		return math.Float64frombits(s.num)
	case TypeInt, TypeDuration:
		return float64(int64(s.num))
	}
	return math.NaN()
}

var (
	statusWords = [...]string{"unset", "ok", "error"}
	kindWords   = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

func wordOf(words []string, i uint64) string {
	if i < uint64(len(words)) {
		return words[i]
	}
	return words[0]
}

// Text renders the value without quotes, as it stands in answers.
func (s Static) Text() string {
	switch s.Type {
	case TypeString:
		return s.str
	case TypeInt:
		return strconv.FormatInt(int64(s.num), 10)
	}
	return s.Source()
}

// Source renders the value as it would stand in a query.
func (s Static) Source() string {
	switch s.Type {
	case TypeInt:
		if int64(s.num) == math.MinInt64 {
			return "minInt" // its digits alone are out of range
		}
		return strconv.FormatInt(int64(s.num), 10)
	case TypeFloat:
		f := strconv.FormatFloat(s.AsFloat(), 'g', -1, 64)
		if !strings.ContainsAny(f, "e.NI") {
			f += ".0"
		}
		return f
	case TypeDuration:
		return time.Duration(s.num).String()
	case TypeString:
		if strings.ContainsRune(s.str, '`') || !strconv.CanBackquote(s.str) {
			return strconv.Quote(s.str)
		}
		return "`" + s.str + "`"
	case TypeBool:
		return strconv.FormatBool(s.num == 1)
	case TypeStatus:
		return wordOf(statusWords[:], s.num)
	case TypeKind:
		return wordOf(kindWords[:], s.num)
	case TypeArray:
		parts := make([]string, len(s.list))
		for i, e := range s.list {
			parts[i] = e.Source()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "nil"
}

// Equal reports whether two values are the same for TraceQL: numbers compare
// across types, and nil equals nothing.
func (s Static) Equal(o Static) bool {
	switch {
	case s.IsNil() || o.IsNil():
		return false
	case s.Type == TypeFloat || o.Type == TypeFloat:
		return s.Type.Numeric() && o.Type.Numeric() && s.AsFloat() == o.AsFloat()
	case s.Type.Numeric() && o.Type.Numeric():
		return s.num == o.num
	case s.Type != o.Type:
		return false
	case s.Type == TypeArray:
		if len(s.list) != len(o.list) {
			return false
		}
		for i := range s.list {
			if !s.list[i].Equal(o.list[i]) {
				return false
			}
		}
		return true
	}
	return s.num == o.num && s.str == o.str
}

// Compare orders two values of comparable types; it reports false where they
// have no order.
func (s Static) Compare(o Static) (int, bool) {
	switch {
	case s.Type == TypeString && o.Type == TypeString:
		return strings.Compare(s.str, o.str), true
	case !s.Type.Numeric() || !o.Type.Numeric():
		return 0, false
	case s.Type == TypeFloat || o.Type == TypeFloat:
		a, b := s.AsFloat(), o.AsFloat()
		if math.IsNaN(a) || math.IsNaN(b) {
			return 0, false
		}
		return cmp.Compare(a, b), true
	}
	return cmp.Compare(int64(s.num), int64(o.num)), true
}

// Key is a comparable form of the value, for grouping.
func (s Static) Key() string { return string(s.AppendKey(nil)) }

// AppendKey appends Key to dst.
func (s Static) AppendKey(dst []byte) []byte {
	dst = append(dst, '0'+byte(s.Type))
	switch s.Type {
	case TypeString:
		return append(dst, s.str...)
	case TypeArray:
		return append(dst, s.Source()...)
	}
	return strconv.AppendUint(dst, s.num, 36)
}
