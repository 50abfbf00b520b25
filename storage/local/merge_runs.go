package local

import (
	"slices"

	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// runCursor selects the rows of a run. Its rows are in order of time.
func (m *merge[T]) runCursor(r *head.Run[T]) *cursor[T] {
	rows := &runRows[T]{m: m, run: r}
	sel := m.selectRows(r)
	if m.sources.newestFirst {
		slices.Reverse(sel)
	}
	if m.q.Stats != nil {
		m.q.Stats.Rows += int64(len(sel))
	}
	return &cursor[T]{
		rows: len(sel),
		time: func(i int) int64 { return r.Time(sel[i]) },
		take: func(from, to int) ([]T, error) { return rows.take(sel[from:to]), nil },
	}
}

// selectRows returns the rows of a run that the query selects, in order.
func (m *merge[T]) selectRows(r *head.Run[T]) (sel []int) {
	q := m.q
	rows := &runRows[T]{m: m, run: r}
	exact := q.Core != nil || q.Match != nil
	mayHold := r.MayHold(q.Text)
	take := func(i int) {
		if !q.InRange(r.Time(i)) || !m.wants(r.Stream(i)) || mayHold != nil && !mayHold(i) {
			return
		}
		if exact {
			row := rows.one(i)
			if q.Core != nil && !q.Core(row) || q.Match != nil && !q.Match(row) {
				return
			}
		}
		sel = append(sel, i)
	}
	if q.Hashes != nil {
		for _, i := range r.Find(q.Hashes) {
			take(i)
		}
		return sel
	}
	for i := r.From(q.From); i < r.Len() && q.InRange(r.Time(i)); i++ {
		take(i)
	}
	return sel
}

// runRows decodes the rows of a run.
type runRows[T any] struct {
	m      *merge[T]
	run    *head.Run[T]
	picker otlp.Picker
	last   T
}

// one decodes a row; it is good until the next.
func (d *runRows[T]) one(i int) *T {
	var zero T
	d.last = zero
	d.decode(&d.last, i)
	return &d.last
}

func (d *runRows[T]) take(sel []int) []T {
	out := make([]T, len(sel))
	for i, row := range sel {
		d.decode(&out[i], row)
	}
	return out
}

func (d *runRows[T]) decode(dst *T, row int) {
	if err := d.run.Decode(&d.picker, dst, row); err != nil {
		d.m.s.damaged(fileHead, err)
	}
}

// wants asks the query's predicate once a stream.
func (m *merge[T]) wants(s *telemetry.Stream) bool {
	if m.q.Stream == nil {
		return true
	}
	w, asked := m.streams[s]
	if !asked {
		w = m.q.Stream(s)
		m.streams[s] = w
	}
	return w
}
