package body_test

import (
	"bytes"
	stdflate "compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
)

// pack compresses b as encoding says.
func pack(t testing.TB, encoding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "flate":
		w, _ = stdflate.NewWriter(&out, -1)
	case "zstd":
		w, _ = zstd.NewWriter(&out)
	case "framed":
		w = snappy.NewBufferedWriter(&out)
	case "snappy":
		return snappy.Encode(nil, b)
	default:
		return b
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(b []byte, encoding string, known bool, l body.Limits) ([]byte, error) {
	var in io.Reader = bytes.NewReader(b)
	if !known {
		in = io.MultiReader(in) // hides the length
	}
	r := httptest.NewRequest(http.MethodPost, "/", in)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return body.Read(r, l)
}

func TestRead(t *testing.T) {
	limits := body.Limits{MaxBytes: 1 << 20, MaxDecompressedBytes: 4 << 20}
	for _, size := range []int{0, 1, 1000, 200_000} {
		want := []byte(strings.Repeat("telemetry ", size/10+1))[:size]
		for header, packed := range map[string]string{
			"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd", "snappy": "snappy",
			"x-snappy-framed": "framed", "deflate": "zlib", "zlib": "zlib", "GZIP ": "gzip",
		} {
			for _, known := range []bool{true, false} {
				got, err := read(pack(t, packed, want), header, known, limits)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes as %q, length known %t: %d bytes, %v", size, header, known, len(got), err)
				}
				if cap(got) > len(got)+len(got)/4+64 {
					t.Errorf("%d bytes as %q: the buffer holds %d", size, header, cap(got))
				}
			}
		}
		for header, packed := range map[string]string{"deflate": "flate", "snappy": "framed"} {
			got, err := read(pack(t, packed, want), header, true, limits)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %s as %q: %d bytes, %v", size, packed, header, len(got), err)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	limits := body.Limits{MaxBytes: 1000, MaxDecompressedBytes: 2000}
	bomb := make([]byte, 100_000)
	tests := []struct {
		name     string
		body     []byte
		encoding string
		status   int
		says     string
	}{
		{"too large", bomb, "", 413, "over the limit of 1000"},
		{"gzip bomb", pack(t, "gzip", bomb), "gzip", 413, "decompressed body of more than 2000"},
		{"zstd bomb", pack(t, "zstd", bomb), "zstd", 413, "decompressed body of more than 2000"},
		{"deflate bomb", pack(t, "zlib", bomb), "deflate", 413, "decompressed body of more than 2000"},
		{"snappy bomb", snappy.Encode(nil, bomb[:10_000]), "snappy", 413, "decompressed body of 10000"},
		{"framed bomb", pack(t, "framed", bomb[:10_000]), "snappy", 413, "decompressed body of more than 2000"},
		{"snappy that lies", []byte{0xff, 0x0e, 0}, "snappy", 400, "snappy"},
		{"no gzip", []byte("plain text"), "gzip", 400, "content encoding gzip"},
		{"gzip cut short", pack(t, "gzip", []byte("hello"))[:20], "gzip", 400, "unexpected EOF"},
		{"no zstd", []byte("plain text"), "zstd", 400, "content encoding zstd"},
		{"unknown encoding", []byte("x"), "br", 415, `"br" is not supported, use one of gzip, zstd`},
		{"two encodings", []byte("x"), "gzip, gzip", 415, "not supported"},
	}
	for _, tt := range tests {
		for _, known := range []bool{true, false} {
			_, err := read(tt.body, tt.encoding, known, limits)
			var refused *admission.Refusal
			if !errors.As(err, &refused) || refused.HTTP != tt.status || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, length known %t: %v; want %d and %q", tt.name, known, err, tt.status, tt.says)
			}
		}
	}
}

func TestReadShorterThanSaid(t *testing.T) {
	for _, length := range []int64{10, 100_000} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("four"))
		r.ContentLength = length
		var refused *admission.Refusal
		if _, err := body.Read(r, body.DefaultLimits()); !errors.As(err, &refused) || refused.HTTP != 400 {
			t.Errorf("length %d: %v, want a refusal with 400", length, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestReadAfterTheClientLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", broken{})
	if _, err := body.Read(r, body.DefaultLimits()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLimitsValidate(t *testing.T) {
	good := body.DefaultLimits()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, l := range []body.Limits{{}, {MaxBytes: 2, MaxDecompressedBytes: 1}, {MaxBytes: -1, MaxDecompressedBytes: 1}} {
		if l.Validate() == nil {
			t.Errorf("%+v passed", l)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, e := range []string{"gzip", "zstd", "snappy", "deflate"} {
		f.Add(pack(f, e, []byte("hello hello hello")), e)
	}
	f.Fuzz(func(t *testing.T, b []byte, encoding string) {
		if strings.ContainsAny(encoding, "\r\n\x00") {
			return
		}
		limits := body.Limits{MaxBytes: 1 << 16, MaxDecompressedBytes: 1 << 18}
		out, err := read(b, encoding, true, limits)
		if err == nil && int64(len(out)) > limits.MaxDecompressedBytes {
			t.Errorf("%d bytes came out", len(out))
		}
	})
}
