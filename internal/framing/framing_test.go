package framing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

const testSalt = 0xfeed

// file returns a file of n records, and where each starts.
func file(n int) (b []byte, starts []int64) {
	b = Header{Magic: [4]byte{'T', 'E', 'S', 'T'}, Seq: 7, Salt: testSalt, PrevLength: 99}.Append(nil)
	for i := range n {
		starts = append(starts, int64(len(b)))
		b = AppendRecord(b, testSalt, int64(len(b)), payload(i)[:1], payload(i)[1:])
	}
	return b, starts
}

func payload(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 10+i*37) }

// readAll returns the payloads' first bytes and the damages' offsets.
func readAll(t *testing.T, b []byte, length uint64) (got []byte, damages []int64, r *Reader) {
	t.Helper()
	r = NewReader(bytes.NewReader(b), testSalt, HeaderSize, int64(len(b)), length)
	for {
		p, _, err := r.Next()
		var bad *DamageError
		switch {
		case errors.Is(err, io.EOF):
			return got, damages, r
		case errors.As(err, &bad):
			damages = append(damages, bad.Offset)
		case err != nil:
			t.Fatal(err)
		default:
			if !bytes.Equal(p, payload(int(p[0])-1)) {
				t.Fatalf("a record came back changed: %x", p)
			}
			got = append(got, p[0])
		}
	}
}

func TestHeader(t *testing.T) {
	b, _ := file(0)
	h, err := ParseHeader(b, [4]byte{'T', 'E', 'S', 'T'})
	if err != nil || h.Seq != 7 || h.Salt != testSalt || h.PrevLength != 99 {
		t.Fatalf("%+v, %v", h, err)
	}
	for i := range 44 {
		c := slices.Clone(b)
		c[i] ^= 1
		if _, err := ParseHeader(c, [4]byte{'T', 'E', 'S', 'T'}); !errors.Is(err, ErrHeader) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	if _, err := ParseHeader(b[:HeaderSize-1], h.Magic); !errors.Is(err, ErrHeader) {
		t.Errorf("cut: %v", err)
	}
}

func TestReadBack(t *testing.T) {
	b, _ := file(5)
	for _, length := range []uint64{UnknownLength, uint64(len(b))} {
		got, damages, r := readAll(t, b, length)
		if string(got) != "\x01\x02\x03\x04\x05" || damages != nil || r.Torn() != 0 || r.Offset() != int64(len(b)) {
			t.Errorf("length %d: records %v, damages %v, torn %d", length, got, damages, r.Torn())
		}
	}
}

// TestTornTail cuts the file at every byte: whole records before the cut come
// back, what is behind them is cut off.
func TestTornTail(t *testing.T) {
	b, starts := file(4)
	for cut := HeaderSize; cut < len(b); cut++ {
		got, damages, r := readAll(t, b[:cut], UnknownLength)
		whole := 0
		for whole < 3 && starts[whole+1] <= int64(cut) {
			whole++
		}
		if len(got) != whole || damages != nil {
			t.Fatalf("cut at %d: %d records, want %d; damages %v", cut, len(got), whole, damages)
		}
		if r.Offset() != starts[whole] || r.Torn() != int64(cut)-starts[whole] {
			t.Fatalf("cut at %d: ends at %d, torn %d", cut, r.Offset(), r.Torn())
		}
	}
}

// TestKnownLength: what is behind the known length does not count, what is
// missing before it is damage.
func TestKnownLength(t *testing.T) {
	b, starts := file(4)
	got, damages, _ := readAll(t, b, uint64(starts[2]))
	if len(got) != 2 || damages != nil {
		t.Errorf("cut by length: %d records, damages %v", len(got), damages)
	}
	got, damages, _ = readAll(t, b[:starts[3]+3], uint64(len(b)))
	if len(got) != 3 || !slices.Equal(damages, []int64{starts[3]}) {
		t.Errorf("too short: %d records, damages %v", len(got), damages)
	}
}

// TestFlippedByte flips every byte: the record it is in is reported where it
// starts, all others come back.
func TestFlippedByte(t *testing.T) {
	b, starts := file(4)
	for i := HeaderSize; i < int(starts[3]); i++ {
		c := slices.Clone(b)
		c[i] ^= 0x40
		got, damages, _ := readAll(t, c, UnknownLength)
		hit := 0
		for hit < 3 && starts[hit+1] <= int64(i) {
			hit++
		}
		if len(got) != 3 || slices.Contains(got, byte(hit+1)) || !slices.Equal(damages, []int64{starts[hit]}) {
			t.Fatalf("byte %d of record %d: records %v, damages %v", i, hit, got, damages)
		}
	}
}

// TestForgedRecord: bytes that are a record elsewhere are none in a payload.
func TestForgedRecord(t *testing.T) {
	inner := AppendRecord(nil, testSalt, HeaderSize, []byte("forged"))
	b, _ := file(0)
	b = AppendRecord(b, testSalt, int64(len(b)), inner, inner)
	b[HeaderSize] ^= 1
	if got, _, r := readAll(t, b, UnknownLength); len(got) != 0 || r.Torn() == 0 {
		t.Errorf("records %v", got)
	}
}

type failing struct{ io.ReaderAt }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, fmt.Errorf("the disk is broken") }

func TestReadError(t *testing.T) {
	r := NewReader(failing{}, testSalt, HeaderSize, 1000, UnknownLength)
	var bad *DamageError
	if _, _, err := r.Next(); err == nil || errors.Is(err, io.EOF) || errors.As(err, &bad) {
		t.Errorf("got %v, want the disk's error", err)
	}
}

// TestManyFlips damages files at random places; whatever comes back was there.
func TestManyFlips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b, _ := file(6)
		for range r.IntN(4) {
			b[HeaderSize+r.IntN(len(b)-HeaderSize)] ^= byte(1 + r.IntN(255))
		}
		got, _, _ := readAll(t, b, UnknownLength)
		if !slices.IsSorted(got) {
			t.Fatalf("records out of order: %v", got)
		}
	}
}

func FuzzReader(f *testing.F) {
	b, _ := file(3)
	f.Add(b, uint64(len(b)))
	f.Add(b[:60], uint64(UnknownLength))
	f.Fuzz(func(t *testing.T, b []byte, length uint64) {
		r := NewReader(bytes.NewReader(b), testSalt, HeaderSize, int64(len(b)), length)
		last := int64(-1)
		for {
			_, at, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if at <= last {
				t.Fatalf("offset %d after %d", at, last)
			}
			last = at
		}
	})
}
