package column_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

func appendAttrs(dst []byte, t *column.Table, lists []telemetry.Attrs) []byte {
	return column.AppendAttrs(dst, t, len(lists), func(i int) telemetry.Attrs { return lists[i] })
}

func TestInts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random, near, ordered := make([]int64, 300), make([]int64, 300), make([]int64, 300)
	runs := make([]int64, 300)
	rising := make([]int64, 300)
	for i := range random {
		random[i] = int64(r.Uint64())
		runs[i] = int64(i / 100)
		rising[i] = 1e18 + int64(i)*1e6 + r.Int64N(1000)
		near[i] = -5e17 + r.Int64N(1<<20)
		ordered[i] = 1e18 + int64(i)<<33 + r.Int64N(1<<33)
	}
	for name, c := range map[string]struct {
		vals []int64
		most int // bytes
	}{
		"empty":    {nil, 2},
		"one":      {[]int64{-5}, 2},
		"constant": {make([]int64, 1000), 2},
		"runs":     {runs, 12},
		"rising":   {rising, 300*4 + 20},
		"random":   {random, 300*10 + 1},
		"near":     {near, 300*20/8 + 60},
		"ordered":  {ordered, 300*34/8 + 90},
		"extremes": {[]int64{math.MinInt64, math.MaxInt64, 0, -1, math.MinInt64}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			b := column.AppendInts(nil, c.vals)
			if len(b) > c.most {
				t.Errorf("%d bytes, want at most %d", len(b), c.most)
			}
			cur := column.NewCursor(b)
			ints := cur.Ints(len(c.vals))
			got := ints.All()
			if cur.Err() != nil || cur.Len() != 0 {
				t.Fatalf("%v, %d bytes left", cur.Err(), cur.Len())
			}
			for i := range c.vals {
				again := column.NewCursor(b).Ints(len(c.vals))
				if got[i] != c.vals[i] || again.At(i) != c.vals[i] {
					t.Fatalf("value %d is %d, want %d", i, got[i], c.vals[i])
				}
			}
		})
	}
}

func TestIDs(t *testing.T) {
	a, b := [16]byte{1}, [16]byte{2}
	ids := [][16]byte{{}, a, a, a, b, {}, a, b, b}
	cur := cursorOf(idColumn(ids))
	read := column.ReadIDs[[16]byte](cur, len(ids))
	got := read.All()
	if cur.Err() != nil || cur.Len() != 0 {
		t.Fatalf("%v, %d bytes left", cur.Err(), cur.Len())
	}
	for i := range ids {
		if got[i] != ids[i] {
			t.Errorf("ID %d is %x, want %x", i, got[i], ids[i])
		}
	}
}

// TestParents has parents above and below, in other groups, unknown and none,
// and a span ID that stands twice in a trace.
func TestParents(t *testing.T) {
	traces := [][16]byte{{1}, {1}, {1}, {2}, {2}, {3}, {1}}
	spans := [][8]byte{{1}, {2}, {2}, {1}, {5}, {6}, {7}}
	parents := [][8]byte{{}, {1}, {9}, {5}, {}, {1}, {2}}
	groups := column.Groups(traces)
	b := column.AppendParents(nil, parents, spans, groups)
	cur := column.NewCursor(b)
	read := column.ReadParents[[8]byte](cur, len(spans))
	if cur.Err() != nil || cur.Len() != 0 {
		t.Fatalf("%v, %d bytes left", cur.Err(), cur.Len())
	}
	traceIDs := column.ReadIDs[[16]byte](cursorOf(idColumn(traces)), len(traces))
	spanIDs := column.ReadIDs[[8]byte](cursorOf(idColumn(spans)), len(spans))
	for _, sel := range [][]int{{0, 1, 2, 3, 4, 5, 6}, {2}, {1, 3}, {6}} {
		column.SelectParents(&read, &spanIDs, &traceIDs, sel, func(i int, got [8]byte) {
			if want := parents[sel[i]]; got != want {
				t.Errorf("parent %d of rows %v is %x, want %x", sel[i], sel, got, want)
			}
		})
	}
}

func TestStrings(t *testing.T) {
	var distinct, few []string
	for i := range 200 {
		distinct = append(distinct, strings.Repeat("x", i))
		few = append(few, []string{"info", "", "error"}[i%3])
	}
	for name, vals := range map[string][]string{"empty": nil, "one": {"a"}, "distinct": distinct, "few": few} {
		b := column.AppendStrings(nil, column.NewTable(), vals)
		cur := column.NewCursor(b)
		got := cur.Strings(len(vals))
		if cur.Err() != nil || cur.Len() != 0 {
			t.Fatalf("%s: %v, %d bytes left", name, cur.Err(), cur.Len())
		}
		for i := range vals {
			if got.At(i) != vals[i] {
				t.Errorf("%s: string %d is %q, want %q", name, i, got.At(i), vals[i])
			}
		}
	}
	if n := len(column.AppendStrings(nil, column.NewTable(), few)); n > 300 {
		t.Errorf("three strings 200 times take %d bytes", n)
	}
}

func values() []telemetry.Value {
	nested := telemetry.Map(telemetry.Attrs{
		{Key: "a", Value: telemetry.Array([]telemetry.Value{telemetry.Int(-1), {}, telemetry.Bytes("\x00")})},
		{Key: "a", Value: telemetry.Double(math.NaN())},
		{Key: "", Value: telemetry.Map(nil)},
	})
	return []telemetry.Value{
		{}, telemetry.String(""), telemetry.String("text"), telemetry.Bool(true), telemetry.Bool(false),
		telemetry.Int(math.MinInt64), telemetry.Double(math.Inf(-1)), telemetry.Double(math.Copysign(0, -1)),
		telemetry.Bytes("\xff"), telemetry.Array(nil), nested, telemetry.Array([]telemetry.Value{nested, nested}),
	}
}

func TestValues(t *testing.T) {
	vals := values()
	cur := column.NewCursor(column.AppendValues(nil, column.NewTable(), vals))
	got := cur.Values(len(vals))
	if cur.Err() != nil || cur.Len() != 0 {
		t.Fatalf("%v, %d bytes left", cur.Err(), cur.Len())
	}
	for i := range vals {
		if v := got.At(i); !v.Equal(vals[i]) {
			t.Errorf("value %d is %s, want %s", i, v.Text(), vals[i].Text())
		}
		one := column.NewCursor(column.AppendValue(nil, vals[i]))
		if v := one.Value(); one.Err() != nil || !v.Equal(vals[i]) {
			t.Errorf("value %d alone is %s, want %s", i, v.Text(), vals[i].Text())
		}
	}
}

func TestDeepValue(t *testing.T) {
	v := telemetry.Int(1)
	for range 10_000 {
		v = telemetry.Array([]telemetry.Value{v})
	}
	cur := column.NewCursor(column.AppendValue(nil, v))
	if got := cur.Value(); cur.Err() != nil || !got.Equal(v) {
		t.Errorf("a deep value: %v", cur.Err())
	}
	bomb := column.NewCursor([]byte(strings.Repeat("\x06\x01", 100_000)))
	if bomb.Value(); !errors.Is(bomb.Err(), column.ErrCorrupt) {
		t.Errorf("a value that nests too deep: %v", bomb.Err())
	}
}

// TestAttrs keeps order, repeated keys, and lists without any.
func TestAttrs(t *testing.T) {
	var lists []telemetry.Attrs
	vals := values()
	for i := range 100 {
		var l telemetry.Attrs
		for j := range i % 7 {
			l = append(l, telemetry.Attr{Key: string(rune('a' + (i*j)%5)), Value: vals[(i+j)%len(vals)]})
		}
		lists = append(lists, l)
	}
	cur := column.NewCursor(appendAttrs(nil, column.NewTable(), lists))
	read := cur.Attrs(len(lists))
	got := selectAll(&read, len(lists))
	if cur.Err() != nil || cur.Len() != 0 {
		t.Fatalf("%v, %d bytes left", cur.Err(), cur.Len())
	}
	for i := range lists {
		if !got[i].Equal(lists[i]) {
			t.Errorf("list %d is %v, want %v", i, got[i].Any(), lists[i].Any())
		}
	}
}

func rows(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func selectAll(v *column.Attrs, n int) []telemetry.Attrs {
	out := make([]telemetry.Attrs, n)
	v.Select(rows(n), func(i int, a telemetry.Attrs) { out[i] = a })
	return out
}

// decode runs every decoder over the same bytes; none may panic.
func decode(b []byte, n int) {
	for _, f := range []func(*column.Cursor){
		func(c *column.Cursor) { v := c.Ints(n); v.All() },
		func(c *column.Cursor) {
			v := c.Strings(n)
			for i := range n {
				v.At(i)
			}
			v.Containing(rows(n), "b")
			v.Test(rows(n), func(s string) bool { return s == "a" })
		},
		func(c *column.Cursor) {
			v := c.Values(n)
			for i := range n {
				v.At(i)
			}
		},
		func(c *column.Cursor) { v := c.Attrs(n); selectAll(&v, n) },
		func(c *column.Cursor) { c.Value() },
		func(c *column.Cursor) { c.AttrList() },
		func(c *column.Cursor) { v := column.ReadIDs[[16]byte](c, n); v.All() },
		func(c *column.Cursor) {
			ids := column.ReadIDs[[8]byte](cursorOf(idColumn(make([][8]byte, n))), n)
			v := column.ReadParents[[8]byte](c, n)
			column.SelectParents(&v, &ids, &ids, rows(n), func(int, [8]byte) {})
		},
	} {
		f(column.NewCursor(b))
		pool := &column.Pool{Fetch: func() ([]byte, []byte, column.Pools, error) {
			return make([]byte, 16*9), make([]byte, 8*9), column.Pools{Own: true}, nil
		}}
		mem := column.Memory{Keep: true}
		for range 2 {
			f(column.CursorIn(b, &mem).In(pool))
			mem.Reset()
		}
	}
}

// TestDamage cuts and flips every byte of every column.
func TestDamage(t *testing.T) {
	vals := values()
	attrs := []telemetry.Attrs{{{Key: "k", Value: vals[2]}, {Key: "l", Value: vals[10]}}, nil, {{Key: "k", Value: vals[5]}}}
	for _, b := range [][]byte{
		column.AppendInts(nil, []int64{1, 1, 1, 5, 6, 7}),
		column.AppendStrings(nil, column.NewTable(), []string{"a", "b", "a", "a", "b", "b"}),
		column.AppendStrings(nil, column.NewTable(), []string{"a", "bc", "def", "g", "h", "i"}),
		column.AppendValues(nil, column.NewTable(), vals),
		appendAttrs(nil, column.NewTable(), attrs),
		column.AppendStrings(nil, column.NewTable(), texts(rand.New(rand.NewPCG(7, 8)), 40)),
		column.AppendIDs(nil, column.NewTable(), [][16]byte{{1}, {2}, {1}, {3}, {}, {2}}),
	} {
		for i := range b {
			for _, flip := range []byte{1, 0x80, 0xff} {
				c := append([]byte(nil), b...)
				c[i] ^= flip
				decode(c, 6)
				decode(c, 40)
			}
			decode(b[:i], 6)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(column.AppendValues(nil, column.NewTable(), values()), uint16(len(values())))
	f.Add(appendAttrs(nil, column.NewTable(), []telemetry.Attrs{{{Key: "k", Value: telemetry.Int(1)}}, nil}), uint16(2))
	f.Add(column.AppendStrings(nil, column.NewTable(), []string{"a", "b", "a", "a"}), uint16(4))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) { decode(b, int(n)) })
}

func FuzzValue(f *testing.F) {
	for _, v := range values() {
		f.Add(column.AppendValue(nil, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := column.NewCursor(b)
		v := c.Value()
		if c.Err() != nil {
			return
		}
		again := column.NewCursor(column.AppendValue(nil, v))
		if w := again.Value(); again.Err() != nil || !w.Equal(v) {
			t.Errorf("%s came back as %s, %v", v.Text(), w.Text(), again.Err())
		}
	})
}
