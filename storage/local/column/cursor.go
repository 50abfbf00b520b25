package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// ErrCorrupt is wrapped by every error of this package.
var ErrCorrupt = errors.New("corrupt column")

// Cursor reads through encoded bytes. The first error stays; reads after it
// return zeroes, so a decoder may check once at its end.
type Cursor struct {
	b   []byte
	err error
	mem *Memory // nil for none
	// pool is what columns of IDs refer to; nil where there are none.
	pool *Pool
	// times are those of the records that the columns are of; nil for none.
	times *Ints
}

// NewCursor returns a cursor over b. Strings read from it point into b.
func NewCursor(b []byte) *Cursor { return &Cursor{b: b} }

// CursorIn returns a cursor over b whose columns are read in the memory of m,
// which decides what becomes of their texts.
func CursorIn(b []byte, m *Memory) *Cursor { return &Cursor{b: b, mem: m} }

// In makes p what the columns that the cursor reads have their IDs from.
func (c *Cursor) In(p *Pool) *Cursor {
	c.pool = p
	return c
}

// Timed makes times those of the records that the cursor reads columns of.
func (c *Cursor) Timed(times *Ints) *Cursor {
	c.times = times
	return c
}

// Err returns the first error.
func (c *Cursor) Err() error { return c.err }

// Len is how many bytes are left.
func (c *Cursor) Len() int { return len(c.b) }

// Fail makes what the cursor read so far count as corrupt.
func (c *Cursor) Fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
	}
	c.b = nil
}

// Uvarint reads an unsigned number.
func (c *Cursor) Uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := uint64(c.b[0])
		c.b = c.b[1:]
		return v
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.Fail("number expected in %d bytes", len(c.b))
		return 0
	}
	c.b = c.b[n:]
	return v
}

// Varint reads a signed number.
func (c *Cursor) Varint() int64 {
	u := c.Uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// Count reads a number of things that take at least size bytes each.
func (c *Cursor) Count(size int) int {
	v := c.Uvarint()
	if v > uint64(len(c.b))/uint64(max(size, 1)) {
		c.Fail("count %d needs more than the %d bytes left", v, len(c.b))
		return 0
	}
	return int(v)
}

// Bytes reads the next n bytes.
func (c *Cursor) Bytes(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.Fail("%d bytes expected, %d left", n, len(c.b))
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

// Byte reads one byte.
func (c *Cursor) Byte() byte {
	if b := c.Bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// String reads a length and that many bytes.
func (c *Cursor) String() string { return asString(c.Bytes(c.Count(1))) }

// asString returns b as a string without a copy. Decoded blocks are never
// written to again, so the string is as immutable as any.
func asString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// AppendString appends a length and the bytes of s.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
