package traceql

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// none is the index of a span that is not there.
const none = int32(-1)

// rootParent is the nestedSetParent of a root: it tells a root from a span
// whose parent is not stored, which has 0.
const rootParent = int32(-1)

// Trace is one trace, whole, with its spans as a tree.
type Trace struct {
	ID    telemetry.TraceID
	Spans []*telemetry.Span // by start, then ID
	// Root is the index of the first span without a parent ID; -1 where there
	// is none.
	Root       int32
	Start, End int64
	nodes      []node
}

// node is a span's place in the tree, as indexes into Spans and as nested sets.
type node struct {
	parent              int32
	children            int32
	left, right, nested int32 // nested is the parent's left
}

// Duration is the time from the first start to the last end.
func (t *Trace) Duration() int64 { return max(t.End-t.Start, 0) }

// NewTrace makes a trace of the spans of one trace ID. A span that was stored
// twice, as after a retry through two ways, counts once.
func NewTrace(id telemetry.TraceID, spans []*telemetry.Span) *Trace {
	slices.SortStableFunc(spans, compareSpans)
	spans = slices.CompactFunc(spans, sameSpan)
	t := &Trace{ID: id, Spans: spans, Root: none}
	t.nodes = make([]node, len(spans))
	for i, s := range spans {
		if i == 0 || s.Start < t.Start {
			t.Start = s.Start
		}
		if i == 0 || max(s.End, s.Start) > t.End {
			t.End = max(s.End, s.Start)
		}
		if s.ParentID.IsZero() && t.Root == none {
			t.Root = int32(i)
		}
	}
	t.link()
	t.number()
	return t
}

// orphans counts the spans whose parent is not stored.
func (t *Trace) orphans() int {
	n := 0
	for i := range t.nodes {
		if t.nodes[i].parent == none && !t.Spans[i].ParentID.IsZero() {
			n++
		}
	}
	return n
}

// compareSpans orders spans by what they say alone, so that the order does not
// depend on the store's.
func compareSpans(a, b *telemetry.Span) int {
	if c := compareMarks(a, b); c != 0 {
		return c
	}
	return bytes.Compare(otlp.AppendSpans(nil, []telemetry.Span{*a}), otlp.AppendSpans(nil, []telemetry.Span{*b}))
}

// compareMarks compares what tells spans of a trace apart.
func compareMarks(a, b *telemetry.Span) int {
	return cmp.Or(
		cmp.Compare(a.Start, b.Start),
		bytes.Compare(a.SpanID[:], b.SpanID[:]),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.End, b.End),
		cmp.Compare(a.Name, b.Name),
		bytes.Compare(a.ParentID[:], b.ParentID[:]),
		bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]),
	)
}

func sameSpan(a, b *telemetry.Span) bool { return compareMarks(a, b) == 0 }

// link finds each span's parent. Zipkin's client and server spans may share an
// ID: the server span's parent is then its client half, and both halves'
// children hang below the server half.
func (t *Trace) link() {
	byID := make(map[telemetry.SpanID]int32, len(t.Spans))
	clients := map[telemetry.SpanID]int32{}
	for i, s := range t.Spans {
		other, shared := byID[s.SpanID]
		switch {
		case !shared:
			byID[s.SpanID] = int32(i)
		case s.Kind == telemetry.SpanKindServer && t.Spans[other].Kind == telemetry.SpanKindClient:
			byID[s.SpanID], clients[s.SpanID] = int32(i), other
		case s.Kind == telemetry.SpanKindClient && t.Spans[other].Kind == telemetry.SpanKindServer:
			clients[s.SpanID] = int32(i)
		}
	}
	for i, s := range t.Spans {
		parent := none
		if client, ok := clients[s.SpanID]; ok && byID[s.SpanID] == int32(i) {
			parent = client
		} else if p, ok := byID[s.ParentID]; ok && !s.ParentID.IsZero() && p != int32(i) {
			parent = p
		}
		t.nodes[i].parent = parent
		if parent != none {
			t.nodes[parent].children++
		}
	}
}

// number assigns the nested sets, depth first, roots before the subtrees whose
// parent is not stored. Spans that are their own ancestors stay without.
func (t *Trace) number() {
	children := make([][]int32, len(t.nodes))
	var tops, orphans []int32
	for i := range t.nodes {
		switch p := t.nodes[i].parent; {
		case p != none:
			children[p] = append(children[p], int32(i))
		case t.Spans[i].ParentID.IsZero():
			tops = append(tops, int32(i))
			t.nodes[i].nested = rootParent
		default:
			orphans = append(orphans, int32(i))
		}
	}
	bound := int32(1)
	var stack []int32
	for _, top := range append(tops, orphans...) {
		stack = append(stack[:0], top)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			n := &t.nodes[i]
			if n.left == 0 {
				n.left = bound
				bound++
			}
			if len(children[i]) == 0 {
				n.right = bound
				bound++
				stack = stack[:len(stack)-1]
				continue
			}
			child := children[i][0]
			children[i] = children[i][1:]
			t.nodes[child].nested = n.left
			stack = append(stack, child)
		}
	}
}
