package column_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

// layouts are ways to write a line's time, and some that no column knows.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00", "2006-01-02T15:04:05.000000000Z07:00",
	"2006-01-02 15:04:05.000", "2006-01-02 15:04:05,000", "2006-01-02 15:04:05.000000", "2006-01-02 15:04:05", "millis",
	"2006-01-02 15:04:05,000000", "02/Jan/2006:15:04:05 -0700", "2006-01-02 15:04:05.0000", "2006-01-02T15:04:05-07:00", time.RFC850,
}

func timeText(t int64, layout string) string {
	if layout == "millis" {
		return fmt.Sprint(t / 1e6)
	}
	return time.Unix(0, t).UTC().Format(layout)
}

// timedLines returns lines that begin with a time, mostly their own, and their
// times.
func timedLines(r *rand.Rand, n int) (lines []telemetry.Value, times []int64) {
	at := 1_700_000_000_000_000_000 + r.Int64N(1e17)
	for i := range n {
		at += r.Int64N(1e9)
		t := at
		switch r.IntN(12) {
		case 0:
			t -= t % 1e9
		case 1:
			t -= t % 1e6
		case 2:
			t = -t
		}
		told := t
		if r.IntN(9) == 0 {
			told += r.Int64N(2e9) - 1e9
		}
		text := timeText(told, layouts[(i+r.IntN(2))%len(layouts)])
		lines = append(lines, telemetry.String(fmt.Sprintf("%s%s%s took %d ms", []string{"", "ts=", "x", "1"}[r.IntN(4)], text, []string{"", "Z", " ", "5"}[r.IntN(4)], r.IntN(100))))
		times = append(times, t)
	}
	return lines, times
}

// timedCursor returns a cursor over lines of records of these times.
func timedCursor(lines []telemetry.Value, times []int64) *column.Cursor {
	known := column.NewCursor(column.AppendInts(nil, times)).Ints(len(times))
	return cursorOf(func(dst []byte, t *column.Table) []byte {
		return column.AppendTimed(dst, t, lines, times)
	}).Timed(&known)
}

// TestTimesInTexts reads and searches texts that tell their times.
func TestTimesInTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 12 {
		lines, times := timedLines(r, 20+r.IntN(300))
		c := timedCursor(lines, times)
		v := c.Values(len(lines))
		for i := range lines {
			if got := v.At(i); !got.Equal(lines[i]) {
				t.Fatalf("line %d is %q, want %q", i, got.Text(), lines[i].Text())
			}
		}
		if c.Err() != nil || c.Len() != 0 {
			t.Fatalf("%v, %d bytes left", c.Err(), c.Len())
		}
		for range 60 {
			lit := lines[r.IntN(len(lines))].Text()
			from := r.IntN(len(lit))
			lit = lit[from : from+1+r.IntN(len(lit)-from)]
			var want []int
			for i := range lines {
				if strings.Contains(lines[i].Text(), lit) {
					want = append(want, i)
				}
			}
			texts := v.Texts()
			if got := texts.Containing(rows(len(lines)), lit); !slices.Equal(got, want) {
				t.Fatalf("%q is in %v, want %v", lit, got, want)
			}
		}
	}
}

// TestTimesCostNothing: a line that tells its time is as long as one that does
// not.
func TestTimesCostNothing(t *testing.T) {
	var with, without []telemetry.Value
	var times []int64
	r := rand.New(rand.NewPCG(11, 12))
	for i := range 1000 {
		at := 1_700_000_000_000_000_003 + r.Int64N(1e15)/10*10
		times = append(times, at)
		with = append(with, telemetry.String(fmt.Sprintf("%s request %d", timeText(at, layouts[0]), i)))
		without = append(without, telemetry.String(fmt.Sprintf("request %d", i)))
	}
	size := func(lines []telemetry.Value) int {
		b, _ := inTable(func(dst []byte, t *column.Table) []byte { return column.AppendTimed(dst, t, lines, times) })
		return len(b)
	}
	if a, b := size(with), size(without); a > b+200 {
		t.Errorf("%d bytes with times, %d without", a, b)
	}
}

// TestTimesWithoutRecords: texts that leave a time to the record cannot be read
// without it.
func TestTimesWithoutRecords(t *testing.T) {
	lines, times := timedLines(rand.New(rand.NewPCG(13, 14)), 200)
	for name, of := range map[string]*column.Ints{"none": nil, "fewer": timesOf(times[1:])} {
		c := timedCursor(lines, times).Timed(of)
		if c.Values(len(lines)); c.Err() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func timesOf(times []int64) *column.Ints {
	v := column.NewCursor(column.AppendInts(nil, times)).Ints(len(times))
	return &v
}

func FuzzTimedTexts(f *testing.F) {
	f.Add("2023-11-14T22:13:20.5Z a\n2023-11-14 22:13:20,500 b\n1700000000500", "20", int64(1_700_000_000_500_000_000))
	f.Fuzz(func(t *testing.T, text, lit string, at int64) {
		var lines []telemetry.Value
		var times []int64
		for i, line := range strings.Split(text, "\n") {
			for range 3 {
				lines, times = append(lines, telemetry.String(line)), append(times, at+int64(i)*1e9)
				lines, times = append(lines, telemetry.String(timeText(at, layouts[i%len(layouts)])+line)), append(times, at)
			}
		}
		c := timedCursor(lines, times)
		v := c.Values(len(lines))
		for i := range lines {
			if got := v.At(i); !got.Equal(lines[i]) {
				t.Fatalf("line %d is %q, want %q", i, got.Text(), lines[i].Text())
			}
		}
		for i, row := range v.Texts().Containing(rows(len(lines)), lit) {
			if !strings.Contains(lines[row].Text(), lit) {
				t.Fatalf("row %d, %q, is said to hold %q (%d)", row, lines[row].Text(), lit, i)
			}
		}
	})
}
