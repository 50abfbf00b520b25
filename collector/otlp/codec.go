package otlp

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // registers gzip, OTLP's usual compression
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/clewhq/clew/collector/body"
)

// payload is the bytes of a message. The codec hands them over as they came,
// and everything else to protobuf's own codec, for the other services of the
// same server.
type payload []byte

type codec struct{ proto encoding.CodecV2 }

func newCodec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

// Name returns proto's: on the wire the messages are protobuf.
func (codec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if p, ok := v.(payload); ok {
		return mem.BufferSlice{mem.SliceBuffer(p)}, nil
	}
	return c.proto.Marshal(v)
}

// Unmarshal implements encoding.CodecV2. The copy it makes is exactly as long
// as the message and belongs to the receiver.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if p, ok := v.(*payload); ok {
		*p = data.Materialize()
		return nil
	}
	return c.proto.Unmarshal(data, v)
}

// grpc wants compressors to be registered while packages are initialised.
func init() {
	encoding.RegisterCompressor(&zstdCompressor{})
	encoding.RegisterCompressor(snappyCompressor{})
}

// zstdCompressor compresses gRPC messages with zstd. Decoders are kept for
// the next message: making one costs more than most messages do.
type zstdCompressor struct{ decoders sync.Pool }

func (*zstdCompressor) Name() string { return "zstd" }

func (*zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(512<<10))
}

func (c *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	if d, ok := c.decoders.Get().(*zstd.Decoder); ok {
		if err := d.Reset(r); err != nil {
			c.decoders.Put(d)
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		return &zstdReader{d, c}, nil
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(body.MaxZstdWindow))
	if err != nil {
		return nil, fmt.Errorf("read zstd: %w", err)
	}
	return &zstdReader{d, c}, nil
}

type zstdReader struct {
	d *zstd.Decoder
	c *zstdCompressor
}

func (r *zstdReader) Read(p []byte) (int, error) {
	if r.d == nil {
		return 0, io.EOF
	}
	n, err := r.d.Read(p)
	if err == io.EOF {
		r.c.decoders.Put(r.d)
		r.d = nil
	}
	return n, err
}

type snappyCompressor struct{}

func (snappyCompressor) Name() string { return "snappy" }

func (snappyCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	return snappy.NewBufferedWriter(w), nil
}

func (snappyCompressor) Decompress(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil }
