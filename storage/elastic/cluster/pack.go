package cluster

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	// minPacked is the smallest body that is worth compressing.
	minPacked = 1 << 10
	// usualRatio is about how much smaller documents get.
	usualRatio = 6
)

// packers are used again: one takes a megabyte.
var packers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("gzip knows its own level: " + err.Error())
	}
	return z
}}

// pack compresses a body with gzip.
func pack(body []byte) []byte {
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	out := bytes.NewBuffer(make([]byte, 0, len(body)/usualRatio))
	z.Reset(out)
	_, _ = z.Write(body) // memory takes all
	_ = z.Close()
	return out.Bytes()
}
