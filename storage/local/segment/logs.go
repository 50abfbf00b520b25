package segment

import (
	"bytes"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

type log = telemetry.Log

// Logs is the codec of log records.
var Logs = &Codec[log]{
	Kind:   record.Logs,
	encode: encodeLogs,
	zone: func(l *log) byte {
		if l.Severity == 0 {
			return anySeverity
		}
		return byte(l.Severity)
	},
	lowest:  func(q *record.Query[log]) byte { return byte(q.MinSeverity) },
	text:    func(l *log) string { return l.Body.Text() },
	columns: func() columns[log] { return &logColumns{} },
	set:     func(l *log, s *telemetry.Stream, time int64) { l.Stream, l.Time = s, time },
}

// anySeverity is the zone of records that cannot be skipped by severity.
const anySeverity = 255

func encodeLogs(out *chunks, rows []*log, streams []int64, t *column.Table) {
	times := t.Ints(len(rows))
	traces := make([]telemetry.TraceID, len(rows))
	spans := make([]telemetry.SpanID, len(rows))
	bodies := make([]telemetry.Value, len(rows))
	for i, l := range rows {
		times[i], traces[i], spans[i], bodies[i] = l.Time, l.TraceID, l.SpanID, l.Body
	}
	out[chunkTime] = column.AppendInts(column.AppendInts(out[chunkTime], streams), times)
	out[chunkIDs] = column.AppendIDs(column.AppendIDs(out[chunkIDs], t, traces), t, spans)

	severity := ints(out[chunkSeverity], t, rows, func(l *log) int64 { return int64(l.Severity) })
	out[chunkSeverity] = texts(severity, t, rows, func(l *log) string { return l.SeverityText })
	out[chunkBody] = column.AppendTimed(out[chunkBody], t, bodies, times)
	out[chunkAttrs] = attrs(out[chunkAttrs], t, rows, func(l *log) telemetry.Attrs { return l.Attrs })

	rest := appendObserved(out[chunkRest], t, rows)
	rest = ints(rest, t, rows, func(l *log) int64 { return int64(l.Flags) })
	rest = ints(rest, t, rows, func(l *log) int64 { return int64(l.Dropped) })
	out[chunkRest] = texts(rest, t, rows, func(l *log) string { return l.EventName })
}

// appendObserved writes which rows have an observed time, and for those how
// long after the time it is.
func appendObserved(dst []byte, t *column.Table, rows []*log) []byte {
	has, late := t.Ints(len(rows)), t.Ints(len(rows))[:0]
	for i, l := range rows {
		has[i] = 0
		if l.Observed != 0 {
			has[i] = 1
			late = append(late, l.Observed-l.Time)
		}
	}
	return column.AppendInts(column.AppendInts(dst, has), late)
}

// logColumns are the columns of a block of log records.
type logColumns struct {
	traces   column.IDs[telemetry.TraceID]
	spans    column.IDs[telemetry.SpanID]
	severity column.Ints
	sevText  column.Strings
	body     column.Values
	attrs    column.Attrs
	has      column.Ints // an observed time
	late     column.Ints
	flags    column.Ints
	dropped  column.Ints
	event    column.Strings
}

func (v *logColumns) parse(id chunkID, c *column.Cursor, n int) {
	switch id {
	case chunkTime:
	case chunkIDs:
		v.traces, v.spans = column.ReadIDs[telemetry.TraceID](c, n), column.ReadIDs[telemetry.SpanID](c, n)
	case chunkSeverity:
		v.severity, v.sevText = c.Ints(n), c.Strings(n)
	case chunkBody:
		v.body = c.Values(n)
	case chunkAttrs:
		v.attrs = c.Attrs(n)
	case chunkRest:
		v.parseRest(c, n)
	default:
		c.Fail("chunk %d in a block of logs", id)
	}
}

func (v *logColumns) parseRest(c *column.Cursor, n int) {
	v.has = c.Ints(n)
	count := 0
	if one, ok := v.has.Const(); !ok {
		for _, h := range v.has.All() {
			count += int(h & 1)
		}
	} else if one != 0 {
		count = n
	}
	v.late = c.Ints(count)
	v.flags, v.dropped, v.event = c.Ints(n), c.Ints(n), c.Strings(n)
}

func (v *logColumns) filter(q *record.Query[log], p Part, sel []int, from loader) ([]int, error) {
	for i, w := range q.Where {
		if len(sel) == 0 {
			break
		}
		if p.decide != nil && !p.decide[i] {
			w.Key = nil
		}
		var err error
		if sel, err = v.where(w, sel, from); err != nil {
			return nil, err
		}
	}
	if len(q.Text) == 0 || len(sel) == 0 {
		return sel, nil
	}
	// Most blocks don't have a word at all, and that is told without parsing.
	raw, err := from.raw(chunkBody)
	if err != nil {
		return nil, err
	}
	if column.AreTexts(raw) && slices.ContainsFunc(q.Text, func(lit string) bool {
		return column.StandsWhole(lit) && !bytes.Contains(raw, []byte(lit))
	}) {
		return nil, nil
	}
	if err := from.need(chunkBody); err != nil {
		return nil, err
	}
	for _, lit := range q.Text {
		if text := v.body.Texts(); text != nil {
			sel = text.Containing(sel, lit)
			continue
		}
		sel = v.body.Containing(sel, lit)
	}
	return sel, nil
}

// field returns the column of a field, nil for none.
func (v *logColumns) field(f storage.LogField, from loader) (*column.Strings, error) {
	switch f {
	case storage.FieldSeverityText:
		return &v.sevText, from.need(chunkSeverity)
	case storage.FieldEventName:
		return &v.event, from.need(chunkRest)
	}
	return nil, nil
}

// where returns the rows of sel that a condition holds for.
func (v *logColumns) where(w storage.Condition, sel []int, from loader) ([]int, error) {
	field, err := v.field(w.Field, from)
	if err != nil {
		return nil, err
	}
	if w.Key != nil {
		if err := from.need(chunkAttrs); err != nil {
			return nil, err
		}
		if keys := v.attrs.Accepted(w.Key); keys != nil {
			return v.attrs.Test(sel, keys, field, w.Accept), nil
		}
	}
	if field != nil {
		return field.Test(sel, w.Accept), nil
	}
	if !w.Accept("") {
		return nil, nil
	}
	return sel, nil
}

func (v *logColumns) fill(id chunkID, rows []log, sel []int) {
	switch id {
	case chunkIDs:
		v.traces.Select(sel, func(i int, id telemetry.TraceID) { rows[i].TraceID = id })
		v.spans.Select(sel, func(i int, id telemetry.SpanID) { rows[i].SpanID = id })
	case chunkSeverity:
		for i, row := range sel {
			rows[i].Severity, rows[i].SeverityText = telemetry.Severity(v.severity.At(row)), v.sevText.At(row)
		}
	case chunkBody:
		for i, row := range sel {
			rows[i].Body = v.body.At(row)
		}
	case chunkAttrs:
		v.attrs.Select(sel, func(i int, a telemetry.Attrs) { rows[i].Attrs = a })
	case chunkRest:
		v.fillObserved(rows, sel)
		for i, row := range sel {
			l := &rows[i]
			l.Flags, l.Dropped, l.EventName = uint32(v.flags.At(row)), uint32(v.dropped.At(row)), v.event.At(row)
		}
	}
}

// fillObserved needs the rows' times, which are always set.
func (v *logColumns) fillObserved(rows []log, sel []int) {
	if one, ok := v.has.Const(); ok {
		for i, row := range sel {
			if one != 0 {
				rows[i].Observed = rows[i].Time + v.late.At(row)
			}
		}
		return
	}
	next, count := 0, 0
	for row, has := range v.has.All() {
		if next == len(sel) {
			return
		}
		if row == sel[next] {
			if has&1 != 0 {
				rows[next].Observed = rows[next].Time + v.late.At(count)
			}
			next++
		}
		count += int(has & 1)
	}
}
