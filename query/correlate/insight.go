package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Step is a stretch of a trace's critical path: the time for which the whole
// trace waited for one span.
type Step struct {
	TraceID    string    `json:"trace_id"`
	SpanID     string    `json:"span_id"`
	Service    string    `json:"service"`
	Name       string    `json:"name"`
	From       time.Time `json:"from"`
	DurationNS int64     `json:"duration_ns"`
}

// Gap is a time within the story in which nothing is known to have happened.
type Gap struct {
	From       time.Time `json:"from"`
	DurationNS int64     `json:"duration_ns"`
	After      string    `json:"after"` // what happened last before
	Before     string    `json:"before"`
}

// Missing is something that the story should hold and does not.
type Missing struct {
	// What is parent_span (its children are here), root_span (of a whole
	// trace), server_span (a call within the story that nobody answered for)
	// or spans (of a service that logs).
	What    string `json:"what"`
	Service string `json:"service"`
	TraceID string `json:"trace_id,omitempty"`
	SpanID  string `json:"span_id,omitempty"` // of the one that is missing, or of the call
	Text    string `json:"text"`
}

// What may be missing.
const (
	MissingParent = "parent_span"
	MissingRoot   = "root_span"
	MissingServer = "server_span"
	MissingSpans  = "spans"
)

// traceSpans are the spans of one trace, each once.
type traceSpans struct {
	id       telemetry.TraceID
	spans    []*telemetry.Span
	byID     map[telemetry.SpanID]*telemetry.Span
	children map[telemetry.SpanID][]*telemetry.Span
}

// byTrace returns the story's traces, the earliest first.
func (g *gather) byTrace() []*traceSpans {
	traces := map[telemetry.TraceID]*traceSpans{}
	var out []*traceSpans
	for i := range g.spans {
		s := &g.spans[i]
		t := traces[s.TraceID]
		if t == nil {
			t = &traceSpans{id: s.TraceID, byID: map[telemetry.SpanID]*telemetry.Span{}, children: map[telemetry.SpanID][]*telemetry.Span{}}
			traces[s.TraceID] = t
			out = append(out, t)
		}
		if have := t.byID[s.SpanID]; have != nil && have.Start == s.Start && have.Kind == s.Kind {
			continue
		}
		if t.byID[s.SpanID] == nil {
			t.byID[s.SpanID] = s
		}
		t.spans = append(t.spans, s)
	}
	for _, t := range out {
		slices.SortFunc(t.spans, func(a, b *telemetry.Span) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), strings.Compare(a.SpanID.String(), b.SpanID.String()))
		})
		for _, s := range t.spans {
			if s.ParentID != s.SpanID {
				t.children[s.ParentID] = append(t.children[s.ParentID], s)
			}
		}
	}
	slices.SortFunc(out, func(a, b *traceSpans) int {
		return cmp.Or(cmp.Compare(a.spans[0].Start, b.spans[0].Start), strings.Compare(a.id.String(), b.id.String()))
	})
	return out
}

// criticalPath tells what the end of every trace waited for. Clocks are taken
// as skew corrects them.
func criticalPath(traces []*traceSpans, skew *skews, most int) []Step {
	out := []Step{}
	for _, t := range traces {
		root := rootOf(t.spans)
		p := pathfinder{t: t, skew: skew, seen: map[*telemetry.Span]bool{}}
		p.walk(root, skew.end(root))
		slices.Reverse(p.steps)
		out = append(out, p.steps...)
		if len(out) >= most {
			return out[:most]
		}
	}
	return out
}

// pathfinder walks a trace from its end to its start.
type pathfinder struct {
	t     *traceSpans
	skew  *skews
	seen  map[*telemetry.Span]bool
	steps []Step // the latest first
}

// walk tells who was waited for from the start of s until the time to: the
// child that ended last before then, and s itself between its children. What
// runs on behind the end of its parent was not waited for.
func (p *pathfinder) walk(s *telemetry.Span, to int64) {
	if p.seen[s] {
		return
	}
	p.seen[s] = true
	start := p.skew.start(s)
	children := slices.Clone(p.t.children[s.SpanID])
	slices.SortStableFunc(children, func(a, b *telemetry.Span) int { return cmp.Compare(p.skew.end(b), p.skew.end(a)) })
	for _, c := range children {
		end := p.skew.end(c)
		if end > to || end <= start || p.seen[c] {
			continue
		}
		p.step(s, end, to)
		p.walk(c, end)
		to = max(p.skew.start(c), start)
	}
	p.step(s, start, to)
}

func (p *pathfinder) step(s *telemetry.Span, from, to int64) {
	if to <= from {
		return
	}
	p.steps = append(p.steps, Step{TraceID: s.TraceID.String(), SpanID: s.SpanID.String(), Service: service(s.Stream), Name: s.Name,
		From: at(from), DurationNS: to - from})
}

// gaps returns the longest times in which nothing is known to have happened,
// of those that are at least shortest, in order.
func gaps(timeline []Entry, shortest time.Duration, most int) []Gap {
	order := slices.Clone(timeline)
	slices.SortStableFunc(order, compareEntries)
	out := []Gap{}
	var last *Entry
	var until time.Time
	for i := range order {
		e := &order[i]
		if last != nil && e.Time.Sub(until) >= shortest {
			out = append(out, Gap{From: until, DurationNS: int64(e.Time.Sub(until)), After: entryName(last), Before: entryName(e)})
		}
		if end := e.Time.Add(time.Duration(e.DurationNS)); last == nil || end.After(until) {
			last, until = e, end
		}
	}
	slices.SortStableFunc(out, func(a, b Gap) int { return cmp.Compare(b.DurationNS, a.DurationNS) })
	out = out[:min(len(out), most)]
	slices.SortFunc(out, func(a, b Gap) int { return a.From.Compare(b.From) })
	return out
}

// maxName is where the text of an entry is cut in a gap's description.
const maxName = 80

func entryName(e *Entry) string {
	text := e.Text
	if len(text) > maxName {
		text = strings.ToValidUTF8(text[:maxName], "") + "..."
	}
	return e.Type + " of " + e.Service + ": " + text
}
