package servicemap

import "github.com/clewhq/clew/telemetry"

// call is one call from one node to another one.
type call struct {
	source, target int32
	// of is the span that tells how long it took.
	of       *row
	caller   *row // nil where it is of, or unknown
	protocol int32
	failed   bool
	direct   bool // one service's span is the other one's parent
}

// visitor is told what the spans of a trace mean.
type visitor interface {
	// call gets every call.
	call(c call)
	// entry gets every span in which a service does what it was asked for.
	entry(r *row)
	// odd gets every span that lacks its other half, once for every reason.
	odd(r *row, reason string)
}

// pairer pairs the spans of one trace after another, reusing its memory.
type pairer struct {
	t     *table
	user  int32
	rows  []row
	first map[telemetry.SpanID]int32
	next  []int32 // rows of the same span ID
	drop  []bool  // stored twice
	// answered spans have a child in another service or on the other side of
	// a call; wrapping ones have a child of their own kind in their service.
	answered, wrapping []bool
	callers            []int32
}

func newPairer(t *table) *pairer {
	return &pairer{t: t, user: t.intern(node{TypeUser, TypeUser}), first: map[telemetry.SpanID]int32{}}
}

// run tells v the calls of every trace.
func (t *table) run(v visitor) {
	p := newPairer(t)
	for rows := range t.traces {
		p.trace(rows, v)
	}
}

func (p *pairer) trace(rows []row, v visitor) {
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
		if r := &rows[i]; !p.drop[i] && r.inRange {
			p.tell(int32(i), r, v)
		}
	}
}

func (p *pairer) reset() {
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
func (p *pairer) index(i int32) {
	r := &p.rows[i]
	head, ok := p.first[r.span]
	p.next[i] = -1
	if !ok {
		p.first[r.span] = i
		return
	}
	last := head
	for j := head; j >= 0; j = p.next[j] {
		if o := &p.rows[j]; o.kind == r.kind && o.service == r.service && o.start == r.start && o.parent == r.parent && o.dur == r.dur {
			p.drop[i] = true
			return
		}
		last = j
	}
	p.next[last] = i
}

// relate finds row i's caller and marks it.
func (p *pairer) relate(i int32) {
	r := &p.rows[i]
	c := p.callerOf(i, r)
	p.callers[i] = c
	if c < 0 {
		return
	}
	caller := &p.rows[c]
	switch {
	case caller.service != r.service:
		p.answered[c] = true
	case r.kind == telemetry.SpanKindServer && caller.kind == telemetry.SpanKindClient:
		p.answered[c] = true // it calls itself
	case r.outgoing && caller.outgoing, r.kind == telemetry.SpanKindConsumer && caller.kind == r.kind:
		p.wrapping[c] = true
	}
}

// callerOf returns the row of i's parent, or of the client span that shares
// its ID as Zipkin's do; -1 for none.
func (p *pairer) callerOf(i int32, r *row) int32 {
	serves := r.kind == telemetry.SpanKindServer || r.kind == telemetry.SpanKindConsumer
	if serves {
		if j := p.find(r.span, func(o *row) bool { return o != r && o.outgoing }); j >= 0 {
			return j
		}
	}
	if r.parent.IsZero() {
		return -1
	}
	better := func(o *row) bool { return o.service == r.service }
	if serves {
		better = func(o *row) bool { return o.outgoing }
	}
	if j := p.find(r.parent, better); j >= 0 && j != i {
		return j
	}
	if j := p.find(r.parent, func(o *row) bool { return o != r }); j >= 0 {
		return j
	}
	return -1
}

func (p *pairer) find(id telemetry.SpanID, want func(*row) bool) int32 {
	j, ok := p.first[id]
	if !ok {
		return -1
	}
	for ; j >= 0; j = p.next[j] {
		if !p.drop[j] && want(&p.rows[j]) {
			return j
		}
	}
	return -1
}

// tell tells v what row i means.
func (p *pairer) tell(i int32, r *row, v visitor) {
	var caller *row
	if c := p.callers[i]; c >= 0 {
		caller = &p.rows[c]
	}
	crosses := caller != nil && caller.service != r.service
	if caller == nil && !r.parent.IsZero() {
		v.odd(r, ReasonParent)
	}
	if p.isEntry(i, r, crosses) {
		v.entry(r)
	}
	switch {
	case crosses:
		p.tellCrossing(r, caller, v)
	case r.kind == telemetry.SpanKindConsumer:
		if r.peer >= 0 && !p.wrapping[i] {
			v.call(call{source: r.peer, target: r.service, of: r, protocol: r.protocol, failed: failed(r)})
		}
	case r.kind == telemetry.SpanKindServer && r.parent.IsZero() && caller == nil:
		v.call(call{source: p.user, target: r.service, of: r, protocol: r.protocol, failed: failed(r)})
	}
	if r.outgoing {
		p.tellOutgoing(i, r, v)
	}
}

// isEntry reports whether r is work that its service was asked to do.
func (p *pairer) isEntry(i int32, r *row, crosses bool) bool {
	switch r.kind {
	case telemetry.SpanKindServer:
		return true
	case telemetry.SpanKindConsumer:
		return !p.wrapping[i]
	case telemetry.SpanKindClient, telemetry.SpanKindProducer:
		return crosses
	}
	return crosses || r.parent.IsZero()
}

// tellCrossing tells the call that made r, whose parent is another service's.
func (p *pairer) tellCrossing(r, caller *row, v visitor) {
	c := call{source: caller.service, target: r.service, of: r, caller: caller, protocol: r.protocol, failed: failed(r), direct: true}
	if p.t.names[c.protocol].id == ProtocolUnknown {
		c.protocol = caller.protocol
	}
	message := r.kind == telemetry.SpanKindConsumer || caller.kind == telemetry.SpanKindProducer
	if !message {
		c.failed = c.failed || caller.kind == telemetry.SpanKindClient && failed(caller)
		v.call(c)
		return
	}
	for _, side := range []*row{r, caller} {
		if side.peer >= 0 && p.t.names[side.peer].kind == TypeQueue {
			c.source = side.peer
			break
		}
	}
	v.call(c)
}

// tellOutgoing tells the call that r made, where what it called did not tell:
// messages always go to their queue, other calls to what the span names.
func (p *pairer) tellOutgoing(i int32, r *row, v visitor) {
	if r.peer < 0 || p.wrapping[i] {
		if r.peer < 0 && !p.wrapping[i] && !p.answered[i] {
			v.odd(r, ReasonPeer)
		}
		return
	}
	queue := p.t.names[r.peer].kind == TypeQueue
	if p.answered[i] && !queue {
		return
	}
	c := call{source: r.service, target: r.peer, of: r, protocol: r.protocol, failed: failed(r)}
	if queue && r.receives {
		c.source, c.target = c.target, c.source
	}
	if !p.answered[i] && !queue {
		v.odd(r, ReasonServer)
	}
	v.call(c)
}

func failed(r *row) bool { return r.status == telemetry.StatusError }
