package head

import (
	"cmp"
	"iter"
	"slices"

	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Ordered is rows of several runs in the order of a segment.
type Ordered[T any] struct {
	runs []*Run[T]
	refs []ref
}

// ref is a row of a run. They are sorted, so they are small.
type ref struct {
	time     int64
	run, row uint32
}

// compare orders the rows of a key by time; those of the same one stay in the
// order of their arrival.
func (a ref) compare(b ref) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	if c := cmp.Compare(a.run, b.run); c != 0 {
		return c
	}
	return cmp.Compare(a.row, b.row)
}

// group is the rows of a key.
type group struct {
	key      record.Key
	from, to int // in refs
	first    int64
}

// ByDay sorts the rows of runs by partition and, in each, as a segment wants
// them. Equal rows stay in the order of their arrival.
func ByDay[T any](runs []*Run[T]) map[record.Day]*Ordered[T] {
	parts, room := map[record.Day]*partition{}, 0
	for _, r := range runs {
		room += len(r.rows)
	}
	var last record.Day
	var part *partition
	for i, r := range runs {
		for j := range r.rows {
			at := &r.rows[j]
			if d := record.DayOf(at.time); part == nil || d != last {
				if last, part = d, parts[d]; part == nil {
					part = newPartition(room)
					room = 0 // nearly all rows are of one day
					parts[d] = part
				}
			}
			part.add(at.key, ref{at.time, uint32(i), uint32(j)})
		}
	}
	days := make(map[record.Day]*Ordered[T], len(parts))
	for d, p := range parts {
		days[d] = &Ordered[T]{runs: runs, refs: p.sorted(len(runs) > 0 && runs[0].kind.ByTime)}
	}
	return days
}

// partition gathers the rows of a day by key. There are few keys for so many
// rows, and rows of a key mostly come one after the other and in order of time,
// so that little is left to sort.
type partition struct {
	number map[record.Key]uint32
	counts []int
	keys   []record.Key
	refs   []ref
	keyOf  []uint32 // by ref
	last   uint32
}

// newPartition returns a partition with room for so many rows.
func newPartition(rows int) *partition {
	return &partition{number: map[record.Key]uint32{}, refs: make([]ref, 0, rows), keyOf: make([]uint32, 0, rows)}
}

func (p *partition) add(key record.Key, at ref) {
	if len(p.keys) == 0 || p.keys[p.last] != key {
		n, ok := p.number[key]
		if !ok {
			n = uint32(len(p.keys))
			p.number[key] = n
			p.keys, p.counts = append(p.keys, key), append(p.counts, 0)
		}
		p.last = n
	}
	p.counts[p.last]++
	p.refs, p.keyOf = append(p.refs, at), append(p.keyOf, p.last)
}

// sorted returns the rows by key, or where byTime is set with those of a key
// where the first of them stands in time.
func (p *partition) sorted(byTime bool) []ref {
	groups := make([]group, len(p.keys))
	next := make([]int, len(p.keys)) // where the next row of a key goes
	at := 0
	for i, n := range p.counts {
		groups[i] = group{key: p.keys[i], from: at, to: at + n}
		next[i] = at
		at += n
	}
	byKey := make([]ref, len(p.refs))
	for i, r := range p.refs {
		byKey[next[p.keyOf[i]]] = r
		next[p.keyOf[i]]++
	}
	for i := range groups {
		g := &groups[i]
		if rows := byKey[g.from:g.to]; !slices.IsSortedFunc(rows, ref.compare) {
			slices.SortFunc(rows, ref.compare)
		}
		g.first = byKey[g.from].time
	}
	slices.SortFunc(groups, func(a, b group) int {
		if byTime && a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return a.key.Compare(b.key)
	})
	out := p.refs[:0]
	for i := range groups {
		out = append(out, byKey[groups[i].from:groups[i].to]...)
	}
	return out
}

// Row is a decoded row and the hashes of its IDs, which may repeat.
type Row[T any] struct {
	Record *T
	Hashes []uint64
}

// decodeRows is how many rows are decoded into one piece of memory.
const decodeRows = 512

// rowMemory is a piece of memory for rows.
type rowMemory[T any] struct {
	rows   []T
	picker otlp.Picker
}

// cleared returns the memory of the next rows.
func (m *rowMemory[T]) cleared(n int) *rowMemory[T] {
	if m.rows == nil {
		m.rows = make([]T, n)
	}
	clear(m.rows)
	m.picker.Reset()
	return m
}

// Rows decodes the rows one after the other. A row stays good until hold others
// have come: then its memory is used again.
func (o *Ordered[T]) Rows(hold int) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		ring := make([]rowMemory[T], (hold+decodeRows-1)/decodeRows+1)
		var mem *rowMemory[T]
		for i, at := range o.refs {
			if i%decodeRows == 0 {
				mem = (&ring[i/decodeRows%len(ring)]).cleared(min(decodeRows, len(o.refs)))
			}
			rec := &mem.rows[i%decodeRows]
			run := o.runs[at.run]
			err := run.Decode(&mem.picker, rec, int(at.row))
			if !yield(Row[T]{rec, run.hashes(int(at.row))}, err) || err != nil {
				return
			}
		}
	}
}
