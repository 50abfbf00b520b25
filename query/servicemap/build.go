package servicemap

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// tally is the calls of a node or an edge.
type tally struct {
	calls, errors int
	weight        float64
	durations     []int64
	samples       []sample
}

// estimate returns how many calls t stands for, 0 where that is as many as it
// has.
func (t *tally) estimate() float64 {
	if math.Abs(t.weight-float64(t.calls)) < 0.5 {
		return 0
	}
	return math.Round(t.weight)
}

func (t *tally) add(dur int64, failed bool, weight float32) {
	t.calls++
	t.weight += float64(weight)
	if failed {
		t.errors++
	}
	t.durations = append(t.durations, dur)
}

// sample is a trace worth looking at.
type sample struct {
	trace  telemetry.TraceID
	failed bool
	dur    int64
}

// compareSamples puts the failed first, then the slowest; the order in which
// they came makes no difference.
func compareSamples(a, b sample) int {
	if a.failed != b.failed {
		if a.failed {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.dur, a.dur), bytes.Compare(a.trace[:], b.trace[:]))
}

// keep holds the n best samples, one a trace.
func (t *tally) keep(s sample, n int) {
	for i := range t.samples {
		if t.samples[i].trace == s.trace {
			if compareSamples(s, t.samples[i]) < 0 {
				t.samples[i] = s
				slices.SortFunc(t.samples, compareSamples)
			}
			return
		}
	}
	at, _ := slices.BinarySearchFunc(t.samples, s, compareSamples)
	if at >= n {
		return
	}
	t.samples = slices.Insert(t.samples, at, s)
	t.samples = t.samples[:min(n, len(t.samples))]
}

type edgeKey struct{ source, target, protocol int32 }

// builder adds calls up.
type builder struct {
	t     *table
	cfg   Config
	nodes map[int32]*tally
	edges map[edgeKey]*tally
	known map[string]bool // services that log
	odds  map[oddKey]*tally
	// senders are the services that send spans, nil until somebody asks.
	senders map[int32]bool
}

// oddKey is what odd spans are counted by; target is -1 where it is unknown.
type oddKey struct {
	service, target int32
	reason          string
}

func newBuilder(t *table, cfg Config) *builder {
	return &builder{t: t, cfg: cfg, nodes: map[int32]*tally{}, edges: map[edgeKey]*tally{}, known: map[string]bool{}, odds: map[oddKey]*tally{}}
}

func (b *builder) node(i int32) *tally {
	n := b.nodes[i]
	if n == nil {
		n = &tally{}
		b.nodes[i] = n
	}
	return n
}

// entry implements visitor.
func (b *builder) entry(r *row) { b.node(r.service).add(r.dur, failed(r), r.weight) }

// call implements visitor.
func (b *builder) call(c call) {
	c.source, c.target = b.resolve(c.source), b.resolve(c.target)
	if c.source == c.target {
		return
	}
	b.node(c.source)
	target := b.node(c.target)
	if b.t.names[c.target].kind != TypeService {
		target.add(c.of.dur, c.failed, c.of.weight)
	}
	key := edgeKey{c.source, c.target, c.protocol}
	e := b.edges[key]
	if e == nil {
		e = &tally{}
		b.edges[key] = e
	}
	e.add(c.of.dur, c.failed, c.of.weight)
	e.keep(sample{c.of.trace, c.failed, c.of.dur}, b.cfg.SampleTraces)
}

// odd implements visitor.
func (b *builder) odd(r *row, reason string) {
	key := oddKey{r.service, -1, reason}
	if reason == ReasonServer {
		if key.target = b.resolve(r.peer); !b.spans(key.target) {
			return // it is not known to send any
		}
	}
	t := b.odds[key]
	if t == nil {
		t = &tally{}
		b.odds[key] = t
	}
	t.calls++
	t.keep(sample{r.trace, failed(r), r.dur}, b.cfg.SampleTraces)
}

// spans reports whether a node is a service that sends spans.
func (b *builder) spans(i int32) bool {
	if b.senders == nil {
		b.senders = map[int32]bool{}
		for j := range b.t.rows {
			b.senders[b.t.rows[j].service] = true
		}
	}
	return b.senders[i]
}

// resolve returns the service that an outside host is, where its name is a
// service's: as it is, or as Kubernetes names services.
func (b *builder) resolve(i int32) int32 {
	n := b.t.names[i]
	if n.kind != TypeExternal {
		return i
	}
	name, domain, _ := strings.Cut(n.id, ".")
	for _, id := range []string{n.id, name} {
		if id == name && domain != "" && !strings.HasSuffix(domain, ".svc") && !strings.Contains(domain+".", ".svc.") {
			continue
		}
		if s, ok := b.t.byName[node{id, TypeService}]; ok {
			return s
		}
		if b.known[id] {
			return b.t.intern(node{id, TypeService})
		}
	}
	return i
}

// result puts the map together, sorted.
func (b *builder) result(more []Edge) *Map {
	for i := range b.t.rows {
		if r := &b.t.rows[i]; r.inRange {
			b.node(r.service)
		}
	}
	for name := range b.known {
		b.node(b.t.intern(node{name, TypeService}))
	}
	m := &Map{Nodes: make([]Node, 0, len(b.nodes)), Edges: make([]Edge, 0, len(b.edges)), Partial: len(b.t.warnings) > 0, Warnings: b.t.warnings}
	for i, t := range b.nodes {
		n := Node{ID: b.t.names[i].id, Type: b.t.names[i].kind, Calls: t.calls, Errors: t.errors, Health: b.cfg.health(t.calls, t.errors)}
		n.P50, n.P95, n.P99 = t.percentiles()
		n.EstimatedCalls = t.estimate()
		m.Nodes = append(m.Nodes, n)
	}
	for k, t := range b.edges {
		e := Edge{
			Source: b.t.names[k.source].id, Target: b.t.names[k.target].id, Protocol: b.t.names[k.protocol].id,
			Calls: t.calls, Errors: t.errors, Evidence: EvidenceSpans, SampleTraceIDs: t.traceIDs(),
		}
		e.P50, e.P95, e.P99 = t.percentiles()
		e.EstimatedCalls = t.estimate()
		m.Edges = append(m.Edges, e)
	}
	m.Edges = append(m.Edges, more...)
	m.Unpaired = b.unpaired()
	m.sort()
	return m
}

// unpaired lists what lacks its other half, sorted.
func (b *builder) unpaired() []Unpaired {
	var out []Unpaired
	for k, t := range b.odds {
		u := Unpaired{Service: b.t.names[k.service].id, Reason: k.reason, Spans: t.calls, SampleTraceIDs: t.traceIDs()}
		if k.target >= 0 {
			u.Target = b.t.names[k.target].id
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b Unpaired) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Target, b.Target))
	})
	return out
}

func (t *tally) traceIDs() []string {
	out := make([]string, 0, len(t.samples))
	for _, s := range t.samples {
		out = append(out, s.trace.String())
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

// percentiles returns the exact ones, in milliseconds, by nearest rank.
func (t *tally) percentiles() (p50, p95, p99 float64) {
	slices.Sort(t.durations)
	at := func(q float64) float64 {
		if len(t.durations) == 0 {
			return 0
		}
		rank := int(math.Ceil(q * float64(len(t.durations))))
		return float64(t.durations[max(rank, 1)-1]) / float64(time.Millisecond)
	}
	return at(0.50), at(0.95), at(0.99)
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
