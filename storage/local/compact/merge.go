package compact

import (
	"container/heap"
	"context"
	"iter"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
)

// Merge yields the rows of the segments in the order of the kind, reading a
// block of each at a time; those of a kind that is sorted by time first come
// segment by segment. It ends with the first error: a merge that left rows out
// would lose them for good.
func Merge[T any](ctx context.Context, k *record.Kind[T], readers []*segment.Reader[T]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		h := &inputs[T]{compare: k.Compare}
		if k.ByTime {
			h.compare = func(_, _ *T) int { return 0 } // the earlier segment comes first
		}
		q := &record.Query[T]{From: -1 << 63, Columns: storage.ColAll}
		for i, r := range readers {
			parts, _, err := r.Plan(q)
			if err != nil {
				yield(nil, err)
				return
			}
			in := &input[T]{number: i, r: r, q: q, parts: parts}
			if err := in.fill(); err != nil {
				yield(nil, err)
				return
			}
			if in.next != nil {
				h.list = append(h.list, in)
			}
		}
		heap.Init(h)
		for len(h.list) > 0 {
			in := h.list[0]
			if !yield(in.next, nil) {
				return
			}
			if err := in.advance(ctx); err != nil {
				yield(nil, err)
				return
			}
			if in.next == nil {
				heap.Pop(h)
			} else {
				heap.Fix(h, 0)
			}
		}
	}
}

// input is one segment and where the merge is in it.
type input[T any] struct {
	number int
	r      *segment.Reader[T]
	q      *record.Query[T]
	parts  []segment.Part
	rows   []T
	next   *T
}

func (in *input[T]) advance(ctx context.Context) error {
	if len(in.rows) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		return in.fill()
	}
	in.next, in.rows = &in.rows[0], in.rows[1:]
	return nil
}

// fill reads the next block.
func (in *input[T]) fill() error {
	in.next = nil
	if len(in.parts) == 0 {
		return nil
	}
	found, err := in.r.Read(in.q, in.parts[0])
	if err != nil {
		return err
	}
	rows, err := found.Take(0, found.Len(), storage.ColAll)
	if err != nil {
		return err
	}
	in.parts = in.parts[1:]
	in.next, in.rows = &rows[0], rows[1:]
	return nil
}

// inputs is the heap. Of equal rows those of the earlier segment come first.
type inputs[T any] struct {
	compare func(a, b *T) int
	list    []*input[T]
}

// Len implements heap.Interface.
func (h *inputs[T]) Len() int { return len(h.list) }

// Less implements heap.Interface.
func (h *inputs[T]) Less(i, j int) bool {
	if c := h.compare(h.list[i].next, h.list[j].next); c != 0 {
		return c < 0
	}
	return h.list[i].number < h.list[j].number
}

// Swap implements heap.Interface.
func (h *inputs[T]) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }

// Push implements heap.Interface.
func (h *inputs[T]) Push(x any) { h.list = append(h.list, x.(*input[T])) }

// Pop implements heap.Interface.
func (h *inputs[T]) Pop() any {
	n := len(h.list) - 1
	x := h.list[n]
	h.list = h.list[:n]
	return x
}
