package logql

import (
	"math"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// compute applies an operator to two numbers. For a comparison it returns the
// left number and whether the comparison holds.
func compute(op string, l, r float64) (value float64, keep bool) {
	switch op {
	case "+":
		return l + r, true
	case "-":
		return l - r, true
	case "*":
		return l * r, true
	case "/":
		if r == 0 {
			return math.NaN(), true // as Loki does, unlike Prometheus
		}
		return l / r, true
	case "%":
		if r == 0 {
			return math.NaN(), true
		}
		return math.Mod(l, r), true
	case "^":
		return math.Pow(l, r), true
	case "==":
		return l, l == r
	case "!=":
		return l, l != r
	case ">":
		return l, l > r
	case ">=":
		return l, l >= r
	case "<":
		return l, l < r
	}
	return l, l <= r
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (ev *evaluator) binaryNode(e *syntax.BinOp) (node, error) {
	left, leftNumber, err := ev.scalar(e.Left)
	if err != nil {
		return nil, err
	}
	right, rightNumber, err := ev.scalar(e.Right)
	if err != nil {
		return nil, err
	}
	if syntax.IsSetOp(e.Op) && (leftNumber || rightNumber) {
		return nil, badQuery("set operator %s at line %d, col %d works on vectors, not on numbers", e.Op, e.Pos.Line, e.Pos.Col)
	}
	if leftNumber {
		inner, err := ev.compile(e.Right)
		return &numberOp{e: e, inner: inner, number: left, onLeft: true}, err
	}
	l, err := ev.compile(e.Left)
	if err != nil {
		return nil, err
	}
	if rightNumber {
		return &numberOp{e: e, inner: l, number: right}, nil
	}
	r, err := ev.compile(e.Right)
	if err != nil {
		return nil, err
	}
	return &vectorOp{ev: ev, e: e, left: l, right: r, keys: map[*labelSet]*labelSet{}}, nil
}

// numberOp is an operation between a vector and a number.
type numberOp struct {
	e      *syntax.BinOp
	inner  node
	number float64
	onLeft bool
	buf    []sample
}

func (n *numberOp) eval(k int) ([]sample, error) {
	vec, err := n.inner.eval(k)
	if err != nil {
		return nil, err
	}
	n.buf = n.buf[:0]
	for _, s := range vec {
		l, r := s.value, n.number
		if n.onLeft {
			l, r = r, l
		}
		v, keep := compute(n.e.Op, l, r)
		if syntax.IsComparison(n.e.Op) {
			v = s.value // a filter keeps the vector's value, on either side
			if n.e.Bool {
				v, keep = boolValue(keep), true
			}
		}
		if keep {
			n.buf = append(n.buf, sample{s.set, v})
		}
	}
	return n.buf, nil
}

// vectorOp is an operation between two vectors.
type vectorOp struct {
	ev          *evaluator
	e           *syntax.BinOp
	left, right node
	keys        map[*labelSet]*labelSet
	buf         []sample
}

// key returns the labels by which a series finds its partner.
func (n *vectorOp) key(s *labelSet) *labelSet {
	if n.e.Match == nil {
		return s
	}
	if k, ok := n.keys[s]; ok {
		return k
	}
	k := n.ev.sets.pick(s, n.e.Match.Labels, n.e.Match.On)
	n.keys[s] = k
	return k
}

func (n *vectorOp) eval(k int) ([]sample, error) {
	left, err := n.left.eval(k)
	if err != nil {
		return nil, err
	}
	right, err := n.right.eval(k)
	if err != nil {
		return nil, err
	}
	n.buf = n.buf[:0]
	switch n.e.Op {
	case "and", "or", "unless":
		return n.set(left, right), nil
	}
	return n.join(left, right)
}

func (n *vectorOp) set(left, right []sample) []sample {
	has := map[*labelSet]bool{}
	if n.e.Op == "or" {
		for _, s := range left {
			has[n.key(s.set)] = true
		}
		n.buf = append(n.buf, left...)
		for _, s := range right {
			if !has[n.key(s.set)] {
				n.buf = append(n.buf, s)
			}
		}
		return n.buf
	}
	for _, s := range right {
		has[n.key(s.set)] = true
	}
	for _, s := range left {
		if has[n.key(s.set)] == (n.e.Op == "and") {
			n.buf = append(n.buf, s)
		}
	}
	return n.buf
}

// join computes pairs: one to one, or many to one with group_left and
// group_right.
func (n *vectorOp) join(left, right []sample) ([]sample, error) {
	group := ""
	if n.e.Match != nil {
		group = n.e.Match.Group
	}
	many, one := left, right
	if group == "group_right" {
		many, one = right, left
	}
	partner := make(map[*labelSet]sample, len(one))
	for _, s := range one {
		k := n.key(s.set)
		if dup, ok := partner[k]; ok {
			return nil, badQuery("found duplicate series on the %s hand-side of %s: %s and %s; many-to-many matching not allowed: matching labels must be unique on one side",
				oneSide(group), n.e.Op, labelsText(dup.set.labels), labelsText(s.set.labels))
		}
		partner[k] = s
	}
	taken := map[*labelSet]bool{}
	for _, s := range many {
		p, ok := partner[n.key(s.set)]
		if !ok {
			continue
		}
		l, r := s, p
		if group == "group_right" {
			l, r = p, s
		}
		v, keep := compute(n.e.Op, l.value, r.value)
		if n.e.Bool {
			v, keep = boolValue(keep), true
		}
		set := n.resultSet(s.set, p.set, group)
		if group == "" && taken[set] {
			return nil, badQuery("multiple matches for labels %s: many-to-one matching must be explicit (group_left/group_right)", labelsText(set.labels))
		}
		taken[set] = true
		if keep {
			n.buf = append(n.buf, sample{set, v})
		}
	}
	return n.buf, nil
}

func oneSide(group string) string {
	if group == "group_right" {
		return "left"
	}
	return "right"
}

// resultSet returns the labels of a pair's result.
func (n *vectorOp) resultSet(many, one *labelSet, group string) *labelSet {
	m := n.e.Match
	if m == nil {
		return many
	}
	if group == "" {
		return n.key(many)
	}
	if len(m.Include) == 0 {
		return many
	}
	set := make([]entry.Label, len(m.Include))
	for i, name := range m.Include {
		set[i] = entry.Label{Name: name, Value: entry.Get(one.labels, name)}
	}
	return n.ev.sets.with(many, set...)
}
