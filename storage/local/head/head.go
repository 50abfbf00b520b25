package head

import (
	"slices"
	"unsafe"

	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// mergeRows is how many rows a run has before it is left alone: what agents
// send at once, so that their requests are not touched again, and enough that
// a look-up asks few runs.
const mergeRows = 1000

// Head is the records of one tenant and signal. One goroutine inserts;
// Insert's plan and commit are apart so that it merges outside the lock that
// readers take.
type Head[T any] struct {
	kind  *record.Kind[T]
	done  []*Run[T] // at least mergeRows rows each
	small []*Run[T] // fewer, in order of arrival
	// streams are those of all runs, once: every request brings its own.
	streams map[telemetry.StreamID]*telemetry.Stream
	rows    int
	bytes   int64
}

// New returns an empty head.
func New[T any](k *record.Kind[T]) *Head[T] {
	return &Head[T]{kind: k, streams: map[telemetry.StreamID]*telemetry.Stream{}}
}

// Plan prepares the insertion of r and returns what makes it visible, which
// must be called with the lock held that Snapshot's callers hold. It adds the
// streams that r alone has to its memory.
func (h *Head[T]) Plan(r *Run[T]) (commit func()) {
	h.intern(r)
	// Snapshots end before the place that this writes to.
	small := append(h.small, r)
	rows := 0
	for _, s := range small {
		rows += s.Len()
	}
	done := h.done
	if rows >= mergeRows {
		m := small[0]
		if len(small) > 1 {
			m = merge(h.kind, small)
		}
		done, small = append(done, m), nil
	}
	return func() {
		h.done, h.small = done, small
		h.rows += r.Len()
		h.bytes += r.Bytes
	}
}

// intern lets r share the streams that came before.
func (h *Head[T]) intern(r *Run[T]) {
	for i, s := range r.streams {
		known, ok := h.streams[s.ID]
		if !ok {
			known = s
			h.streams[s.ID] = s
			r.Bytes += streamSize(s)
		}
		r.streams[i] = known
	}
}

// streamSize is what a stream takes, without its texts: those are in the
// request that it came with.
func streamSize(s *telemetry.Stream) int64 {
	const fixed = int64(unsafe.Sizeof(telemetry.Stream{})) + 64 // and its place in the map
	return fixed + int64(len(s.Resource.Attrs)+len(s.Scope.Attrs))*int64(unsafe.Sizeof(telemetry.Attr{}))
}

// Snapshot returns the runs that are there, oldest arrival first. The list may
// not be changed.
func (h *Head[T]) Snapshot() []*Run[T] {
	if len(h.small) == 0 {
		return h.done
	}
	return append(slices.Clip(h.done), h.small...)
}

// Rows is how many records there are.
func (h *Head[T]) Rows() int { return h.rows }

// Bytes is the memory that they take, roughly.
func (h *Head[T]) Bytes() int64 { return h.bytes }

// StreamStats is what a set of runs holds of one stream.
type StreamStats struct {
	Stream         *telemetry.Stream
	Records, Bytes int64
	First, Last    int64
}
