package column

import (
	"encoding/binary"
	"math"

	"github.com/clewhq/clew/telemetry"
)

// maxDepth bounds how deep arrays and maps nest when they are read back. It is
// far above what any decoder of OTLP lets in.
const maxDepth = 20000

// AppendValues appends a column of values: their kinds, then the strings, the
// numbers and the rest, each as a column of its own.
func AppendValues(dst []byte, vals []telemetry.Value) []byte {
	kinds := make([]int64, len(vals))
	var strs, rest []string
	var ints, doubles []int64
	for i, v := range vals {
		kinds[i] = int64(v.Kind())
		switch v.Kind() {
		case telemetry.KindEmpty:
		case telemetry.KindString, telemetry.KindBytes:
			strs = append(strs, v.Str())
		case telemetry.KindBool:
			ints = append(ints, boolInt(v.Bool()))
		case telemetry.KindInt:
			ints = append(ints, v.Int())
		case telemetry.KindDouble:
			doubles = append(doubles, int64(math.Float64bits(v.Double())))
		default:
			rest = append(rest, string(AppendValue(nil, v)))
		}
	}
	dst = AppendInts(dst, kinds)
	if len(strs) > 0 {
		dst = AppendStrings(dst, strs)
	}
	if len(ints) > 0 {
		dst = AppendInts(dst, ints)
	}
	dst = appendDoubles(dst, doubles)
	if len(rest) > 0 {
		dst = AppendStrings(dst, rest)
	}
	return dst
}

func boolInt(b bool) int64 {
	if b {
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

// Values reads n values.
func (c *Cursor) Values(n int) []telemetry.Value {
	kinds := c.Ints(n)
	if c.err != nil {
		return nil
	}
	var strs, ints, doubles, rest int
	for _, k := range kinds {
		switch telemetry.Kind(k) {
		case telemetry.KindEmpty:
		case telemetry.KindString, telemetry.KindBytes:
			strs++
		case telemetry.KindBool, telemetry.KindInt:
			ints++
		case telemetry.KindDouble:
			doubles++
		case telemetry.KindArray, telemetry.KindMap:
			rest++
		default:
			c.Fail("value kind %d is unknown", k)
			return nil
		}
	}
	parts := c.valueParts(strs, ints, doubles, rest)
	if c.err != nil {
		return nil
	}
	out := make([]telemetry.Value, n)
	for i, k := range kinds {
		out[i] = parts.take(c, telemetry.Kind(k))
	}
	return out
}

type valueParts struct {
	strs, rest []string
	ints       []int64
	doubles    []byte
}

func (c *Cursor) valueParts(strs, ints, doubles, rest int) (p valueParts) {
	if strs > 0 {
		p.strs = c.Strings(strs)
	}
	if ints > 0 {
		p.ints = c.Ints(ints)
	}
	p.doubles = c.Bytes(8 * doubles)
	if rest > 0 {
		p.rest = c.Strings(rest)
	}
	return p
}

// take returns the next value of kind k.
func (p *valueParts) take(c *Cursor, k telemetry.Kind) (v telemetry.Value) {
	switch k {
	case telemetry.KindString:
		v, p.strs = telemetry.String(p.strs[0]), p.strs[1:]
	case telemetry.KindBytes:
		v, p.strs = telemetry.Bytes(p.strs[0]), p.strs[1:]
	case telemetry.KindBool:
		v, p.ints = telemetry.Bool(p.ints[0] != 0), p.ints[1:]
	case telemetry.KindInt:
		v, p.ints = telemetry.Int(p.ints[0]), p.ints[1:]
	case telemetry.KindDouble:
		v = telemetry.Double(math.Float64frombits(binary.LittleEndian.Uint64(p.doubles)))
		p.doubles = p.doubles[8:]
	case telemetry.KindArray, telemetry.KindMap:
		inner := Cursor{b: []byte(p.rest[0])}
		v, p.rest = inner.Value(), p.rest[1:]
		if inner.err != nil && c.err == nil {
			c.err = inner.err
		}
	}
	return v
}

// AppendValue appends one value with all that is nested in it.
func AppendValue(dst []byte, v telemetry.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		dst = AppendString(dst, v.Str())
	case telemetry.KindBool:
		dst = append(dst, byte(boolInt(v.Bool())))
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
