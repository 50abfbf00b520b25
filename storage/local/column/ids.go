package column

// An ID in a column is a reference first. Blocks of spans are sorted by
// trace, so most trace IDs repeat the row above, and most parents stand a few
// rows higher as a span of their own.
const (
	idZero = iota // no ID
	idSame        // as in the row above
	idNew         // the bytes follow
	idRow         // idRow+k: the reference list's k-th entry of this group
)

// ID is what an ID column holds.
type ID interface{ ~[8]byte | ~[16]byte }

// AppendIDs appends a column of IDs.
func AppendIDs[T ID](dst []byte, ids []T) []byte {
	refs := make([]int64, len(ids))
	var zero, prev T
	var lits []T
	for i, id := range ids {
		switch {
		case id == zero:
			refs[i] = idZero
		case i > 0 && id == prev:
			refs[i] = idSame
		default:
			refs[i] = idNew
			lits = append(lits, id)
		}
		prev = id
	}
	return appendLiterals(AppendInts(dst, refs), lits)
}

func appendLiterals[T ID](dst []byte, lits []T) []byte {
	for i := range lits {
		switch id := any(lits[i]).(type) {
		case [16]byte:
			dst = append(dst, id[:]...)
		case [8]byte:
			dst = append(dst, id[:]...)
		default:
			dst = appendAnyID(dst, lits[i])
		}
	}
	return dst
}

func appendAnyID[T ID](dst []byte, id T) []byte {
	for i := range len(id) {
		dst = append(dst, id[i])
	}
	return dst
}

// IDs reads n IDs of a column.
func IDs[T ID](c *Cursor, n int) []T {
	refs := c.Ints(n)
	if c.err != nil {
		return nil
	}
	out := make([]T, n)
	for i, ref := range refs {
		switch {
		case ref == idNew:
			out[i] = readID[T](c)
		case ref == idSame && i > 0:
			out[i] = out[i-1]
		case ref != idZero:
			c.Fail("ID reference %d in row %d", ref, i)
		}
	}
	return out
}

func readID[T ID](c *Cursor) (id T) {
	b := c.Bytes(len(id))
	for i := range b {
		id[i] = b[i]
	}
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
	refs := c.Ints(len(spans))
	if c.err != nil {
		return nil
	}
	out := make([]T, len(spans))
	for i, ref := range refs {
		switch {
		case ref == idNew:
			out[i] = readID[T](c)
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
