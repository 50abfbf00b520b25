package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

// Version is the format that this code writes. It is the only one it reads.
const Version = 7

// Magic starts and ends every segment.
var Magic = [8]byte{'C', 'L', 'E', 'W', 'S', 'E', 'G', '\n'}

const (
	headerSize  = 16 // magic, version, signal
	trailerSize = 32 // footer's place and checksum, version, magic
	// unitRows is how many rows an entry of the ID index stands for: few
	// enough to look through, many enough to keep the index small.
	unitRows = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// ErrCorrupt is wrapped by every error about a file's content.
var ErrCorrupt = errors.New("corrupt segment")

// CorruptionError says which part of which file cannot be read.
type CorruptionError struct {
	Path   string
	Offset int64
	Part   string // what stands there
	Err    error
}

// Error implements error.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("segment %s, %s at offset %d: %v", e.Path, e.Part, e.Offset, e.Err)
}

// Unwrap returns the cause and ErrCorrupt.
func (e *CorruptionError) Unwrap() []error { return []error{ErrCorrupt, e.Err} }

// chunkID names a group of columns that are compressed together. The numbers
// stand in files.
type chunkID uint8

const (
	chunkTime     chunkID = iota // stream, times; of spans durations
	chunkIDs                     // trace, span and parent IDs
	chunkSeverity                // logs
	chunkBody                    // logs
	chunkAttrs
	chunkSpan   // spans: kind, status, name
	chunkEvents // spans: events and links
	chunkRest
	chunkPool  // where the table has the IDs that the columns refer to
	chunkGiven // the IDs that the block gives its table; see pool.go for both
	chunkCount
)

// column is the bit that a query asks for a chunk with. Times and IDs are
// always read.
func (c chunkID) column() storage.Columns {
	return [chunkCount]storage.Columns{
		0, 0, storage.ColSeverity, storage.ColBody, storage.ColAttrs,
		storage.ColSpan, storage.ColEvents, storage.ColRest, 0, 0,
	}[c]
}

// place is where a part of the file stands.
type place struct {
	offset int64
	length int64
	crc    uint32
}

func (p place) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.offset))
	dst = binary.AppendUvarint(dst, uint64(p.length))
	return binary.LittleEndian.AppendUint32(dst, p.crc)
}

func readPlace(c *column.Cursor) (p place) {
	p.offset, p.length = int64(c.Uvarint()), int64(c.Uvarint())
	if b := c.Bytes(4); len(b) == 4 {
		p.crc = binary.LittleEndian.Uint32(b)
	}
	return p
}

// chunk is a compressed group of columns of one block.
type chunk struct {
	place
	id     chunkID
	raw    int64 // length before compression
	packed bool  // compressed with zstd, otherwise as it is
}

// block is an entry of the block index.
type block struct {
	first, rows int // number of its first row, and how many it has
	min, max    int64
	streams     []blockStream
	// tokens bounds the ID-shaped runs of letters and digits in the bodies.
	tokens tokenBounds
	keys   []int // those of the records' attributes, as places in the list of keys
	// back is how many blocks before this one the table of its IDs begins,
	// before what the blocks between gave it, given what this one gives.
	back          int
	before, given column.Given
	chunks        []chunk
}

// blockStream is a stream that has rows in a block. Its zone is the highest
// severity of its log records, anySeverity where one has none, or bounds the
// durations of its spans (see zoneOf).
type blockStream struct {
	number int
	zone   byte
}

func (b *block) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.rows))
	dst = binary.AppendVarint(dst, b.min)
	dst = binary.AppendVarint(dst, b.max)
	dst = binary.AppendUvarint(dst, uint64(len(b.streams)))
	prev := 0
	for _, s := range b.streams {
		dst = binary.AppendUvarint(dst, uint64(s.number-prev))
		dst = append(dst, s.zone)
		prev = s.number
	}
	dst = binary.AppendUvarint(dst, uint64(b.tokens.hex))
	dst = binary.AppendUvarint(dst, uint64(b.tokens.mixed))
	dst = appendAscending(dst, b.keys)
	dst = binary.AppendUvarint(dst, uint64(b.back))
	dst = binary.AppendUvarint(dst, uint64(b.given.Wide))
	dst = binary.AppendUvarint(dst, uint64(len(b.chunks)))
	for _, c := range b.chunks {
		packed := byte(0)
		if c.packed {
			packed = 1
		}
		dst = append(dst, byte(c.id), packed)
		dst = binary.AppendUvarint(dst, uint64(c.raw))
		dst = c.append(dst)
	}
	return dst
}

// appendAscending appends how many numbers there are, and their differences.
func appendAscending(dst []byte, list []int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	prev := 0
	for _, n := range list {
		dst = binary.AppendUvarint(dst, uint64(n-prev))
		prev = n
	}
	return dst
}

func readAscending(c *column.Cursor, below int) []int {
	list := make([]int, c.Count(1))
	prev := 0
	for i := range list {
		prev += int(c.Uvarint())
		if prev < 0 || prev >= below {
			c.Fail("key %d of %d", prev, below)
			return nil
		}
		list[i] = prev
	}
	return list
}

// Bounds of what a block index may say, so that damage which a checksum does
// not show cannot ask for any amount of memory.
const (
	maxBlockRows = 1 << 20
	maxChunkRaw  = 1 << 30
)

func readBlock(c *column.Cursor, first, streams, keys int) (b block) {
	b.first, b.rows = first, int(c.Uvarint())
	b.min, b.max = c.Varint(), c.Varint()
	b.streams = make([]blockStream, c.Count(2))
	prev := 0
	for i := range b.streams {
		prev += int(c.Uvarint())
		if prev < 0 || prev >= streams {
			c.Fail("block of stream %d of %d", prev, streams)
			return b
		}
		b.streams[i] = blockStream{prev, c.Byte()}
	}
	b.tokens.hex, b.tokens.mixed = int(c.Uvarint()), int(c.Uvarint())
	b.keys = readAscending(c, keys)
	b.back = int(c.Uvarint())
	wide := int(c.Uvarint())
	b.chunks = make([]chunk, c.Count(8))
	for i := range b.chunks {
		ch := &b.chunks[i]
		ch.id, ch.packed = chunkID(c.Byte()), c.Byte() == 1
		ch.raw = int64(c.Uvarint())
		ch.place = readPlace(c)
		if ch.raw < 0 || ch.raw > maxChunkRaw {
			c.Fail("chunk of %d bytes", ch.raw)
		}
	}
	b.readGiven(c, wide)
	if b.rows <= 0 || b.rows > maxBlockRows {
		c.Fail("block of %d rows", b.rows)
	}
	return b
}

// footer says what the file holds and where.
type footer struct {
	signal   telemetry.Signal
	rows     int64
	min, max int64
	unit     int // rows of a unit of the ID index
	ids      idShape
	entries  int64 // of the ID index
	streams  place
	blocks   place
	idDir    place
	buckets  place // its crc is unused: every bucket has one
	calls    place // empty where the signal has none
	covers   Covers
	replaces []uint64 // IDs of the segments that it was merged from
}

// Covers is the place in the write-ahead log behind the newest record of a
// segment that came out of a head; zero for one that came out of others.
type Covers struct {
	Seq    uint64
	Offset int64
}

func (f *footer) append(dst []byte) []byte {
	dst = column.AppendString(dst, string(f.signal))
	dst = binary.AppendUvarint(dst, uint64(f.rows))
	dst = binary.AppendVarint(dst, f.min)
	dst = binary.AppendVarint(dst, f.max)
	dst = binary.AppendUvarint(dst, uint64(f.unit))
	dst = binary.AppendUvarint(dst, uint64(f.ids.bucket))
	dst = binary.AppendUvarint(dst, uint64(f.ids.suffix))
	dst = binary.AppendUvarint(dst, uint64(f.ids.unit))
	dst = binary.AppendUvarint(dst, uint64(f.entries))
	for _, p := range []place{f.streams, f.blocks, f.idDir, f.buckets, f.calls} {
		dst = p.append(dst)
	}
	dst = binary.AppendUvarint(dst, f.covers.Seq)
	dst = binary.AppendUvarint(dst, uint64(f.covers.Offset))
	dst = binary.AppendUvarint(dst, uint64(len(f.replaces)))
	for _, id := range f.replaces {
		dst = binary.AppendUvarint(dst, id)
	}
	return dst
}

func parseFooter(b []byte) (f footer, err error) {
	c := column.NewCursor(b)
	f.signal = telemetry.Signal(c.String())
	f.rows = int64(c.Uvarint())
	f.min, f.max = c.Varint(), c.Varint()
	f.unit = int(c.Uvarint())
	f.ids.bucket, f.ids.suffix, f.ids.unit = int(c.Uvarint()), int(c.Uvarint()), int(c.Uvarint())
	f.entries = int64(c.Uvarint())
	for _, p := range []*place{&f.streams, &f.blocks, &f.idDir, &f.buckets, &f.calls} {
		*p = readPlace(c)
	}
	f.covers.Seq, f.covers.Offset = c.Uvarint(), int64(c.Uvarint())
	f.replaces = make([]uint64, c.Count(1))
	for i := range f.replaces {
		f.replaces[i] = c.Uvarint()
	}
	if f.unit <= 0 || f.unit > maxBlockRows || !f.ids.valid() {
		c.Fail("units of %d rows, index bits %v", f.unit, f.ids)
	}
	return f, c.Err()
}
