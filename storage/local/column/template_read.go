package column

import (
	"bytes"
	"strings"
)

// templates is a column of templates that is being read.
type templates struct {
	c    *Cursor
	list []template
	refs refs
	pos  place
	// rank counts, for each text, those of the same template before it: there
	// its variables stand. It is worked out where texts are asked for back and
	// forth.
	rank  []uint32
	back  int // how often place went back
	clock clock
	buf   []byte
}

// place is a text, and what stands before it.
type place struct {
	at     int
	counts []uint32 // texts by template
}

type template struct {
	pieces  []string // one more than variables
	kinds   []byte   // of the variables
	rows    int
	whole   bool   // for texts that were not taken apart
	columns []byte // of the variables
	vars    []variable
}

type variable struct {
	width  int
	ints   Ints
	strs   Strings
	wide   IDs[[wideLen]byte]
	narrow IDs[[narrowLen]byte]
}

// templates reads n texts.
func (c *Cursor) templates(n int) *templates {
	v := &templates{c: c}
	v.list = c.mem.templatesOf(c.Count(2) + 1)
	v.list[whole] = template{pieces: []string{"", ""}, kinds: []byte{varStrings}, whole: true}
	// Most templates have few variables.
	pieces := c.mem.stringsOf(8 * len(v.list))[:0]
	for i := range v.list[1:] {
		pieces = c.template(&v.list[1+i], pieces, c.times != nil && c.times.Len() == n)
	}
	v.refs = c.refs(n)
	if c.err != nil {
		return v
	}
	for ref, n := range c.countRefs(&v.refs, len(v.list), "template") {
		v.list[ref].rows = n
	}
	v.list[whole].vars = []variable{c.variable(varStrings, v.list[whole].rows)}
	for i := range v.list[1:] {
		v.list[1+i].columns = c.Bytes(c.Count(1))
	}
	return v
}

// template reads a template, of texts of which the times are known if timed.
// Its pieces are appended to those of the others.
func (c *Cursor) template(t *template, pieces []string, timed bool) []string {
	n := c.Count(2)
	t.kinds = c.Bytes(n)
	start := len(pieces)
	for range n + 1 {
		pieces = append(pieces, c.String())
	}
	t.pieces = pieces[start:len(pieces):len(pieces)]
	for _, kind := range t.kinds {
		switch {
		case int(kind) >= timeKinds:
			c.Fail("variable kind %d is unknown", kind)
		case kind >= varTimes && !timed:
			c.Fail("a time in texts of records without one")
		}
	}
	return pieces
}

// variables returns what can be read of a template's variables. They are
// parsed when they are first needed: most templates settle a search without.
func (v *templates) variables(t *template) []variable {
	if t.vars != nil {
		return t.vars
	}
	inner := CursorIn(t.columns, v.c.mem).In(v.c.pool)
	vars := v.c.mem.variablesOf(len(t.kinds))
	for i, kind := range t.kinds {
		vars[i] = inner.variable(kind, t.rows)
	}
	if inner.err == nil && inner.Len() > 0 {
		inner.Fail("%d bytes behind variables", inner.Len())
	}
	if inner.err != nil {
		v.c.Fail("%v", inner.err)
		// Nothing more is read of them.
		vars = make([]variable, len(t.kinds))
		for i := range vars {
			vars[i] = variable{
				ints: Ints{n: t.rows}, strs: Strings{c: inner, n: t.rows},
				wide: IDs[[wideLen]byte]{c: inner}, narrow: IDs[[narrowLen]byte]{c: inner},
			}
		}
	}
	t.vars = vars
	return vars
}

// locate returns where the variables of text i stand: its rank among those of
// its template. Going forward it counts on.
func (v *templates) locate(i int) int {
	if i < v.pos.at && v.rank == nil {
		if v.back++; v.back > maxBack {
			v.locateAll()
		}
		v.begin()
	}
	if v.rank != nil {
		return int(v.rank[i])
	}
	if v.pos.counts == nil {
		v.begin()
	}
	v.forward(i)
	return int(v.pos.counts[v.refs.at(i)])
}

// begin puts the place before the first text.
func (v *templates) begin() {
	if v.pos.counts == nil {
		v.pos.counts = v.c.mem.uint32s(len(v.list))
	}
	clear(v.pos.counts)
	v.pos = place{counts: v.pos.counts}
}

// forward goes on to text i.
func (v *templates) forward(i int) {
	if small := v.refs.small; small != nil {
		for _, ref := range small[v.pos.at:i] {
			v.pos.counts[ref]++
		}
		v.pos.at = i
		return
	}
	for ; v.pos.at < i; v.pos.at++ {
		v.pos.counts[v.refs.at(v.pos.at)]++
	}
}

// locateAll works out the places of all texts.
func (v *templates) locateAll() {
	rank := v.c.mem.uint32s(v.refs.len())
	v.begin()
	for i := range rank {
		v.forward(i)
		rank[i] = v.pos.counts[v.refs.at(i)]
	}
	v.rank = rank
}

func (c *Cursor) variable(kind byte, n int) (v variable) {
	switch kind {
	case varStrings:
		if len(c.b) > 0 && c.b[0] == stringsTemplates {
			c.Fail("templates inside templates")
			return v
		}
		v.strs = c.Strings(n)
	case varPadded, varFraction:
		if v.width = int(c.Byte()); v.width > maxDigits {
			c.Fail("numbers of %d digits", v.width)
		}
		v.ints = c.Ints(n)
	case varInts:
		v.ints = c.Ints(n)
	case varHex16:
		v.narrow = ReadIDs[[narrowLen]byte](c, n)
	case varUUID, varHex32, varULID:
		v.wide = ReadIDs[[wideLen]byte](c, n)
	}
	return v
}

// at returns text i, to be kept.
func (v *templates) at(i int) string {
	if t := &v.list[v.refs.at(i)]; t.whole {
		return t.vars[0].strs.At(v.locate(i))
	}
	s := v.peek(i)
	if v.c.mem == nil || !v.c.mem.Keep {
		return strings.Clone(s)
	}
	return v.c.mem.keep(s)
}

// peek returns text i, good until the next call.
func (v *templates) peek(i int) string {
	v.buf = v.append(v.buf[:0], i)
	return asString(v.buf)
}

// append appends text i.
func (v *templates) append(dst []byte, i int) []byte {
	t := &v.list[v.refs.at(i)]
	rank := v.locate(i)
	vars := v.variables(t)
	for j, kind := range t.kinds {
		dst = append(dst, t.pieces[j]...)
		x := &vars[j]
		switch kind {
		case varStrings:
			dst = append(dst, x.strs.peek(rank)...)
		case varInts:
			dst = appendDecimal(dst, x.ints.At(rank))
		case varPadded:
			dst = appendPadded(dst, x.ints.At(rank), x.width)
		case varFraction:
			dst = appendFraction(dst, x.ints.At(rank), x.width)
		case varUUID:
			id := x.wide.At(rank)
			dst = appendUUID(dst, &id)
		case varHex32:
			id := x.wide.At(rank)
			dst = appendHex(dst, id[:])
		case varHex16:
			id := x.narrow.At(rank)
			dst = appendHex(dst, id[:])
		case varULID:
			id := x.wide.At(rank)
			dst = appendULID(dst, &id)
		default:
			v.clock.set(v.c.times.At(i))
			dst = v.clock.append(dst, kind)
		}
	}
	return append(dst, t.pieces[len(t.kinds)]...)
}

// containing returns the rows of sel whose text holds lit. Most templates
// settle it for all their texts; those of the others are put together. Only
// the templates of sel are judged: a look-up asks for a few rows of a block.
func (v *templates) containing(sel []int, lit string) []int {
	verdicts := make([]verdict, len(v.list))
	want := []byte(lit)
	out := sel[:0]
	for _, i := range sel {
		ref := v.refs.at(i)
		if verdicts[ref] == unjudged {
			verdicts[ref] = v.judge(&v.list[ref], lit)
		}
		switch verdicts[ref] {
		case never:
			continue
		case maybe:
			v.buf = v.append(v.buf[:0], i)
			if !bytes.Contains(v.buf, want) {
				continue
			}
		}
		out = append(out, i)
	}
	return out
}

// mayHold reports whether a text may hold lit.
func (v *templates) mayHold(lit string) bool {
	for i := range v.list {
		if t := &v.list[i]; t.rows > 0 && v.judge(t, lit) != never {
			return true
		}
	}
	return false
}
