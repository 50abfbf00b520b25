package depot

import (
	"context"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/object/cache"
)

// Files opens an object of a size as a file. With tail false it does without
// the local copy of its end.
func (d *Depot) Files(key string, size int64, tail bool) vfs.FS {
	return files{d: d, key: key, size: size, tail: tail}
}

// files is the file system that one object is opened from.
type files struct {
	vfs.FS // nil: only Open is called
	d      *Depot
	key    string
	size   int64
	tail   bool
}

// Open implements vfs.FS, whatever the name.
func (f files) Open(string, ...vfs.OpenOption) (vfs.File, error) {
	d := f.d
	file := d.file(f.key, f.size)
	if f.tail {
		t, err := cache.OpenTail(d.deps.FS, d.tail(f.key), f.size)
		if err != nil {
			return nil, err
		}
		file.Tail = t
	}
	return file, nil
}

// file is an object without a local copy of its end.
func (d *Depot) file(key string, size int64) *cache.File {
	return &cache.File{Cache: d.cache, Key: key, Bytes: size, Fetch: func(ctx context.Context, p []byte, off int64) error {
		return d.bucket.ReadAt(ctx, key, p, off)
	}}
}

// RestoreTail copies the end of an object, which was read already, once more.
func (d *Depot) RestoreTail(ctx context.Context, key string, size, from int64) error {
	if !d.deps.Room(size - from) {
		return nil
	}
	if err := cache.WriteTail(d.deps.FS, d.tail(key), d.file(key, size).Within(ctx), from, size); err != nil {
		return err
	}
	return syncDir(d.deps.FS, d.path(tailsDir))
}

// VerifyTail compares the local copy of an object's end with its checksum.
func (d *Depot) VerifyTail(key string, size int64) error {
	t, err := cache.OpenTail(d.deps.FS, d.tail(key), size)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }()
	return t.Verify()
}
