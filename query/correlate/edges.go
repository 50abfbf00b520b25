package correlate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// What an edge is known by.
const (
	EvidenceSpans = "spans"
	EvidenceLogs  = "logs"
)

type edgeKey struct{ source, target, evidence string }

type edgeSet map[edgeKey]*Edge

func (e edgeSet) add(source, target, evidence string, failed bool) {
	key := edgeKey{source, target, evidence}
	edge := e[key]
	if edge == nil {
		edge = &Edge{Source: source, Target: target, Evidence: evidence}
		e[key] = edge
	}
	edge.Calls++
	if failed {
		edge.Errors++
	}
}

func (e edgeSet) sorted() []Edge {
	out := make([]Edge, 0, len(e))
	for _, edge := range e {
		out = append(out, *edge)
	}
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Target, b.Target), strings.Compare(a.Evidence, b.Evidence))
	})
	return out
}

// edges tells who called whom: from the spans, and where a service has none,
// from the order of the logs that share an ID.
func (g *gather) edges() []Edge {
	set := edgeSet{}
	g.spanEdges(set)
	g.logEdges(set)
	return set.sorted()
}

type spanKey struct {
	trace telemetry.TraceID
	span  telemetry.SpanID
}

// spanEdges adds a call for every span whose parent is another service's, and
// for every message that a consumer's link ties to its producer.
func (g *gather) spanEdges(set edgeSet) {
	byID := make(map[spanKey]*telemetry.Span, len(g.spans))
	for i := range g.spans {
		s := &g.spans[i]
		byID[spanKey{s.TraceID, s.SpanID}] = s
	}
	for i := range g.spans {
		s := &g.spans[i]
		callers := byID[spanKey{s.TraceID, s.ParentID}]
		if callers == nil && s.Kind == telemetry.SpanKindConsumer {
			for j := range s.Links {
				if p := byID[spanKey{s.Links[j].TraceID, s.Links[j].SpanID}]; p != nil {
					addCall(set, p, s)
				}
			}
			continue
		}
		if callers != nil {
			addCall(set, callers, s)
		}
	}
}

func addCall(set edgeSet, from, to *telemetry.Span) {
	source, target := service(from.Stream), service(to.Stream)
	if source == target {
		return
	}
	failed := to.Status == telemetry.StatusError || from.Kind == telemetry.SpanKindClient && from.Status == telemetry.StatusError
	set.add(source, target, EvidenceSpans, failed)
}

// logEdges adds, for every ID that joins, a step to each service without spans
// at its first line, from the service whose line came before.
func (g *gather) logEdges(set edgeSet) {
	traced := map[string]bool{}
	for i := range g.spans {
		traced[service(g.spans[i].Stream)] = true
	}
	byID, ids := g.logsByID()
	// One request often has several IDs on the same lines: a step counts once.
	counted := map[[2]*telemetry.Log]bool{}
	for _, id := range ids {
		logs := byID[id]
		slices.SortStableFunc(logs, func(a, b *telemetry.Log) int { return cmp.Compare(a.Time, b.Time) })
		seen := map[string]bool{service(logs[0].Stream): true}
		for i := 1; i < len(logs); i++ {
			from, to := service(logs[i-1].Stream), service(logs[i].Stream)
			if seen[to] {
				continue
			}
			seen[to] = true
			if step := [2]*telemetry.Log{logs[i-1], logs[i]}; !traced[to] && !counted[step] {
				counted[step] = true
				set.add(from, to, EvidenceLogs, isErrorLog(logs[i]))
			}
		}
	}
}

// logsByID returns the logs that carry each ID that joins, and those IDs. What
// is a token in one line may be a request's ID in another one.
func (g *gather) logsByID() (byID map[string][]*telemetry.Log, ids []string) {
	byID = map[string][]*telemetry.Log{}
	for i := range g.logs {
		g.scratch = correlation.AppendLog(g.scratch[:0], &g.logs[i])
		for _, id := range g.scratch {
			if info := g.ids[id.Value]; info == nil || id.Value != g.id && !info.Kind.Joins() {
				continue
			}
			if byID[id.Value] == nil {
				ids = append(ids, id.Value)
			}
			byID[id.Value] = append(byID[id.Value], &g.logs[i])
		}
	}
	return byID, ids
}
