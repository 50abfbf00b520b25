package column_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

// TestScratch: the columns of a block that are made in the memory of other
// blocks are those that are made in new memory.
func TestScratch(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	used := column.NewTable()
	for n := range 40 {
		block := randomBlock(r, r.IntN(700))
		fresh := column.NewTable()
		got, want := block(nil, used), block(nil, fresh)
		if !bytes.Equal(got, want) {
			t.Fatalf("block %d: other columns than in new memory", n)
		}
		got, want = used.AppendPools(nil), fresh.AppendPools(nil)
		got, gotWide := used.AppendGiven(got)
		want, wantWide := fresh.AppendGiven(want)
		if gotWide != wantWide || !bytes.Equal(got, want) {
			t.Fatalf("block %d: other IDs than in new memory", n)
		}
		used.Reset()
	}
}

// randomBlock returns what appends n texts, values and attributes.
func randomBlock(r *rand.Rand, n int) func(dst []byte, t *column.Table) []byte {
	lines, times := texts(r, n), make([]int64, n)
	var vals []telemetry.Value
	lists := make([]telemetry.Attrs, n)
	for i := range n {
		times[i] = int64(i) * 1e9
		vals = append(vals, values()[r.IntN(len(values()))])
		for k := range r.IntN(5) {
			lists[i] = append(lists[i], telemetry.Attr{Key: fmt.Sprintf("key.%d", k+i%7*r.IntN(2)), Value: vals[r.IntN(len(vals))]})
		}
	}
	bodies := make([]telemetry.Value, n)
	for i, s := range lines {
		bodies[i] = telemetry.String(s)
	}
	return func(dst []byte, t *column.Table) []byte {
		dst = column.AppendTimed(dst, t, bodies, times)
		dst = column.AppendValues(dst, t, vals)
		dst = appendAttrs(dst, t, lists)
		return column.AppendStrings(dst, t, slices.Repeat(lines, 3))
	}
}
