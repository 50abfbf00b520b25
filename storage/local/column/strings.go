package column

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// How a column of strings is written.
const (
	stringsPlain     = iota // lengths, then all bytes
	stringsDict             // distinct strings as a column, then one number a row
	stringsTemplates        // see template.go
)

// AppendStrings appends a column of strings. Where at most half of them are
// distinct they stand in a dictionary; texts that differ in their numbers and
// IDs only are taken apart, and the IDs are of the block that t is at.
func AppendStrings(dst []byte, t *Table, vals []string) []byte {
	return appendStrings(dst, t, vals, nil)
}

// appendStrings is AppendStrings for texts of records of these times, nil for
// none.
func appendStrings(dst []byte, t *Table, vals []string, times []int64) []byte {
	if dict, refs := dictionary(t, vals); dict != nil {
		dst = append(dst, stringsDict)
		dst = binary.AppendUvarint(dst, uint64(len(dict)))
		return AppendInts(appendDistinct(dst, t, dict, nil), refs)
	}
	return appendDistinct(dst, t, vals, times)
}

func appendDistinct(dst []byte, t *Table, vals []string, times []int64) []byte {
	if out, ok := appendTemplates(dst, t, vals, times); ok {
		return out
	}
	return appendPlain(dst, t, vals)
}

func appendPlain(dst []byte, t *Table, vals []string) []byte {
	dst = append(dst, stringsPlain)
	lens := t.Ints(len(vals))
	for i, s := range vals {
		lens[i] = int64(len(s))
	}
	dst = AppendInts(dst, lens)
	for _, s := range vals {
		dst = append(dst, s...)
	}
	return dst
}

// Strings is a column of strings that is being read. It is not
// safe for concurrent use.
type Strings struct {
	c    *Cursor
	n    int
	refs Ints     // into dict
	dict *Strings // if set
	tmpl *templates
	text []byte
	ends sums     // where each plain string ends in text
	made []string // of the dictionary, "" where not yet
}

// Strings reads n strings.
func (c *Cursor) Strings(n int) Strings {
	v := Strings{c: c, n: n}
	switch mode := c.Byte(); {
	case c.err != nil:
	case mode == stringsDict:
		size := c.Count(0)
		v.dict = c.distinct(size)
		v.refs = c.Ints(n)
		v.made = c.mem.stringsOf(size)
	case mode == stringsPlain:
		v.readPlain()
	case mode == stringsTemplates:
		v.tmpl = c.templates(n)
	default:
		c.Fail("string encoding %d is unknown", mode)
	}
	return v
}

// distinct reads the strings of a dictionary, which is none itself.
func (c *Cursor) distinct(n int) *Strings {
	if len(c.b) > 0 && c.b[0] == stringsDict {
		c.Fail("a dictionary in a dictionary")
	}
	v := c.Strings(n)
	return &v
}

func (v *Strings) readPlain() {
	c := v.c
	lens := c.Ints(v.n)
	if c.err != nil {
		return
	}
	total := 0
	v.ends, total = c.sums(lens, len(c.b))
	v.text = c.Bytes(total)
}

// Len is the number of strings.
func (v *Strings) Len() int { return v.n }

// At returns string i, to be kept.
func (v *Strings) At(i int) string {
	switch {
	case v.c.err != nil:
		return ""
	case v.dict != nil:
		return v.entry(v.refs.At(i))
	case v.tmpl != nil:
		return v.tmpl.at(i)
	}
	return v.c.mem.text(v.plain(i))
}

// peek returns string i, good until the next call.
func (v *Strings) peek(i int) string {
	switch {
	case v.c.err != nil:
		return ""
	case v.dict != nil:
		return v.entry(v.refs.At(i))
	case v.tmpl != nil:
		return v.tmpl.peek(i)
	}
	return asString(v.plain(i))
}

func (v *Strings) plain(i int) []byte {
	from, to := v.ends.bounds(i)
	return v.text[from:to]
}

// entry returns a string of the dictionary; it is made once.
func (v *Strings) entry(ref int64) string {
	if !v.known(ref, len(v.made)) {
		return ""
	}
	if v.made[ref] == "" {
		v.made[ref] = v.dict.At(int(ref))
	}
	return v.made[ref]
}

// Test returns the rows of sel, which ascend, whose string accept is true of.
// It asks once for each string of a dictionary.
func (v *Strings) Test(sel []int, accept func(string) bool) []int {
	if v.c.err != nil {
		return nil
	}
	if v.dict == nil {
		return slices.DeleteFunc(sel, func(i int) bool { return !accept(v.peek(i)) })
	}
	good := make([]bool, len(v.made))
	n := 0
	for ref := range good {
		if good[ref] = accept(v.dict.peek(ref)); good[ref] {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out := sel[:0]
	next := 0
	if v.refs.eachRun(func(ref int64, _, to int) {
		for ; next < len(sel) && sel[next] < to; next++ {
			if v.known(ref, len(good)) && good[ref] {
				out = append(out, sel[next])
			}
		}
	}) {
		return out
	}
	if len(sel) == v.n && v.refs.w == 1 && v.refs.base == 0 && v.refs.mode == intsPlanes {
		return v.testBytes(out, good)
	}
	for _, i := range sel {
		if ref := v.refs.At(i); v.known(ref, len(good)) && good[ref] {
			out = append(out, i)
		}
	}
	return out
}

// testBytes is the usual case of Test: all rows, of a small dictionary.
func (v *Strings) testBytes(out []int, good []bool) []int {
	for i, ref := range v.refs.planes[:v.n] {
		if int(ref) >= len(good) {
			v.known(int64(ref), len(good)) // says what is wrong
			return nil
		}
		if good[ref] {
			out = append(out, i)
		}
	}
	return out
}

// known reports whether a dictionary of n has the string.
func (v *Strings) known(ref int64, n int) bool {
	if ref < 0 || ref >= int64(n) {
		v.c.Fail("string %d of a dictionary of %d", ref, n)
		return false
	}
	return true
}

// Containing returns the rows of sel, which ascend, whose string holds lit.
func (v *Strings) Containing(sel []int, lit string) []int {
	switch {
	case v.c.err != nil || lit == "" || len(sel) == 0:
		return sel
	case v.dict != nil:
		return v.Test(sel, func(s string) bool { return strings.Contains(s, lit) })
	case v.tmpl != nil:
		return v.tmpl.containing(sel, lit)
	}
	return v.plainContaining(sel, []byte(lit))
}

// plainContaining searches the bytes of all strings at once.
func (v *Strings) plainContaining(sel []int, lit []byte) []int {
	out := sel[:0]
	at := 0
	if from, _ := v.ends.bounds(sel[0]); from > 0 {
		at = from
	}
	for next := 0; next < len(sel); {
		hit := bytes.Index(v.text[at:], lit)
		if hit < 0 {
			break
		}
		hit += at
		row := v.ends.rowAt(hit)
		from, to := v.ends.bounds(row)
		if hit+len(lit) > to {
			at = max(hit+1, from) // it begins in one string and ends in another
			continue
		}
		for next < len(sel) && sel[next] < row {
			next++
		}
		if next < len(sel) && sel[next] == row {
			out = append(out, row)
			next++
		}
		at = to
	}
	return out
}

// holds reports whether any string holds lit.
func (v *Strings) holds(lit string) bool {
	switch {
	case v.c.err != nil:
		return false
	case v.dict != nil:
		return v.dict.holds(lit)
	case v.tmpl != nil:
		return v.tmpl.mayHold(lit)
	}
	return bytes.Contains(v.text, []byte(lit))
}
