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

// IDs is a column of IDs that is being read.
type IDs[T ID] struct {
	refs  []int64
	given []byte
}

// ReadIDs reads n IDs of a column.
func ReadIDs[T ID](c *Cursor, n int) (v IDs[T]) {
	var zero T
	refs := c.Ints(n)
	count := 0
	for i, ref := range refs.All() {
		switch {
		case ref == idNew:
			count++
		case ref == idSame && i > 0, ref == idZero:
		case ref < idBack || ref-idBack >= int64(count):
			c.Fail("ID reference %d in row %d", ref, i)
		}
	}
	given := c.Bytes(count * len(zero))
	if c.err != nil {
		return v
	}
	return IDs[T]{refs: refs.All(), given: given}
}

// Select calls set for every row of sel, which ascend, with its place in sel
// and its ID.
func (v *IDs[T]) Select(sel []int, set func(i int, id T)) {
	var prev, none T
	given, next := 0, 0 // IDs given so far, place in sel
	for row, ref := range v.refs {
		if next == len(sel) {
			return
		}
		switch ref {
		case idZero:
			prev = none
		case idSame:
		case idNew:
			prev = idAt[T](v.given, given)
			given++
		default:
			prev = idAt[T](v.given, given-1-int(ref-idBack))
		}
		if row == sel[next] {
			set(next, prev)
			next++
		}
	}
}

// All returns all IDs.
func (v *IDs[T]) All() []T {
	out := make([]T, len(v.refs))
	sel := make([]int, len(v.refs))
	for i := range sel {
		sel[i] = i
	}
	v.Select(sel, func(i int, id T) { out[i] = id })
	return out
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

// Parents reads what AppendParents wrote.
func Parents[T ID](c *Cursor, spans []T, groups []int) []T {
	var zero T
	refs := c.Ints(len(spans))
	if c.err != nil {
		return nil
	}
	out := make([]T, len(spans))
	for i, ref := range refs.All() {
		switch {
		case ref == idNew:
			if b := c.Bytes(len(zero)); b != nil {
				out[i] = idAt[T](b, 0)
			}
		case ref >= idRow && ref-idRow < int64(len(spans)-groups[i]):
			out[i] = spans[groups[i]+int(ref-idRow)]
		case ref != idZero:
			c.Fail("parent reference %d in row %d", ref, i)
		}
	}
	return out
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
