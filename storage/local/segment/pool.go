package segment

import (
	"errors"
	"sync"

	"github.com/clewhq/clew/storage/local/column"
)

// readGiven tells what the block gave its table, of which so many are IDs of 16
// bytes.
func (b *block) readGiven(c *column.Cursor, wide int) {
	length := int64(0)
	if ch := b.chunk(chunkGiven); ch != nil {
		if length = ch.length; ch.packed || length != ch.raw {
			c.Fail("IDs of %d bytes in %d", ch.raw, length)
		}
	}
	given, ok := column.GivenIn(length, wide)
	if !ok {
		c.Fail("%d long IDs in %d bytes", wide, length)
	}
	b.given = given
}

// follow makes b the block behind prev, nil for none.
func (b *block) follow(c *column.Cursor, prev *block) {
	switch {
	case b.back == 0:
	case prev == nil || b.back != prev.back+1:
		c.Fail("block of a table of IDs that begins %d blocks before it", b.back)
	default:
		b.before = prev.before.Plus(prev.given)
	}
}

// extent is the stretch of the file in which all chunks of a block stand, but
// IDs that stand with those of other blocks; ok is false where there is none.
func (b *block) extent() (from, length int64, ok bool) {
	given := b.chunk(chunkGiven)
	for i := range b.chunks {
		c := &b.chunks[i]
		if c == given {
			continue
		}
		if length == 0 {
			from = c.offset
		}
		if c.length < 0 || c.offset != from+length {
			return 0, 0, false
		}
		length += c.length
	}
	if given != nil && given.offset == from+length {
		length += given.length
	}
	return from, length, length > 0 && from >= 0
}

// fetchIDs returns the IDs that the columns of the block refer to: those of its
// table, or where that is enough those that it gave itself.
func (w *Rows[T]) fetchIDs() (wide, narrow []byte, pools column.Pools, err error) {
	raw, err := w.raw(chunkPool)
	if err != nil {
		return nil, nil, pools, err
	}
	c := column.CursorIn(raw, &w.scratch.mem)
	pools = column.ReadPools(c, w.block.before, w.block.given)
	if err := ended(c); err != nil {
		return nil, nil, pools, w.r.badChunk(w.block, chunkPool, err)
	}
	if pools.Own {
		if w.block.given.Bytes() == 0 {
			return nil, nil, pools, nil
		}
		if raw, err = w.raw(chunkGiven); err != nil {
			return nil, nil, pools, err
		}
		wide, narrow = w.block.given.Parted(raw)
		return wide, narrow, pools, nil
	}
	t, err := w.table()
	if err != nil {
		return nil, nil, pools, err
	}
	for _, bad := range t.bad {
		if pools.Need(bad.before, bad.given) {
			return nil, nil, pools, bad.err
		}
	}
	return t.wide, t.narrow, pools, nil
}

// idTable is the IDs that the blocks of a table gave.
type idTable struct {
	wide, narrow []byte
	bad          []badIDs
}

// badIDs are those of a block that cannot be read.
type badIDs struct {
	before, given column.Given
	err           error
}

// tableBlocks are the blocks that share a table with a block.
func (r *Reader[T]) tableBlocks(number int) []block {
	first := number - r.blocks[number].back
	end := number + 1
	for end < len(r.blocks) && r.blocks[end].back > 0 {
		end++
	}
	return r.blocks[first:end]
}

// tablePlace is where the IDs of the blocks of a table stand; its checksum is
// not known.
func tablePlace(blocks []block) (p place) {
	for i := range blocks {
		c := blocks[i].chunk(chunkGiven)
		if c == nil {
			continue
		}
		if p.length == 0 {
			p.offset = c.offset
		}
		p.length = c.offset + c.length - p.offset
	}
	return p
}

// table returns the table of the block's IDs.
func (w *Rows[T]) table() (*idTable, error) {
	r, blocks := w.r, w.r.tableBlocks(w.number)
	key := tableKey{r.contents, w.number - w.block.back}
	if t := tables.get(key); t != nil {
		return t, nil
	}
	p := tablePlace(blocks)
	b, err := r.read(p, "IDs", false)
	if err != nil {
		return nil, err
	}
	if w.stats != nil {
		w.stats.Bytes += p.length
	}
	last, t := &blocks[len(blocks)-1], &idTable{}
	all := last.before.Plus(last.given)
	t.wide, t.narrow = all.Parted(make([]byte, all.Bytes()))
	restWide, restNarrow := t.wide, t.narrow
	for i := range blocks {
		bl := &blocks[i]
		var ids []byte
		if c := bl.chunk(chunkGiven); c != nil {
			if ids, err = r.partOf(b, p, bl, c); err != nil {
				t.bad = append(t.bad, badIDs{bl.before, bl.given, err})
				ids = make([]byte, bl.given.Bytes())
			}
		}
		wide, narrow := bl.given.Parted(ids)
		restWide = restWide[copy(restWide, wide):]
		restNarrow = restNarrow[copy(restNarrow, narrow):]
	}
	if len(t.bad) == 0 { // what is bad now may only not have been readable
		tables.put(key, t)
	}
	return t, nil
}

// partOf returns the IDs of a block out of those of its table, which stand in b
// and at p.
func (r *Reader[T]) partOf(b []byte, p place, bl *block, c *chunk) ([]byte, error) {
	from := c.offset - p.offset
	if from < 0 || c.length < 0 || c.length > int64(len(b))-from {
		return nil, r.badChunk(bl, chunkGiven, errors.New("it stands apart from the others of its table"))
	}
	ids := b[from : from+c.length]
	if checksum(ids) == c.crc {
		return ids, nil
	}
	return r.readChunk(nil, bl, c)
}

// tables holds the tables that were used last: a look-up reads several blocks
// of one.
var tables tableCache

// keptTables bounds the bytes of tables that are held.
const keptTables = 8 << 20

type tableCache struct {
	mu    sync.Mutex
	list  []cachedTable // the one used last stands last
	bytes int
}

// tableKey is the contents of a segment and the block that a table begins with.
type tableKey struct {
	segment any
	first   int
}

type cachedTable struct {
	key   tableKey
	table *idTable
}

func (t *idTable) size() int { return len(t.wide) + len(t.narrow) }

func (c *tableCache) get(key tableKey) *idTable {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.list {
		if e.key == key {
			copy(c.list[i:], c.list[i+1:])
			c.list[len(c.list)-1] = e
			return e.table
		}
	}
	return nil
}

func (c *tableCache) put(key tableKey, t *idTable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, cachedTable{key, t})
	c.bytes += t.size()
	for c.bytes > keptTables {
		c.bytes -= c.list[0].table.size()
		copy(c.list, c.list[1:])
		c.list = c.list[:len(c.list)-1]
	}
}

// drop forgets the tables of a segment.
func (c *tableCache) drop(segment any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.list[:0]
	for _, e := range c.list {
		if e.key.segment == segment {
			c.bytes -= e.table.size()
			continue
		}
		kept = append(kept, e)
	}
	clear(c.list[len(kept):])
	c.list = kept
}
