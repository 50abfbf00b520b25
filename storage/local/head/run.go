package head

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"unsafe"

	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Run is some records in the order of their times. It keeps the requests as
// they came, and beside them what is asked of every record: its time, its
// stream and its IDs. A record that is wanted is decoded again, which takes
// about as long as reading one from a segment; kept decoded, records would
// take three times the memory, all of it for the garbage collector to walk.
// It is immutable.
type Run[T any] struct {
	// Seq orders runs by arrival.
	Seq      uint64
	Min, Max int64 // times of the first and the last row
	Bytes    int64 // memory, roughly

	kind    *record.Kind[T]
	rows    []row
	raws    [][]byte
	odd     []bool // by request: texts of it do not stand in it byte for byte
	streams []*telemetry.Stream
	ids     []uint64 // hashes of the rows' IDs
	filter  filter

	once  sync.Once
	stats []StreamStats
}

// row is what is known of a record without decoding it.
type row struct {
	time            int64
	key             record.Key
	raw, place      uint32 // where the record stands
	stream          uint32
	firstID, lastID uint32 // ids[firstID:lastID]
	size            uint32
}

// runOverhead is what a run takes beside its rows and requests.
const runOverhead = int64(unsafe.Sizeof(Run[telemetry.Log]{}))

// idOverhead is what a hash takes, in the list and in the filter.
const idOverhead = 8 + 2*filterBits/8

// NewRun returns the run of a request: raw, which decodes to rows. It does the
// costly work (extracting IDs), so it is called before any lock is taken. The
// run keeps raw and the streams of rows, not rows.
func NewRun[T any](k *record.Kind[T], raw []byte, rows []T) (*Run[T], error) {
	places := otlp.Places(make([]uint32, 0, len(rows)), raw)
	if len(places) != len(rows) {
		return nil, fmt.Errorf("the request holds %d records, the batch %d", len(places), len(rows))
	}
	r := &Run[T]{kind: k, raws: [][]byte{raw}, odd: []bool{false}, rows: make([]row, len(rows))}
	scratch := numbers.Get().(*[]uint64)
	defer numbers.Put(scratch)
	ids := (*scratch)[:0]
	var last *telemetry.Stream
	for i := range rows {
		in, out := &rows[i], &r.rows[i]
		if s := k.Stream(in); s != last {
			// Nearly all rows of a stream stand together.
			r.streams, last = append(r.streams, s), s
		}
		out.time, out.key, out.place = k.Time(in), k.Key(in), places[i]
		out.stream, out.size = uint32(len(r.streams)-1), uint32(min(k.Size(in), 1<<32-1))
		out.firstID = uint32(len(ids))
		ids = k.Hashes(ids, in)
		out.lastID = uint32(len(ids))
		if k.Verbatim != nil && !k.Verbatim(in) {
			r.odd[0] = true
		}
	}
	*scratch, r.ids = ids, slices.Clone(ids)
	r.seal(int64(len(raw)))
	return r, nil
}

// numbers is memory for what is known of a request while its run is made.
var numbers = sync.Pool{New: func() any { return new([]uint64) }}

// seal sorts the rows and fills in what follows from them.
func (r *Run[T]) seal(raw int64) {
	sortByTime(r.rows)
	r.Min, r.Max = r.rows[0].time, r.rows[len(r.rows)-1].time
	r.filter = newFilter(r.ids)
	r.Bytes = runOverhead + raw + int64(len(r.streams))*int64(unsafe.Sizeof(r.streams[0])) +
		int64(len(r.rows))*int64(unsafe.Sizeof(row{})) + int64(len(r.ids))*idOverhead
}

// merge returns one run of the rows of several.
func merge[T any](k *record.Kind[T], runs []*Run[T]) *Run[T] {
	out := &Run[T]{Seq: runs[0].Seq, kind: k}
	rows, ids, raw := 0, 0, int64(0)
	for _, r := range runs {
		rows, ids = rows+len(r.rows), ids+len(r.ids)
	}
	out.rows, out.ids = make([]row, 0, rows), make([]uint64, 0, ids)
	for _, r := range runs {
		raws, streams, firstID := uint32(len(out.raws)), uint32(len(out.streams)), uint32(len(out.ids))
		for _, row := range r.rows {
			row.raw += raws
			row.stream += streams
			row.firstID += firstID
			row.lastID += firstID
			out.rows = append(out.rows, row)
		}
		for _, b := range r.raws {
			raw += int64(len(b))
		}
		out.odd = append(out.odd, r.odd...)
		out.raws, out.streams, out.ids = append(out.raws, r.raws...), append(out.streams, r.streams...), append(out.ids, r.ids...)
	}
	out.seal(raw)
	return out
}

// Len is how many rows there are.
func (r *Run[T]) Len() int { return len(r.rows) }

// Time is the time of row i.
func (r *Run[T]) Time(i int) int64 { return r.rows[i].time }

// Stream is the stream of row i.
func (r *Run[T]) Stream(i int) *telemetry.Stream { return r.streams[r.rows[i].stream] }

// Decode decodes row i into dst, which must be zero.
func (r *Run[T]) Decode(p *otlp.Picker, dst *T, i int) error {
	at := &r.rows[i]
	if err := r.kind.Pick(p, dst, r.raws[at.raw], at.place, r.streams[at.stream]); err != nil {
		return fmt.Errorf("decode a record in memory: %w", err)
	}
	return nil
}

// From returns the first row that is not before t.
func (r *Run[T]) From(t int64) int {
	return sort.Search(len(r.rows), func(i int) bool { return r.rows[i].time >= t })
}

// Find returns the rows that carry an ID of one of the hashes, in order.
func (r *Run[T]) Find(hashes []uint64) []int {
	hashes = r.filter.pick(hashes)
	if len(hashes) == 0 {
		return nil
	}
	var out []int
	for i := range r.rows {
		for _, h := range r.hashes(i) {
			if _, ok := slices.BinarySearch(hashes, h); ok {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

func (r *Run[T]) hashes(i int) []uint64 { return r.ids[r.rows[i].firstID:r.rows[i].lastID] }

// Streams returns what the run holds of each stream, in no order. It counts
// once and remembers.
func (r *Run[T]) Streams() []StreamStats {
	r.once.Do(func() {
		byPtr := map[*telemetry.Stream]int{}
		for i := range r.rows {
			s, t := r.Stream(i), r.rows[i].time
			n, ok := byPtr[s]
			if !ok {
				n = len(r.stats)
				byPtr[s] = n
				r.stats = append(r.stats, StreamStats{Stream: s, First: t, Last: t})
			}
			st := &r.stats[n]
			st.Records++
			st.Bytes += int64(r.rows[i].size)
			st.First, st.Last = min(st.First, t), max(st.Last, t)
		}
	})
	return r.stats
}
