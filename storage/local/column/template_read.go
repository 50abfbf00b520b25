package column

import "bytes"

// templates is a column of templates that is being read.
type templates struct {
	c    *Cursor
	list []template
	refs Ints
	// rank counts, for each text, those of the same template before it; wide
	// and narrow the IDs before it.
	rank         []uint32
	wide, narrow []uint32
	wideIDs      IDs[[16]byte]
	narrowIDs    IDs[[8]byte]
	wideAll      [][16]byte
	narrowAll    [][8]byte
	buf          []byte
}

type template struct {
	pieces       []string // one more than variables
	kinds        []byte   // of the variables
	wide, narrow uint32   // how many of its variables are IDs
	rows         int
	whole        bool   // for texts that were not taken apart
	columns      []byte // of the variables
	vars         []variable
}

type variable struct {
	width int
	ints  Ints
	strs  Strings
}

// templates reads n texts.
func (c *Cursor) templates(n int) *templates {
	v := &templates{c: c}
	v.list = make([]template, c.Count(2)+1)
	v.list[whole] = template{pieces: []string{"", ""}, kinds: []byte{varStrings}, whole: true}
	var pieces []string
	for i := range v.list[1:] {
		pieces = c.template(&v.list[1+i], pieces)
	}
	v.refs = c.Ints(n)
	if c.err != nil {
		return v
	}
	wide, narrow := v.count(n)
	v.list[whole].vars = []variable{c.variable(varStrings, v.list[whole].rows)}
	for i := range v.list[1:] {
		v.list[1+i].columns = c.Bytes(c.Count(1))
	}
	v.wideIDs, v.narrowIDs = ReadIDs[[16]byte](c, wide), ReadIDs[[8]byte](c, narrow)
	return v
}

// template reads a template. Its pieces are appended to those of the others.
func (c *Cursor) template(t *template, pieces []string) []string {
	n := c.Count(2)
	t.kinds = c.Bytes(n)
	start := len(pieces)
	for range n + 1 {
		pieces = append(pieces, c.String())
	}
	t.pieces = pieces[start:len(pieces):len(pieces)]
	for _, kind := range t.kinds {
		switch kind {
		case varUUID, varHex32:
			t.wide++
		case varHex16:
			t.narrow++
		case varStrings, varInts, varPadded:
		default:
			c.Fail("variable kind %d is unknown", kind)
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
	inner := NewCursor(t.columns)
	vars := make([]variable, len(t.kinds))
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
			vars[i] = variable{ints: Ints{n: t.rows}, strs: Strings{c: inner, n: t.rows}}
		}
	}
	t.vars = vars
	return vars
}

// maxIDs bounds the IDs in the texts of one column, against damaged counts.
const maxIDs = 1 << 24

// count works out where each text's variables stand in their columns.
func (v *templates) count(n int) (wide, narrow int) {
	v.rank = make([]uint32, 3*n)
	v.rank, v.wide, v.narrow = v.rank[:n], v.rank[n:2*n], v.rank[2*n:]
	var w, s uint32
	for i := range n {
		ref := v.refs.At(i)
		if ref < 0 || ref >= int64(len(v.list)) {
			v.c.Fail("template %d of %d", ref, len(v.list))
			return 0, 0
		}
		t := &v.list[ref]
		v.rank[i], v.wide[i], v.narrow[i] = uint32(t.rows), w, s
		t.rows++
		w += t.wide
		s += t.narrow
		if w > maxIDs || s > maxIDs {
			v.c.Fail("more than %d IDs in texts", maxIDs)
			return 0, 0
		}
	}
	return int(w), int(s)
}

func (c *Cursor) variable(kind byte, n int) (v variable) {
	switch kind {
	case varStrings:
		if len(c.b) > 0 && c.b[0] == stringsTemplates {
			c.Fail("templates inside templates")
			return v
		}
		v.strs = c.Strings(n)
	case varPadded:
		if v.width = int(c.Byte()); v.width > maxDigits {
			c.Fail("numbers of %d digits", v.width)
		}
		v.ints = c.Ints(n)
	case varInts:
		v.ints = c.Ints(n)
	}
	return v
}

// at returns text i.
func (v *templates) at(i int) string {
	if t := &v.list[v.refs.At(i)]; t.whole {
		return t.vars[0].strs.At(int(v.rank[i]))
	}
	v.buf = v.append(v.buf[:0], i)
	return string(v.buf)
}

// append appends text i.
func (v *templates) append(dst []byte, i int) []byte {
	t := &v.list[v.refs.At(i)]
	rank, wide, narrow := int(v.rank[i]), v.wide[i], v.narrow[i]
	vars := v.variables(t)
	for j, kind := range t.kinds {
		dst = append(dst, t.pieces[j]...)
		x := &vars[j]
		switch kind {
		case varStrings:
			dst = append(dst, x.strs.At(rank)...)
		case varInts:
			dst = appendDecimal(dst, x.ints.At(rank))
		case varPadded:
			dst = appendPadded(dst, x.ints.At(rank), x.width)
		case varUUID:
			dst = appendUUID(dst, &v.wides()[wide])
			wide++
		case varHex32:
			dst = appendHex(dst, v.wides()[wide][:])
			wide++
		case varHex16:
			dst = appendHex(dst, v.narrows()[narrow][:])
			narrow++
		}
	}
	return append(dst, t.pieces[len(t.kinds)]...)
}

func (v *templates) wides() [][16]byte {
	if v.wideAll == nil {
		v.wideAll = v.wideIDs.All()
	}
	return v.wideAll
}

func (v *templates) narrows() [][8]byte {
	if v.narrowAll == nil {
		v.narrowAll = v.narrowIDs.All()
	}
	return v.narrowAll
}

// containing returns the rows of sel whose text holds lit. Most templates
// settle it for all their texts; those of the others are put together.
func (v *templates) containing(sel []int, lit string) []int {
	verdicts := make([]verdict, len(v.list))
	for i := range v.list {
		if t := &v.list[i]; t.rows > 0 {
			verdicts[i] = v.judge(t, lit)
		}
	}
	want := []byte(lit)
	out := sel[:0]
	for _, i := range sel {
		switch verdicts[v.refs.At(i)] {
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
