package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// File reads an object as a file: its end from a local copy, where there is
// one, and the rest through a cache.
type File struct {
	vfs.File // nil: what is not below is not asked of a file that is read
	Cache    *Cache
	Key      string
	Bytes    int64
	Fetch    Fetch
	Tail     *Tail // nil: there is none

	noTail atomic.Bool // it turned out wrong

	mu          sync.Mutex
	began, next int64 // what was read last from front to back
}

// errPlace is that a place is not in the object.
var errPlace = errors.New("a place that is not in the object")

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.readAt(context.Background(), p, off)
}

// Within returns the file for one reader that waits no longer than until ctx
// ends. It is not closed.
func (f *File) Within(ctx context.Context) vfs.File { return &bound{f, ctx} }

// bound is a file for one reader.
type bound struct {
	*File
	ctx context.Context
}

// ReadAt implements io.ReaderAt.
func (b *bound) ReadAt(p []byte, off int64) (int, error) { return b.readAt(b.ctx, p, off) }

// Prefetch implements vfs.File.
func (b *bound) Prefetch(off, length int64) error { return b.prefetch(b.ctx, off, length) }

func (f *File) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errPlace
	}
	whole := len(p)
	if off+int64(whole) > f.Bytes {
		whole = int(max(f.Bytes-off, 0))
	}
	if err := f.read(ctx, p[:whole], off); err != nil {
		return 0, err
	}
	if whole < len(p) {
		return whole, io.EOF
	}
	return whole, nil
}

func (f *File) read(ctx context.Context, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	if f.Tail != nil && off >= f.Tail.From && !f.noTail.Load() {
		_, err := f.Tail.file.ReadAt(p, off-f.Tail.From+tailHeader)
		if err == nil {
			return nil
		}
	}
	return f.Cache.ReadAt(ctx, f.Key, f.Bytes, p, off, f.ahead(off, int64(len(p))), f.Fetch)
}

// ahead is how much more is likely to be wanted than what is read now: as much
// as was read so far without a gap that is worth a request.
func (f *File) ahead(off, n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < f.next || off > f.next+f.Cache.opts.ChunkBytes {
		f.began = off
	}
	f.next = off + n
	return off - f.began
}

// Prefetch implements vfs.File: it brings a part into the cache.
func (f *File) Prefetch(off, length int64) error {
	return f.prefetch(context.Background(), off, length)
}

func (f *File) prefetch(ctx context.Context, off, length int64) error {
	length = min(length, f.Bytes-off)
	if f.Cache == nil || off < 0 || length <= 0 || length > f.Cache.opts.Bytes/2 {
		return nil // it would not stay until it is read
	}
	return f.Cache.Load(ctx, f.Key, f.Bytes, off, length, f.Fetch)
}

// Doubt is called where what was read is not what it should be: a copy may be
// at fault, so it is dropped, and reading again reads the original. That is so
// as well where another reader has dropped the copy meanwhile.
func (f *File) Doubt(off, length int64) bool {
	if f.Tail != nil && off >= f.Tail.From && !f.noTail.Swap(true) {
		return true
	}
	f.Cache.Drop(f.Key, off, length)
	return true
}

// Stat implements vfs.File.
func (f *File) Stat() (vfs.FileInfo, error) { return fileInfo{f}, nil }

// Close implements vfs.File.
func (f *File) Close() error {
	if f.Tail == nil {
		return nil
	}
	return f.Tail.Close()
}

type fileInfo struct{ f *File }

// Name implements fs.FileInfo.
func (i fileInfo) Name() string { return i.f.Key }

// Size implements fs.FileInfo.
func (i fileInfo) Size() int64 { return i.f.Bytes }

// Mode implements fs.FileInfo.
func (i fileInfo) Mode() fs.FileMode { return 0o444 }

// ModTime implements fs.FileInfo.
func (i fileInfo) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (i fileInfo) IsDir() bool { return false }

// Sys implements fs.FileInfo.
func (i fileInfo) Sys() any { return nil }

// DeviceID implements vfs.FileInfo.
func (i fileInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
