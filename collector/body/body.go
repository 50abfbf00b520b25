// Package body reads the bodies of requests: decompressed, bounded, and into
// buffers of exactly their size, which the store may keep.
//
// It imports nothing of clew but admission's refusals.
package body

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/clewhq/clew/collector/admission"
)

// Limits bounds a body.
type Limits struct {
	// MaxBytes is how large a body may be as it comes over the wire.
	MaxBytes int64 `yaml:"max_body_bytes"`
	// MaxDecompressedBytes is how large it may be decompressed.
	MaxDecompressedBytes int64 `yaml:"max_decompressed_bytes"`
	// InFlight bounds the bodies of all requests together; nil for no bound.
	InFlight *admission.InFlight `yaml:"-"`
}

// DefaultLimits suits batches ten times those SDKs and agents send by default.
func DefaultLimits() Limits {
	return Limits{MaxBytes: 32 << 20, MaxDecompressedBytes: 128 << 20}
}

// Validate says what is wrong with l.
func (l *Limits) Validate() error {
	if l.MaxBytes <= 0 || l.MaxDecompressedBytes < l.MaxBytes {
		return fmt.Errorf("max_body_bytes %d, max_decompressed_bytes %d: want at least 1, and the second not below the first",
			l.MaxBytes, l.MaxDecompressedBytes)
	}
	return nil
}

// Encodings are the values of Content-Encoding that Read understands.
var Encodings = []string{"gzip", "zstd", "snappy", "deflate", "identity"}

// Read returns the decompressed body of r. Its errors are refusals. The body
// counts as in flight until r's context ends, which a server sees to.
func Read(r *http.Request, l Limits) ([]byte, error) {
	if r.ContentLength > l.MaxBytes {
		return nil, tooLarge("body of %d bytes", r.ContentLength, l.MaxBytes)
	}
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if encoding == "" {
		encoding = "identity"
	}
	in := newIntake(r, l)
	if err := in.flight.Expect(r.Context(), r.ContentLength*admission.DecodedRatio); err != nil {
		return nil, err
	}
	wire := &bounded{r: r.Body, left: l.MaxBytes, use: in.use(1)}
	var out []byte
	var err error
	switch encoding {
	case "identity":
		wire.use = in.use(admission.DecodedRatio)
		out, err = readAll(wire, r.ContentLength)
	case "gzip", "x-gzip":
		out, err = in.decompress(wire, newGzip)
	case "zstd":
		out, err = in.decompress(wire, newZstd)
	case "deflate", "zlib":
		out, err = in.decompress(wire, newDeflate)
	case "snappy", "x-snappy-framed":
		out, err = in.snappy(wire, r.ContentLength)
	default:
		return nil, admission.Unsupported("content encoding %q is not supported, use one of %s",
			encoding, strings.Join(Encodings, ", "))
	}
	if wire.over {
		return nil, tooLarge("body of more than %d bytes", l.MaxBytes, l.MaxBytes)
	}
	var refused *admission.Refusal
	switch {
	case err == nil:
		return out, nil
	case in.err != nil:
		return nil, in.err
	case errors.As(err, &refused):
		return nil, err
	case r.Context().Err() != nil:
		return nil, fmt.Errorf("read the body: %w", r.Context().Err())
	}
	return nil, admission.Invalid("read the body (content encoding %s): %w", encoding, err)
}

// intake is a body that is being read.
type intake struct {
	ctx    context.Context
	limits Limits
	flight *admission.Flight
	err    error // of the flight: what was read last has no room
}

func newIntake(r *http.Request, l Limits) *intake {
	in := &intake{ctx: r.Context(), limits: l, flight: l.InFlight.Begin()}
	if l.InFlight != nil {
		context.AfterFunc(in.ctx, in.flight.End)
	}
	return in
}

// use returns what counts bytes, each of them ratio times.
func (in *intake) use(ratio int64) func(n int) error {
	return func(n int) error {
		if err := in.flight.Use(in.ctx, int64(n)*ratio); err != nil {
			in.err = err
		}
		return in.err
	}
}

func tooLarge(what string, n, limit int64) error {
	return admission.TooLarge(what+" is over the limit of %d; send smaller batches", n, limit)
}

// bounded reads at most left bytes and remembers whether there were more.
type bounded struct {
	r    io.Reader
	left int64
	over bool
	use  func(n int) error // is told of what was read
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, b.over = int(b.left), true
		err = errors.New("over the limit")
	}
	b.left -= int64(n)
	if refused := b.use(n); refused != nil {
		return n, refused
	}
	return n, err
}

// decompress reads what open makes of r, up to the limit.
func (in *intake) decompress(r io.Reader, open func(io.Reader) (io.ReadCloser, error)) ([]byte, error) {
	d, err := open(r)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	most := in.limits.MaxDecompressedBytes
	plain := &bounded{r: d, left: most, use: in.use(admission.DecodedRatio)}
	out, err := readAll(plain, -1)
	if plain.over {
		return nil, tooLarge("decompressed body of more than %d bytes", most, most)
	}
	return out, err
}

func newGzip(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

// MaxZstdWindow bounds the memory one zstd stream may ask for. The libraries
// in use ask for 8 MiB, and for 32 MiB where they compress their best.
const MaxZstdWindow = 32 << 20

func newZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxZstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// newDeflate reads what HTTP calls deflate, which is zlib's format, and also
// the raw deflate that some clients send under that name.
func newDeflate(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

var snappyStream = []byte("\xff\x06\x00\x00sNaPpY")

// snappy reads both of snappy's formats: the block that Prometheus and Loki
// clients send, and the framed stream.
func (in *intake) snappy(r io.Reader, length int64) ([]byte, error) {
	packed, err := readAll(r, length)
	if err != nil || len(packed) == 0 {
		return packed, err
	}
	if bytes.HasPrefix(packed, snappyStream) {
		return in.decompress(bytes.NewReader(packed), func(r io.Reader) (io.ReadCloser, error) {
			return io.NopCloser(snappy.NewReader(r)), nil
		})
	}
	n, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, err
	}
	if most := in.limits.MaxDecompressedBytes; int64(n) > most {
		return nil, tooLarge("decompressed body of %d bytes", int64(n), most)
	}
	// No snappy block says more than about 64 bytes with three: a claim far
	// beyond that is a lie that would cost its memory.
	if n > 64*len(packed)+1024 {
		return nil, errors.New("claims to be longer than its bytes can say")
	}
	if err := in.use(admission.DecodedRatio)(n); err != nil {
		return nil, err
	}
	return snappy.Decode(make([]byte, n), packed)
}
