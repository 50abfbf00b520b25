package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// requestsPerSession is how many requests in a row belong to one customer.
const requestsPerSession = 5

// Story returns request number i, which is the same however often and in
// whatever order it is asked for.
func (w *Workload) Story(i int) *Story {
	r := w.rng(saltStory, uint64(i))
	session := w.rng(saltSession, uint64(i/requestsPerSession))
	s := &Story{
		Index:     i,
		SessionID: newULID(session),
		UserID:    fmt.Sprintf("%d", 10000+session.IntN(90000)),
		RequestID: newUUID(r),
	}
	sc := pickScenario(r)
	s.Scenario = sc.name
	if sc.name == "checkout" || sc.name == "order status" {
		s.OrderID = "ord_" + newULID(r)
	}
	start := w.start + int64(i)*w.slot + r.Int64N(w.slot)
	b := &builder{story: s, rng: r}
	b.trace = b.newTrace()
	b.serve(endpoints[sc.root], spanRef{}, start)
	for _, p := range b.published {
		b.consume(p)
	}
	w.finishLogs(b, start)
	return s
}

func pickScenario(r *rand.Rand) scenario {
	total := 0.0
	for _, sc := range scenarios {
		total += sc.weight
	}
	x := r.Float64() * total
	for _, sc := range scenarios {
		if x -= sc.weight; x < 0 {
			return sc
		}
	}
	return scenarios[0]
}

// spanRef names a span that others hang from.
type spanRef struct {
	trace TraceID
	id    SpanID
}

// message is an order that was published.
type message struct {
	ref  spanRef
	time int64
}

// builder plays one request through the services.
type builder struct {
	story     *Story
	rng       *rand.Rand
	trace     TraceID // of the spans made at the moment
	published []message
}

func (b *builder) newTrace() TraceID {
	var t TraceID
	putUint64(t[:8], b.rng.Uint64())
	putUint64(t[8:], b.rng.Uint64())
	b.story.Traces = append(b.story.Traces, t)
	return t
}

func putUint64(dst []byte, v uint64) {
	for i := range dst {
		dst[i] = byte(v >> (56 - 8*i))
	}
}

// open adds a span and returns its place; close it when its end is known.
func (b *builder) open(service int, name string, kind Kind, parent SpanID, start int64) int {
	var id SpanID
	putUint64(id[:], b.rng.Uint64()|1)
	b.story.Spans = append(b.story.Spans, Span{
		Trace: b.trace, ID: id, Parent: parent, Service: service, Name: name, Kind: kind, Start: start,
	})
	return len(b.story.Spans) - 1
}

// shut ends a span.
func (b *builder) shut(at int, end int64, f *failure) {
	s := &b.story.Spans[at]
	s.End = end
	if f != nil {
		s.Failed, s.Status = true, f.message
	}
}

// took draws a duration around typical, mostly near it and seldom far above.
func (b *builder) took(typical time.Duration) int64 {
	d := float64(typical) * (0.6 + 0.8*b.rng.Float64())
	if b.rng.Float64() < .03 {
		d *= 3 + 4*b.rng.Float64()
	}
	return int64(d)
}

// network is the time between the end of one side and the other.
func (b *builder) network() int64 { return 80_000 + b.rng.Int64N(400_000) }

// serve plays an endpoint as a span of its service under parent, and returns
// when it ended and how it failed, if it did.
func (b *builder) serve(ep *endpoint, parent spanRef, start int64) (int64, *failure) {
	kind := Server
	if ep.protocol == Messaging {
		kind = Consumer
	}
	service := ServiceIndex(ep.service)
	at := b.open(service, ep.spanName(), kind, parent.id, start)
	now := start + b.took(ep.work)/2
	var failed *failure
	for i := range ep.steps {
		st := &ep.steps[i]
		if st.chance != 0 && b.rng.Float64() >= st.chance {
			continue
		}
		var f *failure
		if now, f = b.step(at, st, now); f != nil && !st.optional {
			failed = f
			break
		}
		now += b.took(200 * time.Microsecond)
	}
	now += b.took(ep.work) / 2
	span := &b.story.Spans[at]
	span.Attrs = ep.serverAttrs(b.story, parent.id.IsZero(), failed)
	if failed != nil {
		span.Events = append(span.Events, failed.event(now))
	}
	b.shut(at, now, failed)
	b.logServed(ep, at, now, failed)
	return now, failed
}

// step plays one step of the span at, again where it is worth a retry.
func (b *builder) step(at int, st *step, now int64) (int64, *failure) {
	var failed *failure
	if st.fails > 0 && b.rng.Float64() < st.fails {
		failed = st.failure
	}
	end, f := b.once(at, st, now, failed)
	if f != nil && st.retried {
		b.logLine(at, end, Warn, "retrying after failure", f)
		end, f = b.once(at, st, end+b.took(20*time.Millisecond), nil)
	}
	return end, f
}

// once plays one attempt of a step; failed is how it fails.
func (b *builder) once(at int, st *step, now int64, failed *failure) (int64, *failure) {
	switch st.action {
	case call:
		return b.callEndpoint(at, endpoints[st.target], now)
	case publish:
		return b.publish(at, now), nil
	case logDetail:
		b.logLine(at, now, Debug, st.target, nil)
		return now, nil
	default:
		return b.callLeaf(at, st, now, failed)
	}
}

// callEndpoint is a client span with the callee's server span inside.
func (b *builder) callEndpoint(at int, ep *endpoint, now int64) (int64, *failure) {
	caller := b.story.Spans[at]
	client := b.open(caller.Service, ep.clientName(), Client, caller.ID, now)
	end, f := b.serve(ep, spanRef{b.trace, b.story.Spans[client].ID}, now+b.network())
	b.story.Spans[client].Attrs = ep.clientAttrs(f)
	end += b.network()
	b.shut(client, end, f)
	b.edge(Services[caller.Service].Name, ep.service, ep.protocol, f)
	return end, f
}

// callLeaf is a client span whose other side sends no telemetry.
func (b *builder) callLeaf(at int, st *step, now int64, f *failure) (int64, *failure) {
	caller := b.story.Spans[at]
	name, attrs := st.leafSpan(f)
	client := b.open(caller.Service, name, Client, caller.ID, now)
	end := now + b.took(st.took)
	span := &b.story.Spans[client]
	span.Attrs = attrs
	if f != nil {
		span.Events = append(span.Events, f.event(end))
	}
	b.shut(client, end, f)
	target, protocol := st.leafNode()
	b.edge(Services[caller.Service].Name, target, protocol, f)
	return end, f
}

func (b *builder) edge(source, target string, p Protocol, f *failure) {
	b.story.Calls = append(b.story.Calls, Call{source, target, p, f != nil})
}

// publish is a producer span; who takes the message is played afterwards.
func (b *builder) publish(at int, now int64) int64 {
	caller := b.story.Spans[at]
	span := b.open(caller.Service, "send "+kafkaTopic, Producer, caller.ID, now)
	b.story.Spans[span].Attrs = []Attr{
		{"messaging.system", "kafka"},
		{"messaging.destination.name", kafkaTopic},
		{"messaging.operation.name", "send"},
		{"messaging.operation.type", "send"},
		{"order.id", b.story.OrderID},
	}
	end := now + b.took(2*time.Millisecond)
	b.shut(span, end, nil)
	b.edge(Services[caller.Service].Name, NodeOfQueue("kafka", kafkaTopic), Messaging, nil)
	b.published = append(b.published, message{spanRef{b.trace, b.story.Spans[span].ID}, end})
	return end
}

// consume plays everybody who takes message m.
func (b *builder) consume(m message) {
	for _, c := range consumers {
		ep := endpoints[c.endpoint]
		b.trace = m.ref.trace
		parent := m.ref
		if c.ownTrace {
			b.trace, parent = b.newTrace(), spanRef{}
		}
		first := len(b.story.Spans)
		_, f := b.serve(ep, parent, m.time+b.took(40*time.Millisecond))
		if c.ownTrace {
			b.story.Spans[first].Links = []Link{{m.ref.trace, m.ref.id}}
		}
		b.edge(NodeOfQueue("kafka", kafkaTopic), ep.service, Messaging, f)
	}
}

// spanName is the name of the endpoint's own span.
func (ep *endpoint) spanName() string {
	switch ep.protocol {
	case HTTP:
		return ep.method + " " + ep.route
	case Messaging:
		return "process " + ep.route
	default:
		return ep.method + "/" + ep.route
	}
}

// clientName is the name of the span of who calls it.
func (ep *endpoint) clientName() string {
	if ep.protocol == HTTP {
		return ep.method
	}
	return ep.spanName()
}

// path is the endpoint's URL path for one order.
func (ep *endpoint) path(orderID string) string {
	return strings.ReplaceAll(ep.route, "{id}", orderID)
}
