package document

import "github.com/clewhq/clew/telemetry"

// Writer makes documents, many in one piece of memory. The zero Writer is
// ready; it is for one goroutine. What it hands out stays as it is.
type Writer struct {
	free    []byte // of length 0: where the next document goes
	origins map[*telemetry.Stream][]byte
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

func (w *Writer) begin() *encoder {
	if cap(w.free) < spareBytes {
		w.free = make([]byte, 0, chunkBytes)
	}
	if w.origins == nil {
		w.origins = map[*telemetry.Stream][]byte{}
	}
	return &encoder{buf: w.free, exact: true, origins: w.origins}
}

func (w *Writer) end(e *encoder) []byte {
	n := len(e.buf)
	if n <= cap(w.free) { // else it has moved to memory of its own
		w.free = w.free[n:n]
	}
	return e.buf[:n:n]
}
