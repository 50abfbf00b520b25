package column

import "github.com/clewhq/clew/telemetry"

// maxAttrs bounds the attributes of one column when it is read, against
// damaged counts; blocks are cut by bytes long before.
const maxAttrs = 1 << 25

// Attrs is a column of attribute lists that is being read. It is not safe for
// concurrent use.
type Attrs struct {
	c      *Cursor
	keys   []string
	kept   []string // keys to be kept, "" where not yet
	shapes [][]int
	refs   refs
	values []Values // by key
}

// Keys reads the keys with which a column of attribute lists begins.
func (c *Cursor) Keys() []string {
	keys := make([]string, c.Count(1))
	for i := range keys {
		keys[i] = c.String()
	}
	return keys
}

// Attrs reads n attribute lists.
func (c *Cursor) Attrs(n int) (v Attrs) {
	v.c = c
	v.keys = c.Keys()
	v.shapes = c.shapes(len(v.keys))
	v.refs = c.refs(n)
	if c.err != nil {
		return v
	}
	counts := c.countRefs(&v.refs, len(v.shapes), "attribute shape")
	if counts == nil {
		return v
	}
	held := make([]int, len(v.keys))
	total := 0
	for s, shape := range v.shapes {
		for _, k := range shape {
			held[k] += counts[s]
		}
		if total += counts[s] * len(shape); total > maxAttrs {
			c.Fail("more than %d attributes", maxAttrs)
			return v
		}
	}
	v.kept = c.mem.stringsOf(len(v.keys))
	v.values = c.mem.columnsOfValues(len(v.keys))
	for k := range v.keys {
		v.values[k] = c.Values(held[k])
	}
	return v
}

// countRefs counts how often each of the first most references occurs; nil
// where there is one that is more.
func (c *Cursor) countRefs(r *refs, most int, what string) []int {
	counts := make([]int, most)
	for i, ref := range r.small {
		if int(ref) >= most {
			c.Fail("%s %d of %d in row %d", what, ref, most, i)
			return nil
		}
		counts[ref]++
	}
	for i, ref := range r.wide {
		if ref < 0 || ref >= int64(most) {
			c.Fail("%s %d of %d in row %d", what, ref, most, i)
			return nil
		}
		counts[ref]++
	}
	return counts
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

// places calls visit for every row of sel, which ascend, with its place in sel,
// its shape, and how many values of each key the rows before it have.
func (v *Attrs) places(sel []int, visit func(i int, shape []int, before []int)) {
	if v.c.err != nil {
		return
	}
	before := make([]int, len(v.keys))
	passed := make([]int, len(v.shapes)) // rows of each shape since the last visit
	row := 0
	for i, want := range sel {
		if want-row > fewRows {
			v.refs.tally(passed, row, want)
			row = want
			for ref, n := range passed {
				if n == 0 {
					continue
				}
				for _, k := range v.shapes[ref] {
					before[k] += n
				}
				passed[ref] = 0
			}
		}
		for ; row < want; row++ {
			for _, k := range v.shapes[v.refs.at(row)] {
				before[k]++
			}
		}
		visit(i, v.shapes[v.refs.at(row)], before)
	}
}

// fewRows are counted one by one.
const fewRows = 8

// tally adds to counts how often each reference occurs from a row to another.
func (r *refs) tally(counts []int, from, to int) {
	if r.wide != nil {
		for _, ref := range r.wide[from:to] {
			counts[ref]++
		}
		return
	}
	for _, ref := range r.small[from:to] {
		counts[ref]++
	}
}

// Select calls set for every row of sel, which ascend, with its place in sel
// and its attributes.
func (v *Attrs) Select(sel []int, set func(i int, attrs telemetry.Attrs)) {
	v.places(sel, func(i int, shape, before []int) {
		if len(shape) == 0 {
			set(i, nil)
			return
		}
		list := make(telemetry.Attrs, len(shape))
		for j, k := range shape {
			// A key may stand in a list more than once.
			at := before[k] + repeats(shape[:j], k)
			list[j] = telemetry.Attr{Key: v.key(k), Value: v.values[k].At(at)}
		}
		set(i, list)
	})
}

// key returns a key to be kept.
func (v *Attrs) key(k int) string {
	if v.kept[k] == "" {
		v.kept[k] = v.c.mem.keep(v.keys[k])
	}
	return v.kept[k]
}

// Accepted tells of each key of the column whether accept is true of it; nil
// where it is of none.
func (v *Attrs) Accepted(accept func(string) bool) (out []bool) {
	for i, key := range v.keys {
		if accept(key) {
			if out == nil {
				out = make([]bool, len(v.keys))
			}
			out[i] = true
		}
	}
	return out
}

// Texts calls visit for every row of sel, which ascend, with its text: that of
// field, which may be nil, or where it is empty the first one that is not among
// the attributes of these keys.
func (v *Attrs) Texts(sel []int, keys []bool, field *Strings, visit func(text string)) {
	v.places(sel, func(i int, shape, before []int) {
		text := ""
		if field != nil {
			text = field.At(sel[i])
		}
		for j := 0; text == "" && j < len(shape); j++ {
			if k := shape[j]; keys[k] {
				text = v.values[k].At(before[k] + repeats(shape[:j], k)).Text()
			}
		}
		visit(text)
	})
}

// Test returns the rows of sel, which ascend, whose text accept is true of, as
// Texts tells it.
func (v *Attrs) Test(sel []int, keys []bool, field *Strings, accept func(string) bool) []int {
	out := make([]int, 0, len(sel))
	known := map[string]bool{}
	next := 0
	v.Texts(sel, keys, field, func(text string) {
		good, ok := known[text]
		if !ok {
			good = accept(text)
			known[text] = good
		}
		if good {
			out = append(out, sel[next])
		}
		next++
	})
	return out
}

// repeats counts a key's earlier places in a list.
func repeats(earlier []int, key int) (n int) {
	for _, k := range earlier {
		if k == key {
			n++
		}
	}
	return n
}
