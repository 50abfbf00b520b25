package head

import (
	"cmp"
	"slices"
	"sync"

	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// Run is some records sorted by time, with an index of their IDs. It is
// immutable.
type Run[T any] struct {
	// Seq orders runs by arrival.
	Seq      uint64
	Rows     []T
	Min, Max int64 // times of the first and the last row
	Bytes    int64 // estimated memory, raw bytes included
	ids      []posting

	once    sync.Once
	streams []StreamStats
}

type posting struct {
	hash uint64
	row  uint32
}

// NewRun returns the run of a batch's rows. It doesn't change rows, and does
// the costly work (sorting, extracting IDs), so it is called before any lock
// is taken. bytes is the memory the batch keeps alive.
func NewRun[T any](k *record.Kind[T], rows []T, bytes int64) *Run[T] {
	rows = sortedByTime(k, rows)
	r := &Run[T]{Rows: rows, Bytes: bytes}
	r.Min, r.Max = k.Time(&rows[0]), k.Time(&rows[len(rows)-1])
	var buf []uint64
	r.ids = make([]posting, 0, 4*len(rows))
	for i := range rows {
		buf = k.Hashes(buf[:0], &rows[i])
		for _, h := range buf {
			r.ids = append(r.ids, posting{h, uint32(i)})
		}
	}
	r.index()
	return r
}

// sortedByTime returns rows, or a sorted copy where they are not in order.
func sortedByTime[T any](k *record.Kind[T], rows []T) []T {
	type ref struct {
		time int64
		row  int
	}
	sorted := true
	refs := make([]ref, len(rows))
	for i := range rows {
		refs[i] = ref{k.Time(&rows[i]), i}
		sorted = sorted && (i == 0 || refs[i-1].time <= refs[i].time)
	}
	if sorted {
		return rows
	}
	slices.SortStableFunc(refs, func(a, b ref) int { return cmp.Compare(a.time, b.time) })
	out := make([]T, len(rows))
	for i, r := range refs {
		out[i] = rows[r.row]
	}
	return out
}

func (r *Run[T]) index() {
	slices.SortFunc(r.ids, func(a, b posting) int {
		if c := cmp.Compare(a.hash, b.hash); c != 0 {
			return c
		}
		return cmp.Compare(a.row, b.row)
	})
	r.ids = slices.Compact(r.ids)
}

// Find returns the rows that carry an ID of one of the hashes, in order.
func (r *Run[T]) Find(hashes []uint64) []int {
	var out []int
	for _, h := range hashes {
		i, _ := slices.BinarySearchFunc(r.ids, h, func(p posting, h uint64) int { return cmp.Compare(p.hash, h) })
		for ; i < len(r.ids) && r.ids[i].hash == h; i++ {
			out = append(out, int(r.ids[i].row))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// merge returns one run of the rows of several. Rows of the same nanosecond
// keep their order.
func merge[T any](k *record.Kind[T], runs []*Run[T]) *Run[T] {
	type ref struct {
		time     int64
		run, row int
	}
	out := &Run[T]{Seq: runs[0].Seq, Min: runs[0].Min, Max: runs[0].Max}
	total, ids := 0, 0
	for _, r := range runs {
		total += len(r.Rows)
		ids += len(r.ids)
		out.Bytes += r.Bytes
		out.Min, out.Max = min(out.Min, r.Min), max(out.Max, r.Max)
	}
	refs := make([]ref, 0, total)
	for i, r := range runs {
		for j := range r.Rows {
			refs = append(refs, ref{k.Time(&r.Rows[j]), i, j})
		}
	}
	slices.SortStableFunc(refs, func(a, b ref) int { return cmp.Compare(a.time, b.time) })
	out.Rows = make([]T, total)
	moved := make([][]uint32, len(runs))
	for i, r := range runs {
		moved[i] = make([]uint32, len(r.Rows))
	}
	for i, f := range refs {
		out.Rows[i] = runs[f.run].Rows[f.row]
		moved[f.run][f.row] = uint32(i)
	}
	out.ids = make([]posting, 0, ids)
	for i, r := range runs {
		for _, p := range r.ids {
			out.ids = append(out.ids, posting{p.hash, moved[i][p.row]})
		}
	}
	out.index()
	return out
}

// Streams returns what the run holds of each stream, in no order. It counts
// once and remembers.
func (r *Run[T]) Streams(k *record.Kind[T]) []StreamStats {
	r.once.Do(func() {
		byPtr := map[*telemetry.Stream]int{}
		for i := range r.Rows {
			row := &r.Rows[i]
			s, t := k.Stream(row), k.Time(row)
			n, ok := byPtr[s]
			if !ok {
				n = len(r.streams)
				byPtr[s] = n
				r.streams = append(r.streams, StreamStats{Stream: s, First: t, Last: t})
			}
			st := &r.streams[n]
			st.Records++
			st.Bytes += k.Size(row)
			st.First, st.Last = min(st.First, t), max(st.Last, t)
		}
	})
	return r.streams
}
