package local

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/segment"
)

// handle is a live segment, or one that readers still hold. It opens the file
// when it is first read.
type handle[T any] struct {
	meta  manifest.Segment
	path  string
	paths *paths
	fs    vfs.FS
	codec *segment.Codec[T]

	refs    atomic.Int64 // one is the store's own
	dropped atomic.Bool  // remove the file with the last reference
	spoilt  atomic.Bool  // damaged: not to be merged, or the damage would be for good

	mu      sync.Mutex
	reader  *segment.Reader[T]
	opening chan struct{} // closed when somebody is through with it; nil for nobody is at it
}

func newHandle[T any](p *paths, codec *segment.Codec[T], meta manifest.Segment) *handle[T] {
	h := &handle[T]{meta: meta, path: p.segment(&meta), paths: p, fs: p.fs, codec: codec}
	h.refs.Store(1)
	return h
}

// acquire is called with the store's lock held, while the store has its own
// reference.
func (h *handle[T]) acquire() { h.refs.Add(1) }

func (h *handle[T]) release() {
	if h.refs.Add(-1) > 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader != nil {
		_ = h.reader.Close()
		h.reader = nil
	}
	if h.dropped.Load() && h.remote() {
		h.paths.depot.Discard(h.meta.Object, h.meta.Bytes) // the object goes when the doomed do
		h.paths.unhold(h.path)
		return
	}
	if h.dropped.Load() {
		// What stays where this fails is found and removed at the next start.
		_ = h.fs.Remove(h.path)
		h.paths.unhold(h.path)
		h.paths.forget(h.paths.partition(&h.meta))
	}
}

// drop gives the store's own reference up, of a segment that no durable
// manifest names any more.
func (h *handle[T]) drop() {
	h.dropped.Store(true)
	h.paths.hold(h.path)
	h.release()
}

// open returns the reader, whose reads end with ctx; the caller holds a
// reference. A failure is tried again by the next caller, since it may have been
// the disk's, or the end of the context of the one who opened.
func (h *handle[T]) open(ctx context.Context) (*segment.Reader[T], error) {
	for {
		h.mu.Lock()
		r, opening := h.reader, h.opening
		if r == nil && opening == nil {
			h.opening = make(chan struct{})
		}
		h.mu.Unlock()
		switch {
		case r != nil:
			return r.Within(ctx), nil
		case opening == nil:
			return h.openFirst(ctx)
		}
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *handle[T]) openFirst(ctx context.Context) (*segment.Reader[T], error) {
	r, err := openSegment(ctx, h)
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.opening)
	h.opening = nil
	if err != nil {
		if ctx.Err() == nil && !away(err) {
			h.spoilt.Store(true)
		}
		return nil, err
	}
	h.reader = r
	return r.Within(ctx), nil
}
