package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
)

// Reader reads one segment. It is safe for concurrent use.
type Reader[T any] struct {
	*contents[T]
	file vfs.File
}

// contents is what is known of a segment since it was opened.
type contents[T any] struct {
	codec   *Codec[T]
	path    string
	size    int64
	foot    footer
	streams []StreamStats
	keys    []string // of attributes
	blocks  []block
	tokens  tokenBounds // of all blocks
}

// Open opens the segment at path and reads its footer, streams and block index,
// before ctx ends. Reads of the reader itself are not bound to that.
func Open[T any](ctx context.Context, fs vfs.FS, path string, codec *Codec[T]) (*Reader[T], error) {
	f, err := fs.Open(path, vfs.RandomReadsOption)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	r := &Reader[T]{contents: &contents[T]{codec: codec, path: path}, file: f}
	if err := r.Within(ctx).load(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return r, nil
}

// waiting is a file whose reads may take long: Within returns it for one who
// waits no longer than until ctx ends.
type waiting interface {
	Within(ctx context.Context) vfs.File
}

// Within returns the reader for one query: where ctx ends its reads end, too,
// with errors that say nothing about the segment. It is not closed.
func (r *Reader[T]) Within(ctx context.Context) *Reader[T] {
	f, ok := r.file.(waiting)
	if !ok {
		return r
	}
	return &Reader[T]{contents: r.contents, file: f.Within(ctx)}
}

func (r *Reader[T]) load() error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	r.size = info.Size()
	if r.size < headerSize+trailerSize {
		return r.corrupt("file", 0, fmt.Errorf("%d bytes are too few", r.size))
	}
	t, err := r.read(place{offset: r.size - trailerSize, length: trailerSize}, "trailer", false)
	if err != nil {
		return err
	}
	if [8]byte(t[24:]) != Magic {
		return r.corrupt("trailer", r.size-trailerSize, errors.New("the file does not end as a segment does"))
	}
	if v := binary.LittleEndian.Uint32(t[20:]); v != Version {
		return r.otherVersion(v)
	}
	p := place{
		offset: int64(binary.LittleEndian.Uint64(t[0:])), length: int64(binary.LittleEndian.Uint64(t[8:])),
		crc: binary.LittleEndian.Uint32(t[16:]),
	}
	b, err := r.read(p, "footer", true)
	if err != nil {
		return err
	}
	if r.foot, err = parseFooter(b); err != nil {
		return r.corrupt("footer", p.offset, err)
	}
	if r.foot.signal != r.codec.Kind.Signal {
		return r.corrupt("footer", p.offset, fmt.Errorf("it holds %s, want %s", r.foot.signal, r.codec.Kind.Signal))
	}
	return r.loadIndex()
}

// otherVersion is the error of a trailer that names another version. Where the
// header names it too, it is no damage.
func (r *Reader[T]) otherVersion(v uint32) error {
	head, err := r.read(place{length: headerSize}, "header", false)
	if err != nil {
		return err
	}
	err = errors.New("damaged")
	if [8]byte(head) == Magic && binary.LittleEndian.Uint32(head[8:]) == v {
		err = framing.ErrVersion
	}
	return r.corrupt("trailer", r.size-trailerSize, fmt.Errorf("%w: version %d, this one reads %d", err, v, Version))
}

func (r *Reader[T]) loadIndex() error {
	b, err := r.read(r.foot.streams, "stream table", true)
	if err != nil {
		return err
	}
	if r.streams, err = parseStreams(b); err != nil {
		return r.corrupt("stream table", r.foot.streams.offset, err)
	}
	if b, err = r.read(r.foot.blocks, "block index", true); err != nil {
		return err
	}
	c := column.NewCursor(b)
	r.keys = c.Keys()
	r.blocks = make([]block, 0, c.Count(10))
	first, rows := 0, int64(0)
	for range cap(r.blocks) {
		bl := readBlock(c, first, len(r.streams), len(r.keys))
		// Every block begins a unit of the ID index.
		first += (bl.rows + r.foot.unit - 1) / r.foot.unit * r.foot.unit
		rows += int64(bl.rows)
		if n := len(r.blocks); n == 0 {
			bl.follow(c, nil)
		} else {
			bl.follow(c, &r.blocks[n-1])
		}
		r.tokens = tokenBounds{max(r.tokens.hex, bl.tokens.hex), max(r.tokens.mixed, bl.tokens.mixed)}
		r.blocks = append(r.blocks, bl)
	}
	if c.Err() == nil && rows != r.foot.rows {
		c.Fail("blocks of %d rows in a segment of %d", rows, r.foot.rows)
	}
	if c.Err() != nil {
		return r.corrupt("block index", r.foot.blocks.offset, c.Err())
	}
	return nil
}

// Close closes the file. What was read stays valid.
func (r *Reader[T]) Close() error {
	tables.drop(r.contents)
	return r.file.Close()
}

// Streams returns what the segment holds of each stream, in no order.
func (r *Reader[T]) Streams() []StreamStats { return r.streams }

// Rows is the number of records.
func (r *Reader[T]) Rows() int64 { return r.foot.rows }

// Covers returns the place in the write-ahead log that the segment covers.
func (r *Reader[T]) Covers() Covers { return r.foot.covers }

// Replaces returns the IDs of the segments that it was merged from.
func (r *Reader[T]) Replaces() []uint64 { return r.foot.replaces }

// Since returns the lowest ID of those, or id, its own, where there are none: the
// segments of a day that it came with or before.
func (r *Reader[T]) Since(id uint64) uint64 {
	return slices.Min(append([]uint64{id}, r.foot.replaces...))
}

// Info returns what the footer says.
func (r *Reader[T]) Info() Info {
	return Info{Rows: r.foot.rows, Min: r.foot.min, Max: r.foot.max, Bytes: r.size}
}

func (r *Reader[T]) corrupt(part string, offset int64, err error) error {
	return &CorruptionError{Path: r.path, Offset: offset, Part: part, Err: err}
}

// read reads a part and, where it has a checksum, compares it.
func (r *Reader[T]) read(p place, part string, check bool) ([]byte, error) {
	return r.readInto(nil, p, part, check)
}

// readInto is read into the memory of b, if that is long enough.
func (r *Reader[T]) readInto(b []byte, p place, part string, check bool) ([]byte, error) {
	if p.offset < 0 || p.length < 0 || p.offset > r.size || p.length > r.size-p.offset {
		return nil, r.corrupt(part, p.offset, fmt.Errorf("it should be %d bytes in a file of %d", p.length, r.size))
	}
	if int64(len(b)) < p.length {
		b = make([]byte, p.length)
	}
	b = b[:p.length]
	if err := r.fill(b, p, part); err != nil {
		return nil, err
	}
	if !check {
		return b, nil
	}
	got := checksum(b)
	if got != p.crc && r.doubt(p) {
		if err := r.fill(b, p, part); err != nil {
			return nil, err
		}
		got = checksum(b)
	}
	if got != p.crc {
		return nil, r.corrupt(part, p.offset, fmt.Errorf("checksum %08x, want %08x", got, p.crc))
	}
	return b, nil
}

// fill reads a part.
func (r *Reader[T]) fill(b []byte, p place, part string) error {
	n, err := r.file.ReadAt(b, p.offset)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return r.corrupt(part, p.offset, err)
}

// doubter is a file that may have read a copy. Doubt drops the copy of a part
// that is wrong, and reports whether the next read is of the original.
type doubter interface {
	Doubt(off, length int64) bool
}

func (r *Reader[T]) doubt(p place) bool {
	d, ok := r.file.(doubter)
	return ok && d.Doubt(p.offset, p.length)
}

// IndexOffset is where everything but the blocks begins.
func (r *Reader[T]) IndexOffset() int64 { return r.foot.streams.offset }

// Prefetch has the file fetch a part whole: an object waits for it, where reading
// it column by column would wait for each of them, and of a file the disk reads
// it meanwhile. Whatever fails fails when it is read.
func (r *Reader[T]) Prefetch(p Part) {
	if from, length, ok := r.blocks[p.Block].extent(); ok {
		_ = r.file.Prefetch(from, length)
	}
	if t := tablePlace(r.tableBlocks(p.Block)); t.length > 0 {
		_ = r.file.Prefetch(t.offset, t.length)
	}
}

// Part is a block, or the rows of a block, that may hold records that a query
// wants.
type Part struct {
	Block    int
	Min, Max int64   // times of the block
	units    []int32 // if set, the first rows of the units to look at
	// decide tells for each of the query's conditions whether attributes of
	// the block decide it; nil where that is not known.
	decide []bool
}

// Plan returns the parts of the segment that q must look at, in the order of
// the file, and how many blocks it doesn't.
func (r *Reader[T]) Plan(q *record.Query[T]) (parts []Part, skipped int, err error) {
	var units map[int][]int32
	if q.Hashes != nil {
		if units, err = r.find(q.Hashes); err != nil {
			return nil, 0, err
		}
	}
	texts, err := r.findTexts(q.Text)
	if err != nil {
		return nil, 0, err
	}
	list := r.blocksOf(units, texts)
	if len(list) == 0 {
		return nil, len(r.blocks), nil
	}
	wanted, lowest, tests := r.wantedStreams(q), r.codec.lowest(q), r.keyTests(q.Where)
	for _, i := range list {
		b := &r.blocks[i]
		p := Part{Block: i, Min: b.min, Max: b.max}
		keep := record.Overlaps(b.min, b.max, q.From, q.To)
		if keep {
			p.decide, keep = b.testKeys(tests)
		}
		if keep && q.Hashes != nil {
			p.units = units[i]
			keep = len(p.units) > 0
		}
		for t := 0; keep && t < len(texts); t++ {
			if texts[t].token.mayHide(b.tokens) {
				continue
			}
			p.units = common(p.units, texts[t].units[i])
			keep = len(p.units) > 0
		}
		if keep && slices.ContainsFunc(b.streams, func(s blockStream) bool { return s.zone >= lowest && wanted(s.number) }) {
			parts = append(parts, p)
		}
	}
	return parts, len(r.blocks) - len(parts), nil
}

// blocksOf returns the blocks that hold IDs by the index, in order: those of
// units, unless that is nil, and those of a text that no block may hide. It is
// all of them where the index does not tell.
func (r *Reader[T]) blocksOf(units map[int][]int32, texts []foundText) []int {
	for i := range texts {
		if units == nil && !texts[i].token.mayHide(r.tokens) {
			units = texts[i].units
		}
	}
	if units != nil {
		return slices.Sorted(maps.Keys(units))
	}
	all := make([]int, len(r.blocks))
	for i := range all {
		all[i] = i
	}
	return all
}

// foundText is where an ID in a literal stands.
type foundText struct {
	token textToken
	units map[int][]int32
}

// findTexts looks the IDs in literals up.
func (r *Reader[T]) findTexts(lits []string) (out []foundText, err error) {
	for _, lit := range lits {
		for _, token := range tokensOf(lit) {
			units, err := r.find([]uint64{token.hash})
			if err != nil {
				return nil, err
			}
			out = append(out, foundText{token, units})
		}
	}
	return out, nil
}

// common returns the units in both lists; a nil list a is all.
func common(a, b []int32) []int32 {
	if a == nil {
		return b
	}
	return slices.DeleteFunc(slices.Clone(a), func(u int32) bool { return !slices.Contains(b, u) })
}

// wantedStreams asks the query's predicate at most once a stream.
func (r *Reader[T]) wantedStreams(q *record.Query[T]) func(number int) bool {
	if q.Stream == nil {
		return func(int) bool { return true }
	}
	asked := make([]int8, len(r.streams))
	return func(n int) bool {
		if asked[n] == 0 {
			asked[n] = -1
			if q.Stream(r.streams[n].Stream) {
				asked[n] = 1
			}
		}
		return asked[n] > 0
	}
}

// find returns the units that may hold an ID of one of the hashes, by block.
func (r *Reader[T]) find(hashes []uint64) (map[int][]int32, error) {
	var units []uint32
	for _, h := range hashes {
		number := r.foot.ids.bucketOf(h)
		b, err := r.bucket(number)
		if err != nil {
			return nil, err
		}
		if units, err = findInBucket(units, b, h, r.foot.ids); err != nil {
			return nil, r.corrupt(bucketName(number), r.foot.buckets.offset, err)
		}
	}
	slices.Sort(units)
	out := map[int][]int32{}
	block := 0
	for _, u := range slices.Compact(units) {
		row := int64(u) * int64(r.foot.unit)
		for block < len(r.blocks) && int64(r.blocks[block].first+r.blocks[block].rows) <= row {
			block++
		}
		if block == len(r.blocks) {
			break
		}
		if b := &r.blocks[block]; int64(b.first) <= row {
			out[block] = append(out[block], int32(row-int64(b.first)))
		}
	}
	return out, nil
}

// bucket reads one bucket of the ID index: its place, then itself.
func (r *Reader[T]) bucket(n uint64) ([]byte, error) {
	p, err := r.bucketPlace(n)
	if err != nil {
		return nil, err
	}
	part := bucketName(n)
	b, err := r.read(p, part, false)
	if err != nil {
		return nil, err
	}
	if l := len(b) - 4; bucketChecksum(b[:l], uint32(n)) != binary.LittleEndian.Uint32(b[l:]) && r.doubt(p) {
		if b, err = r.read(p, part, false); err != nil {
			return nil, err
		}
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := bucketChecksum(body, uint32(n)); got != sum {
		return nil, r.corrupt(part, p.offset, fmt.Errorf("checksum %08x, want %08x", got, sum))
	}
	return body, nil
}

// bucketPlace reads where a bucket is: from the end of the one before, which
// the first one has not, to its own.
func (r *Reader[T]) bucketPlace(n uint64) (place, error) {
	before := min(n, 1) // how many there are to read before its own end
	dir := place{offset: r.foot.idDir.offset + int64(n-before)*dirEntry, length: int64(before+1) * dirEntry}
	d, err := r.read(dir, "ID directory", false)
	if err != nil {
		return place{}, err
	}
	from, to := int64(0), endOf(d[before*dirEntry:])
	if n > 0 {
		from = endOf(d)
	}
	if to-from < 4 || from < 0 || to > r.foot.buckets.length {
		return place{}, r.corrupt("ID directory", dir.offset, fmt.Errorf("bucket %d from %d to %d of %d", n, from, to, r.foot.buckets.length))
	}
	return place{offset: r.foot.buckets.offset + from, length: to - from}, nil
}

func bucketName(n uint64) string { return "ID bucket " + strconv.FormatUint(n, 10) }
