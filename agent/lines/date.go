package lines

import (
	"strings"
	"time"
)

// date is a time's parts as they stand in a line.
type date struct {
	year, month, day, hour, minute, second, nano int
	fraction                                     bool
}

// in returns the instant, and whether there is such a day.
func (d date) in(zone *time.Location) (time.Time, bool) {
	if d.month < 1 || d.month > 12 || d.day < 1 || d.hour > 23 || d.minute > 59 || d.second > 60 {
		return time.Time{}, false
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nano, zone)
	// 31 February would have become March.
	return t, time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Day() == d.day
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// parser walks over s; bad once something was not as expected.
type parser struct {
	s   string
	i   int
	bad bool
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *parser) expect(c byte) {
	if p.peek() != c || c == 0 {
		p.bad = true
		return
	}
	p.i++
}

func (p *parser) oneOf(set string) byte {
	c := p.peek()
	if c == 0 || strings.IndexByte(set, c) < 0 {
		p.bad = true
		return 0
	}
	p.i++
	return c
}

// number reads a decimal of that many digits.
func (p *parser) number(minDigits, maxDigits int) int {
	n, digits := 0, 0
	for digits < maxDigits && isDigit(p.peek()) {
		n = n*10 + int(p.peek()-'0')
		p.i++
		digits++
	}
	if digits < minDigits {
		p.bad = true
	}
	return n
}

func (p *parser) monthName() int {
	if len(p.s)-p.i < 3 {
		p.bad = true
		return 0
	}
	at := strings.Index(months, p.s[p.i:p.i+3])
	if at < 0 || at%3 != 0 {
		p.bad = true
		return 0
	}
	p.i += 3
	return at/3 + 1
}

func (p *parser) timeOfDay(d *date) {
	d.hour = p.number(2, 2)
	p.expect(':')
	d.minute = p.number(2, 2)
	p.expect(':')
	d.second = p.number(2, 2)
}

// fraction reads .123 or ,123 where it stands.
func (p *parser) fraction(d *date) {
	if c := p.peek(); c != '.' && c != ',' || p.i+1 >= len(p.s) || !isDigit(p.s[p.i+1]) {
		return
	}
	p.i++
	d.fraction = true
	scale := int(time.Second)
	for isDigit(p.peek()) {
		if scale /= 10; scale > 0 {
			d.nano += int(p.peek()-'0') * scale
		}
		p.i++
	}
}

// zone reads Z, UTC, +01:00, +0100 or " +0100"; anything else is fallback.
func (p *parser) zone(fallback *time.Location) *time.Location {
	rest := p.s[p.i:]
	trimmed := strings.TrimPrefix(rest, " ")
	space := len(rest) - len(trimmed)
	for _, word := range []string{"Z", "UTC", "GMT"} {
		if strings.HasPrefix(trimmed, word) && (len(trimmed) == len(word) || !isAlnum(trimmed[len(word)])) {
			p.i += space + len(word)
			return time.UTC
		}
	}
	z := parser{s: trimmed}
	sign := z.oneOf("+-")
	hours := z.number(2, 2)
	if z.peek() == ':' {
		z.i++
	}
	minutes := z.number(2, 2)
	if z.bad || hours > 14 || minutes > 59 || isAlnum(z.peek()) {
		return fallback
	}
	p.i += space + z.i
	offset := hours*3600 + minutes*60
	if sign == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isAlpha(c byte) bool { return isUpper(c) || isLower(c) }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
