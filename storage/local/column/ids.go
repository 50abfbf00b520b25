package column

import "unsafe"

// An ID in a column is a reference first. Records of one request stand near
// each other, so most IDs repeat one that came shortly before, and in blocks
// of spans, which are sorted by trace, most parents stand a few rows higher as
// a span of their own.
const (
	idZero = iota // no ID
	idSame        // as in the row above
	idNew         // the bytes follow
	idRow         // idRow+k: the reference list's k-th entry of this group
)

// idBack+k is the ID that was given as the k-th before the last one given.
const (
	idBack    = 3
	maxIDBack = 250 // references stay within a byte
)

// ID is what an ID column holds.
type ID interface{ ~[8]byte | ~[16]byte }

// AppendIDs appends a column of IDs.
func AppendIDs[T ID](dst []byte, ids []T) []byte {
	refs := make([]int64, len(ids))
	var zero, prev T
	var given []T
	place := make(map[T]int, 64) // in given
	for i, id := range ids {
		switch {
		case id == zero:
			refs[i] = idZero
		case i > 0 && id == prev:
			refs[i] = idSame
		default:
			if at, ok := place[id]; ok && len(given)-1-at <= maxIDBack {
				refs[i] = idBack + int64(len(given)-1-at)
				break
			}
			refs[i] = idNew
			place[id] = len(given)
			given = append(given, id)
		}
		prev = id
	}
	return appendLiterals(AppendInts(dst, refs), given)
}

func appendLiterals[T ID](dst []byte, lits []T) []byte {
	for i := range lits {
		dst = append(dst, bytesOf(&lits[i])...)
	}
	return dst
}

// bytesOf returns the memory of an ID, whatever named type it is.
func bytesOf[T ID](id *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(id)), len(*id)) }

// IDs is a column of IDs that is being read. Every ID can be read without those
// before it but a few: see idMarks.
type IDs[T ID] struct {
	refs  refs
	given []byte
	marks []uint32
	// next is the row behind the last one that At was asked for, count and
	// prev what a mark says, of this row.
	next        int
	count, prev uint32
}

// refs are the references of a column: bytes, where they fit in such.
type refs struct {
	small []byte
	wide  []int64
}

func (c *Cursor) refs(n int) (r refs) {
	v := c.Ints(n)
	if r.small = v.small(); r.small == nil {
		r.wide = v.All()
	}
	return r
}

func (r *refs) len() int { return len(r.small) + len(r.wide) }

func (r *refs) at(i int) int64 {
	if r.wide != nil {
		return r.wide[i]
	}
	return int64(r.small[i])
}

// idStep is how many rows stand between two marks. A mark is how many IDs were
// given before its row, and the place of the ID above it among those given,
// plus one; 0 for none.
const idStep = 64

// ReadIDs reads n IDs of a column.
func ReadIDs[T ID](c *Cursor, n int) (v IDs[T]) {
	var zero T
	r := c.refs(n)
	marks := c.mem.uint32s((n + idStep - 1) / idStep * 2)
	count, bad := 0, -1
	if r.wide != nil {
		count, bad = markIDs(r.wide, marks)
	} else {
		count, bad = markIDs(r.small, marks)
	}
	if bad >= 0 {
		c.Fail("ID reference %d in row %d", r.at(bad), bad)
	}
	given := c.Bytes(count * len(zero))
	if c.err != nil {
		return v
	}
	return IDs[T]{refs: r, given: given, marks: marks}
}

// markIDs sets the marks and counts the IDs that are given; bad is the row of a
// reference that cannot be, -1 for none.
func markIDs[R byte | int64](refs []R, marks []uint32) (count, bad int) {
	prev := uint32(0)
	for i, ref := range refs {
		if i%idStep == 0 {
			marks[i/idStep*2], marks[i/idStep*2+1] = uint32(count), prev
		}
		switch {
		case ref == idSame && i > 0:
		case ref == idNew:
			count++
			prev = uint32(count)
		case ref == idZero:
			prev = 0
		case ref < idBack || int64(ref)-idBack >= int64(count):
			return count, i
		default:
			prev = uint32(count - int(ref-idBack))
		}
	}
	return count, -1
}

// selectIDs calls set for every row of sel, which ascend, with its place in sel
// and that of its ID among those given, plus one.
func selectIDs[R byte | int64](refs []R, marks []uint32, sel []int, set func(i int, at uint32)) {
	row, count, prev := 0, uint32(0), uint32(0)
	for i, want := range sel {
		if mark := want / idStep; mark*idStep > row {
			row, count, prev = mark*idStep, marks[2*mark], marks[2*mark+1]
		}
		for ; row <= want; row++ {
			count, prev = stepID(refs[row], count, prev)
		}
		set(i, prev)
	}
}

// stepID goes on by a row: see idStep.
func stepID[R byte | int64](ref R, count, prev uint32) (uint32, uint32) {
	switch ref {
	case idZero:
		return count, 0
	case idSame:
		return count, prev
	case idNew:
		return count + 1, count + 1
	}
	return count, count - uint32(ref-idBack)
}

// Select calls set for every row of sel, which ascend, with its place in sel
// and its ID.
func (v *IDs[T]) Select(sel []int, set func(i int, id T)) {
	get := func(i int, at uint32) { set(i, v.given1(at)) }
	switch {
	case v.refs.wide != nil:
		selectIDs(v.refs.wide, v.marks, sel, get)
	case v.refs.small != nil:
		selectIDs(v.refs.small, v.marks, sel, get)
	}
}

// given1 returns an ID by its place among those given plus one, none for 0.
func (v *IDs[T]) given1(at uint32) (id T) {
	if at > 0 {
		id = idAt[T](v.given, int(at)-1)
	}
	return id
}

// At returns the ID of a row.
func (v *IDs[T]) At(row int) (id T) {
	if row >= v.refs.len() {
		return id
	}
	if mark := row / idStep; v.next > row || v.next < mark*idStep {
		v.next, v.count, v.prev = mark*idStep, v.marks[2*mark], v.marks[2*mark+1]
	}
	for ; v.next <= row; v.next++ {
		v.count, v.prev = stepID(v.refs.at(v.next), v.count, v.prev)
	}
	return v.given1(v.prev)
}

// All returns all IDs.
func (v *IDs[T]) All() []T {
	out := make([]T, v.refs.len())
	sel := make([]int, len(out))
	for i := range sel {
		sel[i] = i
	}
	v.Select(sel, func(i int, id T) { out[i] = id })
	return out
}

// groupStart returns the first row of the run of equal IDs that row is in. A
// run that is known to start at start goes on at least to the row known.
func (v *IDs[T]) groupStart(row, known, start int) int {
	for ; row > 0; row-- {
		switch ref := v.refs.at(row); {
		case row == known:
			return start
		case ref == idSame, ref == idZero && v.refs.at(row-1) == idZero:
		case v.At(row) != v.At(row-1):
			return row
		}
	}
	return 0
}

func idAt[T ID](b []byte, i int) (id T) {
	copy(bytesOf(&id), b[i*len(id):])
	return id
}

// AppendParents appends a column of IDs most of which stand in the column
// spans, within the same group (groups[i] is where row i's group starts).
func AppendParents[T ID](dst []byte, ids, spans []T, groups []int) []byte {
	refs := make([]int64, len(ids))
	var zero T
	var lits []T
	where := make(map[T]int, 64)
	start := -1
	for i, id := range ids {
		if groups[i] != start {
			start = groups[i]
			clear(where)
			for j := start; j < len(ids) && groups[j] == start; j++ {
				if _, dup := where[spans[j]]; !dup {
					where[spans[j]] = j - start
				}
			}
		}
		row, known := where[id]
		switch {
		case id == zero:
			refs[i] = idZero
		case known:
			refs[i] = idRow + int64(row)
		default:
			refs[i] = idNew
			lits = append(lits, id)
		}
	}
	return appendLiterals(AppendInts(dst, refs), lits)
}

// Parents is what AppendParents wrote, being read.
type Parents[T ID] struct {
	c     *Cursor
	refs  refs
	given []byte
	// marks count the IDs that are given before every idStep-th row.
	marks []uint32
}

// ReadParents reads n parents.
func ReadParents[T ID](c *Cursor, n int) (v Parents[T]) {
	var zero T
	r := c.refs(n)
	marks := c.mem.uint32s((n + idStep - 1) / idStep)
	count := 0
	for i := range r.len() {
		if i%idStep == 0 {
			marks[i/idStep] = uint32(count)
		}
		switch ref := r.at(i); {
		case ref == idNew:
			count++
		case ref < 0 || ref == idSame:
			c.Fail("parent reference %d in row %d", ref, i)
		}
	}
	given := c.Bytes(count * len(zero))
	if c.err != nil {
		return v
	}
	return Parents[T]{c: c, refs: r, given: given, marks: marks}
}

// SelectParents calls set for every row of sel, which ascend, with its place in
// sel and its parent: one that was given, or the ID in spans of a row of the
// same group, which is a run of equal IDs in groups.
func SelectParents[T, G ID](v *Parents[T], spans *IDs[T], groups *IDs[G], sel []int, set func(i int, id T)) {
	var zero T
	known, start := -1, 0
	for i, row := range sel {
		if row >= v.refs.len() {
			return
		}
		switch ref := v.refs.at(row); ref {
		case idZero:
			set(i, zero)
		case idNew:
			nth := int(v.marks[row/idStep])
			for at := row / idStep * idStep; at < row; at++ {
				if v.refs.at(at) == idNew {
					nth++
				}
			}
			set(i, idAt[T](v.given, nth))
		default:
			start = groups.groupStart(row, known, start)
			known = row
			at := int64(start) + ref - idRow
			if at >= int64(v.refs.len()) {
				v.c.Fail("parent reference %d in row %d", ref, row)
				return
			}
			set(i, spans.At(int(at)))
		}
	}
}

// Groups returns for each row the first row of its run of equal IDs.
func Groups[T ID](ids []T) []int {
	out := make([]int, len(ids))
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			out[i] = out[i-1]
		} else {
			out[i] = i
		}
	}
	return out
}
