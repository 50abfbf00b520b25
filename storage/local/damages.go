package local

import (
	"fmt"
	"sync"
)

// The kinds of files, as the metric names them.
const (
	fileWAL      = "wal"
	fileSegment  = "segment"
	fileManifest = "manifest"
	fileHead     = "memory"
	fileClosing  = "closing"
)

// damaged counts a damaged part of a file whenever somebody goes without it, and
// logs it once.
func (s *Store) damaged(file string, err error) {
	s.metrics.corruptions.WithLabelValues(file).Inc()
	if s.damages.add(err.Error()) {
		s.deps.Logger.Error("damaged data skipped", "file", file, "err", err)
	}
}

// damages are the damaged parts that were found since the start.
type damages struct {
	mu    sync.Mutex
	first string
	seen  map[string]bool
}

// maxDamages is how many are told apart: who has more knows it by then.
const maxDamages = 1000

// add reports whether the damage is new.
func (d *damages) add(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[text] || len(d.seen) == maxDamages {
		return false
	}
	if d.seen == nil {
		d.seen, d.first = map[string]bool{}, text
	}
	d.seen[text] = true
	return true
}

// String says what was found, "" for nothing.
func (d *damages) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := len(d.seen); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("damaged and left out since the start: %s; stop the server and run clew check", d.first)
	default:
		return fmt.Sprintf("%d damaged parts left out since the start, the first: %s; the log names them, and clew check of the stopped server", n, d.first)
	}
}
