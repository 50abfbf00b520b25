package segment

import (
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// spanColumns are the columns of a block of spans.
type spanColumns struct {
	durations column.Ints
	traces    column.IDs[telemetry.TraceID]
	ids       column.IDs[telemetry.SpanID]
	parents   column.Parents[telemetry.SpanID]
	kind      column.Ints
	status    column.Ints
	message   column.Strings
	name      column.Strings
	attrs     column.Attrs
	events    eventColumns
	links     linkColumns
	flags     column.Ints
	dropped   column.Ints
	state     column.Strings
}

// eventColumns are those of all events of a block; at says where each row's start.
type eventColumns struct {
	lost    column.Ints
	at      []int
	after   column.Ints
	name    column.Strings
	dropped column.Ints
	attrs   column.Attrs
}

// linkColumns: see eventColumns.
type linkColumns struct {
	lost    column.Ints
	at      []int
	traces  column.IDs[telemetry.TraceID]
	ids     column.IDs[telemetry.SpanID]
	state   column.Strings
	flags   column.Ints
	dropped column.Ints
	attrs   column.Attrs
}

func (v *spanColumns) parse(id chunkID, c *column.Cursor, n int) {
	switch id {
	case chunkTime:
		v.durations = c.Ints(n)
	case chunkIDs:
		v.traces, v.ids = column.ReadIDs[telemetry.TraceID](c, n), column.ReadIDs[telemetry.SpanID](c, n)
		v.parents = column.ReadParents[telemetry.SpanID](c, n)
	case chunkSpan:
		v.kind, v.status = c.Ints(n), c.Ints(n)
		v.message, v.name = c.Strings(n), c.Strings(n)
	case chunkAttrs:
		v.attrs = c.Attrs(n)
	case chunkEvents:
		v.parseEvents(c, n)
		v.parseLinks(c, n)
	case chunkRest:
		v.flags, v.dropped, v.state = c.Ints(n), c.Ints(n), c.Strings(n)
	default:
		c.Fail("chunk %d in a block of spans", id)
	}
}

func (v *spanColumns) filter(q *record.Query[span], _ Part, sel []int, from loader) ([]int, error) {
	if q.MinDuration > 0 {
		out := sel[:0]
		for _, row := range sel {
			if v.durations.At(row) >= int64(q.MinDuration) {
				out = append(out, row)
			}
		}
		sel = out
	}
	if q.Traces == nil || len(sel) == 0 {
		return sel, nil
	}
	if err := from.need(chunkIDs); err != nil {
		return nil, err
	}
	var out []int
	v.traces.Select(sel, func(i int, id telemetry.TraceID) {
		if q.Traces[id] {
			out = append(out, sel[i])
		}
	})
	return out, nil
}

func (v *spanColumns) fill(id chunkID, rows []span, sel []int) {
	switch id {
	case chunkTime:
		for i, row := range sel {
			rows[i].End = rows[i].Start + v.durations.At(row)
		}
	case chunkIDs:
		v.traces.Select(sel, func(i int, id telemetry.TraceID) { rows[i].TraceID = id })
		v.ids.Select(sel, func(i int, id telemetry.SpanID) { rows[i].SpanID = id })
		column.SelectParents(&v.parents, &v.ids, &v.traces, sel, func(i int, id telemetry.SpanID) { rows[i].ParentID = id })
	case chunkSpan:
		for i, row := range sel {
			s := &rows[i]
			s.Kind, s.Status = telemetry.SpanKind(v.kind.At(row)), telemetry.StatusCode(v.status.At(row))
			s.StatusMessage, s.Name = v.message.At(row), v.name.At(row)
		}
	case chunkAttrs:
		v.attrs.Select(sel, func(i int, a telemetry.Attrs) { rows[i].Attrs = a })
	case chunkEvents:
		for i, row := range sel {
			rows[i].DroppedEvents, rows[i].DroppedLinks = uint32(v.events.lost.At(row)), uint32(v.links.lost.At(row))
		}
		v.events.fill(rows, sel)
		v.links.fill(rows, sel)
	case chunkRest:
		for i, row := range sel {
			s := &rows[i]
			s.Flags, s.Dropped, s.TraceState = uint32(v.flags.At(row)), uint32(v.dropped.At(row)), v.state.At(row)
		}
	}
}

// maxChildren bounds the events or links of one block when it is read.
const maxChildren = 1 << 24

// starts reads a column of counts and returns where each row's children start,
// and behind them how many there are.
func starts(c *column.Cursor, n int) []int {
	counts := c.Ints(n)
	out := make([]int, n+1)
	if k, ok := counts.Const(); ok && k == 0 {
		return out
	}
	for i, k := range counts.All() {
		if k < 0 || k > maxChildren || out[i]+int(k) > maxChildren {
			c.Fail("%d events or links in row %d", k, i)
			return out
		}
		out[i+1] = out[i] + int(k)
	}
	return out
}

func (v *spanColumns) parseEvents(c *column.Cursor, n int) {
	e := &v.events
	e.lost, e.at = c.Ints(n), starts(c, n)
	total := e.at[n]
	e.after, e.name = c.Ints(total), c.Strings(total)
	e.dropped, e.attrs = c.Ints(total), c.Attrs(total)
}

func (v *spanColumns) parseLinks(c *column.Cursor, n int) {
	l := &v.links
	l.lost, l.at = c.Ints(n), starts(c, n)
	total := l.at[n]
	l.traces, l.ids = column.ReadIDs[telemetry.TraceID](c, total), column.ReadIDs[telemetry.SpanID](c, total)
	l.state, l.flags = c.Strings(total), c.Ints(total)
	l.dropped, l.attrs = c.Ints(total), c.Attrs(total)
}

// children returns the children of the rows of sel, in order.
func children(at, sel []int) (list []int) {
	for _, row := range sel {
		for j := at[row]; j < at[row+1]; j++ {
			list = append(list, j)
		}
	}
	return list
}

func (e *eventColumns) fill(rows []span, sel []int) {
	list := children(e.at, sel)
	if len(list) == 0 {
		return
	}
	all := make([]telemetry.Event, len(list))
	e.attrs.Select(list, func(i int, a telemetry.Attrs) { all[i].Attrs = a })
	for i, row := range sel {
		n := e.at[row+1] - e.at[row]
		if n == 0 {
			continue
		}
		mine := all[:n:n]
		all = all[n:]
		for k := range mine {
			j := e.at[row] + k
			mine[k].Time, mine[k].Name = rows[i].Start+e.after.At(j), e.name.At(j)
			mine[k].Dropped = uint32(e.dropped.At(j))
		}
		rows[i].Events = mine
	}
}

func (l *linkColumns) fill(rows []span, sel []int) {
	list := children(l.at, sel)
	if len(list) == 0 {
		return
	}
	all := make([]telemetry.Link, len(list))
	l.attrs.Select(list, func(i int, a telemetry.Attrs) { all[i].Attrs = a })
	for i, row := range sel {
		n := l.at[row+1] - l.at[row]
		if n == 0 {
			continue
		}
		mine := all[:n:n]
		all = all[n:]
		for k := range mine {
			j := l.at[row] + k
			mine[k].TraceID, mine[k].SpanID, mine[k].TraceState = l.traces.At(j), l.ids.At(j), l.state.At(j)
			mine[k].Flags, mine[k].Dropped = uint32(l.flags.At(j)), uint32(l.dropped.At(j))
		}
		rows[i].Links = mine
	}
}
