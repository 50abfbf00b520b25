package column

import "strings"

// Memory is what the columns of a block are read in, so that reading the next
// block needs no new memory. Nothing that a cursor in it gave may be used after
// Reset but the texts and IDs of records, where Keep is set. It is not safe for
// concurrent use; a nil Memory gives new memory every time.
type Memory struct {
	// Keep makes texts of records stay good after Reset: they are copied.
	// Otherwise they point into the bytes that were read.
	Keep bool

	ints      slab[int64]
	words     slab[uint32]
	bytes     slab[byte]
	values    slab[Values]
	templates slab[template]
	variables slab[variable]
	texts     slab[string]
	kept      []byte // room for texts
}

// Bounds of what is kept for the next block, in pieces: a block of usual size
// has room in it.
const (
	maxKeptInts   = 64 << 10
	maxKeptBytes  = 2 << 20
	maxKeptValues = 512
	maxKeptTexts  = 16 << 10
	// firstKept and lastKept are the sizes of the room for texts: few records
	// shall not hold much memory, and many not need much of it.
	firstKept = 512
	lastKept  = 64 << 10
)

// Reset takes everything back.
func (m *Memory) Reset() {
	m.ints.reset(maxKeptInts)
	m.words.reset(maxKeptInts)
	m.bytes.reset(maxKeptBytes)
	// What these point to is not kept.
	clear(m.values.all[:m.values.used])
	clear(m.templates.all[:m.templates.used])
	clear(m.variables.all[:m.variables.used])
	clear(m.texts.all[:m.texts.used])
	m.values.reset(maxKeptValues)
	m.templates.reset(maxKeptValues)
	m.variables.reset(maxKeptValues)
	m.texts.reset(maxKeptTexts)
	m.kept = nil
}

// Bytes returns n bytes, not cleared.
func (m *Memory) Bytes(n int) []byte {
	if m == nil {
		return make([]byte, n)
	}
	return m.bytes.take(n)
}

// int64s returns n numbers, not cleared.
func (m *Memory) int64s(n int) []int64 {
	if m == nil {
		return make([]int64, n)
	}
	return m.ints.take(n)
}

// uint32s returns n numbers, not cleared.
func (m *Memory) uint32s(n int) []uint32 {
	if m == nil {
		return make([]uint32, n)
	}
	return m.words.take(n)
}

func (m *Memory) columnsOfValues(n int) []Values {
	if m == nil {
		return make([]Values, n)
	}
	return m.values.take(n)
}

func (m *Memory) templatesOf(n int) []template {
	if m == nil {
		return make([]template, n)
	}
	return m.templates.take(n)
}

func (m *Memory) variablesOf(n int) []variable {
	if m == nil {
		return make([]variable, n)
	}
	return m.variables.take(n)
}

func (m *Memory) stringsOf(n int) []string {
	if m == nil {
		return make([]string, n)
	}
	return m.texts.take(n)
}

// text returns b as a string of a record.
func (m *Memory) text(b []byte) string { return m.keep(asString(b)) }

// keep returns s as a string of a record.
func (m *Memory) keep(s string) string {
	if m == nil || !m.Keep || s == "" {
		return s
	}
	if cap(m.kept)-len(m.kept) < len(s) {
		size := min(max(2*cap(m.kept), firstKept), lastKept)
		if len(s) > size/4 {
			return strings.Clone(s)
		}
		m.kept = make([]byte, 0, size)
	}
	at := len(m.kept)
	m.kept = append(m.kept, s...)
	return asString(m.kept[at:len(m.kept):len(m.kept)])
}

// slab hands out pieces of one list, which grows to what was needed of it
// before the last reset. It does so when it is used again: many a block is the
// last one for long.
type slab[T any] struct {
	all    []T
	used   int
	missed int // what was asked for beyond it
	want   int // how long the list is to be
}

// take returns n, not cleared where T has no pointers.
func (s *slab[T]) take(n int) []T {
	if s.used == 0 && s.want > len(s.all) {
		s.all = make([]T, s.want)
	}
	if n > len(s.all)-s.used {
		s.missed += n
		return make([]T, n)
	}
	at := s.used
	s.used += n
	return s.all[at : at+n : at+n]
}

// reset takes back what was handed out. It keeps no more than most.
func (s *slab[T]) reset(most int) {
	if s.missed > 0 {
		s.want = min(max(s.want, s.used+s.missed), most)
	}
	s.used, s.missed = 0, 0
}
