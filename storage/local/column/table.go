package column

import "encoding/binary"

// The lines of one request stand in several blocks, and in each of them its ID
// may stand in several columns. An ID is random, nothing makes it shorter. So
// it is written once, in a table of IDs that some blocks share, by the first
// block that has it. The columns of a block refer to its pool: the places of
// its IDs in the table, in the order in which the columns first have them. A
// reference is nearly always to the next ID of the pool, or to one shortly
// before, and takes a fraction of a byte.

// The bytes of an ID.
const (
	wideLen   = 16
	narrowLen = 8
)

// Table collects the IDs of blocks that are written one after the other, and
// has the memory in which their columns are made.
type Table struct {
	wide    tableOf[[wideLen]byte]
	narrow  tableOf[[narrowLen]byte]
	scratch scratch
}

// tableOf is the IDs of one size.
type tableOf[T ID] struct {
	places map[T]uint32
	// here is, by place, where the pool of the block at hand has the ID, plus
	// one; 0 where it does not.
	here  []uint32
	pool  []uint32 // places
	given []byte   // IDs that the block at hand is the first to have
	news  int      // how many these are
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{
		wide:   tableOf[[wideLen]byte]{places: map[[wideLen]byte]uint32{}},
		narrow: tableOf[[narrowLen]byte]{places: map[[narrowLen]byte]uint32{}},
	}
}

// use returns where the pool of the block at hand has an ID, plus one.
func (t *tableOf[T]) use(id T) int64 {
	at, ok := t.places[id]
	if !ok {
		at = uint32(len(t.here))
		t.places[id] = at
		t.here = append(t.here, 0)
		t.given = append(t.given, bytesOf(&id)...)
		t.news++
	}
	if t.here[at] == 0 {
		t.pool = append(t.pool, at)
		t.here[at] = uint32(len(t.pool))
	}
	return int64(t.here[at])
}

// use returns where the pool of IDs of its size has an ID, plus one.
func use[T ID](t *Table, id *T) int64 {
	if b := bytesOf(id); len(b) == narrowLen {
		return t.narrow.use([narrowLen]byte(b))
	}
	return t.wide.use([wideLen]byte(bytesOf(id)))
}

// AppendPools ends a block: it appends the pools of its IDs of 16 and of 8
// bytes.
func (t *Table) AppendPools(dst []byte) []byte {
	dst = t.narrow.appendPool(t.wide.appendPool(dst))
	t.scratch.reset()
	return dst
}

// appendPool appends how many IDs the block has, and for each 0 where the block
// gives it, and so is the next one of the table, or one more than the
// difference of its place to that of the last one that the block does not give.
func (t *tableOf[T]) appendPool(dst []byte) []byte {
	codes := make([]int64, len(t.pool))
	first, last := uint32(len(t.here)-t.news), int64(0)
	for i, at := range t.pool {
		if at < first {
			codes[i] = 1 + int64(zigzag(int64(at)-last))
			last = int64(at)
		}
		t.here[at] = 0
	}
	t.pool = t.pool[:0]
	return AppendInts(binary.AppendUvarint(dst, uint64(len(codes))), codes)
}

// AppendGiven appends the IDs that the block which ended is the first to have:
// wide of 16 bytes, then those of 8 bytes.
func (t *Table) AppendGiven(dst []byte) (ids []byte, wide int) {
	wide = t.wide.news
	dst = append(append(dst, t.wide.given...), t.narrow.given...)
	t.wide.given, t.wide.news = t.wide.given[:0], 0
	t.narrow.given, t.narrow.news = t.narrow.given[:0], 0
	return dst, wide
}

// Size is the bytes of the table's IDs.
func (t *Table) Size() int { return wideLen*len(t.wide.here) + narrowLen*len(t.narrow.here) }

// Reset begins another table, between two blocks.
func (t *Table) Reset() {
	clear(t.wide.places)
	clear(t.narrow.places)
	t.wide.here, t.narrow.here = t.wide.here[:0], t.narrow.here[:0]
}

// Given is how many IDs blocks gave a table.
type Given struct{ Wide, Narrow int }

// GivenIn returns what a block gave, from the bytes of all its IDs and the
// number of those of 16 bytes; ok is false where that cannot be.
func GivenIn(length int64, wide int) (g Given, ok bool) {
	narrow := length - wideLen*int64(wide)
	if wide < 0 || int64(wide) > length || narrow < 0 || narrow%narrowLen != 0 {
		return Given{}, false
	}
	return Given{wide, int(narrow / narrowLen)}, true
}

// Bytes is how long the IDs are together.
func (g Given) Bytes() int { return wideLen*g.Wide + narrowLen*g.Narrow }

// Plus returns the sum.
func (g Given) Plus(h Given) Given { return Given{g.Wide + h.Wide, g.Narrow + h.Narrow} }

// Parted parts the bytes of what was given into IDs of 16 and of 8 bytes.
func (g Given) Parted(ids []byte) (wide, narrow []byte) {
	return ids[:wideLen*g.Wide], ids[wideLen*g.Wide:]
}
