package segment

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Compressors and the decompressor hold tables that are costly to make; they
// are safe for concurrent use and never stopped. A few compressors are kept
// for the next who needs one.
var (
	idle    = make(chan *zstd.Encoder, 4)
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxChunkRaw))
	})
)

// encoder returns a compressor, to be handed back with release. Its level is
// the one from which on chunks hardly get smaller: a twentieth less than the
// fastest level makes of them, for a tenth of a microsecond a record.
func encoder() (*zstd.Encoder, error) {
	select {
	case enc := <-idle:
		return enc, nil
	default:
	}
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
}

func release(enc *zstd.Encoder) {
	select {
	case idle <- enc:
	default:
	}
}

const (
	// leastGain is the part of a chunk that compression must save.
	leastGain = 50
	// leastRaw is how long a chunk is for which it can.
	leastRaw = 24
)

// chunk appends a chunk of these bytes.
func (o *output) chunk(id chunkID, raw []byte) (chunk, error) {
	start := len(o.buf)
	buf, packed, err := pack(o.buf, raw)
	if err != nil {
		return chunk{}, err
	}
	o.buf = buf
	return chunk{place: o.placed(start), id: id, raw: int64(len(raw)), packed: packed}, nil
}

// pack compresses raw behind dst; it reports false, and appends raw as it is,
// where that saves too little for what reading it would cost.
func pack(dst, raw []byte) ([]byte, bool, error) {
	if len(raw) < leastRaw {
		return append(dst, raw...), false, nil
	}
	enc, err := encoder()
	if err != nil {
		return dst, false, fmt.Errorf("make a compressor: %w", err)
	}
	defer release(enc)
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
