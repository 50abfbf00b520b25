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

type ref struct {
	key      record.Key
	time     int64
	run, row uint32
}

// ByDay sorts the rows of runs by partition and, in each, as a segment wants
// them. Equal rows stay in the order of their arrival.
func ByDay[T any](runs []*Run[T]) map[record.Day]*Ordered[T] {
	days := map[record.Day]*Ordered[T]{}
	for i, r := range runs {
		for j := range r.rows {
			at := &r.rows[j]
			d := record.DayOf(at.time)
			o := days[d]
			if o == nil {
				o = &Ordered[T]{runs: runs}
				days[d] = o
			}
			o.refs = append(o.refs, ref{at.key, at.time, uint32(i), uint32(j)})
		}
	}
	for _, o := range days {
		slices.SortFunc(o.refs, func(a, b ref) int {
			if c := a.key.Compare(b.key); c != 0 {
				return c
			}
			if a.time != b.time {
				return cmp.Compare(a.time, b.time)
			}
			if a.run != b.run {
				return cmp.Compare(a.run, b.run)
			}
			return cmp.Compare(a.row, b.row)
		})
		if len(runs) > 0 && runs[0].kind.ByTime {
			o.refs = keysByTime(o.refs)
		}
	}
	return days
}

// keysByTime returns refs, which are sorted by key and time, with those of a
// key where the first of them stands in time.
func keysByTime(refs []ref) []ref {
	type group struct{ from, to int }
	var groups []group
	for i := range refs {
		if i == 0 || refs[i].key != refs[i-1].key {
			groups = append(groups, group{i, i})
		}
		groups[len(groups)-1].to = i + 1
	}
	slices.SortFunc(groups, func(a, b group) int {
		if c := cmp.Compare(refs[a.from].time, refs[b.from].time); c != 0 {
			return c
		}
		return cmp.Compare(a.from, b.from)
	})
	out := make([]ref, 0, len(refs))
	for _, g := range groups {
		out = append(out, refs[g.from:g.to]...)
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

// Rows decodes the rows one after the other.
func (o *Ordered[T]) Rows() iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		var picker otlp.Picker
		var block []T
		for _, at := range o.refs {
			if len(block) == cap(block) {
				block = make([]T, 0, decodeRows)
			}
			block = block[:len(block)+1]
			rec := &block[len(block)-1]
			run := o.runs[at.run]
			err := run.Decode(&picker, rec, int(at.row))
			if !yield(Row[T]{rec, run.hashes(int(at.row))}, err) || err != nil {
				return
			}
		}
	}
}
