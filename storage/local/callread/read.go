package callread

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/callsum"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Source is a segment whose sums are to be added up.
type Source struct {
	Reader *segment.Reader[telemetry.Span]
	// Missing is told of what cannot be read and is missing then.
	Missing func(error)
}

// part is some blocks of a source, with sums of their own.
type part struct {
	Source
	segment.CallPart
	hashes []uint32 // of its traces near the range
	blocks []uint32 // of the first span of each
	// from and to are the minutes whose sums count, from <= m < to: both are the
	// first of a step.
	from, to int64
}

// Read is a reading of calls under way: sources and spans are added, then it is
// done.
type Read struct {
	q      storage.CallQuery
	totals *calls.Steps
	rows   *calls.Rows // of traces that are told from all their spans
	alone  *calls.Rows // of those of the segment at hand
	parts  []*part
	shared *hashSet // traces that several parts have
	told   map[telemetry.TraceID]bool
	spans  int
	full   bool
}

// New begins to answer q, whose Stats are set, by steps of so many minutes, or
// as a whole where those are 0.
func New(q storage.CallQuery, minutes int64) *Read {
	names := calls.NewNames()
	return &Read{q: q, totals: calls.NewSteps(names, q.Samples, minutes), rows: calls.NewRows(names), alone: calls.NewRows(names), told: map[telemetry.TraceID]bool{}}
}

// Near returns the range, from <= start < to, of the spans that decide.
func Near(q storage.CallQuery) (from, to int64) {
	return q.From - q.Rules.Reach() - calls.Minute, q.To + q.Rules.Reach() + calls.Minute
}

// Columns are those of the spans that Add needs.
const Columns = storage.ColSpan | storage.ColAttrs | storage.ColRest

// Add takes spans in that stand in no source. It reports false where they are
// too many.
func (r *Read) Add(spans []telemetry.Span) bool { return r.add(r.rows, spans) }

// Done adds everything up. Nothing may be added any more.
func (r *Read) Done(ctx context.Context) (*calls.Steps, error) {
	r.findShared()
	for _, src := range r.parts {
		if err := r.readTraces(ctx, src); err != nil {
			return nil, err
		}
	}
	if err := r.addSums(ctx); err != nil {
		return nil, err
	}
	r.totals.Sum(r.rows, r.q.Rules, r.q.From, r.q.To)
	r.totals.Tidy()
	if err := ctx.Err(); err != nil { // what it ended may be missing
		return nil, err
	}
	return r.totals, nil
}

// add makes rows of spans, as long as there may be more.
func (r *Read) add(to *calls.Rows, batch []telemetry.Span) bool {
	if r.spans += len(batch); r.q.MaxSpans > 0 && r.spans > r.q.MaxSpans {
		if !r.full {
			r.full = true
			r.q.Stats.Warnings = append(r.q.Stats.Warnings, fmt.Sprintf("more than %d spans have to be looked at: ask for a shorter range, or one of whole hours", r.q.MaxSpans))
		}
		return false
	}
	for i := range batch {
		to.Add(&batch[i], false)
	}
	return true
}

// AddSegment takes a segment in. It reports false where its sums were made by
// other rules, are of longer steps than are asked for, or cannot be read, which
// is the error: its spans have to be added then.
func (r *Read) AddSegment(src Source) (bool, error) {
	list, err := src.Reader.Calls()
	if err != nil {
		return false, err
	}
	var parts []*part
	for _, p := range list {
		if p.Sums.Rules != r.q.Rules || !r.totals.Nests(p.Sums.Width) {
			return false, nil
		}
		one := &part{Source: src, CallPart: p}
		if err := r.open(one); err != nil {
			return false, src.Reader.BadCalls(err)
		}
		parts = append(parts, one)
	}
	r.parts = append(r.parts, parts...)
	return true, nil
}

// open reads a part's lists of traces.
func (r *Read) open(src *part) error {
	from, to := Near(r.q)
	err := src.Sums.Traces(from, to, func(hash uint32, block int) {
		src.hashes, src.blocks = append(src.hashes, hash), append(src.blocks, uint32(src.First+block))
	})
	width := src.Sums.Width
	src.from, src.to = calls.MinuteOf(src.Min), calls.MinuteOf(src.Max)+1
	src.from -= mod(src.from, width)
	if src.Min < r.q.From {
		src.from = calls.MinuteOf(r.q.From + calls.Minute - 1)
		src.from += mod(-src.from, width)
	}
	if src.Max >= r.q.To {
		src.to = calls.MinuteOf(r.q.To)
		src.to -= mod(src.to, width)
	}
	src.to = max(src.to, src.from)
	return err
}

// findShared finds the traces that several parts have spans of. Two traces
// that share a hash count as one here: they are told from their spans then,
// which is as right and takes longer.
func (r *Read) findShared() {
	var both []uint32
	for i := range r.rows.List {
		if n := len(r.rows.List); i+1 == n || r.rows.List[i].Trace != r.rows.List[i+1].Trace {
			both = append(both, calls.TraceHash(r.rows.List[i].Trace))
		}
	}
	total := 0
	for _, src := range r.parts {
		total += len(src.hashes)
	}
	if len(r.parts) > 1 {
		both = append(both, r.inSeveral(total)...)
	}
	r.shared = newHashSet(both)
}

// inSeveral returns the hashes that more than one part has. A first pass
// marks the slots that hold hashes of several: few, by accident, and all that
// are shared. A second one looks at the hashes in those.
func (r *Read) inSeveral(total int) (out []uint32) {
	seen, several := newSlots(total), newSlots(total)
	for _, src := range r.parts {
		for _, h := range src.hashes {
			if seen.has(h) {
				several.add(h)
			}
		}
		for _, h := range src.hashes {
			seen.add(h)
		}
	}
	type owned struct{ hash, part uint32 }
	var list []owned
	for n, src := range r.parts {
		for _, h := range src.hashes {
			if several.has(h) {
				list = append(list, owned{h, uint32(n)})
			}
		}
	}
	slices.SortFunc(list, func(a, b owned) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.part, b.part)) })
	for i := 1; i < len(list); i++ {
		if list[i].hash == list[i-1].hash && list[i].part != list[i-1].part {
			out = append(out, list[i].hash)
		}
	}
	return out
}

// readTraces reads the spans of a segment's traces that its sums do not say it
// all of.
func (r *Read) readTraces(ctx context.Context, src *part) error {
	q := segment.TraceQuery{First: src.First, End: src.End, Stats: r.q.Stats, Wanted: r.shared.has}
	for i, h := range src.hashes {
		if r.shared.has(h) {
			q.Blocks = append(q.Blocks, int(src.blocks[i]))
		}
	}
	slices.Sort(q.Blocks)
	q.Blocks = slices.Compact(q.Blocks)
	in, inBlock := r.cutSteps(src)
	q.In, q.InBlock = in, inBlock
	if in == nil && len(q.Blocks) == 0 {
		return nil
	}
	r.alone.List = r.alone.List[:0]
	err := segment.Traces(ctx, src.Reader, q, src.Missing, func(batch []telemetry.Span) { r.add(r.alone, batch) })
	if err != nil {
		return err
	}
	r.alone.Sort()
	p := calls.NewPairer(r.alone.Names, r.q.Rules)
	whole := func(start int64) bool { m := calls.MinuteOf(start); return m >= src.from && m < src.to }
	for rows := range r.alone.Traces {
		if !r.shared.has(calls.TraceHash(rows[0].Trace)) {
			p.Trace(rows, in, r.totals)
			continue
		}
		p.Trace(rows, whole, calls.Less{From: r.totals})
		r.told[rows[0].Trace] = true
		r.rows.List = append(r.rows.List, rows...)
	}
	return nil
}

// mod is n modulo m, never below 0.
func mod(n, m int64) int64 { return (n%m + m) % m }

// cutSteps returns what accepts the times in the range that are in no whole step
// of it, and blocks that may have such times; nil where the part has none.
func (r *Read) cutSteps(src *part) (in func(start int64) bool, block func(first, last int64) bool) {
	from, to := max(r.q.From, src.Min), min(r.q.To, src.Max+1)
	wholeFrom, wholeTo := src.from*calls.Minute, src.to*calls.Minute
	if from >= to || from >= wholeFrom && to <= wholeTo {
		return nil, nil
	}
	in = func(start int64) bool { return start >= from && start < to && (start < wholeFrom || start >= wholeTo) }
	block = func(first, last int64) bool {
		first, last = max(first, from), min(last, to-1)
		return first <= last && (first < wholeFrom || last >= wholeTo)
	}
	return in, block
}

// addSums adds the sums of all parts.
func (r *Read) addSums(ctx context.Context) error {
	first, last := r.q.Rules.Neighbours(r.q.From, r.q.To)
	for _, src := range r.parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := callsum.Window{From: src.from, To: src.to, FirstSend: first, LastSend: last}
		if err := src.Sums.AddTo(r.totals, w, func(id telemetry.TraceID) bool { return r.told[id] }); err != nil {
			src.Missing(src.Reader.BadCalls(err))
		}
	}
	return nil
}
