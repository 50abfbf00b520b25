package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// groupSync makes what was written before a call durable, with one flush for
// all who call at about the same time. It has no goroutine of its own: the
// first caller of a round waits for the flush under way, if any, closes the
// round, and flushes for everybody who joined until then.
//
// Invariant: the flush of a round begins after every member of the round has
// called wait, hence after everything that the member wrote.
type groupSync struct {
	flush func() error

	flushing sync.Mutex // held by the leader whose round is flushed
	mu       sync.Mutex // guards next
	next     *syncRound // the round that callers may still join, or nil
}

type syncRound struct {
	members int
	done    chan struct{}
	err     error
}

// wait returns when everything that the caller wrote before is durable, or
// with the error of the flush. It reports how many callers shared the flush
// to the one who led it, and 0 to the others.
func (g *groupSync) wait() (led int, err error) {
	g.mu.Lock()
	r := g.next
	if r != nil {
		r.members++
		g.mu.Unlock()
		<-r.done
		return 0, r.err
	}
	r = &syncRound{members: 1, done: make(chan struct{})}
	g.next = r
	g.mu.Unlock()

	g.flushing.Lock()
	defer g.flushing.Unlock()
	g.mu.Lock()
	g.next = nil
	led = r.members
	g.mu.Unlock()
	r.err = g.flush()
	close(r.done)
	return led, r.err
}

// segments follows the segment files of one write-ahead log and fsyncs what
// was written to them since the last time. It opens the files for itself:
// fsync on any descriptor writes out the dirty pages of the file.
type segments struct {
	dir   string
	fsync func(*os.File) error

	index int // of file
	file  *os.File
}

// openSegments starts at the oldest segment there is, so that the first sync
// also covers what an earlier process left in the page cache.
func openSegments(dir string, fsync func(*os.File) error) (*segments, error) {
	first, _, err := wlog.Segments(dir)
	if err != nil {
		return nil, fmt.Errorf("list write-ahead log %s: %w", dir, err)
	}
	s := &segments{dir: dir, fsync: fsync, index: first}
	if s.file, err = os.Open(wlog.SegmentName(dir, first)); err != nil {
		return nil, fmt.Errorf("open write-ahead log segment: %w", err)
	}
	return s, nil
}

// sync makes all segments durable that were written to since the last call.
// Segments are numbered without a gap, so what follows the current one is
// found by its name.
func (s *segments) sync() error {
	if err := s.fsync(s.file); err != nil {
		return fmt.Errorf("fsync %s: %w", s.file.Name(), err)
	}
	moved := false
	for {
		next, err := os.Open(wlog.SegmentName(s.dir, s.index+1))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("open write-ahead log segment: %w", err)
		}
		_ = s.file.Close() // read only and already synced: nothing to lose
		s.file, s.index, moved = next, s.index+1, true
		if err := s.fsync(next); err != nil {
			return fmt.Errorf("fsync %s: %w", next.Name(), err)
		}
	}
	if moved {
		return syncDir(s.dir, s.fsync)
	}
	return nil
}

func (s *segments) close() error { return s.file.Close() }

// syncDir makes the names in a folder durable.
func syncDir(dir string, fsync func(*os.File) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder to fsync it: %w", err)
	}
	defer d.Close() //nolint:errcheck // read only
	if err := fsync(d); err != nil {
		return fmt.Errorf("fsync folder %s: %w", dir, err)
	}
	return nil
}

// average is a moving average of durations; the newest counts a tenth.
type average struct {
	mu sync.Mutex
	d  time.Duration
}

func (a *average) add(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.d == 0 {
		a.d = d
		return
	}
	a.d += (d - a.d) / 10
}

func (a *average) value() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.d
}
