package segment

import (
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// Count tells add how many rows of a part q selects, by stream and by bins of
// width from q.From on; a width of 0 or less is one bin. A block that lies in
// one bin is not even read, where nothing but its streams decides.
func (r *Reader[T]) Count(q *record.Query[T], p Part, width int64, add func(s *telemetry.Stream, bin int, n int64)) error {
	b := &r.blocks[p.Block]
	bins := bins{from: q.From, width: width}
	if p.units == nil && q.Core == nil && q.Match == nil && len(b.streams) == 1 &&
		b.min >= q.From && b.max < q.To && bins.of(b.min) == bins.of(b.max) {
		s := r.streams[b.streams[0].number].Stream
		if q.Stream == nil || q.Stream(s) {
			add(s, bins.of(b.min), int64(b.rows))
		}
		return nil
	}
	mem := scratches.Get().(*scratch)
	defer mem.giveBack(&scratches)
	rows, err := r.readIn(q, p, mem)
	if err != nil {
		return err
	}
	// Rows of a stream stand together and in order of time.
	last, n := int64(-1), int64(0)
	flush := func() {
		if n > 0 {
			add(r.streams[last].Stream, bins.bin, n)
		}
		n = 0
	}
	for _, row := range rows.sel {
		s, t := rows.streams.At(row), rows.times.At(row)
		if s != last || !bins.holds(t) {
			flush()
			last = s
			bins.bin = bins.of(t)
		}
		n++
	}
	flush()
	return nil
}

// bins are stretches of time; bin is the one at hand.
type bins struct {
	from, width int64
	bin         int
}

func (b *bins) of(t int64) int {
	if b.width <= 0 {
		return 0
	}
	return int((t - b.from) / b.width)
}

// holds reports whether t lies in the bin at hand.
func (b *bins) holds(t int64) bool {
	at := t - b.from - int64(b.bin)*b.width
	return b.width <= 0 || at >= 0 && at < b.width
}
