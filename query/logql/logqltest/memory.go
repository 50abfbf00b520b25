package logqltest

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Memory is a store of log records in memory that uses every pushdown of a
// query as far as the contract lets it, so that an unsound one shows.
type Memory struct {
	storage.Reader // spans are not kept
	logs           []telemetry.Log
	// Naive makes the store ignore all that is pushed down and may be, and
	// answer in random order where any will do.
	Naive bool
}

// WriteLogs implements storage.Writer.
func (m *Memory) WriteLogs(_ context.Context, _ string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	m.logs = append(m.logs, b.Logs...)
	return storage.WriteResult{}, nil
}

// WriteSpans implements storage.Writer.
func (m *Memory) WriteSpans(context.Context, string, *telemetry.SpanBatch) (storage.WriteResult, error) {
	return storage.WriteResult{}, storage.ErrClosed
}

// Clear forgets everything.
func (m *Memory) Clear() { m.logs = nil }

// Logs implements storage.Reader.
func (m *Memory) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	out := make([]telemetry.Log, 0, len(m.logs))
	for i := range m.logs {
		if m.selects(q, &m.logs[i]) {
			out = append(out, m.trim(q.Columns, m.logs[i]))
		}
	}
	slices.SortStableFunc(out, func(a, b telemetry.Log) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]))
	})
	if q.Order == storage.NewestFirst {
		slices.Reverse(out)
	}
	if m.Naive && q.Order == storage.OrderAny {
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return func(yield func([]telemetry.Log, error) bool) {
		for batch := range slices.Chunk(out, 7) {
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

func (m *Memory) selects(q storage.LogQuery, l *telemetry.Log) bool {
	if l.Time < q.From || (q.To != 0 && l.Time >= q.To) || (q.Stream != nil && !q.Stream(l.Stream)) {
		return false
	}
	if m.Naive {
		return true
	}
	for _, text := range q.Text {
		if !strings.Contains(l.Body.Text(), text) {
			return false
		}
	}
	for i := range q.Where {
		c := q.Where[i]
		if accept := c.Accept; c.Texts != nil {
			c.Accept = func(text string) bool { return slices.Contains(c.Texts, text) && accept(text) }
		}
		if !c.Holds(l) {
			return false
		}
	}
	if q.MinSeverity > 0 && l.Severity != 0 && l.Severity < q.MinSeverity {
		return false
	}
	if len(q.IDs) == 0 {
		return true
	}
	return slices.ContainsFunc(correlation.AppendLog(nil, l), func(id correlation.ID) bool { return slices.Contains(q.IDs, id.Value) })
}

// trim takes away the columns that were not asked for.
func (m *Memory) trim(c storage.Columns, l telemetry.Log) telemetry.Log {
	if m.Naive {
		return l
	}
	if !c.Has(storage.ColBody) {
		l.Body = telemetry.Value{}
	}
	if !c.Has(storage.ColAttrs) {
		l.Attrs = nil
	}
	if !c.Has(storage.ColSeverity) {
		l.Severity, l.SeverityText = 0, ""
	}
	if !c.Has(storage.ColRest) {
		l.Flags, l.Dropped, l.Observed, l.EventName = 0, 0, 0, ""
	}
	return l
}

// Streams implements storage.Reader.
func (m *Memory) Streams(_ context.Context, _ string, _ telemetry.Signal, from, to int64, _ *storage.ReadStats) ([]storage.StreamInfo, error) {
	index := map[telemetry.StreamID]int{}
	var out []storage.StreamInfo
	for i := range m.logs {
		l := &m.logs[i]
		if l.Time < from || (to != 0 && l.Time >= to) {
			continue
		}
		k, ok := index[l.Stream.ID]
		if !ok {
			k = len(out)
			index[l.Stream.ID] = k
			out = append(out, storage.StreamInfo{Stream: l.Stream, First: l.Time, Last: l.Time})
		}
		out[k].Records++
		out[k].Bytes += int64(len(l.Body.Text()))
		out[k].First, out[k].Last = min(out[k].First, l.Time), max(out[k].Last, l.Time)
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int { return slices.Compare(a.Stream.ID[:], b.Stream.ID[:]) })
	return out, nil
}

// Tenants implements storage.Reader.
func (m *Memory) Tenants(context.Context) ([]string, error) { return []string{"anonymous"}, nil }
