package column

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Texts that a program writes differ in their variables. A template is what
// stays: the pieces between the variables. Each variable of each template is a
// column of its own, of the type that its values have.

const (
	// minTemplateRows is how many texts make it worth to look for templates,
	// minRows how many of them a template is for: the others are written whole.
	minTemplateRows = 8
	minRows         = 3
	// maxVariables and maxTemplateText bound what is taken apart.
	maxVariables    = 100
	maxTemplateText = 8 << 10
)

// templateEncoder takes the texts of one column apart.
type templateEncoder struct {
	t     *Table
	vals  []string
	times []int64 // of the records, nil for none
	clock clock
	told  []byte         // which variables of a text are its time: their kinds, or 0
	index map[string]int // by the pieces
	shape []shape
	of    []int    // the shape of each text
	vars  []string // of all texts
	from  []int    // where each text's variables start
	key   []byte
	own   []byte // the variables of the template at hand
}

// shape is a template that may be: how many texts have it.
type shape struct {
	first, rows, vars int
	times             []byte // the kinds of variables that are times, 0 for others; nil for none
	ref               int64
	kinds             []byte
}

// whole is the shape of texts that are not taken apart.
const whole = 0

// appendTemplates reports false where templates don't make vals shorter.
func appendTemplates(dst []byte, t *Table, vals []string, times []int64) ([]byte, bool) {
	if len(vals) < minTemplateRows {
		return dst, false
	}
	e := &t.scratch.templates
	e.begin(t, vals, times)
	plain := 0
	for i, s := range vals {
		plain += len(s)
		e.add(i, s)
	}
	if 2*len(e.vars) < len(vals) || 2*e.settle() < len(vals) {
		return dst, false
	}
	start := len(dst)
	dst = e.append(append(dst, stringsTemplates))
	if 10*(len(dst)-start) > 9*plain {
		return dst[:start], false
	}
	return dst, true
}

// begin makes ready for the texts of a column, in the memory of the one before.
func (e *templateEncoder) begin(t *Table, vals []string, times []int64) {
	if e.index == nil {
		e.index = map[string]int{}
	}
	clear(e.index)
	e.t, e.vals, e.times = t, vals, times
	e.shape = append(e.shape[:0], shape{})
	e.of, e.vars, e.from = e.of[:0], e.vars[:0], e.from[:0]
}

// variable returns where the first variable of text row at or behind i stands,
// and its kind where that is one of a time.
func (e *templateEncoder) variable(row int, s string, i int) (start, end int, kind byte) {
	start, end = nextVariable(s, i)
	if e.times != nil {
		if kind, to := e.clock.find(s, start, end, e.times[row]); kind != 0 {
			return start, to, kind
		}
	}
	return start, end, 0
}

// add finds the shape of a text.
func (e *templateEncoder) add(row int, s string) {
	e.from = append(e.from, len(e.vars))
	e.key, e.told = e.key[:0], e.told[:0]
	last, n, timed := 0, len(e.vars), false
	for i := 0; len(s) <= maxTemplateText; {
		start, end, kind := e.variable(row, s, i)
		e.key = append(append(e.key, s[last:start]...), 0)
		if start == len(s) {
			break
		}
		e.vars, e.told = append(e.vars, s[start:end]), append(e.told, kind)
		timed = timed || kind != 0
		last, i = end, end
	}
	pieces := len(e.key)
	for i := 0; timed && i < len(e.told); i++ {
		e.key = append(e.key, 1+e.told[i])
	}
	at, ok := e.index[string(e.key)]
	switch vars := len(e.vars) - n; {
	case ok:
	case len(s) > maxTemplateText || vars > maxVariables || hasZero(e.key[:pieces], vars+1):
		at = whole
	default:
		at = len(e.shape)
		e.index[string(e.key)] = at
		s := shape{first: len(e.of), vars: vars}
		if timed {
			s.times = slices.Clone(e.told)
		}
		e.shape = append(e.shape, s)
	}
	if at == whole {
		e.vars = e.vars[:n]
	}
	e.shape[at].rows++
	e.of = append(e.of, at)
}

// hasZero reports whether pieces hold the byte that ends each of them.
func hasZero(key []byte, pieces int) bool {
	n := 0
	for _, c := range key {
		if c == 0 {
			n++
		}
	}
	return n != pieces
}

// settle gives up the shapes of few texts and numbers the others in the order
// in which they come. It returns how many texts are taken apart.
func (e *templateEncoder) settle() (rows int) {
	next := int64(1)
	for i := range e.shape {
		s := &e.shape[i]
		if i != whole && s.rows >= minRows {
			s.ref = next
			next++
			rows += s.rows
		}
	}
	return rows
}

func (e *templateEncoder) append(dst []byte) []byte {
	columns := e.columns()
	refs := e.t.Ints(len(e.of))
	count := 1
	for i, at := range e.of {
		refs[i] = e.shape[at].ref
		count = max(count, int(refs[i])+1)
	}
	dst = binary.AppendUvarint(dst, uint64(count-1))
	for i := range e.shape {
		if e.shape[i].ref > 0 {
			dst = e.appendPieces(dst, &e.shape[i])
		}
	}
	dst = AppendInts(dst, refs)
	dst = appendNested(dst, e.t, columns[whole])
	at := 1
	vars := e.own
	for i := range e.shape {
		s := &e.shape[i]
		if s.ref == 0 {
			continue
		}
		vars = vars[:0]
		for j := range s.vars {
			vars = appendVariable(vars, e.t, s.kinds[j], columns[at+j])
		}
		at += s.vars
		dst = append(binary.AppendUvarint(dst, uint64(len(vars))), vars...)
	}
	e.own = vars
	return dst
}

// columns returns the texts that are written whole and then the values of all
// variables, and sets their kinds.
func (e *templateEncoder) columns() [][]string {
	start := make([]int, len(e.shape))
	total := 1
	for i := range e.shape {
		if e.shape[i].ref > 0 {
			start[i] = total
			total += e.shape[i].vars
		}
	}
	out := make([][]string, total)
	kinds := make([]uint8, total)
	for i, at := range e.of {
		s := &e.shape[at]
		if s.ref == 0 {
			if out[whole] == nil {
				out[whole] = e.t.Texts(len(e.of))[:0]
			}
			out[whole] = append(out[whole], e.vals[i])
			continue
		}
		for j := range s.vars {
			k := start[at] + j
			if s.times != nil && s.times[j] != 0 {
				continue
			}
			v := e.vars[e.from[i]+j]
			if out[k] == nil {
				out[k] = e.t.Texts(s.rows)[:0]
				kinds[k] = 1<<varKinds - 1
			}
			if kinds[k] != 0 {
				kinds[k] &= kindsOf(v)
			}
			out[k] = append(out[k], v)
		}
	}
	for i := range e.shape {
		s := &e.shape[i]
		if s.ref == 0 {
			continue
		}
		s.kinds = make([]byte, s.vars)
		for j := range s.vars {
			if s.times != nil && s.times[j] != 0 {
				s.kinds[j] = s.times[j]
				continue
			}
			s.kinds[j] = bestKind(kinds[start[i]+j], out[start[i]+j])
		}
	}
	return out
}

// bestKind chooses among the kinds that suit all values.
func bestKind(kinds uint8, vals []string) byte {
	if kinds&(1<<varInts) != 0 {
		return varInts
	}
	if kinds&(1<<varPadded) != 0 {
		for _, v := range vals {
			if len(v) != len(vals[0]) {
				kinds &^= 1 << varPadded
				break
			}
		}
	}
	if kinds == 0 {
		return varStrings
	}
	return byte(bits.TrailingZeros8(kinds))
}

func (e *templateEncoder) appendPieces(dst []byte, s *shape) []byte {
	text := e.vals[s.first]
	dst = binary.AppendUvarint(dst, uint64(s.vars))
	dst = append(dst, s.kinds...)
	last := 0
	for range s.vars + 1 {
		start, end, _ := e.variable(s.first, text, last)
		dst = AppendString(dst, text[last:start])
		last = end
	}
	return dst
}

func appendVariable(dst []byte, t *Table, kind byte, vals []string) []byte {
	switch kind {
	default: // a time
		return dst
	case varStrings:
		return appendNested(dst, t, vals)
	case varInts, varPadded, varFraction:
		return appendNumbers(dst, t, kind, vals)
	case varHex16:
		return AppendIDs(dst, t, idsOf(&t.scratch.narrow, vals, packHex))
	case varULID:
		return AppendIDs(dst, t, idsOf(&t.scratch.wide, vals, packULID))
	case varUUID, varHex32:
		return AppendIDs(dst, t, idsOf(&t.scratch.wide, vals, packHex))
	}
}

func appendNumbers(dst []byte, t *Table, kind byte, vals []string) []byte {
	digits := 0
	for _, v := range vals {
		digits = max(digits, len(v))
	}
	if kind != varInts {
		dst = append(dst, byte(digits))
	}
	nums := t.Ints(len(vals))
	for i, v := range vals {
		nums[i] = number(v)
		for n := len(v); kind == varFraction && n < digits; n++ {
			nums[i] *= 10
		}
	}
	return AppendInts(dst, nums)
}

// idsOf returns the IDs that texts are of.
func idsOf[T ID](in *slab[T], vals []string, pack func(dst []byte, s string)) []T {
	out := in.take(len(vals))
	for i, v := range vals {
		pack(bytesOf(&out[i]), v)
	}
	return out
}

// appendNested appends a column of strings that has no templates.
func appendNested(dst []byte, t *Table, vals []string) []byte {
	if dict, refs := dictionary(t, vals); dict != nil {
		dst = append(dst, stringsDict)
		dst = binary.AppendUvarint(dst, uint64(len(dict)))
		return AppendInts(appendPlain(dst, t, dict), refs)
	}
	return appendPlain(dst, t, vals)
}
