package column

// scratch is the memory in which the columns of a block are made, so that
// making those of the next block needs little more. What it hands out is good
// until the block ends.
type scratch struct {
	ints   slab[int64]
	texts  slab[string]
	wide   slab[[wideLen]byte]
	narrow slab[[narrowLen]byte]

	// Only one column at a time is in these.
	index     textIndex
	templates templateEncoder
	attrs     attrEncoder
}

// Bounds of what is kept for the next block, in pieces: a block of usual size
// has room in it.
const (
	maxMadeInts  = 512 << 10
	maxMadeTexts = 256 << 10
	maxMadeIDs   = 32 << 10
)

func (s *scratch) reset() {
	s.ints.reset(maxMadeInts)
	s.texts.reset(maxMadeTexts)
	s.wide.reset(maxMadeIDs)
	s.narrow.reset(maxMadeIDs)
}

// Ints returns memory for n numbers, good until the block ends. It is not
// cleared.
func (t *Table) Ints(n int) []int64 { return t.scratch.ints.take(n) }

// Texts returns memory for n texts, good until the block ends. It is not
// cleared.
func (t *Table) Texts(n int) []string { return t.scratch.texts.take(n) }
