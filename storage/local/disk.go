package local

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
)

// freeCheckEvery is how old the figure of free space may be. A disk doesn't
// fill by more than the reserve within it.
const freeCheckEvery = time.Second

// refusalLasts is how long a write that found no room is held against the
// disk: without writes nothing else would show that there is room again.
const refusalLasts = 10 * time.Second

// disk knows whether there is room to write.
type disk struct {
	fs   vfs.FS
	dir  string
	min  int64
	now  func() time.Time
	mu   sync.Mutex
	at   time.Time
	free int64 // -1: not known
	full error // of the last write that found no room, until one succeeds
	when time.Time
}

func newDisk(fs vfs.FS, dir string, minFree int64, now func() time.Time) *disk {
	return &disk{fs: fs, dir: dir, min: minFree, now: now, free: -1}
}

// room returns an error where less than the minimum is free.
func (d *disk) room() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.at.IsZero() || now.Sub(d.at) >= freeCheckEvery || now.Before(d.at) {
		d.at, d.free = now, -1
		// Not every file system can tell; ENOSPC then does.
		if u, err := d.fs.GetDiskUsage(d.dir); err == nil {
			d.free = int64(min(u.AvailBytes, 1<<62))
		}
	}
	if d.free >= 0 && d.free < d.min {
		return fmt.Errorf("%w: %d bytes free in %s, min_free_bytes is %d", storage.ErrDiskFull, d.free, d.dir, d.min)
	}
	return nil
}

// roomFor reports whether writing n bytes leaves the minimum free.
func (d *disk) roomFor(n int64) bool {
	if d.room() != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free < 0 || d.free-n >= d.min
}

// wrote notes the outcome of a write and returns it as the contract names it.
func (d *disk) wrote(err error) error {
	if err != nil && vfs.IsNoSpaceError(err) && !errors.Is(err, storage.ErrDiskFull) {
		err = fmt.Errorf("%w: %w", storage.ErrDiskFull, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.full = nil
	case errors.Is(err, storage.ErrDiskFull):
		d.full, d.when = err, d.now()
	}
	return err
}

// refusal returns why writes are refused at the moment, nil where they aren't.
func (d *disk) refusal() error {
	if err := d.room(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil && d.now().Sub(d.when) < refusalLasts {
		return d.full
	}
	return nil
}
