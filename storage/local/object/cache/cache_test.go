package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

type counts struct {
	mu                     sync.Mutex
	hits, misses, unkept   int
	evicted, size, biggest int64
}

func (c *counts) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}
func (c *counts) Hit()            { c.locked(func() { c.hits++ }) }
func (c *counts) Miss()           { c.locked(func() { c.misses++ }) }
func (c *counts) Unkept()         { c.locked(func() { c.unkept++ }) }
func (c *counts) Evicted(n int64) { c.locked(func() { c.evicted += n }) }
func (c *counts) Size(n int64)    { c.locked(func() { c.size, c.biggest = n, max(c.biggest, n) }) }

// remote is an object, and what was fetched of it.
type remote struct {
	data    []byte
	mu      sync.Mutex
	fetched [][2]int64
	err     error
}

func newRemote(size int) *remote {
	r := rand.New(rand.NewPCG(uint64(size), 1))
	o := &remote{data: make([]byte, size)}
	for i := range o.data {
		o.data[i] = byte(r.Uint32())
	}
	return o
}

func (o *remote) fetch(_ context.Context, p []byte, off int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fetched = append(o.fetched, [2]int64{off, int64(len(p))})
	copy(p, o.data[off:])
	return o.err
}

func newCache(t testing.TB, fs vfs.FS, bytes int64) (*Cache, *counts) {
	t.Helper()
	n := &counts{}
	c, err := New(Options{FS: fs, Dir: "/cache", Bytes: bytes, ChunkBytes: 10, ReadAhead: 40,
		Room: func(int64) bool { return true }, Count: n}, func(uint64) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return c, n
}

func (o *remote) read(t testing.TB, c *Cache, key string, off, n int) {
	t.Helper()
	p := make([]byte, n)
	if err := c.ReadAt(t.Context(), key, int64(len(o.data)), p, int64(off), 0, o.fetch); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p, o.data[off:off+n]) {
		t.Fatalf("read %d bytes at %d: not what the object has", n, off)
	}
}

func TestReadsOnlyWhatIsNeeded(t *testing.T) {
	c, n := newCache(t, vfs.NewMem(), 1000)
	o := newRemote(95)
	o.read(t, c, "a", 42, 3) // one chunk
	o.read(t, c, "a", 40, 10)
	o.read(t, c, "a", 38, 15) // both its neighbours, in two requests
	o.read(t, c, "a", 61, 32) // no more than the bound at once
	if got, want := fmt.Sprint(o.fetched), "[[40 10] [30 10] [50 10] [60 35]]"; got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	before := len(o.fetched)
	for off := 30; off < 95; off++ {
		o.read(t, c, "a", off, 1)
	}
	if len(o.fetched) != before || n.hits < 60 {
		t.Errorf("fetched again what is kept: %v, %d hits", o.fetched[before:], n.hits)
	}
}

// TestReadsAhead: what is read from front to back is fetched in ever bigger
// parts, what is read here and there is not.
func TestReadsAhead(t *testing.T) {
	c, _ := newCache(t, vfs.NewMem(), 10_000)
	o := newRemote(205)
	f := &File{Cache: c, Key: "a", Bytes: 205, Fetch: o.fetch}
	for off := int64(0); off < 205; off += 5 {
		if _, err := f.ReadAt(make([]byte, 5), off); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(o.fetched), "[[0 10] [10 20] [30 40] [70 40] [110 40] [150 40] [190 15]]"; got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	o = newRemote(205)
	f = &File{Cache: c, Key: "b", Bytes: 205, Fetch: o.fetch}
	for _, off := range []int64{100, 20, 180, 60} {
		if _, err := f.ReadAt(make([]byte, 5), off); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(o.fetched), "[[100 10] [20 10] [180 10] [60 10]]"; got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
}

func TestLoad(t *testing.T) {
	c, _ := newCache(t, vfs.NewMem(), 1000)
	o := newRemote(95)
	o.read(t, c, "a", 42, 3)
	f := &File{Cache: c, Key: "a", Bytes: 95, Fetch: o.fetch}
	for range 2 {
		if err := f.Prefetch(25, 70); err != nil {
			t.Fatal(err)
		}
	}
	o.read(t, c, "a", 25, 70)
	if got, want := fmt.Sprint(o.fetched), "[[40 10] [20 20] [50 40] [90 5]]"; got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	for _, r := range [][2]int64{{-1, 10}, {90, 100}, {200, 10}, {0, 0}} {
		if err := f.Prefetch(r[0], r[1]); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
}

func TestBound(t *testing.T) {
	fs := vfs.NewMem()
	c, n := newCache(t, fs, 50)
	o := newRemote(1000)
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		off := r.IntN(1000)
		o.read(t, c, "a", off, r.IntN(min(1000-off, 70)+1))
	}
	if n.biggest > 50 || n.size != 50 || n.evicted == 0 {
		t.Errorf("biggest %d, now %d, evicted %d; the bound is 50", n.biggest, n.size, n.evicted)
	}
	names, err := fs.List("/cache")
	if err != nil || len(names) != 5 {
		t.Errorf("%d files, %v; want 5", len(names), err)
	}
	// What was used last stays.
	o.read(t, c, "a", 0, 1)
	o.read(t, c, "a", 500, 1)
	o.read(t, c, "a", 0, 1)
	for i := range 3 {
		o.read(t, c, "a", 700+20*i, 1)
	}
	before := len(o.fetched)
	o.read(t, c, "a", 0, 1)
	if len(o.fetched) != before {
		t.Error("what was used last went first")
	}
}

func TestRestart(t *testing.T) {
	fs := vfs.NewMem()
	c, _ := newCache(t, fs, 1000)
	a, b := newRemote(35), newRemote(40)
	a.read(t, c, "a", 0, 35)
	b.read(t, c, "b", 0, 40)
	write(t, fs, "/cache/stray", "x")
	n := &counts{}
	c, err := New(Options{FS: fs, Dir: "/cache", Bytes: 1000, ChunkBytes: 10, Room: func(int64) bool { return true }, Count: n},
		func(h uint64) bool { return h == Hash("a") })
	if err != nil {
		t.Fatal(err)
	}
	a.fetched = nil
	a.read(t, c, "a", 3, 32)
	if len(a.fetched) != 0 || n.size != 35 {
		t.Errorf("fetched %v after a restart, %d bytes kept", a.fetched, n.size)
	}
	if names, _ := fs.List("/cache"); len(names) != 4 {
		t.Errorf("files of other objects stay: %v", names)
	}
}

func write(t testing.TB, fs vfs.FS, name, content string) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTornFiles: what a crash left of a file is noticed and read anew.
func TestTornFiles(t *testing.T) {
	fs := vfs.NewMem()
	c, _ := newCache(t, fs, 1000)
	o := newRemote(40)
	o.read(t, c, "a", 0, 40)
	names, _ := fs.List("/cache")
	for i, name := range names {
		write(t, fs, "/cache/"+name, []string{"", "short", "0123456789", "0123456789abc"}[i%4])
	}
	c, _ = newCache(t, fs, 1000)
	o.read(t, c, "a", 0, 40)
	o.read(t, c, "a", 5, 30)
}

func TestDrop(t *testing.T) {
	fs := vfs.NewMem()
	c, n := newCache(t, fs, 1000)
	o := newRemote(40)
	o.read(t, c, "a", 0, 40)
	if !c.Drop("a", 12, 1) || c.Drop("a", 12, 1) || c.Drop("b", 0, 40) {
		t.Error("drop does not say whether there was something")
	}
	o.read(t, c, "a", 0, 40)
	if !c.Drop("a", 0, 40) || n.size != 0 {
		t.Errorf("%d bytes stay", n.size)
	}
	if names, _ := fs.List("/cache"); len(names) != 0 {
		t.Errorf("files stay: %v", names)
	}
}

// TestDisk: a disk that fails, or has no room, costs requests, not answers.
func TestDisk(t *testing.T) {
	failing := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return errorfs.ErrInjected
		}
		return nil
	}))
	for name, opts := range map[string]Options{
		"fails":   {FS: failing, Room: func(int64) bool { return true }},
		"no room": {FS: vfs.NewMem(), Room: func(int64) bool { return false }},
	} {
		n := &counts{}
		opts.Dir, opts.Bytes, opts.ChunkBytes, opts.Count = "/cache", 1000, 10, n
		c, err := New(opts, func(uint64) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		o := newRemote(40)
		o.read(t, c, "a", 0, 40)
		o.read(t, c, "a", 0, 40)
		if n.unkept != 8 || n.size != 0 {
			t.Errorf("%s: %d not kept, %d bytes", name, n.unkept, n.size)
		}
	}
}

func TestErrors(t *testing.T) {
	c, _ := newCache(t, vfs.NewMem(), 1000)
	o := newRemote(40)
	o.err = errors.New("away")
	p := make([]byte, 20)
	if err := c.ReadAt(t.Context(), "a", 40, p, 5, 0, o.fetch); !errors.Is(err, o.err) {
		t.Errorf("%v", err)
	}
	o.err = nil
	o.read(t, c, "a", 5, 20) // nothing of the failure is kept
	for _, off := range []int64{-1, 21, 50} {
		if err := c.ReadAt(t.Context(), "a", 40, p, off, 0, o.fetch); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("offset %d: %v", off, err)
		}
	}
}

// TestManyReaders: those who want the same wait for one fetch.
func TestManyReaders(t *testing.T) {
	c, n := newCache(t, vfs.NewMem(), 300)
	o := newRemote(1000)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 200 {
				off := r.IntN(1000)
				p := make([]byte, r.IntN(min(1000-off, 60)+1))
				if err := c.ReadAt(t.Context(), "a", 1000, p, int64(off), 0, o.fetch); err != nil || !bytes.Equal(p, o.data[off:off+len(p)]) {
					t.Errorf("%d bytes at %d: %v", len(p), off, err)
				}
				if r.IntN(10) == 0 {
					c.Drop("a", int64(off), 1)
				}
			}
		})
	}
	wg.Wait()
	if n.biggest > 300 {
		t.Errorf("%d bytes kept, the bound is 300", n.biggest)
	}
}

// TestFile: an object with a local copy of its end reads as the file that it
// was, whatever happens to the copy.
func TestFile(t *testing.T) {
	fs := vfs.NewMem()
	c, _ := newCache(t, fs, 1000)
	o := newRemote(100)
	if err := WriteTail(fs, "/tail", bytes.NewReader(o.data), 60, 100); err != nil {
		t.Fatal(err)
	}
	tail, err := OpenTail(fs, "/tail", 100)
	if err != nil || tail.Verify() != nil {
		t.Fatal(err, tail.Verify())
	}
	f := &File{Cache: c, Key: "a", Bytes: 100, Fetch: o.fetch, Tail: tail}
	check := func() {
		t.Helper()
		for off := range 100 {
			p := make([]byte, min(20, 100-off))
			if n, err := f.ReadAt(p, int64(off)); n != len(p) || err != nil || !bytes.Equal(p, o.data[off:off+len(p)]) {
				t.Fatalf("at %d: %d bytes, %v", off, n, err)
			}
		}
	}
	p := make([]byte, 40)
	if _, err := f.ReadAt(p, 60); err != nil || len(o.fetched) != 0 {
		t.Errorf("the end was fetched: %v, %v", o.fetched, err)
	}
	check()
	if n, err := f.ReadAt(p, 90); n != 10 || !errors.Is(err, io.EOF) {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 100 {
		t.Errorf("size: %v", err)
	}
	if !f.Doubt(70, 5) || f.Tail == nil {
		t.Error("no doubt about the copy")
	}
	check()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// FuzzTail: any file is a tail or is refused.
func FuzzTail(f *testing.F) {
	fs := vfs.NewMem()
	o := newRemote(100)
	if err := WriteTail(fs, "/tail", bytes.NewReader(o.data), 60, 100); err != nil {
		f.Fatal(err)
	}
	file, err := fs.Open("/tail")
	if err != nil {
		f.Fatal(err)
	}
	good, err := io.ReadAll(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for i := range good {
		f.Add(append(append(bytes.Clone(good[:i]), good[i]^0x10), good[i+1:]...))
		f.Add(good[:i])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := vfs.NewMem()
		write(t, fs, "/tail", string(data))
		tail, err := OpenTail(fs, "/tail", 100)
		if err != nil {
			return
		}
		if verr := tail.Verify(); verr == nil && !bytes.Equal(data[tailHeader:], good[tailHeader:]) && bytes.Equal(data[:tailHeader], good[:tailHeader]) {
			t.Error("a wrong copy is good")
		}
		if err := tail.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
