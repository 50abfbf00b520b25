package column

import (
	"encoding/binary"
	"math/bits"
)

// BitWriter appends numbers bit by bit to Dst, the lowest bit first.
type BitWriter struct {
	Dst []byte
	acc uint64
	n   int // bits in acc, below 8
}

// maxBits is how long a number may be, to be read with one access.
const maxBits = 57

// Put appends the n lowest bits of v, which has no others; n is at most 57.
func (w *BitWriter) Put(v uint64, n int) {
	w.acc |= v << w.n
	w.n += n
	for w.n >= 8 {
		w.Dst = append(w.Dst, byte(w.acc))
		w.acc >>= 8
		w.n -= 8
	}
}

// Unary appends n zeroes and a one.
func (w *BitWriter) Unary(n uint64) {
	for ; n >= maxBits; n -= maxBits {
		w.Put(0, maxBits)
	}
	w.Put(1<<n, int(n)+1)
}

// Align ends the byte at hand.
func (w *BitWriter) Align() {
	if w.n > 0 {
		w.Dst = append(w.Dst, byte(w.acc))
	}
	w.acc, w.n = 0, 0
}

// BitReader reads what a BitWriter wrote. Behind the end there are zeroes.
type BitReader struct {
	B  []byte
	at int
}

// Get reads a number of n bits, at most 57.
func (r *BitReader) Get(n int) uint64 {
	u := bitsAt(r.B, r.at) & (1<<n - 1)
	r.at += n
	return u
}

// Unary reads zeroes and the one behind them, and returns how many there were;
// ok is false where none is.
func (r *BitReader) Unary() (n uint64, ok bool) {
	for r.at < 8*len(r.B) {
		if u := bitsAt(r.B, r.at) & (1<<maxBits - 1); u != 0 {
			k := bits.TrailingZeros64(u)
			r.at += k + 1
			return n + uint64(k), true
		}
		n += maxBits
		r.at += maxBits
	}
	return 0, false
}

// Past reports whether more was read than there is.
func (r *BitReader) Past() bool { return r.at > 8*len(r.B) }

// bitsAt returns at least 57 bits from a place on.
func bitsAt(b []byte, at int) uint64 {
	from := at / 8
	if from+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[from:]) >> (at & 7)
	}
	var u uint64
	for k := from; k < len(b); k++ {
		u |= uint64(b[k]) << (8 * (k - from))
	}
	return u >> (at & 7)
}
