package segment

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Effort is how hard a writer compresses.
type Effort int

// The efforts: a flush must keep up with ingest, a compaction works for the
// long run.
const (
	Quick Effort = iota
	Thorough
	effortCount
)

// Encoders and the decoder hold tables that are costly to make; they are safe
// for concurrent use and never stopped.
var (
	encoders [effortCount]sync.Pool
	decoder  = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxChunkRaw))
	})
)

func encoder(e Effort) (*zstd.Encoder, error) {
	if enc, ok := encoders[e].Get().(*zstd.Encoder); ok {
		return enc, nil
	}
	level := [effortCount]zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault}[e]
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
}

// leastGain is the part of a chunk that compression must save.
const leastGain = 50

// pack compresses raw behind dst; it reports false, and appends raw as it is,
// where that saves too little for what reading it would cost.
func pack(dst, raw []byte, e Effort) ([]byte, bool, error) {
	enc, err := encoder(e)
	if err != nil {
		return dst, false, fmt.Errorf("make a compressor: %w", err)
	}
	defer encoders[e].Put(enc)
	start := len(dst)
	dst = enc.EncodeAll(raw, dst)
	if len(dst)-start < len(raw)-len(raw)/leastGain {
		return dst, true, nil
	}
	return append(dst[:start], raw...), false, nil
}

// unpack decompresses b, what a chunk holds, into dst.
func unpack(b []byte, c chunk, dst []byte) ([]byte, error) {
	dec, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("make a decompressor: %w", err)
	}
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return nil, err
	}
	// The frame's own idea of its size must not decide how much memory it gets.
	if h.HasFCS && h.FrameContentSize != uint64(c.raw) {
		return nil, fmt.Errorf("compressed content of %d bytes, want %d", h.FrameContentSize, c.raw)
	}
	out, err := dec.DecodeAll(b, dst[:0])
	if err != nil {
		return nil, err
	}
	if int64(len(out)) != c.raw {
		return nil, fmt.Errorf("decompressed to %d bytes, want %d", len(out), c.raw)
	}
	return out, nil
}
