package traceql

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

type columns = storage.Columns

// SearchRequest asks for traces.
type SearchRequest struct {
	Tenant string
	Query  *syntax.Query
	// From and To bound the traces in Unix nanoseconds: those that overlap
	// the range, both ends included, and where single spans decide, those with
	// a span that matches and overlaps it. A zero To is no bound.
	From, To int64
	// Limit is how many traces, SpansPerSet how many spans of each spanset
	// are returned; 0 for all that the engine's own limit allows.
	Limit, SpansPerSet int
	// Whole asks for the traces themselves too, with all their spans.
	Whole bool
	// Progress, if set, is called with the traces found since the last call
	// and the share of the time range that is done.
	Progress func(found []TraceResult, done float64) error
}

// TraceResult is one trace of a search's answer.
type TraceResult struct {
	TraceID     telemetry.TraceID
	HasRoot     bool
	RootService string
	RootName    string
	Start       int64
	Duration    time.Duration
	Spansets    []SpansetResult
	Services    []ServiceStats
	Orphans     int    // spans whose parent is not stored
	Trace       *Trace // where the whole was asked for
}

// SpansetResult is one spanset that matched.
type SpansetResult struct {
	Matched int // spans in the spanset, of which Spans may be the first
	Spans   []SpanResult
	Attrs   []Attr
}

// SpanResult is one span that matched.
type SpanResult struct {
	Span *telemetry.Span
	// Named is set where the query asks for the name.
	Named bool
	Attrs []Attr
}

// ServiceStats counts the spans of one service in a trace.
type ServiceStats struct {
	Service       string
	Spans, Errors int
}

// SearchResult is a search's answer, newest trace first.
type SearchResult struct {
	Traces   []TraceResult
	Stats    Stats
	Warnings []string
	Explain  Explain
}

// Search finds the newest traces that a query selects.
func (e *Engine) Search(ctx context.Context, req SearchRequest) (*SearchResult, error) {
	ctx, r, cancel := e.begin(ctx, req.Tenant, "search", e.cfg.MaxSpans)
	defer cancel()
	defer r.end()
	s := newSearch(r, req)
	if err := r.partial(s.run(ctx)); err != nil {
		return nil, err
	}
	return &SearchResult{Traces: s.found, Stats: r.stats, Warnings: r.warnings, Explain: r.explain(req.Query)}, nil
}

// search is one search under way.
type search struct {
	r     *run
	req   SearchRequest
	limit int
	plan  plan
	eval  stageFunc
	shown shown
	cols  columns
	found []TraceResult                  // newest first, at most limit
	sent  map[telemetry.TraceID]struct{} // reported as progress
	done  map[telemetry.TraceID]struct{}
}

func newSearch(r *run, req SearchRequest) *search {
	limit := r.e.cfg.MaxTraces
	if req.Limit > 0 {
		limit = min(limit, req.Limit)
	}
	if req.Limit > limit {
		r.warn("limit %d is over query.traceql.max_traces = %d, which was used", req.Limit, limit)
	}
	sh := shownBy(req.Query.Pipeline)
	if req.Whole {
		sh.columns = storage.ColAll
	}
	p := planPipeline(req.Query.Pipeline)
	r.plans = append(r.plans, p.info(true))
	return &search{
		r: r, req: req, limit: limit, plan: p,
		eval: compilePipeline(req.Query.Pipeline), shown: sh, cols: sh.columns,
		done: map[telemetry.TraceID]struct{}{}, sent: map[telemetry.TraceID]struct{}{},
	}
}

// sliceGrowth is how much longer a slice of time may be than the one before. A
// store that sorts by trace reads a whole segment for any part of its time, so
// few slices are cheap; one for all would read everything for what is recent.
const sliceGrowth = 8

// run goes back through time in slices until enough traces are found that
// nothing older can be newer than any of them.
func (s *search) run(ctx context.Context) error {
	window := int64(s.r.e.cfg.TraceWindow)
	from, to := max(s.req.From-window, 0), int64(0)
	switch {
	case s.req.To == 0:
	case s.plan.exact:
		to = s.req.To + 1
	default:
		to = s.req.To + window + 1
	}
	first, last, ok, err := s.r.extent(ctx, from, to, s.plan.stream)
	if err != nil || !ok {
		return err
	}
	width := int64(s.r.e.cfg.FirstSlice)
	for high := last + 1; high > first; {
		low := first
		if width < high-first {
			low = high - width
		}
		if err := s.slice(ctx, low, high); err != nil {
			return err
		}
		if err := s.progress(float64(last+1-low) / float64(last+1-first)); err != nil {
			return err
		}
		if s.complete(low) {
			return nil
		}
		width = s.nextSlice(width, last+1-low)
		high = low
	}
	return nil
}

// nextSlice is how long the next slice of time is: where some traces were found
// in what is done already, as long as it should take to find the others, twice
// over for they may be rarer.
func (s *search) nextSlice(width, done int64) int64 {
	n := len(s.found)
	if n == 0 {
		return width * sliceGrowth
	}
	guess := 2 * float64(done) * float64(max(s.limit-n, 0)) / float64(n)
	return max(int64(s.r.e.cfg.FirstSlice), int64(min(guess, float64(width)*sliceGrowth)))
}

// complete reports whether no trace that starts before t belongs into the
// answer any more.
func (s *search) complete(t int64) bool {
	return len(s.found) >= s.limit && s.found[s.limit-1].Start >= t
}

func (s *search) slice(ctx context.Context, from, to int64) error {
	cs, err := s.r.candidates(ctx, &s.plan, from, to, s.wanted)
	if err != nil && len(cs) == 0 {
		return err
	}
	// Candidates come newest first. How many must be read to find enough that
	// match shows only on the way, so the batches grow.
	for size := s.firstBatch(); len(cs) > 0 && !s.complete(cs[0].latest); size *= batchGrowth {
		batch := cs[:min(size, len(cs))]
		if n := len(s.found); n >= s.limit {
			// What is older than all that is found need not be read.
			oldest := s.found[n-1].Start
			batch = batch[:sort.Search(len(batch), func(i int) bool { return batch[i].latest < oldest })]
		}
		cs = cs[len(batch):]
		if berr := s.r.wholeTraces(ctx, batch, s.cols, s.visit); berr != nil {
			return berr
		}
	}
	return err
}

// wanted reports whether a span that meets the plan's condition makes its trace
// a candidate.
func (s *search) wanted(sp *telemetry.Span) bool {
	if s.plan.exact && (sp.End < s.req.From || s.req.To > 0 && sp.Start > s.req.To) {
		return false
	}
	_, seen := s.done[sp.TraceID]
	return !seen
}

// firstBatch is how many candidates are read first: no more than are wanted
// where all of them match, otherwise some more.
func (s *search) firstBatch() int {
	if s.plan.exact {
		return s.limit
	}
	return min(mostFirst, s.limit+s.limit/2+1)
}

const (
	mostFirst   = 64
	batchGrowth = 4
)

// visit evaluates the query for one trace.
func (s *search) visit(t *Trace) error {
	s.done[t.ID] = struct{}{}
	if t.End < s.req.From || s.req.To > 0 && t.Start > s.req.To {
		return nil
	}
	sets, err := s.eval(t, t.whole())
	if err != nil {
		return &QueryError{err}
	}
	if len(sets) > 0 {
		s.add(s.result(t, sets))
	}
	return nil
}

func (s *search) add(t TraceResult) {
	at, _ := slices.BinarySearchFunc(s.found, t, func(a, b TraceResult) int {
		return cmp.Or(cmp.Compare(b.Start, a.Start), slices.Compare(a.TraceID[:], b.TraceID[:]))
	})
	if at >= s.limit {
		return
	}
	s.found = slices.Insert(s.found, at, t)
	if len(s.found) > s.limit {
		s.found = s.found[:s.limit]
	}
}

func (s *search) progress(done float64) error {
	if s.req.Progress == nil {
		return nil
	}
	var fresh []TraceResult
	for i := range s.found {
		if _, known := s.sent[s.found[i].TraceID]; !known {
			s.sent[s.found[i].TraceID] = struct{}{}
			fresh = append(fresh, s.found[i])
		}
	}
	return s.req.Progress(fresh, done)
}

func (s *search) result(t *Trace, sets []spanset) TraceResult {
	out := TraceResult{TraceID: t.ID, Start: t.Start, Duration: time.Duration(t.Duration()), Services: serviceStats(t), Orphans: t.orphans()}
	if t.Root != none {
		root := t.Spans[t.Root]
		out.HasRoot, out.RootName, out.RootService = true, root.Name, serviceName(root.Stream)
	}
	if s.req.Whole {
		out.Trace = t
	}
	for _, set := range sets {
		res := SpansetResult{Matched: len(set.spans), Attrs: set.attrs}
		n := len(set.spans)
		if s.req.SpansPerSet > 0 {
			n = min(n, s.req.SpansPerSet)
		}
		for _, i := range set.spans[:n] {
			v := view{span: t.Spans[i], trace: t, index: i}
			res.Spans = append(res.Spans, SpanResult{Span: v.span, Named: s.shown.showsName(v.span), Attrs: s.shown.of(&v)})
		}
		out.Spansets = append(out.Spansets, res)
	}
	return out
}

func serviceStats(t *Trace) []ServiceStats {
	var out []ServiceStats
	at := map[string]int{}
	for _, sp := range t.Spans {
		name := serviceName(sp.Stream)
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name] = i
			out = append(out, ServiceStats{Service: name})
		}
		out[i].Spans++
		if sp.Status == telemetry.StatusError {
			out[i].Errors++
		}
	}
	return out
}
