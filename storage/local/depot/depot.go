package depot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/object/cache"
)

// The layout of the directory.
const (
	idName   = "ID"
	tailsDir = "tails"
	cacheDir = "cache"
	dirMode  = 0o755
)

// Deps is what a depot needs from outside.
type Deps struct {
	FS      vfs.FS
	Dir     string // its own
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *object.Metrics
	// Room says whether the disk has room for so many bytes.
	Room func(int64) bool
}

// Depot is safe for concurrent use.
type Depot struct {
	deps   Deps
	bucket *object.Guarded
	cache  *cache.Cache
	me     object.Owner

	mu      sync.Mutex
	claimed bool
}

// Open opens the depot that cfg, which must be on, describes. live are the keys
// of the objects that the store has; what is kept locally of others is removed.
// Object storage is not asked yet.
func Open(cfg object.Config, deps Deps, live map[string]bool) (_ *Depot, err error) {
	d := &Depot{deps: deps}
	for _, dir := range []string{deps.Dir, d.path(tailsDir)} {
		if err := deps.FS.MkdirAll(dir, dirMode); err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	for _, dir := range []string{deps.FS.PathDir(deps.Dir), deps.Dir} {
		if err := syncDir(deps.FS, dir); err != nil {
			return nil, err
		}
	}
	if d.me.Store, err = d.storeID(); err != nil {
		return nil, err
	}
	if d.me.Instance, err = newID(); err != nil {
		return nil, err
	}
	d.me.Since = deps.Now().UTC()
	hashes := map[uint64]bool{}
	for key := range live {
		hashes[cache.Hash(key)] = true
	}
	if err := d.removeTails(hashes); err != nil {
		return nil, err
	}
	d.cache, err = cache.New(cache.Options{
		FS: deps.FS, Dir: d.path(cacheDir), Bytes: cfg.CacheBytes, ChunkBytes: cfg.ChunkBytes, ReadAhead: cfg.ReadAheadBytes,
		Room: deps.Room, Count: deps.Metrics.CacheCounter(),
	}, func(h uint64) bool { return hashes[h] })
	if err != nil {
		return nil, err
	}
	d.bucket, err = object.New(cfg, object.Deps{FS: deps.FS, Now: deps.Now, Logger: deps.Logger, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Close ends what is under way.
func (d *Depot) Close() error {
	d.cache.Close()
	return d.bucket.Close()
}

func (d *Depot) path(elem ...string) string {
	return d.deps.FS.PathJoin(append([]string{d.deps.Dir}, elem...)...)
}

func (d *Depot) tail(key string) string {
	return d.path(tailsDir, fmt.Sprintf("%016x", cache.Hash(key)))
}

func syncDir(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

func newID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make an ID: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// storeID reads the ID of the directory, or makes one.
func (d *Depot) storeID() (string, error) {
	name := d.path(idName)
	f, err := d.deps.FS.Open(name)
	if err == nil {
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(f)
		id := strings.TrimSpace(string(b))
		if err == nil && len(id) != 32 {
			err = errors.New("it does not hold 32 hexadecimal digits")
		}
		if err != nil {
			return "", fmt.Errorf("read the store's ID in %s, which says that the objects are its own: %w", name, err)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the store's ID: %w", err)
	}
	id, err := newID()
	if err != nil {
		return "", err
	}
	if err := writeFile(d.deps.FS, name, id+"\n"); err != nil {
		return "", fmt.Errorf("write the store's ID: %w", err)
	}
	return id, syncDir(d.deps.FS, d.deps.Dir)
}

// writeFile writes a file whole or not at all.
func writeFile(fs vfs.FS, name, content string) error {
	temp := name + ".tmp"
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(content))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(temp, name)
}

// removeTails removes those of objects that are not live.
func (d *Depot) removeTails(live map[uint64]bool) error {
	names, err := d.deps.FS.List(d.path(tailsDir))
	if err != nil {
		return fmt.Errorf("list the local indexes: %w", err)
	}
	for _, n := range names {
		var hash uint64
		if _, err := fmt.Sscanf(n, "%016x", &hash); err != nil || !live[hash] || fmt.Sprintf("%016x", hash) != n {
			_ = d.deps.FS.Remove(d.path(tailsDir, n))
		}
	}
	return nil
}

// Claim makes the place in object storage this store's own, or says whose it
// is. Once that went well it only looks whether it still is.
func (d *Depot) Claim(ctx context.Context, hasObjects bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claimed {
		return object.Holds(ctx, d.bucket, d.me)
	}
	err := object.Claim(ctx, d.bucket, d.me, hasObjects)
	d.claimed = err == nil
	return err
}

// String names the place.
func (d *Depot) String() string { return d.bucket.String() }

// Name names an object in messages.
func (d *Depot) Name(key string) string { return key + " in " + d.bucket.String() }

// Up reports whether object storage is asked at all.
func (d *Depot) Up() bool { return d.bucket.Up() }

// Breaker is what stands between the store and object storage.
func (d *Depot) Breaker() guard.Switch { return d.bucket }

// Health is the state of object storage.
func (d *Depot) Health() object.Health { return d.bucket.Health() }

// verifyBytes is how much of an object is read back at once.
const verifyBytes = 4 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Upload stores an object and reads it back to compare it. pace is called with
// the bytes before they are moved, and may wait. It returns when the object and
// the local copy of its end, from tailFrom on, are durable.
func (d *Depot) Upload(ctx context.Context, key string, r io.ReaderAt, size, tailFrom int64, pace func(context.Context, int64) error) error {
	if err := pace(ctx, size); err != nil {
		return err
	}
	if err := d.bucket.Put(ctx, key, r, size); err != nil {
		return err
	}
	want, got := make([]byte, min(size, verifyBytes)), make([]byte, min(size, verifyBytes))
	for off := int64(0); off < size; off += verifyBytes {
		n := min(verifyBytes, size-off)
		if k, err := r.ReadAt(want[:n], off); int64(k) < n {
			return fmt.Errorf("read what is to be moved: %w", err)
		}
		if err := d.bucket.ReadAt(ctx, key, got[:n], off); err != nil {
			return err
		}
		if a, b := crc32.Checksum(want[:n], castagnoli), crc32.Checksum(got[:n], castagnoli); a != b {
			return fmt.Errorf("%s came back with checksum %08x of the part at %d, want %08x: it is uploaded again", d.Name(key), b, off, a)
		}
	}
	if err := cache.WriteTail(d.deps.FS, d.tail(key), r, tailFrom, size); err != nil {
		return err
	}
	return syncDir(d.deps.FS, d.path(tailsDir))
}

// Delete removes an object and what is kept of it.
func (d *Depot) Delete(ctx context.Context, key string) error {
	d.Discard(key, 0)
	return d.bucket.Delete(ctx, key)
}

// Discard removes what is kept locally of an object that nobody reads.
func (d *Depot) Discard(key string, size int64) {
	_ = d.deps.FS.Remove(d.tail(key)) // what stays is removed at the next start
	if size > 0 {
		d.cache.Drop(key, 0, size)
	}
}

// List calls each for every object of the store.
func (d *Depot) List(ctx context.Context, each func(object.Info) error) error {
	seen := map[string]bool{}
	return d.bucket.List(ctx, segmentsPrefix, func(i object.Info) error {
		if seen[i.Key] {
			return nil
		}
		seen[i.Key] = true
		return each(i)
	})
}

// Cool removes what the cache has of an object, as if it had not been read.
func (d *Depot) Cool(key string, size int64) { d.cache.Drop(key, 0, size) }
