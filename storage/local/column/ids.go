package column

import (
	"encoding/binary"
	"unsafe"
)

// An ID in a column is a reference to the pool of its block. Records of one
// request stand near each other, so most IDs are the next one of the pool or
// one that came shortly before, and in blocks of spans, which are sorted by
// trace, most parents stand a few rows higher as a span of their own.
const (
	idZero = iota // no ID
	idSame        // as in the row above
	idNext        // the one behind the highest that the column had so far
	idElse        // idElse+2k: k before the highest; idElse+2k-1: k+1 behind it
)

// Of parents, which are given in place, the codes above idSame are others.
const (
	idNew = 2 // the bytes follow
	idRow = 3 // idRow+k: the k-th row of the group
)

// ID is what an ID column holds.
type ID interface{ ~[8]byte | ~[16]byte }

// AppendIDs appends a column of IDs of the block that t is at.
func AppendIDs[T ID](dst []byte, t *Table, ids []T) []byte {
	refs := t.Ints(len(ids))
	var zero, prev T
	first, highest := int64(0), int64(0)
	for i, id := range ids {
		switch {
		case id == zero:
			refs[i] = idZero
		case i > 0 && id == prev:
			refs[i] = idSame
		default:
			at := use(t, &id)
			if first == 0 {
				first, highest = at, at-1
			}
			refs[i] = stepTo(at - highest)
			highest = max(highest, at)
		}
		prev = id
	}
	return AppendInts(binary.AppendUvarint(dst, uint64(first)), refs)
}

// stepTo returns the reference to the ID that is d behind the highest.
func stepTo(d int64) int64 {
	switch {
	case d == 1:
		return idNext
	case d <= 0:
		return idElse - 2*d
	}
	return idElse + 2*d - 3
}

// stepOf is what stepTo is called with for a reference from idElse on.
func stepOf(ref int64) int64 {
	if ref%2 == idElse%2 {
		return (idElse - ref) / 2
	}
	return (ref - idElse + 3) / 2
}

// bytesOf returns the memory of an ID, whatever named type it is.
func bytesOf[T ID](id *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(id)), len(*id)) }

// IDs is a column of IDs that is being read.
type IDs[T ID] struct {
	c    *Cursor
	refs refs
	// at is where the pool has the ID of each row, plus one; 0 for none. It is
	// worked out as far as it is needed: for the first done rows.
	at      []uint32
	done    int
	highest int64
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

// ReadIDs reads n IDs of a column.
func ReadIDs[T ID](c *Cursor, n int) IDs[T] {
	first := c.Uvarint()
	if first > maxPool {
		c.Fail("ID %d of a pool", first)
	}
	return IDs[T]{c: c, refs: c.refs(n), highest: int64(first) - 1}
}

// maxPool bounds the IDs of a pool.
const maxPool = 1 << 30

// place returns where the pool has the ID of a row, plus one.
func (v *IDs[T]) place(row int) uint32 {
	if row >= v.done {
		v.placeTo(row + 1)
	}
	return v.at[row]
}

// placeTo works out where the pool has the IDs of the rows before end.
func (v *IDs[T]) placeTo(end int) {
	if v.at == nil {
		v.at = v.c.mem.uint32s(v.refs.len())
	}
	bad := -1
	if v.refs.wide != nil {
		v.highest, bad = placeIDs(v.at[:end], v.refs.wide[:end], v.done, v.highest)
	} else {
		v.highest, bad = placeIDs(v.at[:end], v.refs.small[:end], v.done, v.highest)
	}
	if bad >= 0 {
		v.c.Fail("ID reference %d in row %d", v.refs.at(bad), bad)
	}
	v.done = end
}

// placeIDs sets out, from a row on, to the places that the references mean; bad
// is the row of one that cannot be, -1 for none.
func placeIDs[R byte | int64](out []uint32, refs []R, from int, before int64) (highest int64, bad int) {
	prev := uint32(0)
	if from > 0 {
		prev = out[from-1]
	}
	highest = before
	for i := from; i < len(refs); i++ {
		switch ref := refs[i]; ref {
		case idZero:
			prev = 0
		case idSame:
		case idNext:
			highest++
			prev = uint32(highest)
		default:
			at := highest + stepOf(int64(ref))
			if at <= 0 || at > maxPool {
				return highest, i
			}
			prev, highest = uint32(at), max(highest, at)
		}
		out[i] = prev
	}
	return highest, -1
}

// Select calls set for every row of sel, with its place in sel and its ID.
func (v *IDs[T]) Select(sel []int, set func(i int, id T)) {
	if v.refs.len() == 0 {
		return // damaged
	}
	for i, row := range sel {
		set(i, pooled[T](v.c, v.place(row)))
	}
}

// At returns the ID of a row.
func (v *IDs[T]) At(row int) (id T) {
	if row < v.refs.len() {
		id = pooled[T](v.c, v.place(row))
	}
	return id
}

// All returns all IDs.
func (v *IDs[T]) All() []T {
	out := make([]T, v.refs.len())
	for i := range out {
		out[i] = v.At(i)
	}
	return out
}

// groupStart returns the first row of the run of equal IDs that row is in. A
// run that is known to start at start goes on at least to the row known.
func (v *IDs[T]) groupStart(row, known, start int) int {
	for ; row > 0; row-- {
		switch {
		case row == known:
			return start
		case v.place(row) != v.place(row-1):
			return row
		}
	}
	return 0
}

// idStep is how many rows stand between two marks of a column of parents.
const idStep = 64

func idAt[T ID](b []byte, i int) (id T) {
	copy(bytesOf(&id), b[i*len(id):])
	return id
}

func appendLiterals[T ID](dst []byte, lits []T) []byte {
	for i := range lits {
		dst = append(dst, bytesOf(&lits[i])...)
	}
	return dst
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
