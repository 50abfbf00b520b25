package column_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
)

// texts are lines as programs write them: few templates, all kinds of
// variables, and lines that come once.
func texts(r *rand.Rand, n int) []string {
	out := make([]string, n)
	uuid := ""
	for i := range out {
		if i%3 == 0 {
			uuid = fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
		}
		switch r.IntN(12) {
		case 0:
			out[i] = fmt.Sprintf("request %s took %d ms", uuid, r.IntN(900))
		case 1:
			out[i] = fmt.Sprintf("2015-10-18 18:%02d:%02d,%03d INFO [main] Container %d", r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(5))
		case 2:
			out[i] = fmt.Sprintf("trace=%016x%016x span=%016x", r.Uint64(), r.Uint64(), r.Uint64())
		case 3:
			out[i] = fmt.Sprintf("user%d logged in from 10.%d.0.%d", r.IntN(50), r.IntN(255), r.IntN(255))
		case 4:
			out[i] = fmt.Sprintf("done %s", uuid)
		case 5:
			out[i] = fmt.Sprintf("id %03d of %s", r.IntN(10), []string{"007", "7", "a7"}[r.IntN(3)])
		case 6:
			out[i] = strings.Repeat("x\x00", r.IntN(4)) + fmt.Sprint(r.IntN(3))
		case 7:
			out[i] = strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(9))
		case 8:
			out[i] = fmt.Sprintf("%s%x%d", uuid, r.IntN(16), r.Uint64())
		case 9:
			out[i] = fmt.Sprintf("order ord_%s of %d", ulid(r), r.IntN(3))
		case 10:
			out[i] = fmt.Sprintf("at 12:00:%02d.%sZ", r.IntN(60), strings.TrimRight(fmt.Sprintf("%04d", r.IntN(10_000)), "0"))
		case 11:
			out[i] = fmt.Sprintf("%d.%dms, %dKB of 4ef, 7Zz9 and 1xyz", r.IntN(30), r.IntN(100), r.IntN(2000))
		}
	}
	return out
}

// ulid returns 26 digits as ULIDs have them, and now and then one too many bits.
func ulid(r *rand.Rand) string {
	b := make([]byte, 26)
	for i := range b {
		b[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[r.IntN(32)]
	}
	if b[0] = '0' + byte(r.IntN(8)); r.IntN(30) == 0 {
		b[0] = '8'
	}
	return string(b)
}

// reread returns texts as they are read from a column of them.
func reread(t *testing.T, vals []string) column.Strings {
	t.Helper()
	c := cursorOf(textColumn(vals))
	v := c.Strings(len(vals))
	if c.Err() != nil || c.Len() != 0 {
		t.Fatalf("%v, %d bytes left", c.Err(), c.Len())
	}
	return v
}

func TestTemplates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{8, 9, 100, 1000} {
		vals := texts(r, n)
		v := reread(t, vals)
		for i, want := range vals {
			if got := v.At(i); got != want {
				t.Fatalf("text %d of %d is %q, want %q", i, n, got, want)
			}
		}
		plain, table := len(strings.Join(vals, "")), column.NewTable()
		if size := len(column.AppendStrings(nil, table, vals)) + table.Size(); n == 1000 && size > plain*6/10 {
			t.Errorf("%d bytes of text take %d", plain, size)
		}
	}
}

// TestContaining compares every search with a plain one: pieces of the texts
// themselves, wherever they begin and end, and texts that stand nowhere.
func TestContaining(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	plain := []string{"abc", "cab", "", "bca", "aaa", "abcabc", "x"}
	for round := range 40 {
		vals := texts(r, 30+r.IntN(100))
		switch round % 4 {
		case 1:
			vals = slices.Concat(plain, plain[:2])
		case 2:
			vals = slices.Concat(vals, vals, vals)
		}
		b, pool := inTable(textColumn(vals))
		for range 150 {
			lit := vals[r.IntN(len(vals))]
			if len(lit) > 0 {
				from := r.IntN(len(lit))
				lit = lit[from : from+1+r.IntN(len(lit)-from)]
			}
			if r.IntN(4) == 0 {
				lit += string("0a- x:"[r.IntN(6)])
			}
			sel := slices.DeleteFunc(rows(len(vals)), func(int) bool { return r.IntN(3) == 0 })
			var want []int
			for _, i := range sel {
				if strings.Contains(vals[i], lit) {
					want = append(want, i)
				}
			}
			v := column.NewCursor(b).In(pool).Strings(len(vals))
			if got := v.Containing(sel, lit); !slices.Equal(got, want) {
				t.Fatalf("%q is in %v, want %v", lit, got, want)
			}
		}
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add("a 1\na 2\na 3\nb 01\nb 02\nb 03\nxyz\n7", "a ")
	f.Add(strings.Join(texts(rand.New(rand.NewPCG(5, 6)), 20), "\n"), "-")
	f.Fuzz(func(t *testing.T, text, lit string) {
		vals := strings.Split(text, "\n")
		v := reread(t, vals)
		for i, want := range vals {
			if got := v.At(i); got != want {
				t.Fatalf("text %d is %q, want %q", i, got, want)
			}
		}
		for _, i := range v.Containing(rows(len(vals)), lit) {
			if !strings.Contains(vals[i], lit) {
				t.Fatalf("%q is said to hold %q", vals[i], lit)
			}
			vals[i] = ""
		}
		for _, s := range vals {
			if s != "" && lit != "" && strings.Contains(s, lit) {
				t.Fatalf("%q is said not to hold %q", s, lit)
			}
		}
	})
}
