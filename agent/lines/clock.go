package lines

import (
	"strings"
	"time"
)

// clock turns the times of log lines into instants.
type clock struct {
	now  func() time.Time
	zone *time.Location // of times that name no zone
}

// A time outside of this is not believed: it is a number that looks like one,
// or a clock that is wrong, and the server would refuse the record.
const (
	earliestYear = 1990
	aheadMax     = 24 * time.Hour
)

// searchMax is how far into a line a time is looked for; layouts put it at
// the front, behind an address or a name at most.
const searchMax = 80

// find returns the first time in the front of s, and where it ends.
func (c clock) find(s string) (t time.Time, end int, ok bool) {
	for i := 0; i < len(s) && i < searchMax; i++ {
		if i > 0 && isAlnum(s[i-1]) {
			continue
		}
		if t, n, ok := c.at(s[i:]); ok {
			return t, i + n, true
		}
	}
	return time.Time{}, 0, false
}

// at reads a time at the very front of s, in any layout.
func (c clock) at(s string) (t time.Time, n int, ok bool) {
	if len(s) < len("Jan 2 15:04:05") {
		return t, 0, false
	}
	switch {
	case isDigit(s[0]):
		if t, n, ok = c.iso(s); !ok {
			if t, n, ok = c.commonLog(s); !ok {
				t, n, ok = epoch(s)
			}
		}
	case isUpper(s[0]):
		if t, n, ok = c.syslog(s); !ok {
			t, n, ok = c.klog(s)
		}
	}
	return t, n, ok && c.believable(t)
}

func (c clock) believable(t time.Time) bool {
	return t.Year() >= earliestYear && !t.After(c.now().Add(aheadMax))
}

// iso reads 2006-01-02T15:04:05.999Z07:00 with every separator in use.
func (c clock) iso(s string) (time.Time, int, bool) {
	var d date
	p := parser{s: s}
	d.year = p.number(4, 4)
	sep := p.oneOf("-/")
	d.month = p.number(2, 2)
	p.expect(sep)
	d.day = p.number(2, 2)
	if p.oneOf("T _:") == ' ' && p.peek() == ' ' {
		p.i++ // apt puts two spaces
	}
	p.timeOfDay(&d)
	if p.bad {
		return time.Time{}, 0, false
	}
	p.fraction(&d)
	zone := p.zone(c.zone)
	t, ok := d.in(zone)
	return t, p.i, ok
}

// commonLog reads 02/Jan/2006:15:04:05 -0700, of web servers.
func (c clock) commonLog(s string) (time.Time, int, bool) {
	var d date
	p := parser{s: s}
	d.day = p.number(1, 2)
	sep := p.oneOf("/-")
	d.month = p.monthName()
	p.expect(sep)
	d.year = p.number(4, 4)
	p.oneOf(": ")
	p.timeOfDay(&d)
	if p.bad {
		return time.Time{}, 0, false
	}
	p.fraction(&d)
	t, ok := d.in(p.zone(c.zone))
	return t, p.i, ok
}

// syslog reads Jan _2 15:04:05, with a year behind it or guessed.
func (c clock) syslog(s string) (time.Time, int, bool) {
	var d date
	p := parser{s: s}
	d.month = p.monthName()
	p.expect(' ')
	if p.peek() == ' ' {
		p.i++
	}
	d.day = p.number(1, 2)
	p.expect(' ')
	p.timeOfDay(&d)
	if p.bad {
		return time.Time{}, 0, false
	}
	p.fraction(&d)
	if y := (parser{s: s, i: p.i}); true {
		y.expect(' ')
		year := y.number(4, 4)
		if !y.bad && year >= earliestYear && !isAlnum(y.peek()) && y.peek() != '-' && y.peek() != '.' {
			d.year = year
			t, ok := d.in(c.zone)
			return t, y.i, ok
		}
	}
	return c.recent(d, p.i)
}

// klog reads I0102 15:04:05.000000, of Kubernetes; the letter stays to be
// read as the severity.
func (c clock) klog(s string) (time.Time, int, bool) {
	if strings.IndexByte("IWEF", s[0]) < 0 {
		return time.Time{}, 0, false
	}
	var d date
	p := parser{s: s, i: 1}
	d.month = p.number(2, 2)
	d.day = p.number(2, 2)
	p.expect(' ')
	p.timeOfDay(&d)
	if p.bad || p.peek() != '.' {
		return time.Time{}, 0, false
	}
	p.fraction(&d)
	return c.recent(d, p.i)
}

// recent completes a date that has no year: the latest one that is not ahead.
func (c clock) recent(d date, n int) (time.Time, int, bool) {
	now := c.now()
	for year := now.In(c.zone).Year() + 1; year >= now.Year()-4; year-- { // 29 February may be four years back
		d.year = year
		if t, ok := d.in(c.zone); ok && !t.After(now.Add(aheadMax)) {
			return t, n, true
		}
	}
	return time.Time{}, 0, false
}

// epoch reads 1700000000.123, seconds since 1970 with a fraction; a bare
// number could be anything.
func epoch(s string) (time.Time, int, bool) {
	p := parser{s: s}
	sec := p.number(10, 10)
	if p.bad || p.peek() != '.' {
		return time.Time{}, 0, false
	}
	var d date
	p.fraction(&d)
	return time.Unix(int64(sec), int64(d.nano)).UTC(), p.i, d.fraction && !isAlnum(p.peek())
}

// number reads a JSON number as a time since 1970, its unit from its size.
func fromNumber(f float64) time.Time {
	const sec, milli, micro = 1e11, 1e14, 1e17 // the year 5138, in each unit
	switch {
	case f < sec:
		whole := int64(f)
		return time.Unix(whole, int64((f-float64(whole))*1e9)).UTC()
	case f < milli:
		return time.UnixMilli(int64(f)).UTC()
	case f < micro:
		return time.UnixMicro(int64(f)).UTC()
	}
	return time.Unix(0, int64(f)).UTC()
}
