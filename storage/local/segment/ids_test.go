package segment

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
)

// randomPairs returns pairs as a bucket of the shape may have them, sorted: some
// with the same suffix, some twice.
func randomPairs(r *rand.Rand, shape idShape, n int) []idPair {
	pairs := make([]idPair, n)
	for i := range pairs {
		suffix := r.Uint64() & (1<<shape.suffix - 1)
		if i > 0 && r.IntN(3) == 0 {
			suffix = pairs[i-1].suffix()
		}
		pairs[i] = pairOf(suffix, uint32(r.Uint64()&(1<<shape.unit-1)))
	}
	slices.Sort(pairs)
	return pairs
}

// TestBuckets reads buckets of all shapes, crowded and empty ones, and looks
// each suffix up.
func TestBuckets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, shape := range []idShape{{0, 1, 0}, {0, 10, 3}, {5, 18, 14}, {0, 32, 32}, {12, 3, 8}, {0, 30, 1}} {
		for _, n := range []int{0, 1, 2, 50, 300} {
			pairs := randomPairs(r, shape, n)
			b := appendBucket(nil, slices.Clone(pairs), 7, shape)
			body := b[:len(b)-4]
			var got []idPair
			if err := eachPair(body, shape, func(suffix uint64, unit uint32) bool {
				got = append(got, pairOf(suffix, unit))
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if want := slices.Compact(slices.Clone(pairs)); !slices.Equal(got, want) {
				t.Fatalf("%v: %x, want %x", shape, got, want)
			}
			for _, p := range got {
				hash := p.suffix() << (64 - shape.bucket - shape.suffix)
				if units, err := findInBucket(nil, body, hash, shape); err != nil || !slices.Contains(units, p.unit()) {
					t.Errorf("%v: suffix %x is in units %v, not in %d; %v", shape, p.suffix(), units, p.unit(), err)
				}
			}
		}
	}
}

// FuzzBucket reads damaged buckets: there are pairs of the shape, or an error.
func FuzzBucket(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	shape := idShape{2, 12, 5}
	for _, n := range []int{0, 1, 40} {
		b := appendBucket(nil, randomPairs(r, shape, n), 1, shape)
		f.Add(b[:len(b)-4], uint8(12), uint8(5))
		b[0] ^= 0x7f
		f.Add(b[:len(b)-4], uint8(12), uint8(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, suffix, unit uint8) {
		shape := idShape{2, 1 + int(suffix)%maxIDBits, int(unit) % (maxIDBits + 1)}
		err := eachPair(b, shape, func(suffix uint64, unit uint32) bool {
			if suffix>>shape.suffix != 0 || uint64(unit)>>shape.unit != 0 {
				t.Fatalf("suffix %x and unit %d of %v", suffix, unit, shape)
			}
			return true
		})
		if err != nil && !errors.Is(err, column.ErrCorrupt) {
			t.Error(err)
		}
	})
}

func TestHashSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s hashSet
	for _, n := range []int{0, 1, 3, 4, 1000, 7} {
		s.reset(n)
		known := map[uint64]bool{}
		for range n {
			h := r.Uint64N(uint64(n)) << (r.IntN(2) * 60)
			if s.add(h) == known[h] {
				t.Errorf("of %d: %d is new %v, want %v", n, h, known[h], !known[h])
			}
			known[h] = true
		}
	}
}
