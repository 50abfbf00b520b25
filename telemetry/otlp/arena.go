package otlp

// Sizes of an arena's chunks, in elements: small enough not to hurt a tiny
// request, large enough that a big one allocates rarely.
const (
	firstChunk = 32
	lastChunk  = 1024
)

// arena builds many small slices with few allocations. Elements are pushed on
// a stack, where those of an outer list stay below those of the lists nested
// in it, and are taken off as a slice carved from a chunk.
type arena[T any] struct {
	stack []T
	chunk []T
	size  int
	taken int // elements that were taken, of all chunks
}

// mark returns where a list begins.
func (a *arena[T]) mark() int { return len(a.stack) }

func (a *arena[T]) push(v T) { a.stack = append(a.stack, v) }

// next pushes a zero element and returns it, good until the next push; drop
// takes the last one from the stack again.
func (a *arena[T]) next() *T {
	var zero T
	a.stack = append(a.stack, zero)
	return &a.stack[len(a.stack)-1]
}

func (a *arena[T]) drop() { a.stack = a.stack[:len(a.stack)-1] }

// take returns the elements pushed since mark, nil where there are none. The
// slice has no spare capacity, so that appending to it cannot touch another.
func (a *arena[T]) take(mark int) []T {
	n := len(a.stack) - mark
	if n == 0 {
		return nil
	}
	if cap(a.chunk)-len(a.chunk) < n {
		a.size = min(max(2*a.size, firstChunk), lastChunk)
		a.chunk = make([]T, 0, max(n, a.size))
	}
	from := len(a.chunk)
	a.chunk = append(a.chunk, a.stack[mark:]...)
	a.stack = a.stack[:mark] // what lies above goes with the decoder
	a.taken += n
	return a.chunk[from:len(a.chunk):len(a.chunk)]
}

// reset takes back everything that was handed out. The next request finds one
// chunk that would have been enough for this one, of at most so many elements.
func (a *arena[T]) reset(most int) {
	if a.taken > cap(a.chunk) && cap(a.chunk) < most || cap(a.chunk) > most {
		a.chunk = make([]T, 0, min(a.taken, most))
	}
	if cap(a.stack) > most {
		a.stack = nil
	}
	// Neither may keep alive what the request's elements pointed to.
	a.chunk, a.stack = emptied(a.chunk), emptied(a.stack[:cap(a.stack)])
	a.taken = 0
}

// emptied clears s and returns it without elements.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}
