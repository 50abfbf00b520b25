package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// reading feeds a counter with the records of both sides.
type reading struct {
	e       *Engine
	q       Request
	c       *counter
	a       *Answer
	records int
}

// full reports, and tells, that enough records were read.
func (r *reading) full() bool {
	if r.records < r.e.cfg.MaxRecords {
		return false
	}
	r.a.warn("more than %d records: the rest is not compared; ask for a shorter range", r.e.cfg.MaxRecords)
	return true
}

// ended handles the error that ends an iteration: a budget makes the answer
// partial, everything else makes none.
func (r *reading) ended(err error) error {
	if errors.Is(err, storage.ErrBudget) {
		r.a.warn("%v", err)
		return nil
	}
	return fmt.Errorf("read records: %w", err)
}

func badQuery(which string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrBadRequest, which, err)
}

// logs counts log records one by one.
func (r *reading) logs(ctx context.Context) error {
	sel, err := r.e.selects.Logs(r.q.Selection)
	if err != nil {
		return badQuery("selection", err)
	}
	if r.q.Baseline == "" { // one read: what the selection does not take is the other side
		return r.eachLog(ctx, storage.LogQuery{}, func(l *telemetry.Log) int {
			if (sel.Query.Stream == nil || sel.Query.Stream(l.Stream)) && (sel.Match == nil || sel.Match(l)) {
				return selected
			}
			return baseline
		})
	}
	base, err := r.e.selects.Logs(r.q.Baseline)
	if err != nil {
		return badQuery("baseline", err)
	}
	for side, s := range []storage.LogSelection{sel, base} {
		if err := r.eachLog(ctx, s.Query, func(l *telemetry.Log) int {
			if s.Match != nil && !s.Match(l) {
				return -1
			}
			return side
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) eachLog(ctx context.Context, q storage.LogQuery, side func(*telemetry.Log) int) error {
	var stats storage.ReadStats
	q.Tenant, q.From, q.To, q.Stats = r.q.Tenant, r.q.From, r.q.To, &stats
	for batch, err := range r.e.reader.Logs(ctx, q) {
		if err != nil {
			return r.ended(err)
		}
		if r.full() {
			return nil
		}
		for i := range batch {
			if s := side(&batch[i]); s >= 0 {
				r.records++
				r.c.log(&batch[i])
				r.c.done(s)
			}
		}
	}
	r.warnings(&stats)
	return nil
}

func (r *reading) warnings(stats *storage.ReadStats) {
	for _, w := range stats.Warnings {
		r.a.warn("%s", w)
	}
}

// bothSides reads the spans of both sides and calls f with each.
func (r *reading) bothSides(ctx context.Context, f func(*telemetry.Span, int)) error {
	sel, err := r.e.selects.Spans(r.q.Selection)
	if err != nil {
		return badQuery("selection", err)
	}
	takes := func(s *storage.SpanSelection, sp *telemetry.Span) bool {
		return (s.Query.Stream == nil || s.Query.Stream(sp.Stream)) && sp.Duration() >= s.Query.MinDuration && (s.Match == nil || s.Match(sp))
	}
	if r.q.Baseline == "" {
		return r.eachSpan(ctx, storage.SpanQuery{}, func(s *telemetry.Span) {
			if takes(&sel, s) {
				f(s, selected)
			} else {
				f(s, baseline)
			}
		})
	}
	base, err := r.e.selects.Spans(r.q.Baseline)
	if err != nil {
		return badQuery("baseline", err)
	}
	for side, s := range []storage.SpanSelection{sel, base} {
		if err := r.eachSpan(ctx, s.Query, func(sp *telemetry.Span) {
			if s.Match == nil || s.Match(sp) {
				f(sp, side)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) eachSpan(ctx context.Context, q storage.SpanQuery, f func(*telemetry.Span)) error {
	var stats storage.ReadStats
	q.Tenant, q.From, q.To, q.Stats = r.q.Tenant, r.q.From, r.q.To, &stats
	for batch, err := range r.e.reader.Spans(ctx, q) {
		if err != nil {
			return r.ended(err)
		}
		if r.full() {
			return nil
		}
		r.records += len(batch)
		for i := range batch {
			f(&batch[i])
		}
	}
	r.warnings(&stats)
	return nil
}

// spans counts spans one by one.
func (r *reading) spans(ctx context.Context) error {
	return r.bothSides(ctx, func(s *telemetry.Span, side int) {
		r.c.span(s)
		r.c.done(side)
	})
}

// traces counts whole traces: one that has a span of the selection is on its
// side, whatever other spans it has.
func (r *reading) traces(ctx context.Context) error {
	sides := map[telemetry.TraceID]int{}
	if err := r.bothSides(ctx, func(s *telemetry.Span, side int) {
		if have, ok := sides[s.TraceID]; !ok || side < have {
			sides[s.TraceID] = side
		}
	}); err != nil {
		return err
	}
	var ids [2][]telemetry.TraceID
	for id, side := range sides {
		ids[side] = append(ids[side], id)
	}
	for side := range ids {
		ids[side] = r.sample(ids[side])
	}
	const together = 500
	r.records = 0
	for side := range ids {
		for chunk := range slices.Chunk(ids[side], together) {
			byTrace := map[telemetry.TraceID][]telemetry.Span{}
			if err := r.eachSpan(ctx, storage.SpanQuery{TraceIDs: chunk}, func(s *telemetry.Span) { byTrace[s.TraceID] = append(byTrace[s.TraceID], *s) }); err != nil {
				return err
			}
			for _, spans := range byTrace {
				for i := range spans {
					r.c.span(&spans[i])
				}
				r.c.done(side)
			}
		}
	}
	return nil
}

// sample takes as many traces as are compared, by their hash, so that none are
// preferred and the same question gets the same answer.
func (r *reading) sample(ids []telemetry.TraceID) []telemetry.TraceID {
	slices.SortFunc(ids, func(a, b telemetry.TraceID) int {
		if x, y := xxh3.Hash(a[:]), xxh3.Hash(b[:]); x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return bytes.Compare(a[:], b[:])
	})
	if most := r.e.cfg.MaxTraces; len(ids) > most {
		r.a.Warnings = append(r.a.Warnings, fmt.Sprintf("%d of %d traces are compared, a fair sample", most, len(ids)))
		ids = ids[:most]
	}
	return ids
}
