package column_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

// TestMemory reads columns in memory that is used again, over bytes that are
// written over: what was handed out stays as it was.
func TestMemory(t *testing.T) {
	texts := func(n int) (vals []telemetry.Value) {
		for i := range 200 {
			text := []string{"plain", "request %d took %d ms", "id 0123456789abcdef0123456789abcd%02x of %d", strings.Repeat("long ", 400)}[(i+n)%4]
			if strings.Contains(text, "%") {
				text = fmt.Sprintf(text, i, n)
			}
			vals = append(vals, telemetry.String(text))
		}
		return vals
	}
	mem := column.Memory{Keep: true}
	var want, got []telemetry.Value
	var attrs []telemetry.Attrs
	for n := range 20 {
		vals := texts(n)
		lists := make([]telemetry.Attrs, len(vals))
		for i := range lists {
			lists[i] = telemetry.Attrs{{Key: fmt.Sprintf("key.%d", i%(n+1)), Value: vals[i]}}
		}
		b, pool := inTable(func(dst []byte, t *column.Table) []byte {
			return appendAttrs(column.AppendValues(dst, t, vals), t, lists)
		})
		c := column.CursorIn(b, &mem).In(pool)
		read := c.Values(len(vals))
		from := c.Attrs(len(vals))
		// Back and forth: twice in order, then from the end.
		for range 2 {
			for i := range vals {
				got = append(got, read.At(i))
				want = append(want, vals[i])
			}
		}
		for i := len(vals) - 1; i >= 0; i -= 3 {
			got = append(got, read.At(i))
			want = append(want, vals[i])
		}
		from.Select(rows(len(vals)), func(i int, a telemetry.Attrs) { attrs = append(attrs, a) })
		for i := range lists {
			want, got = append(want, telemetry.String(lists[i][0].Key)), append(got, telemetry.String(attrs[len(attrs)-len(lists)+i][0].Key))
			want, got = append(want, lists[i][0].Value), append(got, attrs[len(attrs)-len(lists)+i][0].Value)
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		mem.Reset()
		clear(b)
	}
	for i := range want {
		if !got[i].Equal(want[i]) {
			t.Fatalf("value %d is %q now, want %q", i, got[i].Text(), want[i].Text())
		}
	}
}

// TestSparse reads single rows of columns that are long, in any order.
func TestSparse(t *testing.T) {
	const n = 1000
	ids, texts := make([][16]byte, n), make([]string, n)
	for i := range ids {
		if i%7 != 0 {
			ids[i] = [16]byte{byte(i / 3), byte(i % 5), 1}
		}
		texts[i] = fmt.Sprintf("%s of user %d", strings.Repeat("x", i%300), i)
	}
	for _, order := range [][]int{{999, 0, 500, 501, 499, 64, 63, 128, 3}, {1, 2, 700}} {
		cur := cursorOf(func(dst []byte, t *column.Table) []byte {
			return column.AppendStrings(column.AppendIDs(dst, t, ids), t, texts)
		})
		gotIDs := column.ReadIDs[[16]byte](cur, n)
		gotTexts := cur.Strings(n)
		for range 3 {
			for _, row := range order {
				if id, text := gotIDs.At(row), gotTexts.At(row); id != ids[row] || text != texts[row] {
					t.Fatalf("row %d is %x %q, want %x %q", row, id, text, ids[row], texts[row])
				}
			}
		}
	}
}
