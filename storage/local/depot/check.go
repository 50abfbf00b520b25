package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/object/cache"
)

// Inspector looks at a depot that no store has open. It changes nothing.
type Inspector struct {
	fs     vfs.FS
	dir    string
	bucket *object.Guarded
}

// Inspect returns the inspector of the depot whose own directory is dir.
func Inspect(cfg object.Config, fs vfs.FS, dir string, now func() time.Time) (*Inspector, error) {
	m, err := object.NewMetrics(nil)
	if err != nil {
		return nil, err
	}
	b, err := object.New(cfg, object.Deps{FS: fs, Now: now, Logger: slog.New(slog.DiscardHandler), Metrics: m})
	if err != nil {
		return nil, err
	}
	return &Inspector{fs: fs, dir: dir, bucket: b}, nil
}

// Close gives connections up.
func (i *Inspector) Close() error { return i.bucket.Close() }

// Name names an object in messages.
func (i *Inspector) Name(key string) string { return key + " in " + i.bucket.String() }

// Owner says what is wrong with who owns the place, nil for nothing.
func (i *Inspector) Owner(ctx context.Context) error {
	f, err := i.fs.Open(i.fs.PathJoin(i.dir, idName))
	if err != nil {
		return fmt.Errorf("read the store's ID: %w", err)
	}
	defer func() { _ = f.Close() }()
	id, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read the store's ID: %w", err)
	}
	return object.Owned(ctx, i.bucket, strings.TrimSpace(string(id)))
}

// List returns the sizes of all objects, by key.
func (i *Inspector) List(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := i.bucket.List(ctx, segmentsPrefix, func(o object.Info) error {
		out[o.Key] = o.Size
		return nil
	})
	return out, err
}

// Files opens an object as a file; each byte comes out of the object itself.
func (i *Inspector) Files(ctx context.Context, key string, size int64) vfs.FS {
	return windows{fetch: func(p []byte, off int64) error { return i.bucket.ReadAt(ctx, key, p, off) }, key: key, size: size}
}

// VerifyTail compares the local copy of an object's end with its checksum.
// That there is none is no error: it is made again when it is needed.
func (i *Inspector) VerifyTail(key string, size int64) (string, error) {
	path := i.fs.PathJoin(i.dir, tailsDir, fmt.Sprintf("%016x", cache.Hash(key)))
	if _, err := i.fs.Stat(path); err != nil {
		return path, nil
	}
	t, err := cache.OpenTail(i.fs, path, size)
	if err != nil {
		return path, err
	}
	return path, errors.Join(t.Verify(), t.Close())
}

// windows is the file system that one object is opened from, to be read about
// from front to back.
type windows struct {
	vfs.FS // nil: only Open is called
	fetch  func(p []byte, off int64) error
	key    string
	size   int64
}

// Open implements vfs.FS, whatever the name.
func (w windows) Open(string, ...vfs.OpenOption) (vfs.File, error) {
	return &window{File: &cache.File{Key: w.key, Bytes: w.size}, fetch: w.fetch, size: w.size}, nil
}

// window keeps the last part that was read.
type window struct {
	*cache.File
	fetch func(p []byte, off int64) error
	size  int64

	mu   sync.Mutex
	off  int64
	data []byte
}

// ReadAt implements io.ReaderAt.
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if off < 0 || off > w.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), w.size-off)
	if off < w.off || off+n > w.off+int64(len(w.data)) {
		data := make([]byte, min(max(n, verifyBytes), w.size-off))
		if err := w.fetch(data, off); err != nil {
			return 0, err
		}
		w.off, w.data = off, data
	}
	copy(p, w.data[off-w.off:][:n])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Within returns the file itself: its context is that of the whole check.
func (w *window) Within(context.Context) vfs.File { return w }

// Doubt says that there is no copy to read instead.
func (w *window) Doubt(int64, int64) bool { return false }
