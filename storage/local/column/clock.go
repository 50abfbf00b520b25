package column

import (
	"strings"
	"time"
)

// Most programs begin a line with its time, and that is the record's time too:
// where a text says what the record's time says, in one of the usual ways, it
// says nothing that has to be written.

// The kinds of variables that are the record's time stand behind those of
// kindsOf: varTimes is the first way to write it, and so on.
const varTimes = varKinds

// epochMillis is the way to write a time that is not a timeLayout.
const epochMillis = byte(varTimes + 9)

// timeKinds is how many kinds there are in all.
const timeKinds = int(epochMillis) + 1

// timeLayout is how a time is written: 2006-01-02, separator, 15:04:05, and
// where there is a mark that and digits of the second, all nine without zeroes
// at their end where digits is 0; then the zone.
type timeLayout struct {
	separator, mark byte
	digits          int
	zone            string
}

// timeLayouts are in the order of their kinds. One that is the beginning of
// another stands behind it.
var timeLayouts = [...]timeLayout{
	{'T', '.', 3, "Z"},
	{'T', '.', 6, "Z"},
	{'T', '.', 9, "Z"},
	{'T', '.', 0, "Z"},
	{' ', '.', 3, ""},
	{' ', ',', 3, ""},
	{' ', '.', 6, ""},
	{' ', '.', 9, ""},
	{' ', 0, 0, ""},
}

// mayBe rules most layouts out by the marks of a text that begins with a second;
// nanos are those behind it.
func (l *timeLayout) mayBe(s string, nanos int) bool {
	if s[dateLen] != l.separator {
		return false
	}
	marked := l.mark != 0 && (l.digits != 0 || nanos != 0)
	return !marked || len(s) > secondLen && s[secondLen] == l.mark
}

// clock writes times.
type clock struct {
	second int64
	nanos  int
	text   []byte // of the second, with T for a separator; empty before the first
	buf    []byte
}

// dateLen is how long a date is, secondLen with the time of the day.
const (
	dateLen   = len("2006-01-02")
	secondLen = len("2006-01-02T15:04:05")
)

func (c *clock) set(t int64) {
	second := t / int64(time.Second)
	if t < 0 && t%int64(time.Second) != 0 {
		second--
	}
	c.nanos = int(t - second*int64(time.Second))
	if second != c.second || len(c.text) == 0 {
		c.second = second
		c.text = time.Unix(second, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05")
	}
}

// append appends the time that was set.
func (c *clock) append(dst []byte, kind byte) []byte {
	if kind == epochMillis {
		return appendDecimal(dst, c.second*1000+int64(c.nanos)/int64(time.Millisecond))
	}
	l := &timeLayouts[kind-varTimes]
	at := len(dst) + dateLen
	dst = append(dst, c.text...)
	dst[at] = l.separator
	switch {
	case l.mark == 0 || l.digits == 0 && c.nanos == 0:
	case l.digits == 0:
		dst = appendFraction(append(dst, l.mark), int64(c.nanos), 9)
	default:
		dst = appendPadded(append(dst, l.mark), int64(c.nanos)/powerOf10[9-l.digits], l.digits)
	}
	return append(dst, l.zone...)
}

var powerOf10 = [...]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}

// find returns where the time t ends in s, if it is what begins there with the
// run up to end, and the kind; 0 for none.
func (c *clock) find(s string, start, end int, t int64) (kind byte, to int) {
	switch end - start {
	case len("2006"):
		if len(s)-start < secondLen || s[end] != '-' {
			return 0, 0
		}
		c.set(t)
		if rest := s[start:]; rest[:dateLen] != string(c.text[:dateLen]) || rest[dateLen+1:secondLen] != string(c.text[dateLen+1:]) {
			return 0, 0
		}
		for i := range timeLayouts {
			kind := byte(varTimes + i)
			if !timeLayouts[i].mayBe(s[start:], c.nanos) {
				continue
			}
			c.buf = c.append(c.buf[:0], kind)
			if to := start + len(c.buf); strings.HasPrefix(s[start:], asString(c.buf)) && (to == len(s) || chars[s[to]]&charAlnum == 0) {
				return kind, to
			}
		}
	case len("1136214245000"):
		if t <= 0 || !allDigits(s[start:end]) || number(s[start:end]) != t/int64(time.Millisecond) {
			return 0, 0
		}
		return epochMillis, end
	}
	return 0, 0
}
