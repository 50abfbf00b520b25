package callsum

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/clewhq/clew/storage/local/column"
)

// maxFrame bounds what a frame may claim to be, so that damage cannot ask for
// any amount of memory.
const maxFrame = 256 << 20

// The compressors and the decompressor hold tables that are costly to make.
// They are safe for concurrent use and never stopped.
var (
	encoders sync.Pool
	decoder  = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFrame))
	})
)

// frame is where a compressed part stands behind the head.
type frame struct{ offset, length, raw int }

// pack compresses raw behind dst.
func pack(dst, raw []byte) ([]byte, frame, error) {
	enc, ok := encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return dst, frame{}, fmt.Errorf("make a compressor: %w", err)
		}
	}
	defer encoders.Put(enc)
	f := frame{offset: len(dst), raw: len(raw)}
	dst = enc.EncodeAll(raw, dst)
	f.length = len(dst) - f.offset
	return dst, f, nil
}

// unpack returns what a frame holds.
func unpack(b []byte, f frame) ([]byte, error) {
	dec, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("make a decompressor: %w", err)
	}
	var h zstd.Header
	if err := h.Decode(b[f.offset : f.offset+f.length]); err != nil {
		return nil, fmt.Errorf("%w: %w", column.ErrCorrupt, err)
	}
	if h.HasFCS && h.FrameContentSize != uint64(f.raw) {
		return nil, fmt.Errorf("%w: a frame of %d bytes, want %d", column.ErrCorrupt, h.FrameContentSize, f.raw)
	}
	out, err := dec.DecodeAll(b[f.offset:f.offset+f.length], make([]byte, 0, f.raw))
	if err == nil && len(out) != f.raw {
		err = errors.New("it is not as long as it says")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", column.ErrCorrupt, err)
	}
	return out, nil
}
