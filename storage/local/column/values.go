package column

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// maxDepth bounds how deep arrays and maps nest when they are read back. It is
// far above what any decoder of OTLP lets in.
const maxDepth = 20000

// AppendValues appends a column of values: their kinds, then the strings, the
// numbers and the rest, each as a column of its own.
func AppendValues(dst []byte, t *Table, vals []telemetry.Value) []byte {
	return AppendTimed(dst, t, vals, nil)
}

// AppendTimed is AppendValues for values of records of these times, which the
// reader is to have; nil for none. A text that tells its time hardly costs more
// than one that does not.
func AppendTimed(dst []byte, t *Table, vals []telemetry.Value, times []int64) []byte {
	kinds := t.Ints(len(vals))
	var strs, rest []string
	var ints, doubles []int64
	for i := range vals {
		v := &vals[i]
		kinds[i] = int64(v.Kind())
		switch v.Kind() {
		case telemetry.KindEmpty:
		case telemetry.KindString, telemetry.KindBytes:
			if strs == nil {
				strs = t.Texts(len(vals) - i)[:0]
			}
			strs = append(strs, v.Str())
		case telemetry.KindBool, telemetry.KindInt:
			if ints == nil {
				ints = t.Ints(len(vals) - i)[:0]
			}
			ints = append(ints, wholeNumber(v))
		case telemetry.KindDouble:
			doubles = append(doubles, int64(math.Float64bits(v.Double())))
		default:
			rest = append(rest, string(AppendValue(nil, *v)))
		}
	}
	dst = AppendInts(dst, kinds)
	if len(strs) < len(vals) {
		times = nil // they are those of other places
	}
	if len(strs) > 0 {
		dst = appendStrings(dst, t, strs, times)
	}
	if len(ints) > 0 {
		dst = AppendInts(dst, ints)
	}
	dst = appendDoubles(dst, doubles)
	if len(rest) > 0 {
		dst = AppendStrings(dst, t, rest)
	}
	return dst
}

// wholeNumber is what is written of a number or a truth.
func wholeNumber(v *telemetry.Value) int64 {
	switch {
	case v.Kind() == telemetry.KindInt:
		return v.Int()
	case v.Bool():
		return 1
	}
	return 0
}

func appendDoubles(dst []byte, bits []int64) []byte {
	for _, v := range bits {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

// Values is a column of values that is being read. It is not safe for
// concurrent use.
type Values struct {
	c          *Cursor
	kinds      Ints
	strs, rest Strings
	ints       Ints
	doubles    []byte
	place      []uint32 // in the column of its kind; nil where all are of one kind
}

// Values reads n values.
func (c *Cursor) Values(n int) (v Values) {
	v.c, v.kinds = c, c.Ints(n)
	counts := v.count(n)
	if c.err != nil {
		return v
	}
	if counts[inStrings] > 0 {
		v.strs = c.Strings(counts[inStrings])
	}
	if counts[inInts] > 0 {
		v.ints = c.Ints(counts[inInts])
	}
	v.doubles = c.Bytes(doubleSize * counts[inDoubles])
	if counts[inRest] > 0 {
		v.rest = c.Strings(counts[inRest])
	}
	return v
}

const doubleSize = 8

// The columns that values of different kinds stand in.
const (
	inNone = iota
	inStrings
	inInts
	inDoubles
	inRest
	inColumns
)

// columnOf returns the column of a kind, -1 where there is no such kind.
func columnOf(kind int64) int {
	switch telemetry.Kind(kind) {
	case telemetry.KindEmpty:
		return inNone
	case telemetry.KindString, telemetry.KindBytes:
		return inStrings
	case telemetry.KindBool, telemetry.KindInt:
		return inInts
	case telemetry.KindDouble:
		return inDoubles
	case telemetry.KindArray, telemetry.KindMap:
		return inRest
	}
	return -1
}

// count works out how many values each column has, and where each one stands.
func (v *Values) count(n int) (counts [inColumns]int) {
	if kind, ok := v.kinds.Const(); ok || n == 0 {
		if in := columnOf(kind); in >= 0 && kind >= 0 {
			counts[in] = n
		} else {
			v.c.Fail("value kind %d is unknown", kind)
		}
		return counts
	}
	v.place = v.c.mem.uint32s(n)
	for i, kind := range v.kinds.All() {
		in := columnOf(kind)
		if in < 0 || kind < 0 || kind > 255 {
			v.c.Fail("value kind %d is unknown", kind)
			return counts
		}
		v.place[i] = uint32(counts[in])
		counts[in]++
	}
	return counts
}

// Texts returns the column of strings that all values are, nil where some are
// something else.
func (v *Values) Texts() *Strings {
	if kind, ok := v.kinds.Const(); ok && telemetry.Kind(kind) == telemetry.KindString {
		return &v.strs
	}
	return nil
}

// Containing returns the rows of sel whose value's text holds lit.
func (v *Values) Containing(sel []int, lit string) []int {
	return slices.DeleteFunc(sel, func(i int) bool { return !strings.Contains(v.At(i).Text(), lit) })
}

// At returns value i.
func (v *Values) At(i int) telemetry.Value {
	if v.c.err != nil {
		return telemetry.Value{}
	}
	k := telemetry.Kind(v.kinds.At(i))
	if v.place != nil {
		i = int(v.place[i])
	}
	switch k {
	case telemetry.KindString:
		return telemetry.String(v.strs.At(i))
	case telemetry.KindBytes:
		return telemetry.Bytes(v.strs.At(i))
	case telemetry.KindBool:
		return telemetry.Bool(v.ints.At(i) != 0)
	case telemetry.KindInt:
		return telemetry.Int(v.ints.At(i))
	case telemetry.KindDouble:
		return telemetry.Double(math.Float64frombits(binary.LittleEndian.Uint64(v.doubles[doubleSize*i:])))
	case telemetry.KindArray, telemetry.KindMap:
		inner := Cursor{b: []byte(v.rest.peek(i))}
		out := inner.Value()
		if inner.err != nil {
			v.c.Fail("%v", inner.err)
		}
		return out
	}
	return telemetry.Value{}
}

// AppendValue appends one value with all that is nested in it.
func AppendValue(dst []byte, v telemetry.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		dst = AppendString(dst, v.Str())
	case telemetry.KindBool:
		dst = append(dst, byte(wholeNumber(&v)))
	case telemetry.KindInt:
		dst = binary.AppendUvarint(dst, zigzag(v.Int()))
	case telemetry.KindDouble:
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Double()))
	case telemetry.KindArray:
		dst = binary.AppendUvarint(dst, uint64(len(v.List())))
		for _, e := range v.List() {
			dst = AppendValue(dst, e)
		}
	case telemetry.KindMap:
		dst = AppendAttrList(dst, v.Map())
	}
	return dst
}

// AppendAttrList appends one list of attributes, for places that hold few.
func AppendAttrList(dst []byte, attrs telemetry.Attrs) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(attrs)))
	for i := range attrs {
		dst = AppendString(dst, attrs[i].Key)
		dst = AppendValue(dst, attrs[i].Value)
	}
	return dst
}

// Value reads what AppendValue wrote.
func (c *Cursor) Value() telemetry.Value { return c.value(0) }

// AttrList reads what AppendAttrList wrote.
func (c *Cursor) AttrList() telemetry.Attrs { return c.attrList(0) }

func (c *Cursor) value(depth int) telemetry.Value {
	if depth > maxDepth {
		c.Fail("values nest deeper than %d", maxDepth)
		return telemetry.Value{}
	}
	switch k := telemetry.Kind(c.Byte()); k {
	case telemetry.KindEmpty:
	case telemetry.KindString:
		return telemetry.String(c.String())
	case telemetry.KindBytes:
		return telemetry.Bytes(c.String())
	case telemetry.KindBool:
		return telemetry.Bool(c.Byte() != 0)
	case telemetry.KindInt:
		return telemetry.Int(c.Varint())
	case telemetry.KindDouble:
		if b := c.Bytes(8); len(b) == 8 {
			return telemetry.Double(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case telemetry.KindArray:
		list := make([]telemetry.Value, c.Count(1))
		for i := range list {
			list[i] = c.value(depth + 1)
		}
		return telemetry.Array(list)
	case telemetry.KindMap:
		return telemetry.Map(c.attrList(depth + 1))
	default:
		c.Fail("value kind %d is unknown", k)
	}
	return telemetry.Value{}
}

func (c *Cursor) attrList(depth int) telemetry.Attrs {
	n := c.Count(2)
	if n == 0 {
		return nil
	}
	attrs := make(telemetry.Attrs, n)
	for i := range attrs {
		attrs[i].Key = c.String()
		attrs[i].Value = c.value(depth)
	}
	return attrs
}
