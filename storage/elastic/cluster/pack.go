package cluster

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	// minPacked is the smallest body that is worth compressing.
	minPacked = 1 << 10
	// usualRatio is about how much smaller documents get.
	usualRatio = 4
)

// packers are used again: one takes a megabyte.
var packers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("gzip knows its own level: " + err.Error())
	}
	return z
}}

// body is what is sent, nil for nothing, and whether it is compressed.
func (r *Request) body() (in io.Reader, packed bool) {
	switch {
	case r.Stream != nil:
		return pack(r.Size, r.Stream), true
	case len(r.Body) >= minPacked:
		return pack(len(r.Body), func(w io.Writer) { _, _ = w.Write(r.Body) }), true // memory takes all
	case r.Body != nil:
		return bytes.NewReader(r.Body), false
	}
	return nil, false
}

// pack compresses a body of about so many bytes with gzip.
func pack(size int, write func(io.Writer)) io.Reader {
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	out := bytes.NewBuffer(make([]byte, 0, size/usualRatio))
	z.Reset(out)
	write(z)
	_ = z.Close()
	return bytes.NewReader(out.Bytes())
}
