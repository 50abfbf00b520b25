package column_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
)

// inTable returns what write appends of a block with a table of its own, and
// what its IDs are read from.
func inTable(write func(dst []byte, t *column.Table) []byte) ([]byte, *column.Pool) {
	t := column.NewTable()
	b := write(nil, t)
	pools := t.AppendPools(nil)
	ids, wide := t.AppendGiven(nil)
	given, _ := column.GivenIn(int64(len(ids)), wide)
	return b, &column.Pool{Fetch: func() ([]byte, []byte, column.Pools, error) {
		c := column.NewCursor(pools)
		p := column.ReadPools(c, column.Given{}, given)
		w, n := given.Parted(ids)
		return w, n, p, c.Err()
	}}
}

// cursorOf returns a cursor over what write appends.
func cursorOf(write func(dst []byte, t *column.Table) []byte) *column.Cursor {
	b, pool := inTable(write)
	return column.NewCursor(b).In(pool)
}

func idColumn[T column.ID](ids []T) func([]byte, *column.Table) []byte {
	return func(dst []byte, t *column.Table) []byte { return column.AppendIDs(dst, t, ids) }
}

func textColumn(vals []string) func([]byte, *column.Table) []byte {
	return func(dst []byte, t *column.Table) []byte { return column.AppendStrings(dst, t, vals) }
}

// blockOfIDs is a block as it is written, and what it was made of.
type blockOfIDs struct {
	wide          [2][][16]byte
	narrow        [][8]byte
	b, pools      []byte
	before, given column.Given
}

// blocksOfIDs writes blocks that have IDs of those before them.
func blocksOfIDs(r *rand.Rand, n int) (out []blockOfIDs, wide, narrow []byte) {
	t := column.NewTable()
	var before column.Given
	for i := range n {
		b := blockOfIDs{before: before}
		for range r.IntN(200) {
			var id [16]byte
			id[0] = byte(i*3 + r.IntN(20)) // 0 is none
			b.wide[r.IntN(2)] = append(b.wide[r.IntN(2)], id)
			b.narrow = append(b.narrow, [8]byte{byte(r.IntN(200))})
		}
		b.b = column.AppendIDs(column.AppendIDs(column.AppendIDs(nil, t, b.wide[0]), t, b.narrow), t, b.wide[1])
		b.pools = t.AppendPools(nil)
		ids, count := t.AppendGiven(nil)
		b.given, _ = column.GivenIn(int64(len(ids)), count)
		w, s := b.given.Parted(ids)
		wide, narrow = append(wide, w...), append(narrow, s...)
		before = before.Plus(b.given)
		out = append(out, b)
	}
	return out, wide, narrow
}

// TestTable reads IDs of blocks that share a table, in any order.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		blocks, wide, narrow := blocksOfIDs(r, 1+r.IntN(6))
		for _, i := range r.Perm(len(blocks)) {
			b := &blocks[i]
			c := column.NewCursor(b.b).In(&column.Pool{Fetch: func() ([]byte, []byte, column.Pools, error) {
				in := column.NewCursor(b.pools)
				p := column.ReadPools(in, b.before, b.given)
				if in.Err() != nil || in.Len() != 0 {
					t.Fatalf("pools: %v, %d bytes left", in.Err(), in.Len())
				}
				if p.Own {
					wide, narrow := wide[16*b.before.Wide:][:16*b.given.Wide], narrow[8*b.before.Narrow:][:8*b.given.Narrow]
					return wide, narrow, p, nil
				}
				return wide, narrow, p, nil
			}})
			first := column.ReadIDs[[16]byte](c, len(b.wide[0]))
			small := column.ReadIDs[[8]byte](c, len(b.narrow))
			second := column.ReadIDs[[16]byte](c, len(b.wide[1]))
			if got := second.All(); !slices.Equal(got, b.wide[1]) {
				t.Fatalf("second column is %x, want %x", got, b.wide[1])
			}
			if got := first.All(); !slices.Equal(got, b.wide[0]) {
				t.Fatalf("first column is %x, want %x", got, b.wide[0])
			}
			if got := small.All(); !slices.Equal(got, b.narrow) {
				t.Fatalf("narrow column is %x, want %x", got, b.narrow)
			}
			if c.Err() != nil || c.Len() != 0 {
				t.Fatalf("%v, %d bytes left", c.Err(), c.Len())
			}
		}
	}
}

// TestTableOnce has every ID once in the table, however many blocks have it.
func TestTableOnce(t *testing.T) {
	table := column.NewTable()
	ids := [][16]byte{{1}, {2}, {3}}
	for block, want := range []int{48, 0, 16} {
		if block == 2 {
			ids = append(ids, [16]byte{4}, [16]byte{1})
		}
		column.AppendIDs(nil, table, ids)
		table.AppendPools(nil)
		if given, _ := table.AppendGiven(nil); len(given) != want {
			t.Errorf("block %d gives %d bytes, want %d", block, len(given), want)
		}
	}
	if table.Size() != 64 {
		t.Errorf("a table of %d bytes, want 64", table.Size())
	}
	table.Reset()
	column.AppendIDs(nil, table, ids)
	table.AppendPools(nil)
	if given, wide := table.AppendGiven(nil); len(given) != 64 || wide != 4 || table.Size() != 64 {
		t.Errorf("the next table has %d bytes, %d IDs", len(given), wide)
	}
}

// readAll reads all IDs of a block's columns.
func (b *blockOfIDs) readAll(pools, wide, narrow []byte) error {
	var err error
	pool := &column.Pool{Fetch: func() ([]byte, []byte, column.Pools, error) {
		in := column.NewCursor(pools)
		p := column.ReadPools(in, b.before, b.given)
		err = in.Err()
		return wide, narrow, p, err
	}}
	c := column.NewCursor(b.b).In(pool)
	idsOf(c, b.wide[0]).All()
	small := column.ReadIDs[[8]byte](c, len(b.narrow))
	small.All()
	idsOf(c, b.wide[1]).All()
	return errors.Join(err, c.Err())
}

func idsOf(c *column.Cursor, ids [][16]byte) *column.IDs[[16]byte] {
	v := column.ReadIDs[[16]byte](c, len(ids))
	return &v
}

// TestPoolsDamaged flips every bit of pools, and takes IDs of the table away:
// there are IDs of it or an error.
func TestPoolsDamaged(t *testing.T) {
	blocks, wide, narrow := blocksOfIDs(rand.New(rand.NewPCG(7, 8)), 4)
	b := blocks[3]
	for i := range b.pools {
		for bit := range 8 {
			pools := slices.Clone(b.pools)
			pools[i] ^= 1 << bit
			_ = b.readAll(pools, wide, narrow)
		}
	}
	if err := b.readAll(b.pools, wide, narrow); err != nil {
		t.Error(err)
	}
	if err := b.readAll(b.pools, nil, narrow); !errors.Is(err, column.ErrCorrupt) {
		t.Errorf("without the table: %v", err)
	}
}

func FuzzPools(f *testing.F) {
	blocks, wide, narrow := blocksOfIDs(rand.New(rand.NewPCG(7, 8)), 3)
	for _, b := range blocks {
		f.Add(b.pools, uint8(b.before.Wide), uint8(b.given.Wide), uint8(b.before.Narrow), uint8(b.given.Narrow))
	}
	f.Fuzz(func(_ *testing.T, pools []byte, w, wideGiven, n, narrowGiven uint8) {
		b := blocks[2]
		b.before, b.given = column.Given{Wide: int(w), Narrow: int(n)}, column.Given{Wide: int(wideGiven), Narrow: int(narrowGiven)}
		_ = b.readAll(pools, wide, narrow)
	})
}

// TestPoolFails hands the error of IDs that cannot be had on, and no column is
// blamed for it.
func TestPoolFails(t *testing.T) {
	b, _ := inTable(idColumn([][16]byte{{1}, {2}}))
	want := errors.New("no disk")
	pool := &column.Pool{Fetch: func() ([]byte, []byte, column.Pools, error) { return nil, nil, column.Pools{}, want }}
	c := column.NewCursor(b).In(pool)
	ids := column.ReadIDs[[16]byte](c, 2)
	if got := ids.All(); got[0] != [16]byte{} || pool.Err() != want || c.Err() != nil {
		t.Errorf("%x, %v, %v", got, pool.Err(), c.Err())
	}
}

func TestGivenIn(t *testing.T) {
	for _, c := range []struct {
		length int64
		wide   int
		ok     bool
	}{{0, 0, true}, {16, 1, true}, {24, 1, true}, {8, 0, true}, {7, 0, false}, {8, 1, false}, {16, -1, false}, {16, 1 << 60, false}} {
		if g, ok := column.GivenIn(c.length, c.wide); ok != c.ok || ok && int64(g.Bytes()) != c.length {
			t.Errorf("%d bytes with %d long IDs: %v, %v", c.length, c.wide, g, ok)
		}
	}
}
