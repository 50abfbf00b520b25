package servicemap

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry/calls"
)

// estimate returns how many calls t stands for, 0 where that is as many as it
// has.
func estimate(t *calls.Tally) float64 {
	if math.Abs(t.Weight-float64(t.Calls)) < 0.5 {
		return 0
	}
	return math.Round(t.Weight)
}

type edgeKey struct{ source, target, protocol int32 }

// builder makes nodes and edges of totals.
type builder struct {
	t        *calls.Totals
	names    *calls.Names
	cfg      Config
	nodes    map[int32]*calls.Tally
	edges    map[edgeKey]*calls.Tally
	known    map[string]bool // services that log
	odds     map[calls.OddKey]*calls.Tally
	warnings []string
}

func newBuilder(t *calls.Totals, cfg Config) *builder {
	return &builder{t: t, names: t.Names, cfg: cfg, nodes: map[int32]*calls.Tally{}, edges: map[edgeKey]*calls.Tally{},
		known: map[string]bool{}, odds: map[calls.OddKey]*calls.Tally{}}
}

func (b *builder) node(i int32) *calls.Tally { return calls.TallyOf(b.nodes, i) }

// service returns the node of a service's name.
func (b *builder) service(name string) int32 {
	return b.names.Intern(calls.Node{ID: name, Type: TypeService})
}

// build adds the totals up by what nodes turn out to be.
func (b *builder) build() {
	for k, t := range b.t.Calls {
		source, target := b.resolve(k.Source), b.resolve(k.Target)
		if k.Served {
			b.node(k.Target).Durations.Merge(&t.Durations)
		}
		if source == target {
			continue
		}
		b.node(source)
		n := b.node(target)
		if b.names.Node(target).Type != TypeService {
			n.Merge(t, 0)
		}
		calls.TallyOf(b.edges, edgeKey{source, target, k.Protocol}).Merge(t, b.cfg.SampleTraces)
	}
	for service, t := range b.t.Entries {
		b.node(service).Merge(t, 0)
	}
	for service := range b.t.Present {
		b.node(service)
	}
	for name := range b.known {
		b.node(b.service(name))
	}
	for k, t := range b.t.Odds {
		if k.Reason == calls.NotAnswered {
			if k.Target = b.resolve(k.Target); !b.spans(k.Target) {
				continue // it is not known to send any
			}
		}
		calls.TallyOf(b.odds, k).Merge(t, b.cfg.SampleTraces)
	}
}

// spans reports whether a node is a service that sends spans.
func (b *builder) spans(i int32) bool { return b.t.Senders[i] }

// traced returns the nodes that spans tell of.
func (b *builder) traced() map[int32]bool {
	out := maps.Clone(b.t.Present)
	for k := range b.edges {
		out[k.source], out[k.target] = true, true
	}
	return out
}

// resolve returns the service that an outside host is, where its name is a
// service's: as it is, or as Kubernetes names services.
func (b *builder) resolve(i int32) int32 {
	n := b.names.Node(i)
	if n.Type != TypeExternal {
		return i
	}
	name, domain, _ := strings.Cut(n.ID, ".")
	for _, id := range []string{n.ID, name} {
		if id == name && domain != "" && !strings.HasSuffix(domain, ".svc") && !strings.Contains(domain+".", ".svc.") {
			continue
		}
		if s, ok := b.names.Find(calls.Node{ID: id, Type: TypeService}); ok && b.spans(s) {
			return s
		}
		if b.known[id] {
			return b.service(id)
		}
	}
	return i
}

// result puts the map together, sorted.
func (b *builder) result(more []Edge) *Map {
	m := &Map{Nodes: make([]Node, 0, len(b.nodes)), Edges: make([]Edge, 0, len(b.edges)), Partial: len(b.warnings) > 0, Warnings: b.warnings}
	traced := b.traced()
	for i, t := range b.nodes {
		of := b.names.Node(i)
		n := Node{ID: of.ID, Type: of.Type, Calls: int(t.Calls), Errors: int(t.Errors), Health: b.cfg.health(int(t.Calls), int(t.Errors))}
		n.P50, n.P95, n.P99 = percentiles(t)
		n.EstimatedCalls = estimate(t)
		if n.Evidence = EvidenceLogs; traced[i] {
			n.Evidence = EvidenceSpans
		}
		m.Nodes = append(m.Nodes, n)
	}
	for k, t := range b.edges {
		e := Edge{
			Source: b.names.Node(k.source).ID, Target: b.names.Node(k.target).ID, Protocol: b.names.Node(k.protocol).ID,
			Calls: int(t.Calls), Errors: int(t.Errors), Evidence: EvidenceSpans, SampleTraceIDs: traceIDs(t),
		}
		e.P50, e.P95, e.P99 = percentiles(t)
		e.EstimatedCalls = estimate(t)
		m.Edges = append(m.Edges, e)
	}
	m.Edges = append(m.Edges, more...)
	m.Unpaired = b.unpaired()
	m.sort()
	return m
}

// reasons are why spans lack their other half, in the API's words.
var reasons = map[calls.Reason]string{calls.ParentNotReceived: ReasonParent, calls.NotAnswered: ReasonServer, calls.PeerUnknown: ReasonPeer}

// unpaired lists what lacks its other half, sorted.
func (b *builder) unpaired() []Unpaired {
	var out []Unpaired
	for k, t := range b.odds {
		u := Unpaired{Service: b.names.Node(k.Service).ID, Reason: reasons[k.Reason], Spans: int(t.Calls), SampleTraceIDs: traceIDs(t)}
		if k.Target >= 0 {
			u.Target = b.names.Node(k.Target).ID
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b Unpaired) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Target, b.Target))
	})
	return out
}

func traceIDs(t *calls.Tally) []string {
	out := make([]string, 0, len(t.Samples))
	for _, s := range t.Samples {
		out = append(out, s.Trace.String())
	}
	return out
}

func (m *Map) sort() {
	slices.SortFunc(m.Nodes, func(a, b Node) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Type, b.Type))
	})
	slices.SortFunc(m.Edges, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Target, b.Target), strings.Compare(a.Protocol, b.Protocol),
			-strings.Compare(a.Evidence, b.Evidence))
	})
}

// percentiles returns them in milliseconds.
func percentiles(t *calls.Tally) (p50, p95, p99 float64) {
	p := t.Durations.Percentiles(0.50, 0.95, 0.99)
	ms := func(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
	return ms(p[0]), ms(p[1]), ms(p[2])
}

// health judges a share of failed calls.
func (c Config) health(calls, errors int) string {
	if calls == 0 {
		return HealthUnknown
	}
	switch share := float64(errors) / float64(calls); {
	case share >= c.Down:
		return HealthDown
	case share >= c.Degraded:
		return HealthDegraded
	}
	return HealthOK
}
