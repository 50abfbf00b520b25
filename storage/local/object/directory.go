package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// directory is a Bucket in a directory. An object is written under another
// name and renamed when it is durable.
type directory struct {
	fs    vfs.FS
	root  string
	temps atomic.Uint64

	// dirs are the directories that this process has made or looked after: true
	// once their entries are durable. One that is there may be another Put's
	// that has not come so far, or that failed before it was.
	mu   sync.Mutex
	dirs map[string]bool
}

const (
	dirMode    = 0o755
	tempSuffix = ".tmp"
)

func newDirectory(fs vfs.FS, root string) *directory {
	return &directory{fs: fs, root: root, dirs: map[string]bool{}}
}

// String implements Bucket.
func (d *directory) String() string { return d.root }

// Close implements Bucket.
func (d *directory) Close() error { return nil }

func (d *directory) path(key string) string {
	return d.fs.PathJoin(append([]string{d.root}, strings.Split(key, "/")...)...)
}

// missing says what it means that there is no file: where not even the owner's
// marker is there, the directory is not the one that it should be.
func (d *directory) missing(key string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if key != OwnerKey {
		if _, merr := d.fs.Stat(d.path(OwnerKey)); merr != nil {
			return fmt.Errorf("%s is not there either: is the file system mounted?", d.path(OwnerKey))
		}
	}
	return ErrNotFound
}

// Put implements Bucket.
func (d *directory) Put(ctx context.Context, key string, r io.ReaderAt, size int64) error {
	path := d.path(key)
	if err := d.makeDirs(d.fs.PathDir(path)); err != nil {
		return err
	}
	temp := path + "." + strconv.FormatUint(d.temps.Add(1), 10) + tempSuffix
	f, err := d.fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = copyAll(ctx, f, io.NewSectionReader(r, 0, size), size)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fs.Rename(temp, path)
	}
	if err != nil {
		_ = d.fs.Remove(temp)
		return err
	}
	return d.syncDir(d.fs.PathDir(path))
}

// copyBytes is how much is copied between two looks at the context.
const copyBytes = mib

func copyAll(ctx context.Context, w io.Writer, r io.Reader, size int64) error {
	buf := make([]byte, min(copyBytes, max(size, 1)))
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(size, int64(len(buf)))]
		if _, err := io.ReadFull(r, part); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		size -= int64(len(part))
	}
	return nil
}

// makeDirs makes a directory, and the entries of all that it had to make
// durable. What was there above the root before is taken to be.
func (d *directory) makeDirs(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string // innermost first
	for at := dir; !d.dirs[at] && at != d.fs.PathDir(at); at = d.fs.PathDir(at) {
		_, ours := d.dirs[at]
		if _, err := d.fs.Stat(at); err == nil && !ours && len(at) <= len(d.root) {
			break
		}
		d.dirs[at] = false
		list = append(list, at)
	}
	if len(list) == 0 {
		return nil
	}
	if err := d.fs.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	for _, at := range slices.Backward(list) { // one is durable only where those above it are
		if err := d.syncDir(d.fs.PathDir(at)); err != nil {
			return err
		}
		d.dirs[at] = true
	}
	return nil
}

func (d *directory) syncDir(dir string) error {
	f, err := d.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Create implements Bucket.
func (d *directory) Create(ctx context.Context, key string, data []byte) error {
	if _, err := d.fs.Stat(d.path(key)); err == nil {
		return ErrExists
	}
	return d.Put(ctx, key, strings.NewReader(string(data)), int64(len(data)))
}

// ReadAt implements Bucket.
func (d *directory) ReadAt(_ context.Context, key string, p []byte, off int64) error {
	f, err := d.fs.Open(d.path(key), vfs.RandomReadsOption)
	if err != nil {
		return d.missing(key, err)
	}
	defer func() { _ = f.Close() }()
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return ErrShort
	}
	return err
}

// Get implements Bucket.
func (d *directory) Get(_ context.Context, key string, limit int64) ([]byte, error) {
	f, err := d.fs.Open(d.path(key))
	if err != nil {
		return nil, d.missing(key, err)
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Delete implements Bucket. Directories that are empty then go, too.
func (d *directory) Delete(_ context.Context, key string) error {
	path := d.path(key)
	if err := d.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir := d.fs.PathDir(path); len(dir) > len(d.root); dir = d.fs.PathDir(dir) {
		names, err := d.fs.List(dir)
		if err != nil || len(names) > 0 || d.fs.Remove(dir) != nil {
			break
		}
		delete(d.dirs, dir)
	}
	return nil
}

// List implements Bucket. What an interrupted Put left is in it.
func (d *directory) List(ctx context.Context, prefix string, each func(Info) error) error {
	if _, err := d.fs.Stat(d.root); err != nil {
		return d.missing(OwnerKey, err)
	}
	return d.walk(ctx, "", prefix, each)
}

func (d *directory) walk(ctx context.Context, dir, prefix string, each func(Info) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := d.fs.List(d.path(dir))
	if err != nil {
		return err
	}
	for _, n := range names {
		key := strings.TrimPrefix(dir+"/"+n, "/")
		if !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key+"/") {
			continue
		}
		info, err := d.fs.Stat(d.path(key))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = d.walk(ctx, key, prefix, each)
		} else if strings.HasPrefix(key, prefix) {
			err = each(Info{Key: key, Size: info.Size()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
