package pipeline

import (
	"strings"

	"github.com/clewhq/clew/query/logql/syntax"
)

// keep is the keep and the drop stage.
type keep struct{ s *syntax.Keep }

func (k keep) process(r *Record) bool {
	if k.s.Drop {
		for _, l := range k.s.Labels {
			if l.Matcher == nil {
				r.Labels.Delete(l.Name)
			} else if got, ok := r.Labels.Lookup(l.Name); ok && l.Matcher.Matches(got.Value) {
				r.Labels.Delete(l.Name)
			}
		}
		return true
	}
	for _, l := range r.Labels.append(nil, true) {
		if l.Name != ErrorLabel && l.Name != ErrorDetailsLabel && !k.keeps(l) {
			r.Labels.Delete(l.Name)
		}
	}
	return true
}

func (k keep) keeps(l Label) bool {
	for _, want := range k.s.Labels {
		if want.Name == l.Name && (want.Matcher == nil || want.Matcher.Matches(l.Value)) {
			return true
		}
	}
	return false
}

// distinct keeps the first record of every combination of values. A record
// that has none of the labels stays.
type distinct struct {
	labels []string
	seen   map[string]struct{}
	most   int
	key    strings.Builder
}

func (d *distinct) process(r *Record) bool {
	d.key.Reset()
	any := false
	for _, name := range d.labels {
		l, ok := r.Labels.Lookup(name)
		any = any || ok
		d.key.WriteString(l.Value)
		d.key.WriteByte(0xff)
	}
	if !any {
		return true
	}
	key := d.key.String()
	if _, dup := d.seen[key]; dup {
		return false
	}
	if len(d.seen) < d.most {
		d.seen[key] = struct{}{}
	}
	return true
}

// decolorize cuts the escape sequences that colour terminals.
type decolorize struct{}

func (decolorize) process(r *Record) bool {
	if strings.IndexByte(r.Line, 0x1b) < 0 {
		return true
	}
	var b strings.Builder
	line := r.Line
	for i := 0; i < len(line); {
		if n := ansiLength(line[i:]); n > 0 {
			i += n
			continue
		}
		b.WriteByte(line[i])
		i++
	}
	r.Line = b.String()
	return true
}

// ansiLength is the length of the control sequence at the start of s, 0 for none.
func ansiLength(s string) int {
	if len(s) < 3 || s[0] != 0x1b || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}
