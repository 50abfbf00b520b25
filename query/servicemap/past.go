package servicemap

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/clewhq/clew/query/servicemap/health"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry/calls"
)

// figures are what the judgement of a node's calls looks at.
type figures struct {
	calls, errors int
	p95           float64 // in milliseconds
}

// judged is a percentile as exactly as sums know it. Where spans were read it is
// known better, and a judgement may not depend on where a store has its spans.
func judged(milliseconds float64) float64 {
	return milliseconds64(time.Duration(calls.Nearest(int64(math.Round(milliseconds * 1e6)))))
}

func (f figures) share() float64 { return float64(f.errors) / float64(max(f.calls, 1)) }

// figuresOf returns the figures of the nodes in a range.
func (e *Engine) figuresOf(ctx context.Context, q Query, known map[string]bool) (map[calls.Node]figures, []string, error) {
	t, warnings, err := e.totals(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	b := newBuilder(t, e.cfg)
	b.known = known
	b.build()
	out := make(map[calls.Node]figures, len(b.nodes))
	for i, tally := range b.nodes {
		_, p95, _ := percentiles(tally)
		out[b.names.Node(i)] = figures{int(tally.Calls), int(tally.Errors), judged(p95)}
	}
	return out, warnings, nil
}

// past returns the range that a map's nodes are held against: the time before
// it, long enough for a usual day, and from a whole hour on, where the store adds
// calls up and it costs little, else as long as the map's own.
func (e *Engine) past(q Query) Query {
	from := q.From - (q.To - q.From)
	if e.adds() {
		from = min(from, q.From-int64(e.cfg.Past))
		from -= from % int64(time.Hour)
	}
	return Query{Tenant: q.Tenant, From: max(from, 0), To: q.From, look: q.look}
}

// adds reports whether the store adds calls up itself.
func (e *Engine) adds() bool {
	_, adds := e.reader.(storage.CallReader)
	return adds
}

// verdict is what a node's calls tell of it.
type verdict struct {
	errors, latency string // states, "" where there is nothing to say
	past            figures
}

// judge holds a node against shares that are bad for anybody, and against its
// own past.
func (c Config) judge(now, past figures) verdict {
	v := verdict{past: past}
	if state := c.health(now.calls, now.errors); state == HealthDown || state == HealthDegraded {
		v.errors = state
	} else if c.moreErrors(now, past) {
		v.errors = HealthDegraded
	}
	if now.calls >= c.MinCalls && past.calls >= c.MinCalls && now.p95 >= past.p95*c.LatencyGrowth && now.p95-past.p95 >= milliseconds64(time.Duration(c.LatencyFloor)) {
		v.latency = HealthDegraded
	}
	return v
}

// moreErrors reports whether clearly more calls fail than before: by factor,
// and more than chance makes of the past's share.
func (c Config) moreErrors(now, past figures) bool {
	if now.calls < c.MinCalls || past.calls < c.MinCalls || now.share() < c.ErrorFloor || now.share() < past.share()*c.ErrorGrowth {
		return false
	}
	const deviations = 4
	usual := past.share() * float64(now.calls)
	return float64(now.errors) > usual+deviations*math.Sqrt(usual+1)
}

func milliseconds64(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// judgeCalls returns the reasons that a map's calls give, by node.
func (e *Engine) judgeCalls(ctx context.Context, q Query, m *Map, known map[string]bool) (map[string][]health.Reason, error) {
	before, err := e.figuresOfPast(ctx, q, m, known)
	if err != nil {
		return nil, fmt.Errorf("look at the past: %w", err)
	}
	flagged := map[calls.Node]verdict{}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		of := calls.Node{ID: n.ID, Type: n.Type}
		if v := e.cfg.judge(figures{n.Calls, n.Errors, judged(n.P95)}, before[of]); v.errors != "" || v.latency != "" {
			flagged[of] = v
		}
	}
	since, err := e.since(ctx, q, flagged, known)
	if err != nil {
		return nil, err
	}
	out := map[string][]health.Reason{}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		of := calls.Node{ID: n.ID, Type: n.Type}
		v := flagged[of]
		trace := m.traceInto(n.ID, v.errors != "")
		if v.errors != "" {
			out[n.ID] = append(out[n.ID], health.Reason{Kind: health.KindErrors, Health: v.errors, Since: health.At(since[of]), TraceID: trace,
				Text: fmt.Sprintf("%s of %s failed, %s", percent(n.Errors, n.Calls), plural(n.Calls, "call"), v.past.failedBefore())})
		}
		if v.latency != "" {
			out[n.ID] = append(out[n.ID], health.Reason{Kind: health.KindLatency, Health: v.latency, Since: health.At(since[of]), TraceID: trace,
				Text: fmt.Sprintf("the slowest 5%% of %s take %.0f ms or more, before it was %.0f ms", plural(n.Calls, "call"), judged(n.P95), v.past.p95)})
		}
	}
	return out, nil
}

// figuresOfPast looks at the past for half of the time that is left, so that a
// map comes where a store has to read very much for it the first time.
func (e *Engine) figuresOfPast(ctx context.Context, q Query, m *Map, known map[string]bool) (map[calls.Node]figures, error) {
	part := ctx
	if until, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		part, cancel = context.WithTimeout(ctx, time.Until(until)/2)
		defer cancel()
	}
	before, warnings, err := e.figuresOf(part, e.past(q), known)
	if err != nil && part.Err() != nil && ctx.Err() == nil {
		m.Warnings = append(m.Warnings, "health: there was no time to look at all of the past; ask again, what was read is kept")
		return nil, nil
	}
	for _, w := range warnings {
		if !slices.Contains(m.Warnings, w) {
			m.Warnings = append(m.Warnings, "health: "+w)
		}
	}
	return before, err
}

func (f figures) failedBefore() string {
	if f.calls == 0 {
		return "and there were none before"
	}
	return fmt.Sprintf("before it was %s of %d", percent(f.errors, f.calls), f.calls)
}

func percent(part, of int) string {
	share := 100 * float64(part) / float64(max(of, 1))
	if share > 0 && share < 0.1 {
		return "less than 0.1%"
	}
	return fmt.Sprintf("%.3g%%", share)
}

// traceInto returns a trace worth looking at of the calls to a node.
func (m *Map) traceInto(id string, failed bool) string {
	trace := ""
	for i := range m.Edges {
		e := &m.Edges[i]
		if e.Target != id || len(e.SampleTraceIDs) == 0 {
			continue
		}
		if e.Errors > 0 == failed {
			return e.SampleTraceIDs[0]
		}
		trace = e.SampleTraceIDs[0]
	}
	return trace
}

// since returns when what is flagged began, in steps of whole minutes back from
// the end of the range: the first of the last steps that are all bad. Where the
// store would have to read spans for each step it is not looked for.
func (e *Engine) since(ctx context.Context, q Query, flagged map[calls.Node]verdict, known map[string]bool) (map[calls.Node]int64, error) {
	out := map[calls.Node]int64{}
	if len(flagged) == 0 || !e.adds() || e.cfg.SinceSteps < 1 {
		return out, nil
	}
	step := max((q.To-q.From)/int64(e.cfg.SinceSteps), calls.Minute)
	step += (calls.Minute - step%calls.Minute) % calls.Minute
	over := map[calls.Node]bool{}
	for to := q.To; to > q.From && len(over) < len(flagged); {
		from := max((to-1)/step*step, q.From)
		now, _, err := e.figuresOf(ctx, Query{Tenant: q.Tenant, From: from, To: to, look: q.look}, known)
		if err != nil {
			return nil, fmt.Errorf("look since when: %w", err)
		}
		for of, v := range flagged {
			f := now[of]
			if over[of] || f.calls == 0 {
				continue
			}
			if e.stillBad(f, v) {
				out[of] = from
			} else {
				over[of] = out[of] != 0
			}
		}
		to = from
	}
	return out, nil
}

// stillBad reports whether a part of the range is as bad as the whole of it.
func (e *Engine) stillBad(f figures, v verdict) bool {
	errors := v.errors != "" && f.share() >= max(min(e.cfg.Degraded, v.past.share()*e.cfg.ErrorGrowth), e.cfg.ErrorFloor)
	latency := v.latency != "" && f.p95 >= v.past.p95*e.cfg.LatencyGrowth
	return errors || latency
}
