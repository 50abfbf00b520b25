// Package parked keeps on disk, by themselves, the requests of one tenant and
// signal whose index takes nothing for a while, so that those of others go on.
// It is a write-ahead log with one reader, who lets go of what is carried on.
package parked

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/wal"
)

// drainedName is the file that keeps how far a log is carried on.
const drainedName = "drained"

const dirMode = 0o755

// Options configure a Log.
type Options struct {
	FS  vfs.FS
	Dir string // of this log alone
	// FileBytes and GroupBytes are those of wal.Options.
	FileBytes, GroupBytes int64
	// KeepEvery is how much is carried on before that is kept: what a crash has
	// carried on again at most.
	KeepEvery int64
	Now       func() time.Time
	// Damaged is told of what cannot be read, and is skipped.
	Damaged func(*wal.CorruptionError)
}

// Log is the requests that wait. Append may be called by several at once, Read
// and Done by one.
type Log struct {
	opts Options
	w    *wal.Writer

	mu    sync.Mutex
	end   wal.Position // of what is durable
	bytes int64        // of requests behind done

	// The reader's own.
	done wal.Position
	kept wal.Position // done as it stands on disk
}

// Open opens the log of a directory, or begins one.
func Open(opts Options) (*Log, error) {
	l := &Log{opts: opts}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open the parked requests of %s: %w", opts.Dir, err)
	}
	return l, nil
}

func (l *Log) open() error {
	fs := l.opts.FS
	if err := fs.MkdirAll(l.opts.Dir, dirMode); err != nil {
		return err
	}
	parent := fs.PathDir(l.opts.Dir)
	for _, d := range []string{fs.PathDir(parent), parent} {
		if err := wal.SyncDir(fs, d); err != nil {
			return err
		}
	}
	var err error
	if l.done, err = wal.KeptPosition(fs, l.drained()); err != nil && !errors.Is(err, wal.ErrPosition) {
		return err
	}
	if l.done.Seq == 0 { // all of it
		if l.done, err = wal.First(fs, l.opts.Dir); err != nil {
			return err
		}
	}
	if err := wal.Settle(fs, l.opts.Dir); err != nil {
		return err
	}
	l.kept, l.end = l.done, l.done
	end, err := wal.Replay(fs, l.opts.Dir, l.done, func(rec wal.Record, pos wal.Position) error {
		if l.end.Less(pos) {
			l.end = pos
			l.bytes += int64(len(rec.Data))
		}
		return nil
	}, l.opts.Damaged)
	if err != nil {
		return err
	}
	l.w, _, err = wal.NewWriter(wal.Options{
		FS: fs, Dir: l.opts.Dir, FileBytes: l.opts.FileBytes, GroupBytes: l.opts.GroupBytes, Now: l.opts.Now,
	}, end.Next, end.PrevLength, nil)
	return err
}

func (l *Log) drained() string { return l.opts.FS.PathJoin(l.opts.Dir, drainedName) }

// Bytes is how much waits.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Append returns once the requests are durable. Where it fails, some of them
// may be all the same.
func (l *Log) Append(ctx context.Context, recs []wal.Record) error {
	outcomes := make(chan error, len(recs))
	sent := 0
	var err error
	for _, rec := range recs {
		if err = l.w.Append(ctx, rec, func(pos wal.Position, err error) {
			if err == nil {
				l.mu.Lock()
				l.end = pos
				l.bytes += int64(len(rec.Data))
				l.mu.Unlock()
			}
			outcomes <- err
		}); err != nil {
			break
		}
		sent++
	}
	for range sent {
		err = errors.Join(err, <-outcomes)
	}
	return err
}

// Part is some of the log, from where it is carried on to its end.
type Part struct {
	end   wal.Position
	bytes int64
}

// Empty reports whether nothing waits.
func (p Part) Empty() bool { return p.end == wal.Position{} }

// Read reads requests from where the log is carried on, until they have so many
// bytes, one at least. It reads the same again until Done is told of them.
func (l *Log) Read(bytes int64, each func(wal.Record)) (Part, error) {
	l.mu.Lock()
	to := l.end
	l.mu.Unlock()
	tail := wal.NewTail(l.opts.FS, l.opts.Dir, l.done)
	defer tail.Close()
	var p Part
	for p.Empty() || p.bytes < bytes {
		rec, err := tail.Next(to)
		var bad *wal.CorruptionError
		switch {
		case errors.Is(err, io.EOF):
			l.whole(p, to)
			return p, nil
		case errors.As(err, &bad):
			l.opts.Damaged(bad)
			p.end = tail.Position()
			continue
		case err != nil:
			return p, err
		}
		each(rec)
		p.end = tail.Position()
		p.bytes += int64(len(rec.Data))
	}
	return p, nil
}

// whole corrects what waits where all was read and less than that was found:
// the rest is damaged.
func (l *Log) whole(p Part, to wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == to {
		l.bytes = p.bytes
	}
}

// Done lets go of a part that was read. An error says that its files or its
// place are still on disk: a restart carries it on again.
func (l *Log) Done(p Part) error {
	l.done = p.end
	l.mu.Lock()
	l.bytes -= p.bytes
	l.mu.Unlock()
	if l.done.Seq == l.kept.Seq && l.done.Offset-l.kept.Offset < l.opts.KeepEvery {
		return nil
	}
	if err := l.keep(); err != nil {
		return err
	}
	return wal.Release(l.opts.FS, l.opts.Dir, l.done.Seq)
}

func (l *Log) keep() error {
	if l.kept == l.done {
		return nil
	}
	if err := wal.KeepPosition(l.opts.FS, l.drained(), l.done); err != nil {
		return err
	}
	l.kept = l.done
	return nil
}

// Close keeps how far the log is carried on. Nothing else may run.
func (l *Log) Close() error { return errors.Join(l.keep(), l.w.Close()) }

// Remove closes a log in which nothing waits and removes it from the disk. A
// power cut on the way leaves a log of which a part is carried on again. It may
// be called again where it fails.
func (l *Log) Remove() error {
	l.kept = l.done // which is not to be kept any more
	if err := l.w.Close(); err != nil {
		return err
	}
	fs, dir := l.opts.FS, l.opts.Dir
	if _, err := fs.Stat(dir); errors.Is(err, os.ErrNotExist) { // a call before this one
		return wal.SyncDir(fs, fs.PathDir(dir))
	}
	// The position goes first: files that it counts on must not be missing.
	if err := wal.DropPosition(fs, l.drained()); err != nil {
		return err
	}
	if err := wal.Release(fs, dir, ^uint64(0)); err != nil {
		return err
	}
	if err := fs.Remove(dir); err != nil {
		return err
	}
	return wal.SyncDir(fs, fs.PathDir(dir))
}
