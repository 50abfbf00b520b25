package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/time/rate"

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

// pace bounds the bytes per second that background work reads, so that
// queries and writes find the disk free. A nil one is no bound.
type pace struct{ limiter *rate.Limiter }

func newPace(bytesPerSecond int64) *pace {
	if bytesPerSecond == 0 {
		return nil
	}
	// Bursts are short, too: a query would notice a whole second of them.
	return &pace{rate.NewLimiter(rate.Limit(bytesPerSecond), int(max(bytesPerSecond/16, 1)))}
}

// wait returns when n more bytes are within the bound.
func (p *pace) wait(ctx context.Context, n int64) error {
	return p.waitWhile(ctx, n, func() bool { return true })
}

// waitWhile is wait that ends early, soon after calm is false.
func (p *pace) waitWhile(ctx context.Context, n int64, calm func() bool) error {
	if p == nil {
		return ctx.Err()
	}
	for n > 0 && calm() {
		step := min(n, int64(p.limiter.Burst()))
		if err := p.limiter.WaitN(ctx, int(step)); err != nil {
			return err
		}
		n -= step
	}
	return ctx.Err()
}

// pacedRows is how many rows are read between two looks at the bound.
const pacedRows = 4096

// paced passes rows on, of which each takes about so many bytes of a file.
func paced[T any](ctx context.Context, p *pace, bytesPerRow float64, rows iter.Seq2[*T, error]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		n := 0
		for r, err := range rows {
			if n++; n%pacedRows == 0 && err == nil {
				if err := p.wait(ctx, int64(pacedRows*bytesPerRow)); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
