package column

import (
	"encoding/binary"

	"github.com/clewhq/clew/telemetry"
)

// maxAttrs bounds the attributes of one column when it is read, against
// damaged counts; blocks are cut by bytes long before.
const maxAttrs = 1 << 25

// AppendAttrs appends a column of attribute lists. A list is a shape (its keys
// in their order) and values; every key's values stand together.
func AppendAttrs(dst []byte, lists []telemetry.Attrs) []byte {
	e := attrEncoder{keys: map[string]int{}, shapes: map[string]int{}}
	refs := make([]int64, len(lists))
	for i, l := range lists {
		refs[i] = e.add(l)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.keyList)))
	for _, k := range e.keyList {
		dst = AppendString(dst, k)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.shapeList)))
	for _, s := range e.shapeList {
		dst = append(dst, s...)
	}
	dst = AppendInts(dst, refs)
	for _, vals := range e.values {
		dst = AppendValues(dst, vals)
	}
	return dst
}

type attrEncoder struct {
	keys      map[string]int
	keyList   []string
	values    [][]telemetry.Value // by key
	shapes    map[string]int
	shapeList []string
	buf       []byte
}

// add takes the list's values and returns its shape.
func (e *attrEncoder) add(l telemetry.Attrs) int64 {
	e.buf = binary.AppendUvarint(e.buf[:0], uint64(len(l)))
	for i := range l {
		k, ok := e.keys[l[i].Key]
		if !ok {
			k = len(e.keyList)
			e.keys[l[i].Key] = k
			e.keyList = append(e.keyList, l[i].Key)
			e.values = append(e.values, nil)
		}
		e.values[k] = append(e.values[k], l[i].Value)
		e.buf = binary.AppendUvarint(e.buf, uint64(k))
	}
	ref, ok := e.shapes[string(e.buf)]
	if !ok {
		ref = len(e.shapeList)
		s := string(e.buf)
		e.shapes[s] = ref
		e.shapeList = append(e.shapeList, s)
	}
	return int64(ref)
}

// Attrs reads n attribute lists.
func (c *Cursor) Attrs(n int) []telemetry.Attrs {
	keys := make([]string, c.Count(1))
	for i := range keys {
		keys[i] = c.String()
	}
	shapes := c.shapes(len(keys))
	refs := c.Ints(n)
	if c.err != nil {
		return nil
	}
	counts := make([]int, len(keys))
	total := 0
	for _, ref := range refs {
		if ref < 0 || ref >= int64(len(shapes)) {
			c.Fail("attribute shape %d of %d", ref, len(shapes))
			return nil
		}
		for _, k := range shapes[ref] {
			counts[k]++
		}
		if total += len(shapes[ref]); total > maxAttrs {
			c.Fail("more than %d attributes", maxAttrs)
			return nil
		}
	}
	values := make([][]telemetry.Value, len(keys))
	for k := range keys {
		values[k] = c.Values(counts[k])
	}
	if c.err != nil {
		return nil
	}
	return assemble(keys, shapes, refs, values, total)
}

func (c *Cursor) shapes(keys int) [][]int {
	shapes := make([][]int, c.Count(1))
	for i := range shapes {
		shape := make([]int, c.Count(1))
		for j := range shape {
			k := c.Uvarint()
			if k >= uint64(keys) {
				c.Fail("attribute key %d of %d", k, keys)
				return nil
			}
			shape[j] = int(k)
		}
		shapes[i] = shape
	}
	return shapes
}

// assemble puts every row's attributes together, all in one allocation.
func assemble(keys []string, shapes [][]int, refs []int64, values [][]telemetry.Value, total int) []telemetry.Attrs {
	out := make([]telemetry.Attrs, len(refs))
	all := make(telemetry.Attrs, 0, total)
	next := make([]int, len(keys))
	for i, ref := range refs {
		start := len(all)
		for _, k := range shapes[ref] {
			all = append(all, telemetry.Attr{Key: keys[k], Value: values[k][next[k]]})
			next[k]++
		}
		if len(all) > start {
			out[i] = all[start:len(all):len(all)]
		}
	}
	return out
}
