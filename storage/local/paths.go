package local

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/depot"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/wal"
)

// The layout of the data directory.
const (
	lockName      = "LOCK"
	walDir        = "wal"
	manifestDir   = "manifest"
	segmentsDir   = "segments" // then tenant, signal, day
	segmentSuffix = ".seg"
	dirMode       = 0o755
)

// paths knows where files go, and makes directories durable.
type paths struct {
	fs   vfs.FS
	root string
	// depot is where segments are that are objects; nil: there are none.
	depot *depot.Depot

	mu      sync.Mutex
	durable map[string]bool // directories whose entries up to root are synced
	writers map[string]int  // of files in a directory, which stays meanwhile
	held    map[string]bool // segments that go with their last reader
}

func newPaths(fs vfs.FS, root string) *paths {
	return &paths{fs: fs, root: root, durable: map[string]bool{}, writers: map[string]int{}, held: map[string]bool{}}
}

func (p *paths) join(elem ...string) string {
	return p.fs.PathJoin(append([]string{p.root}, elem...)...)
}

func (p *paths) wal() string      { return p.join(walDir) }
func (p *paths) manifest() string { return p.join(manifestDir) }
func (p *paths) segments() string { return p.join(segmentsDir) }

func (p *paths) partition(s *manifest.Segment) string {
	return p.join(segmentsDir, s.Tenant, string(s.Signal), s.Day.String())
}

func (p *paths) segment(s *manifest.Segment) string {
	if s.Object != "" && p.depot != nil {
		return p.depot.Name(s.Object)
	}
	return p.fs.PathJoin(p.partition(s), segmentName(s.ID))
}

func segmentName(id uint64) string { return fmt.Sprintf("%016d%s", id, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil
}

// ensure makes a directory below root, and its entries up to root durable.
func (p *paths) ensure(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.durable[dir] {
		return nil
	}
	if err := p.fs.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	for d := dir; len(d) > len(p.root); {
		d = p.fs.PathDir(d)
		if err := wal.SyncDir(p.fs, d); err != nil {
			return err
		}
	}
	p.durable[dir] = true
	return nil
}

// write makes a directory and calls do, which writes a file there. Nobody else
// removes the directory meanwhile; it goes where do failed and left it empty.
func (p *paths) write(dir string, do func() error) error {
	p.mu.Lock()
	p.writers[dir]++
	p.mu.Unlock()
	err := p.ensure(dir)
	if err == nil {
		err = do()
	}
	p.mu.Lock()
	if p.writers[dir]--; p.writers[dir] == 0 {
		delete(p.writers, dir)
	}
	p.mu.Unlock()
	if err != nil {
		p.forget(dir)
	}
	return err
}

// forget removes a directory if it is empty and nobody writes there.
func (p *paths) forget(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writers[dir] > 0 {
		return
	}
	delete(p.durable, dir)
	if names, err := p.fs.List(dir); err == nil && len(names) == 0 {
		_ = p.fs.Remove(dir)
	}
}

func (p *paths) hold(segment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[segment] = true
}

func (p *paths) unhold(segment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, segment)
}

func (p *paths) holds(segment string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[segment]
}
