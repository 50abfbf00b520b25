package segment

import (
	"fmt"
	"math/bits"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Codec is what differs between segments of logs and of spans.
type Codec[T any] struct {
	Kind *record.Kind[T]
	// encode appends the columns of a block's rows to out by chunk, nothing for
	// those the signal doesn't have. streams are the rows' stream numbers, the
	// IDs go to the table.
	encode func(out *chunks, rows []*T, streams []int64, t *column.Table)
	// alone: hardly any ID of a block stands in another one, so each has a
	// table of its own and is read without looking elsewhere.
	alone bool
	// zone is what the block index says of a stream's rows; the highest counts.
	zone func(*T) byte
	// lowest is the zone that a stream needs to hold a row that q selects.
	lowest func(q *record.Query[T]) byte
	// text is the row's text that is searched; nil for none.
	text func(*T) string
	// columns returns what reads a block's columns.
	columns func() columns[T]
	set     func(r *T, s *telemetry.Stream, time int64)
	// sums returns what adds up the rows' calls; nil for none.
	sums func(calls.Rules) summer[T]
}

// chunks are the bytes of a block's chunks.
type chunks [chunkCount][]byte

// emptied returns the memory of the block before without its bytes.
func (c *chunks) emptied() *chunks {
	for id := range c {
		c[id] = c[id][:0]
	}
	return c
}

// summer adds up what the rows of a segment, in order, tell of calls.
type summer[T any] interface {
	// Repeats reports whether a row is of a trace that was added before, and
	// then another one. Such rows go to other sums.
	Repeats(r *T) bool
	Add(r *T, block int)
	Append(dst []byte) ([]byte, error)
}

// columns are the columns of one block, as far as they were read. They keep
// what a cursor gives and make rows of it for some rows at a time.
type columns[T any] interface {
	// parse takes a chunk's columns of n rows. The time chunk's are those
	// behind stream numbers and times.
	parse(id chunkID, c *column.Cursor, n int)
	// filter returns the rows of sel, which ascend, that q's conditions hold
	// for. It may use sel's memory.
	filter(q *record.Query[T], p Part, sel []int, from loader) ([]int, error)
	// fill sets the fields of a chunk; sel[i] is the row that rows[i] is in
	// the block.
	fill(id chunkID, rows []T, sel []int)
}

// loader reads the chunks of a block.
type loader interface {
	// raw returns a chunk's bytes, need makes sure that it was parsed.
	raw(chunkID) ([]byte, error)
	need(chunkID) error
}

// zoneOf turns a duration into a byte that grows with it.
func zoneOf(d int64) byte {
	if d <= 0 {
		return 0
	}
	n := bits.Len64(uint64(d))
	if n < 3 {
		return byte(n<<2) | byte(d<<(3-n)&3)
	}
	return byte(n<<2) | byte(d>>(n-3)&3)
}

// ints gathers a field of all rows into a column.
func ints[T any](dst []byte, t *column.Table, rows []*T, get func(*T) int64) []byte {
	vals := t.Ints(len(rows))
	for i, r := range rows {
		vals[i] = get(r)
	}
	return column.AppendInts(dst, vals)
}

func texts[T any](dst []byte, t *column.Table, rows []*T, get func(*T) string) []byte {
	vals := t.Texts(len(rows))
	for i, r := range rows {
		vals[i] = get(r)
	}
	return column.AppendStrings(dst, t, vals)
}

func attrs[T any](dst []byte, t *column.Table, rows []*T, get func(*T) telemetry.Attrs) []byte {
	return column.AppendAttrs(dst, t, len(rows), func(i int) telemetry.Attrs { return get(rows[i]) })
}

// ended returns the cursor's error, or one where bytes are left over.
func ended(c *column.Cursor) error {
	if c.Err() == nil && c.Len() > 0 {
		return fmt.Errorf("%w: %d bytes left over", column.ErrCorrupt, c.Len())
	}
	return c.Err()
}
