package cache

import (
	"container/list"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options configure a Cache.
type Options struct {
	FS  vfs.FS
	Dir string
	// Bytes bounds the files, ChunkBytes is the size of one.
	Bytes, ChunkBytes int64
	// ReadAhead is up to how much is fetched at once.
	ReadAhead int64
	// Room says whether the disk has room for so many bytes.
	Room func(int64) bool
	// Count is told what happens.
	Count Counter
}

// Counter counts.
type Counter interface {
	Hit()
	Miss()
	Evicted(bytes int64)
	Unkept()
	Size(bytes int64)
}

// Fetch fills p from an object, or gives up when nobody waits for it any more.
type Fetch func(ctx context.Context, p []byte, off int64) error

// Cache is a bounded cache of chunks of objects. It is safe for concurrent
// use.
type Cache struct {
	opts Options

	mu      sync.Mutex
	chunks  map[chunkID]*list.Element // of *chunk
	order   *list.List                // newest use first
	bytes   int64
	flights map[chunkID]*flight

	background context.Context // of fetches; ends with Close
	cancel     context.CancelFunc
	fetches    sync.WaitGroup
}

// chunkID names a part of an object.
type chunkID struct {
	object uint64 // hash of its key
	number int64
}

// chunk is a file.
type chunk struct {
	id      chunkID
	length  int64
	crc     uint32
	checked bool // the file was compared with crc since the start
}

// New returns the cache in opts.Dir with what is in there of the objects that
// wanted wants, by the hash of the key (see Hash). Everything else is removed.
func New(opts Options, wanted func(uint64) bool) (*Cache, error) {
	c := &Cache{opts: opts, chunks: map[chunkID]*list.Element{}, order: list.New(), flights: map[chunkID]*flight{}}
	c.background, c.cancel = context.WithCancel(context.Background())
	if err := opts.FS.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache's directory: %w", err)
	}
	names, err := opts.FS.List(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the cache: %w", err)
	}
	for _, n := range names {
		ch, ok := parseName(n)
		if !ok || !wanted(ch.id.object) || c.chunks[ch.id] != nil || ch.length > opts.ChunkBytes || ch.length < opts.ChunkBytes && ch.length != ch.length%opts.ChunkBytes {
			_ = opts.FS.Remove(opts.FS.PathJoin(opts.Dir, n))
			continue
		}
		c.chunks[ch.id] = c.order.PushBack(ch)
		c.bytes += ch.length
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shrink()
	return c, nil
}

// Close ends what is being fetched. Nothing may be read any more.
func (c *Cache) Close() {
	c.cancel()
	c.fetches.Wait()
}

// Hash is what an object's key is in the names of files.
func Hash(key string) uint64 { return xxh3.HashString(key) }

func (ch *chunk) name() string {
	return fmt.Sprintf("%016x-%x-%x-%08x", ch.id.object, ch.id.number, ch.length, ch.crc)
}

func parseName(name string) (*chunk, bool) {
	ch := &chunk{}
	n, err := fmt.Sscanf(name, "%016x-%x-%x-%08x", &ch.id.object, &ch.id.number, &ch.length, &ch.crc)
	return ch, err == nil && n == 4 && ch.name() == name && ch.length > 0
}

func (c *Cache) path(ch *chunk) string { return c.opts.FS.PathJoin(c.opts.Dir, ch.name()) }

// ReadAt fills p from an object of a size, by its chunks. Where it has to fetch
// some it fetches ahead more, up to the bound in the options. It waits no longer
// than until ctx ends, whose error it returns then.
func (c *Cache) ReadAt(ctx context.Context, key string, size int64, p []byte, off, ahead int64, fetch Fetch) error {
	if off < 0 || off+int64(len(p)) > size {
		return io.ErrUnexpectedEOF
	}
	object := Hash(key)
	for end := off + int64(len(p)); off < end; {
		id := chunkID{object, off / c.opts.ChunkBytes}
		last := min(end-1+ahead, size-1) / c.opts.ChunkBytes
		within := off - id.number*c.opts.ChunkBytes
		n, err := c.read(ctx, id, last, size, p, within, fetch)
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// Load fetches what is not there of a part of an object.
func (c *Cache) Load(ctx context.Context, key string, size, off, length int64, fetch Fetch) error {
	object := Hash(key)
	last := (off + length - 1) / c.opts.ChunkBytes
	for n := off / c.opts.ChunkBytes; n <= last; n++ {
		id := chunkID{object, n}
		c.mu.Lock()
		there := c.chunks[id] != nil
		c.mu.Unlock()
		if there {
			continue
		}
		if _, err := c.read(ctx, id, last, size, nil, 0, fetch); err != nil {
			return err
		}
	}
	return nil
}

// read copies what is wanted of one chunk. Where it has to be fetched, those
// behind it up to last are, too.
func (c *Cache) read(ctx context.Context, id chunkID, last, size int64, p []byte, within int64, fetch Fetch) (int, error) {
	for {
		c.mu.Lock()
		if e := c.chunks[id]; e != nil {
			c.order.MoveToFront(e)
			ch := *e.Value.(*chunk)
			c.mu.Unlock()
			if n, ok := c.readFile(ch, p, within); ok {
				c.opts.Count.Hit()
				return n, nil
			}
			c.drop(ch)
			continue
		}
		f := c.flights[id]
		if f == nil {
			f = c.begin(id, c.runOf(id, last), size, fetch)
		}
		f.run.waiting++
		c.mu.Unlock()
		data, err := c.wait(ctx, f)
		if err != nil {
			return 0, err
		}
		return copy(p, data[within:]), nil
	}
}

// readFile reports false where the file is not what it should be.
func (c *Cache) readFile(ch chunk, p []byte, within int64) (int, bool) {
	f, err := c.opts.FS.Open(c.path(&ch), vfs.RandomReadsOption)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	n := int(min(int64(len(p)), ch.length-within))
	if !ch.checked {
		all := make([]byte, ch.length)
		if got, err := f.ReadAt(all, 0); got < len(all) && err != nil || crc32.Checksum(all, castagnoli) != ch.crc {
			return 0, false
		}
		c.mu.Lock()
		if e := c.chunks[ch.id]; e != nil {
			e.Value.(*chunk).checked = true
		}
		c.mu.Unlock()
		return copy(p[:n], all[within:]), true
	}
	got, _ := f.ReadAt(p[:n], within)
	return n, got == n
}

// runOf says how many chunks to fetch at once: those up to last, within the
// bound, and none that is there or on its way. c.mu is held.
func (c *Cache) runOf(id chunkID, last int64) int64 {
	n := min(last-id.number+1, max(c.opts.ReadAhead/c.opts.ChunkBytes, 1))
	for i := int64(1); i < n; i++ {
		next := chunkID{id.object, id.number + i}
		if c.chunks[next] != nil || c.flights[next] != nil {
			return i
		}
	}
	return n
}

// keep writes a chunk, if that is possible.
func (c *Cache) keep(id chunkID, data []byte) {
	n := int64(len(data))
	if n > c.opts.Bytes {
		return
	}
	ch := &chunk{id: id, length: n, crc: crc32.Checksum(data, castagnoli), checked: true}
	if !c.opts.Room(n) || !c.write(c.path(ch), data) {
		c.opts.Count.Unkept()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.chunks[id]; old != nil { // of a reader that doubted it meanwhile
		c.remove(old, old.Value.(*chunk).name() != ch.name())
	}
	c.chunks[id] = c.order.PushFront(ch)
	c.bytes += n
	c.shrink()
}

func (c *Cache) write(path string, data []byte) bool {
	f, err := c.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	// Write may change what it is given.
	n, err := f.Write(append([]byte(nil), data...))
	cerr := f.Close()
	if err != nil || cerr != nil || n < len(data) {
		_ = c.opts.FS.Remove(path)
		return false
	}
	return true
}

// shrink removes what is beyond the bound. c.mu is held.
func (c *Cache) shrink() {
	for c.bytes > c.opts.Bytes {
		e := c.order.Back()
		c.opts.Count.Evicted(e.Value.(*chunk).length)
		c.remove(e, true)
	}
	c.opts.Count.Size(c.bytes)
}

// remove takes a chunk out, and its file unless it is to stay. c.mu is held.
func (c *Cache) remove(e *list.Element, file bool) {
	ch := c.order.Remove(e).(*chunk)
	delete(c.chunks, ch.id)
	c.bytes -= ch.length
	if file {
		_ = c.opts.FS.Remove(c.path(ch))
	}
}

// drop removes a chunk whose file turned out wrong.
func (c *Cache) drop(ch chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.chunks[ch.id]; e != nil {
		c.remove(e, true)
	}
	c.opts.Count.Size(c.bytes)
}

// Drop removes what is kept of a part of an object: its content turned out
// wrong, or nobody wants it any more. It reports whether there was anything.
func (c *Cache) Drop(key string, off, length int64) (any bool) {
	object := Hash(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := off / c.opts.ChunkBytes; n <= (off+max(length, 1)-1)/c.opts.ChunkBytes; n++ {
		if e := c.chunks[chunkID{object, n}]; e != nil {
			c.remove(e, true)
			any = true
		}
	}
	c.opts.Count.Size(c.bytes)
	return any
}
