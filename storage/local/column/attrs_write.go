package column

import (
	"encoding/binary"

	"github.com/clewhq/clew/telemetry"
)

// AppendAttrs appends a column of n attribute lists. A list is a shape (its keys
// in their order) and values; every key's values stand together.
func AppendAttrs(dst []byte, t *Table, n int, list func(i int) telemetry.Attrs) []byte {
	e := &t.scratch.attrs
	e.begin()
	refs := t.Ints(n)
	for i := range refs {
		refs[i] = int64(e.add(list(i)))
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.keyList)))
	for _, k := range e.keyList {
		dst = AppendString(dst, k)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.shapeList)))
	for _, shape := range e.shapeList {
		dst = binary.AppendUvarint(dst, uint64(len(shape)))
		for _, k := range shape {
			dst = binary.AppendUvarint(dst, uint64(k))
		}
	}
	dst = AppendInts(dst, refs)
	for k := range e.keyList {
		dst = AppendValues(dst, t, e.values[k])
	}
	return dst
}

// attrEncoder takes the attribute lists of one column apart.
type attrEncoder struct {
	keys      map[string]int
	keyList   []string
	values    [][]telemetry.Value // by key
	shapes    map[string]int      // by their keys' numbers
	shapeList [][]int
	guesses   [shapeGuesses]int // shapes plus one, by what is seen of a list at once
	buf       []byte
}

// shapeGuesses is how many lists can be told apart at once, a power of two:
// more than the shapes of most columns.
const shapeGuesses = 256

// begin makes ready for the lists of a column, in the memory of the one before.
func (e *attrEncoder) begin() {
	if e.keys == nil {
		e.keys, e.shapes = map[string]int{}, map[string]int{}
	}
	clear(e.keys)
	clear(e.shapes)
	clear(e.guesses[:])
	e.keyList, e.shapeList = e.keyList[:0], e.shapeList[:0]
}

// add takes the list's values and returns its shape.
func (e *attrEncoder) add(l telemetry.Attrs) int {
	guess := &e.guesses[guessOf(l)]
	if *guess == 0 || !e.hasShape(l, e.shapeList[*guess-1]) {
		*guess = 1 + e.shapeOf(l)
	}
	for i, k := range e.shapeList[*guess-1] {
		e.values[k] = append(e.values[k], l[i].Value)
	}
	return *guess - 1
}

// guessOf returns what tells most lists of different keys apart.
func guessOf(l telemetry.Attrs) int {
	n := len(l)
	if n > 0 {
		first, last := l[0].Key, l[n-1].Key
		n += 5*len(first) + 7*len(last)
		if first != "" && last != "" {
			n += 11*int(first[len(first)-1]) + 13*int(last[len(last)-1])
		}
	}
	return n & (shapeGuesses - 1)
}

// hasShape reports whether the list's keys are those of the shape.
func (e *attrEncoder) hasShape(l telemetry.Attrs, shape []int) bool {
	if len(l) != len(shape) {
		return false
	}
	for i, k := range shape {
		if l[i].Key != e.keyList[k] {
			return false
		}
	}
	return true
}

// shapeOf returns the shape of the list, which may be a new one.
func (e *attrEncoder) shapeOf(l telemetry.Attrs) int {
	e.buf = e.buf[:0]
	shape := make([]int, len(l))
	for i := range l {
		shape[i] = e.key(l[i].Key)
		e.buf = binary.AppendUvarint(e.buf, uint64(shape[i]))
	}
	ref, ok := e.shapes[string(e.buf)]
	if !ok {
		ref = len(e.shapeList)
		e.shapes[string(e.buf)] = ref
		e.shapeList = append(e.shapeList, shape)
	}
	return ref
}

// key returns the number of a key, and makes room for its values.
func (e *attrEncoder) key(key string) int {
	k, ok := e.keys[key]
	if ok {
		return k
	}
	k = len(e.keyList)
	e.keys[key] = k
	e.keyList = append(e.keyList, key)
	if k == len(e.values) {
		e.values = append(e.values, nil)
	}
	e.values[k] = e.values[k][:0]
	return k
}
