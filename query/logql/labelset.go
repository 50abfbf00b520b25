package logql

import (
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql/entry"
)

// labelSet is a set of labels, made once per query: equal sets are the same
// pointer, so sets are compared and looked up by pointer.
type labelSet struct {
	labels []entry.Label // sorted by name
	key    string
}

// interner makes label sets.
type interner struct {
	sets map[string]*labelSet
	buf  []byte
}

func newInterner() *interner { return &interner{sets: map[string]*labelSet{}} }

// of returns the set of these labels, which must be sorted and may be used
// again by the caller.
func (n *interner) of(labels []entry.Label) *labelSet {
	n.buf = n.buf[:0]
	for _, l := range labels {
		n.buf = append(n.buf, l.Name...)
		n.buf = append(n.buf, 0xff)
		n.buf = append(n.buf, l.Value...)
		n.buf = append(n.buf, 0xff)
	}
	if s, ok := n.sets[string(n.buf)]; ok {
		return s
	}
	s := &labelSet{labels: slices.Clone(labels), key: string(n.buf)}
	n.sets[s.key] = s
	return s
}

// sorted is of for labels in any order, which it sorts.
func (n *interner) sorted(labels []entry.Label) *labelSet {
	slices.SortFunc(labels, func(a, b entry.Label) int { return strings.Compare(a.Name, b.Name) })
	return n.of(labels)
}

// pick returns the labels of s whose name is in names, or is not. Labels
// without a value get lost, as in Loki.
func (n *interner) pick(s *labelSet, names []string, in bool) *labelSet {
	var out []entry.Label
	for _, l := range s.labels {
		if l.Value != "" && slices.Contains(names, l.Name) == in {
			out = append(out, l)
		}
	}
	return n.of(out)
}

// with returns s with labels set, those of no value taken away.
func (n *interner) with(s *labelSet, set ...entry.Label) *labelSet {
	var out []entry.Label
	for _, l := range s.labels {
		if !slices.ContainsFunc(set, func(x entry.Label) bool { return x.Name == l.Name }) {
			out = append(out, l)
		}
	}
	for _, l := range set {
		if l.Value != "" {
			out = append(out, l)
		}
	}
	return n.sorted(out)
}

func compareSets(a, b []entry.Label) int {
	return slices.CompareFunc(a, b, func(x, y entry.Label) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return strings.Compare(x.Value, y.Value)
	})
}
