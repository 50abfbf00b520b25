package traceql

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// candidate is a trace that may be in the answer; latest is when its last
// span that met the plan's condition started.
type candidate struct {
	id     telemetry.TraceID
	latest int64
}

// candidates scans [from, to) for traces with a span that meets the plan's
// condition and that wanted, if set, accepts, and returns them newest first.
// Beyond the limit the oldest are dropped, with a warning.
func (r *run) candidates(ctx context.Context, p *plan, from, to int64, wanted func(*telemetry.Span) bool) ([]candidate, error) {
	found := map[telemetry.TraceID]int64{}
	limit := r.e.cfg.MaxCandidates
	v := view{}
	err := r.scan(ctx, p.query(r.tenant, from, to), "scan", func(s *telemetry.Span) bool {
		v.span = s
		if !p.match(&v).IsTrue() {
			return true
		}
		if wanted != nil && !wanted(s) {
			return true
		}
		if latest, ok := found[s.TraceID]; !ok || s.Start > latest {
			found[s.TraceID] = s.Start
		}
		if len(found) > 2*limit {
			r.prune(found, limit)
		}
		return true
	})
	if len(found) > limit {
		r.prune(found, limit)
	}
	return newestFirst(found), err
}

// prune keeps the newest candidates only, so that memory stays bounded.
func (r *run) prune(found map[telemetry.TraceID]int64, limit int) {
	r.warn("the answer is partial: more than query.traceql.max_candidates = %d traces may match, the oldest were left out", limit)
	for _, c := range newestFirst(found)[limit:] {
		delete(found, c.id)
	}
}

func newestFirst(found map[telemetry.TraceID]int64) []candidate {
	out := make([]candidate, 0, len(found))
	for id, latest := range found {
		out = append(out, candidate{id, latest})
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.latest, a.latest), bytes.Compare(a.id[:], b.id[:]))
	})
	return out
}

// wholeTraces calls visit with the traces of cs, read whole. It reads them in
// the order of their IDs, in which stores keep them: groups of neighbours then
// lie in few blocks, where groups by time would touch all blocks every time.
func (r *run) wholeTraces(ctx context.Context, cs []candidate, cols columns, visit func(*Trace) error) error {
	ids := make([]telemetry.TraceID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	slices.SortFunc(ids, func(a, b telemetry.TraceID) int { return bytes.Compare(a[:], b[:]) })
	for batch := range slices.Chunk(ids, r.e.cfg.BatchTraces) {
		ts, err := r.traces(ctx, batch, cols)
		for _, t := range ts {
			if verr := visit(t); verr != nil {
				return verr
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verdict is what a stream alone tells about a condition on its spans: that
// none can meet it, or that some may.
type verdict uint8

const (
	never verdict = iota
	possible
)

type triFunc func(*telemetry.Stream) verdict

// compileTri turns a condition into one on streams: never, where no span of
// the stream can meet it. Nil where streams tell nothing.
func compileTri(e syntax.Expr) triFunc {
	if onlyStream(e) {
		f := compile(e)
		return func(s *telemetry.Stream) verdict {
			v := view{span: &telemetry.Span{Stream: s}}
			if f(&v).IsTrue() {
				return possible
			}
			return never
		}
	}
	b, ok := e.(*syntax.Binary)
	if !ok || b.Op != syntax.OpAnd && b.Op != syntax.OpOr {
		return nil
	}
	l, r := compileTri(b.L), compileTri(b.R)
	if b.Op == syntax.OpAnd {
		switch {
		case l == nil:
			return r // r never: never; else undecided, which is not never
		case r == nil:
			return l
		}
		return func(s *telemetry.Stream) verdict { return min(l(s), r(s)) }
	}
	if l == nil || r == nil {
		return nil
	}
	return func(s *telemetry.Stream) verdict { return max(l(s), r(s)) }
}

// onlyStream reports whether e reads nothing but resource and instrumentation
// scope, and at least one thing of them.
func onlyStream(e syntax.Expr) bool {
	only, some := true, false
	syntax.Walk(e, func(a syntax.Attribute) {
		some = true
		switch {
		case a.Parent:
			only = false
		case a.Intrinsic == syntax.InstrumentationName, a.Intrinsic == syntax.InstrumentationVersion:
		case a.Intrinsic != syntax.NotIntrinsic:
			only = false
		default:
			only = only && (a.Scope == syntax.ScopeResource || a.Scope == syntax.ScopeInstrumentation)
		}
	})
	return only && some
}
