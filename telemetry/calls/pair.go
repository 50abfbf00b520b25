package calls

import (
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Rules are what decides beside the spans themselves.
type Rules struct {
	// Around is how far apart the two halves of a call may have started. It
	// keeps what is said of a range from depending on spans far outside of it.
	Around time.Duration
}

// DefaultRules returns the rules that serve without being thought about.
func DefaultRules() Rules { return Rules{Around: 10 * time.Minute} }

// Reach is how far outside of a range a span may have started that decides what
// the spans of the range mean: the other half of the other half of a call.
func (r Rules) Reach() int64 { return 2 * int64(r.Around) }

// Call is one call from one node to another one.
type Call struct {
	Source, Target int32
	// Of is the span that tells how long it took.
	Of       *Row
	Caller   *Row // nil where it is Of, or unknown
	Protocol int32
	Failed   bool
	Direct   bool // one service's span is the other one's parent
	Served   bool // Of is an entry of the target
}

// Reason is why a span lacks its other half.
type Reason uint8

// The reasons.
const (
	// ParentNotReceived: the span's parent is in nothing that is stored.
	ParentNotReceived Reason = iota
	// NotAnswered: a call was made to a named peer that sent no span for it.
	NotAnswered
	// PeerUnknown: a call was made, and nothing says to whom.
	PeerUnknown
)

// Visitor is told what the spans of a trace mean. Rows are good until the next
// trace.
type Visitor interface {
	// Span gets every span, also one that is stored twice.
	Span(r *Row)
	// Call gets every call.
	Call(c *Call)
	// Entry gets every span in which a service does what it was asked for. told
	// is set where a call, with Served, has told of the same span.
	Entry(r *Row, told bool)
	// Odd gets every span that lacks its other half, once for every reason.
	Odd(r *Row, reason Reason)
}

// Pairer pairs the spans of one trace after another, reusing its memory.
type Pairer struct {
	names  *Names
	user   int32
	around int64
	rows   []Row
	first  map[telemetry.SpanID]int32
	next   []int32 // rows of the same span ID
	drop   []bool  // stored twice
	// answered spans have a child in another service or on the other side of
	// a call; wrapping ones have a child of their own kind in their service.
	answered, wrapping []bool
	callers            []int32
}

// NewPairer returns a pairer of rows that point into names.
func NewPairer(names *Names, rules Rules) *Pairer {
	return &Pairer{names: names, user: names.Intern(Node{TypeUser, TypeUser}), around: int64(rules.Around), first: map[telemetry.SpanID]int32{}}
}

// Trace tells v what the rows of one trace mean, which are in order: of those
// whose start in accepts. The others are there for their other halves.
func (p *Pairer) Trace(rows []Row, in func(start int64) bool, v Visitor) {
	p.rows = rows
	p.reset()
	for i := range rows {
		p.index(int32(i))
	}
	for i := range rows {
		if !p.drop[i] {
			p.relate(int32(i))
		}
	}
	for i := range rows {
		r := &rows[i]
		if !in(r.Start) {
			continue
		}
		v.Span(r)
		if !p.drop[i] {
			p.tell(int32(i), r, v)
		}
	}
}

func (p *Pairer) reset() {
	n := len(p.rows)
	clear(p.first)
	if cap(p.next) < n {
		p.next, p.callers = make([]int32, n), make([]int32, n)
		p.drop, p.answered, p.wrapping = make([]bool, n), make([]bool, n), make([]bool, n)
	}
	p.next, p.callers, p.drop, p.answered, p.wrapping = p.next[:n], p.callers[:n], p.drop[:n], p.answered[:n], p.wrapping[:n]
	clear(p.drop)
	clear(p.answered)
	clear(p.wrapping)
}

// index files row i under its ID. A span that is there already, equal in all
// that tells spans apart, was sent twice.
func (p *Pairer) index(i int32) {
	r := &p.rows[i]
	head, ok := p.first[r.Span]
	p.next[i] = -1
	if !ok {
		p.first[r.Span] = i
		return
	}
	last := head
	for j := head; j >= 0; j = p.next[j] {
		if o := &p.rows[j]; o.Kind == r.Kind && o.Service == r.Service && o.Start == r.Start && o.Parent == r.Parent && o.Dur == r.Dur {
			p.drop[i] = true
			return
		}
		last = j
	}
	p.next[last] = i
}

// relate finds row i's caller and marks it.
func (p *Pairer) relate(i int32) {
	r := &p.rows[i]
	c := p.callerOf(i, r)
	p.callers[i] = c
	if c < 0 {
		return
	}
	caller := &p.rows[c]
	switch {
	case caller.Service != r.Service:
		p.answered[c] = true
	case r.Kind == telemetry.SpanKindServer && caller.Kind == telemetry.SpanKindClient:
		p.answered[c] = true // it calls itself
	case r.Outgoing && caller.Outgoing, r.Kind == telemetry.SpanKindConsumer && caller.Kind == r.Kind:
		p.wrapping[c] = true
	}
}

// callerOf returns the row of i's parent, or of the client span that shares
// its ID as Zipkin's do; -1 for none.
func (p *Pairer) callerOf(i int32, r *Row) int32 {
	serves := r.Kind == telemetry.SpanKindServer || r.Kind == telemetry.SpanKindConsumer
	if serves {
		if j := p.find(r.Span, r, func(o *Row) bool { return o.Outgoing }); j >= 0 {
			return j
		}
	}
	if r.Parent.IsZero() {
		return -1
	}
	better := func(o *Row) bool { return o.Service == r.Service }
	if serves {
		better = func(o *Row) bool { return o.Outgoing }
	}
	if j := p.find(r.Parent, r, better); j >= 0 {
		return j
	}
	return p.find(r.Parent, r, func(*Row) bool { return true })
}

// find returns the first row of an ID, other than r and near enough to it, that
// want accepts.
func (p *Pairer) find(id telemetry.SpanID, r *Row, want func(*Row) bool) int32 {
	j, ok := p.first[id]
	if !ok {
		return -1
	}
	for ; j >= 0; j = p.next[j] {
		o := &p.rows[j]
		if o == r || p.drop[j] || o.Start-r.Start > p.around || r.Start-o.Start > p.around {
			continue
		}
		if want(o) {
			return j
		}
	}
	return -1
}

// tell tells v what row i means.
func (p *Pairer) tell(i int32, r *Row, v Visitor) {
	var caller *Row
	if c := p.callers[i]; c >= 0 {
		caller = &p.rows[c]
	}
	crosses := caller != nil && caller.Service != r.Service
	if caller == nil && !r.Parent.IsZero() {
		v.Odd(r, ParentNotReceived)
	}
	entry, told := p.isEntry(i, r, crosses), true
	switch {
	case crosses:
		p.tellCrossing(r, caller, entry, v)
	case r.Kind == telemetry.SpanKindConsumer && r.Peer >= 0 && !p.wrapping[i]:
		v.Call(&Call{Source: r.Peer, Target: r.Service, Of: r, Protocol: r.Protocol, Failed: r.Failed(), Served: true})
	case r.Kind == telemetry.SpanKindServer && r.Parent.IsZero() && caller == nil:
		v.Call(&Call{Source: p.user, Target: r.Service, Of: r, Protocol: r.Protocol, Failed: r.Failed(), Served: true})
	default:
		told = false
	}
	if entry {
		v.Entry(r, told)
	}
	if r.Outgoing {
		p.tellOutgoing(i, r, v)
	}
}

// isEntry reports whether r is work that its service was asked to do.
func (p *Pairer) isEntry(i int32, r *Row, crosses bool) bool {
	switch r.Kind {
	case telemetry.SpanKindServer:
		return true
	case telemetry.SpanKindConsumer:
		return !p.wrapping[i]
	case telemetry.SpanKindClient, telemetry.SpanKindProducer:
		return crosses
	}
	return crosses || r.Parent.IsZero()
}

// tellCrossing tells the call that made r, whose parent is another service's.
func (p *Pairer) tellCrossing(r, caller *Row, entry bool, v Visitor) {
	c := Call{Served: entry, Source: caller.Service, Target: r.Service, Of: r, Caller: caller, Protocol: r.Protocol, Failed: r.Failed(), Direct: true}
	if p.names.Node(c.Protocol).ID == ProtocolUnknown {
		c.Protocol = caller.Protocol
	}
	message := r.Kind == telemetry.SpanKindConsumer || caller.Kind == telemetry.SpanKindProducer
	if !message {
		c.Failed = c.Failed || caller.Kind == telemetry.SpanKindClient && caller.Failed()
		v.Call(&c)
		return
	}
	for _, side := range []*Row{r, caller} {
		if side.Peer >= 0 && p.names.Node(side.Peer).Type == TypeQueue {
			c.Source = side.Peer
			break
		}
	}
	v.Call(&c)
}

// tellOutgoing tells the call that r made, where what it called did not tell:
// messages always go to their queue, other calls to what the span names.
func (p *Pairer) tellOutgoing(i int32, r *Row, v Visitor) {
	if r.Peer < 0 || p.wrapping[i] {
		if r.Peer < 0 && !p.wrapping[i] && !p.answered[i] {
			v.Odd(r, PeerUnknown)
		}
		return
	}
	queue := p.names.Node(r.Peer).Type == TypeQueue
	if p.answered[i] && !queue {
		return
	}
	c := Call{Source: r.Service, Target: r.Peer, Of: r, Protocol: r.Protocol, Failed: r.Failed()}
	if queue && r.Receives {
		c.Source, c.Target = c.Target, c.Source
	}
	if !p.answered[i] && !queue {
		v.Odd(r, NotAnswered)
	}
	v.Call(&c)
}
