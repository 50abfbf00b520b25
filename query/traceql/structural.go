package traceql

import (
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// relate evaluates a structural operator. It returns the spans of right that
// have the relation to some span of left; negated, those that have it to none;
// as a union, also the spans of left that some span of right has it to. Both
// sides are ascending indexes, and so is the result.
func relate(t *Trace, op syntax.Op, left, right []int32) []int32 {
	inLeft, inRight := t.set(left), t.set(right)
	hit := related(t, op.Relation(), left, inLeft, right)
	if op.Negated() {
		return pick(right, func(i int32) bool { return !hit[i] })
	}
	out := pick(right, func(i int32) bool { return hit[i] })
	if !op.Union() {
		return out
	}
	back := related(t, inverse(op.Relation()), right, inRight, left)
	return union(out, pick(left, func(i int32) bool { return back[i] }))
}

func inverse(op syntax.Op) syntax.Op {
	switch op {
	case syntax.OpGt:
		return syntax.OpLt
	case syntax.OpLt:
		return syntax.OpGt
	case syntax.OpDesc:
		return syntax.OpAnce
	case syntax.OpAnce:
		return syntax.OpDesc
	}
	return op
}

// related marks the spans of to that have a relative in from: for > a parent,
// for >> an ancestor, for < a child, for << a descendant, for ~ a sibling.
func related(t *Trace, op syntax.Op, from []int32, inFrom []bool, to []int32) []bool {
	hit := make([]bool, len(t.Spans))
	switch op {
	case syntax.OpGt:
		for _, i := range to {
			p := t.nodes[i].parent
			hit[i] = p != none && inFrom[p]
		}
	case syntax.OpLt:
		for _, i := range from {
			if p := t.nodes[i].parent; p != none {
				hit[p] = true
			}
		}
	case syntax.OpDesc:
		markBelow(t, inFrom, hit)
	case syntax.OpAnce:
		for _, i := range from {
			for p := t.nodes[i].parent; p != none && !hit[p]; p = t.nodes[p].parent {
				hit[p] = true
			}
		}
	case syntax.OpSibling:
		markSiblings(t, from, inFrom, to, hit)
	}
	return hit
}

// markBelow marks every span with an ancestor in from. Each span is decided
// once: up the tree until a decided one, then back down.
func markBelow(t *Trace, inFrom, hit []bool) {
	const unknown, under, clear = 0, 1, 2
	state := make([]uint8, len(t.Spans))
	var path []int32
	for i := range t.Spans {
		path = path[:0]
		at := int32(i)
		below := false
		for state[at] == unknown {
			state[at] = clear // ends the walk where spans are their own ancestors
			path = append(path, at)
			p := t.nodes[at].parent
			if p == none {
				break
			}
			if at = p; state[at] != unknown {
				below = state[at] == under || inFrom[at]
				break
			}
		}
		for k := len(path) - 1; k >= 0; k-- {
			at := path[k]
			if k < len(path)-1 {
				up := path[k+1]
				below = state[up] == under || inFrom[up]
			}
			if below {
				state[at] = under
			}
			hit[at] = below
		}
	}
}

// markSiblings marks the spans of to that share their parent with another span
// of from. Roots are siblings of each other.
func markSiblings(t *Trace, from []int32, inFrom []bool, to []int32, hit []bool) {
	count := map[telemetry.SpanID]int{}
	for _, i := range from {
		count[t.Spans[i].ParentID]++
	}
	for _, i := range to {
		n := count[t.Spans[i].ParentID]
		if inFrom[i] {
			n-- // not its own sibling
		}
		hit[i] = n > 0
	}
}

func (t *Trace) set(list []int32) []bool {
	in := make([]bool, len(t.Spans))
	for _, i := range list {
		in[i] = true
	}
	return in
}

func pick(list []int32, keep func(int32) bool) []int32 {
	var out []int32
	for _, i := range list {
		if keep(i) {
			out = append(out, i)
		}
	}
	return out
}

// union merges two ascending lists.
func union(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		case a[0] < b[0]:
			out = append(out, a[0])
			a = a[1:]
		default:
			out = append(out, b[0])
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
