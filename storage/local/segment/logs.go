package segment

import (
	"fmt"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

type log = telemetry.Log

// Logs is the codec of log records.
var Logs = &Codec[log]{
	Kind:      record.Logs,
	encode:    encodeLogs,
	core:      coreLogs,
	fill:      fillLogs,
	severity:  func(l *log) telemetry.Severity { return l.Severity },
	setStream: func(l *log, s *telemetry.Stream) { l.Stream = s },
}

func encodeLogs(rows []*log, streams []int64) (out [chunkCount][]byte) {
	times := make([]int64, len(rows))
	traces := make([]telemetry.TraceID, len(rows))
	spans := make([]telemetry.SpanID, len(rows))
	bodies := make([]telemetry.Value, len(rows))
	for i, l := range rows {
		times[i], traces[i], spans[i], bodies[i] = l.Time, l.TraceID, l.SpanID, l.Body
	}
	core := appendCore(streams, times)
	core = column.AppendIDs(core, traces)
	out[chunkCore] = column.AppendIDs(core, spans)

	sev := ints(nil, rows, func(l *log) int64 { return int64(l.Severity) })
	out[chunkSeverity] = texts(sev, rows, func(l *log) string { return l.SeverityText })
	out[chunkBody] = column.AppendValues(nil, bodies)
	out[chunkAttrs] = attrs(nil, rows, func(l *log) telemetry.Attrs { return l.Attrs })

	rest := appendObserved(nil, rows)
	rest = ints(rest, rows, func(l *log) int64 { return int64(l.Flags) })
	rest = ints(rest, rows, func(l *log) int64 { return int64(l.Dropped) })
	out[chunkRest] = texts(rest, rows, func(l *log) string { return l.EventName })
	return out
}

// appendObserved writes which rows have an observed time, and for those how
// long after the time it is.
func appendObserved(dst []byte, rows []*log) []byte {
	has := make([]int64, len(rows))
	var late []int64
	for i, l := range rows {
		if l.Observed != 0 {
			has[i] = 1
			late = append(late, l.Observed-l.Time)
		}
	}
	return column.AppendInts(column.AppendInts(dst, has), late)
}

func coreLogs(c *column.Cursor, times []int64) (func(*log, int), error) {
	traces := column.IDs[telemetry.TraceID](c, len(times))
	spans := column.IDs[telemetry.SpanID](c, len(times))
	if err := ended(c); err != nil {
		return nil, err
	}
	return func(l *log, row int) {
		l.Time, l.TraceID, l.SpanID = times[row], traces[row], spans[row]
	}, nil
}

func fillLogs(id chunkID, c *column.Cursor, rows []log, sel []int, n int) error {
	switch id {
	case chunkSeverity:
		fillInts(c, rows, sel, n, func(l *log, v int64) { l.Severity = telemetry.Severity(v) })
		fillTexts(c, rows, sel, n, func(l *log, s string) { l.SeverityText = s })
	case chunkBody:
		vals := c.Values(n)
		if c.Err() == nil {
			for i, row := range sel {
				rows[i].Body = vals[row]
			}
		}
	case chunkAttrs:
		fillAttrs(c, rows, sel, n, func(l *log, a telemetry.Attrs) { l.Attrs = a })
	case chunkRest:
		fillObserved(c, rows, sel, n)
		fillInts(c, rows, sel, n, func(l *log, v int64) { l.Flags = uint32(v) })
		fillInts(c, rows, sel, n, func(l *log, v int64) { l.Dropped = uint32(v) })
		fillTexts(c, rows, sel, n, func(l *log, s string) { l.EventName = s })
	default:
		return fmt.Errorf("%w: chunk %d in a block of logs", column.ErrCorrupt, id)
	}
	return ended(c)
}

// fillObserved needs the rows' times, which the core chunk has set.
func fillObserved(c *column.Cursor, rows []log, sel []int, n int) {
	has := c.Ints(n)
	count := 0
	for i, h := range has {
		if h != 0 {
			count++
			has[i] = int64(count) // the place in the column of differences, from 1
		}
	}
	late := c.Ints(count)
	if c.Err() != nil {
		return
	}
	for i, row := range sel {
		if has[row] != 0 {
			rows[i].Observed = rows[i].Time + late[has[row]-1]
		}
	}
}
