package correlate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// idInfo is an ID that a found record carries.
type idInfo struct {
	correlation.ID
	via   string
	depth int // hops from the question
	at    place
}

// reach is which records a look-up takes. A value such as 42 may be a request
// here and an order there: one that was found, not asked for, and is no ID by
// its shape, leads only to records where it is of a kin kind.
type reach uint8

const (
	reachNone reach = iota
	reachKin
	reachAll
)

// takes reports whether a look-up of id's value takes a record that carries it
// as id says.
func (g *gather) takes(r reach, id correlation.ID) bool {
	return r == reachAll || r == reachKin && (g.follows(id.Kind) || id.Kind == correlation.Token)
}

// follows reports whether IDs of a kind that are found are looked up.
func (g *gather) follows(k correlation.Kind) bool { return k.Joins() || slices.Contains(g.q.Follow, k) }

// isShaped reports whether id is an ID by its shape alone.
func isShaped(id string) bool {
	shaped := false
	correlation.Tokens(id, func(t string) bool {
		shaped = t == id
		return !shaped
	})
	return shaped
}

// gather walks from an ID to everything that it joins.
//
// The invariant that keeps every record once: a record is taken by the first
// look-up that it answers. A later look-up drops the records that carry an ID
// looked up before, because those were all taken then. Identical records that
// were sent twice on purpose are so kept twice.
type gather struct {
	*Engine
	q      Request
	id     string // normal form
	logs   []telemetry.Log
	spans  []telemetry.Span
	traces map[string]bool // looked up, by hex

	ids      map[string]*idInfo
	order    []*idInfo        // ids, as they were found
	done     map[string]bool  // looked up, or refused
	taken    map[string]reach // looked up with success
	others   map[string]bool  // other spellings of what was looked up, such as the lower halves of traces
	kinds    map[correlation.Kind]int
	followed int

	stats    storage.ReadStats
	warnings []string
	partial  bool
	scratch  []correlation.ID
}

func newGather(e *Engine, q Request, id string) *gather {
	g := &gather{Engine: e, q: q, id: id, traces: map[string]bool{}, ids: map[string]*idInfo{}, done: map[string]bool{},
		taken: map[string]reach{}, others: map[string]bool{}, kinds: map[correlation.Kind]int{}}
	g.order = append(g.order, &idInfo{ID: correlation.ID{Value: id}, via: "query"})
	g.ids[id] = g.order[0]
	return g
}

func (g *gather) empty() bool { return len(g.logs)+len(g.spans) == 0 }

// run looks the question's ID up, then what was found, hop by hop, and at last
// completes the traces that were touched.
func (g *gather) run(ctx context.Context) error {
	if err := g.look(ctx, []string{g.id}, 0, false); err != nil {
		return err
	}
	for hop := 1; hop <= g.q.Hops; hop++ {
		if err := g.follow(ctx, hop); err != nil {
			return err
		}
	}
	if err := g.lookTraces(ctx, g.touched(), g.q.Hops+1); err != nil {
		return err
	}
	g.admitLacks()
	return nil
}

// admitLacks marks the answer as partial where reads said that something is
// missing.
func (g *gather) admitLacks() {
	for _, w := range g.stats.Warnings {
		g.partial = true
		g.warn("%s", w)
	}
}

// follow looks the joining IDs up that were found at a distance of hop.
func (g *gather) follow(ctx context.Context, hop int) error {
	var traces []string
	for _, info := range g.order {
		if info.depth != hop || !g.follows(info.Kind) || g.done[info.Value] {
			continue
		}
		if isConstant(info.Value) {
			g.done[info.Value] = true
			g.warn("%s %s (%s) is a constant: not followed", info.Kind, info.Value, info.via)
			continue
		}
		if _, ok := telemetry.ParseTraceID(info.Value); ok && info.Kind == correlation.TraceID {
			traces = append(traces, info.Value)
			continue
		}
		if g.followed >= g.cfg.MaxIDs {
			g.done[info.Value] = true
			g.partial = true
			g.warn("more than %d request and correlation IDs: the rest is not followed", g.cfg.MaxIDs)
			continue
		}
		g.followed++
		if err := g.look(ctx, []string{info.Value}, hop, true); err != nil {
			return err
		}
	}
	return g.lookTraces(ctx, traces, hop)
}

// touched returns the traces that a found record is part of and that were not
// looked up yet.
func (g *gather) touched() []string {
	var out []string
	seen := map[string]bool{}
	add := func(t telemetry.TraceID) {
		if s := t.String(); s != "" && !g.done[s] && !seen[s] && !isConstant(s) {
			seen[s] = true
			out = append(out, s)
		}
	}
	for i := range g.spans {
		add(g.spans[i].TraceID)
	}
	for i := range g.logs {
		add(g.logs[i].TraceID)
	}
	return out
}

// lookTraces looks traces up, all in one read, as many as an answer may have.
func (g *gather) lookTraces(ctx context.Context, ids []string, hop int) error {
	if room := max(g.cfg.MaxStoryTraces-len(g.traces), 0); len(ids) > room {
		g.partial = true
		g.warn("the ID joins more than %d traces: the spans of %d of them are left out", g.cfg.MaxStoryTraces, len(ids)-room)
		for _, id := range ids[room:] {
			g.done[id] = true
		}
		ids = ids[:room]
	}
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		g.traces[id] = true
	}
	return g.look(ctx, ids, hop, false)
}

// look takes all records that carry one of ids. Where guarded is set and they
// are of too many traces, none is taken and a warning names the ID.
func (g *gather) look(ctx context.Context, ids []string, hop int, guarded bool) error {
	for _, id := range ids {
		g.done[id] = true
	}
	f := &finding{g: g, hop: hop, guarded: guarded, reach: reachAll, ids: ids, found: map[string]*idInfo{},
		traces: map[telemetry.TraceID]bool{}, kinds: map[correlation.Kind]int{}}
	if guarded && !isShaped(ids[0]) {
		f.reach = reachKin
	}
	if info := g.ids[ids[0]]; guarded && info.Kind.Joins() && correlation.IsCounted(info.Value) {
		f.counted = true
		if f.reach == reachKin { // a number alone: other services count, too
			f.within = info.at.service
		}
	}
	f.ids = g.withCases(ids)
	if !guarded {
		f.ids = g.withHalves(f.ids)
	}
	err := f.read(ctx)
	switch {
	case errors.Is(err, errJoinsTooMuch):
		g.warn("%s %s (%s) is in %v: not followed", g.ids[ids[0]].Kind, ids[0], g.ids[ids[0]].via, err)
		return nil
	case errors.Is(err, errFull), errors.Is(err, storage.ErrBudget):
		g.partial = true
		g.warn("the answer is cut: %v", err)
	case err != nil:
		return err
	}
	f.commit()
	for _, id := range f.ids {
		g.taken[id] = f.reach
	}
	return nil
}

// around returns the bounds of a look-up of records so near to those that were
// found.
func (g *gather) around(near time.Duration) (from, to int64) {
	from, to = math.MaxInt64, 0
	for i := range g.spans {
		from, to = min(from, g.spans[i].Start), max(to, g.spans[i].End)
	}
	for i := range g.logs {
		from, to = min(from, g.logs[i].Time), max(to, g.logs[i].Time)
	}
	from, to = max(from-int64(near), g.q.From), to+int64(near)+1
	if g.q.To != 0 {
		to = min(to, g.q.To)
	}
	return from, to
}

// withCases adds what else a prefixed ID is written as.
func (g *gather) withCases(ids []string) []string {
	var out []string
	for _, id := range ids {
		cases := correlation.Cases(id)
		for _, other := range cases[1:] {
			g.done[other] = true
			if other != g.id {
				g.others[other] = true
			}
		}
		out = append(out, cases...)
	}
	return out
}

// withHalves adds to the traces among ids what Datadog's logs call them: their
// lower half.
func (g *gather) withHalves(ids []string) []string {
	const digits = 2 * len(telemetry.SpanID{})
	out := slices.Clone(ids)
	for _, id := range ids {
		if _, ok := telemetry.ParseTraceID(id); !ok || len(id) != 2*digits || isConstant(id[digits:]) {
			continue
		}
		half := id[digits:]
		if padded := strings.Repeat("0", digits) + half; padded != g.id {
			g.others[padded] = true
		}
		g.others[half] = true
		if !slices.Contains(out, half) {
			out = append(out, half)
		}
	}
	return out
}

func (g *gather) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	for _, have := range g.warnings {
		if have == w {
			return
		}
	}
	g.warnings = append(g.warnings, w)
}
