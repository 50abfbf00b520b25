package body

import (
	"io"
	"slices"
	"sync"
)

// pieceBytes is the size of the pieces in which a body is read. A claimed length
// is trusted only this far before bytes have come.
const pieceBytes = 64 << 10

type piece [pieceBytes]byte

var pieces = sync.Pool{New: func() any { return new(piece) }}

// readAll reads r, of the given length if it is not negative, into a buffer of
// exactly its size. Until the size is known a body stands in pieces: one buffer
// that grows would take several times the memory, and not give it back.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length >= 0 && length <= pieceBytes {
		out := make([]byte, length)
		_, err := io.ReadFull(r, out)
		return out, err
	}
	var read []*piece
	defer func() {
		for _, p := range read {
			pieces.Put(p)
		}
	}()
	size, err := 0, error(nil)
	for err == nil {
		p := pieces.Get().(*piece)
		read = append(read, p)
		for n := 0; n < pieceBytes && err == nil; {
			var more int
			more, err = r.Read(p[n:])
			n, size = n+more, size+more
		}
	}
	if err != io.EOF {
		return nil, err
	}
	if length >= 0 && int64(size) != length {
		return nil, io.ErrUnexpectedEOF
	}
	return joined(read, size), nil
}

// joined returns the first size bytes of pieces.
func joined(read []*piece, size int) []byte {
	out := slices.Grow([]byte(nil), size)
	for _, p := range read {
		out = append(out, p[:min(pieceBytes, size-len(out))]...)
	}
	return slices.Clip(out)
}
