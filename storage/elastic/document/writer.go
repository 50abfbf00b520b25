package document

import "github.com/clewhq/clew/telemetry"

// Writer makes documents, many in one piece of memory. The zero Writer is
// ready; it is for one goroutine. What it hands out stays as it is until Reset.
type Writer struct {
	chunks [][]byte // all memory that it has, each piece of length 0
	next   int      // the piece to go on with when this one is full
	free   []byte   // of length 0: where the next document goes
	enc    encoder
}

const (
	// chunkBytes is taken from memory at once.
	chunkBytes = 256 << 10
	// spareBytes is what a document mostly takes at most: with less left, the
	// next piece is begun.
	spareBytes = 4 << 10
)

// Log makes the document of a log record.
func (w *Writer) Log(l *telemetry.Log, o Order) []byte {
	e := w.begin()
	e.log(l, o)
	return w.end(e)
}

// Span makes the document of a span.
func (w *Writer) Span(s *telemetry.Span, o Order) []byte {
	e := w.begin()
	e.span(s, o)
	return w.end(e)
}

// Reset has the memory of all documents used again: none of them may be looked
// at any more.
func (w *Writer) Reset() {
	w.next, w.free = 0, nil
	clear(w.enc.origins)
}

func (w *Writer) begin() *encoder {
	if cap(w.free) < spareBytes {
		if w.next == len(w.chunks) {
			w.chunks = append(w.chunks, make([]byte, 0, chunkBytes))
		}
		w.free = w.chunks[w.next]
		w.next++
	}
	if w.enc.origins == nil {
		w.enc.origins = map[*telemetry.Stream][]byte{}
	}
	w.enc.buf, w.enc.exact = w.free, true
	return &w.enc
}

func (w *Writer) end(e *encoder) []byte {
	n := len(e.buf)
	if n <= cap(w.free) { // else it has moved to memory of its own
		w.free = w.free[n:n]
	}
	return e.buf[:n:n]
}
