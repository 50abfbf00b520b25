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
}

// mark returns where a list begins.
func (a *arena[T]) mark() int { return len(a.stack) }

func (a *arena[T]) push(v T) { a.stack = append(a.stack, v) }

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
	return a.chunk[from:len(a.chunk):len(a.chunk)]
}
