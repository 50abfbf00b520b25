package logql

import (
	"regexp"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// labelReplace is label_replace.
type labelReplace struct {
	ev    *evaluator
	e     *syntax.LabelReplace
	re    *regexp.Regexp
	inner node
	sets  map[*labelSet]*labelSet
	buf   []sample
}

func (ev *evaluator) labelReplaceNode(e *syntax.LabelReplace) (node, error) {
	re, err := regexp.Compile("^(?:" + e.Regex + ")$")
	if err != nil {
		return nil, badQuery("invalid regex in label_replace: %s", err)
	}
	if e.Dst == "" || entry.Name(e.Dst) != e.Dst {
		return nil, badQuery("invalid destination label name in label_replace: %q", e.Dst)
	}
	inner, err := ev.compile(e.Inner)
	return &labelReplace{ev: ev, e: e, re: re, inner: inner, sets: map[*labelSet]*labelSet{}}, err
}

func (n *labelReplace) eval(k int) ([]sample, error) {
	vec, err := n.inner.eval(k)
	if err != nil {
		return nil, err
	}
	n.buf = n.buf[:0]
	for _, s := range vec {
		set, ok := n.sets[s.set]
		if !ok {
			set = n.replace(s.set)
			n.sets[s.set] = set
		}
		n.buf = append(n.buf, sample{set, s.value})
	}
	return n.buf, nil
}

func (n *labelReplace) replace(s *labelSet) *labelSet {
	src := entry.Get(s.labels, n.e.Src)
	at := n.re.FindStringSubmatchIndex(src)
	if at == nil {
		return s
	}
	value := n.re.ExpandString(nil, n.e.Replacement, src, at)
	return n.ev.sets.with(s, entry.Label{Name: n.e.Dst, Value: string(value)})
}
