package segment

import (
	"fmt"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// Codec is what differs between segments of logs and of spans.
type Codec[T any] struct {
	Kind *record.Kind[T]
	// encode returns the columns of a block's rows by chunk, nil for those the
	// signal doesn't have. streams are the rows' stream numbers.
	encode func(rows []*T, streams []int64) [chunkCount][]byte
	// core reads what is behind stream numbers and times in the core chunk,
	// and returns what fills it in.
	core func(c *column.Cursor, times []int64) (func(r *T, row int), error)
	// fill sets the fields of a chunk; sel[i] is the row that rows[i] is in
	// the block, n the block's number of rows.
	fill      func(id chunkID, c *column.Cursor, rows []T, sel []int, n int) error
	severity  func(*T) telemetry.Severity
	setStream func(*T, *telemetry.Stream)
}

// appendCore starts a core chunk.
func appendCore(streams, times []int64) []byte {
	return column.AppendInts(column.AppendInts(nil, streams), times)
}

// ints32 gathers a field of all rows into a column.
func ints[T any](dst []byte, rows []*T, get func(*T) int64) []byte {
	vals := make([]int64, len(rows))
	for i, r := range rows {
		vals[i] = get(r)
	}
	return column.AppendInts(dst, vals)
}

func texts[T any](dst []byte, rows []*T, get func(*T) string) []byte {
	vals := make([]string, len(rows))
	for i, r := range rows {
		vals[i] = get(r)
	}
	return column.AppendStrings(dst, vals)
}

func attrs[T any](dst []byte, rows []*T, get func(*T) telemetry.Attrs) []byte {
	vals := make([]telemetry.Attrs, len(rows))
	for i, r := range rows {
		vals[i] = get(r)
	}
	return column.AppendAttrs(dst, vals)
}

func fillInts[T any](c *column.Cursor, rows []T, sel []int, n int, set func(*T, int64)) {
	vals := c.Ints(n)
	if c.Err() != nil {
		return
	}
	for i, row := range sel {
		set(&rows[i], vals[row])
	}
}

func fillTexts[T any](c *column.Cursor, rows []T, sel []int, n int, set func(*T, string)) {
	vals := c.Strings(n)
	if c.Err() != nil {
		return
	}
	for i, row := range sel {
		set(&rows[i], vals[row])
	}
}

func fillAttrs[T any](c *column.Cursor, rows []T, sel []int, n int, set func(*T, telemetry.Attrs)) {
	vals := c.Attrs(n)
	if c.Err() != nil {
		return
	}
	for i, row := range sel {
		set(&rows[i], vals[row])
	}
}

// ended returns the cursor's error, or one where bytes are left over.
func ended(c *column.Cursor) error {
	if c.Err() == nil && c.Len() > 0 {
		return fmt.Errorf("%w: %d bytes left over", column.ErrCorrupt, c.Len())
	}
	return c.Err()
}
