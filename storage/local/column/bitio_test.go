package column_test

import (
	"math/rand/v2"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
)

// TestBits reads numbers of all lengths, in bits and in unary.
func TestBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type number struct {
		v    uint64
		bits int // -1 for unary
	}
	var list []number
	w := column.BitWriter{Dst: []byte("before")}
	for range 2000 {
		n := number{bits: r.IntN(59) - 1}
		switch n.bits {
		case -1:
			n.v = uint64(r.IntN(200))
			w.Unary(n.v)
		default:
			n.v = r.Uint64() & (1<<n.bits - 1)
			w.Put(n.v, n.bits)
		}
		list = append(list, n)
	}
	w.Align()
	in := column.BitReader{B: w.Dst[len("before"):]}
	for i, n := range list {
		var got uint64
		ok := true
		if n.bits < 0 {
			got, ok = in.Unary()
		} else {
			got = in.Get(n.bits)
		}
		if got != n.v || !ok || in.Past() {
			t.Fatalf("number %d of %d bits is %d, want %d", i, n.bits, got, n.v)
		}
	}
	in.Get(8)
	if _, ok := in.Unary(); ok || !in.Past() {
		t.Error("there is more behind the end")
	}
}
