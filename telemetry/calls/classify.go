package calls

import (
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// field is a question that several attributes answer, the newest names of the
// semantic conventions first.
type field uint8

// The fields.
const (
	fieldNone field = iota
	fieldDBSystem
	fieldDBName
	fieldMessaging
	fieldDestination
	fieldOperation
	fieldAddress
	fieldURL
	fieldHost
	fieldPeer
	fieldWeight
	fieldProbability
	fieldCount
)

// asks is a field, and how good an answer to it an attribute is: 1 is best.
type asks struct {
	field field
	rank  uint8
}

// keys of attributes by the field they answer.
var keys = func() map[string]asks {
	out := map[string]asks{}
	for f, names := range map[field][]string{
		fieldDBSystem:    {"db.system.name", "db.system", "db.type"},
		fieldDBName:      {"db.namespace", "db.name", "db.instance", "db.redis.database_index"},
		fieldMessaging:   {"messaging.system"},
		fieldDestination: {"messaging.destination.name", "messaging.destination", "messaging.kafka.topic", "message_bus.destination"},
		fieldOperation:   {"messaging.operation.type", "messaging.operation", "messaging.operation.name"},
		fieldAddress:     {"server.address", "net.peer.name", "peer.hostname", "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.address"},
		fieldURL:         {"url.full", "http.url"},
		fieldHost:        {"http.host", "rpc.service"},
		fieldPeer:        {"peer.service"},
		// Of how many spans one was kept, and with what probability.
		fieldWeight:      {"SampleRate", "sampling.adjusted_count"},
		fieldProbability: {"sampling.probability", "_dd.rule_psr", "_dd.agent_psr"},
	} {
		for i, name := range names {
			out[name] = asks{f, uint8(i + 1)}
		}
	}
	return out
}()

// facts are what a span's attributes answer.
type facts struct {
	text     [fieldCount]string
	rank     [fieldCount]uint8
	protocol string  // "" for what nothing tells
	http     bool    // there are attributes of HTTP
	weight   float64 // 0 where attributes do not say
}

// read goes through the attributes once.
func (f *facts) read(attrs telemetry.Attrs) {
	*f = facts{}
	system := false
	for i := range attrs {
		key := attrs[i].Key
		switch {
		case strings.HasPrefix(key, "http.") || strings.HasPrefix(key, "url."):
			f.http = true
		case system:
		case key == "rpc.system" || key == "rpc.system.name":
			f.protocol, system = strings.ToLower(attrs[i].Value.Text()), true
		case key == "messaging.system" || key == "messaging.destination.name":
			f.protocol, system = ProtocolMessaging, true
		case key == "db.system" || key == "db.system.name" || key == "db.type":
			f.protocol, system = ProtocolDB, true
		}
		a, ok := keys[key]
		if !ok || f.rank[a.field] != 0 && f.rank[a.field] <= a.rank {
			continue
		}
		if a.field == fieldWeight || a.field == fieldProbability {
			f.weigh(a.field, attrs[i].Value)
			continue
		}
		if text := attrs[i].Value.Text(); text != "" {
			f.text[a.field], f.rank[a.field] = text, a.rank
		}
	}
	if !system && f.http {
		f.protocol = ProtocolHTTP
	}
}

// weigh notes the first attribute that says how many spans this one stands for.
func (f *facts) weigh(of field, v telemetry.Value) {
	if f.weight != 0 {
		return
	}
	n, err := strconv.ParseFloat(v.Text(), 64)
	switch {
	case err != nil:
	case of == fieldWeight && n >= 1:
		f.weight = n
	case of == fieldProbability && n > 0 && n <= 1:
		f.weight = 1 / n
	}
}

// protocolOf returns how a span's call was made.
func (f *facts) protocolOf(k telemetry.SpanKind) string {
	switch {
	case f.protocol != "":
		return f.protocol
	case k == telemetry.SpanKindProducer || k == telemetry.SpanKindConsumer:
		return ProtocolMessaging
	}
	return ProtocolUnknown
}

// classifier makes rows of spans. It remembers what it has numbered.
type classifier struct {
	names     *Names
	services  map[*telemetry.Stream]int32
	protocols map[string]int32
	peers     map[peer]int32
	facts     facts
}

func newClassifier(names *Names) classifier {
	return classifier{names: names, services: map[*telemetry.Stream]int32{}, protocols: map[string]int32{}, peers: map[peer]int32{}}
}

// row makes a span's row in r, which is zero.
func (c *classifier) row(r *Row, s *telemetry.Span) {
	f := &c.facts
	f.read(s.Attrs)
	r.Trace, r.Span, r.Parent = s.TraceID, s.SpanID, s.ParentID
	r.Start, r.Dur, r.Kind, r.Status = s.Start, int64(s.Duration()), s.Kind, s.Status
	r.Service, r.Peer, r.Name = c.service(s.Stream), -1, -1
	protocol := f.protocolOf(s.Kind)
	r.Protocol = c.protocol(protocol)
	r.Weight = float32(c.weight(s))
	r.Outgoing = calls(s.Kind) || s.Kind <= telemetry.SpanKindInternal && protocol == ProtocolDB
	if r.Outgoing || s.Kind == telemetry.SpanKindConsumer {
		if p := f.peerOf(s.Kind); p.kind != "" {
			r.Peer, r.Receives = c.peer(p), p.receives
		}
	}
}

// weight returns how many spans s stands for: 1 unless it says that others
// like it were left out, in the trace state as OpenTelemetry's probability
// samplers write it (ot=th:... or the older ot=p:...), or in an attribute.
func (c *classifier) weight(s *telemetry.Span) float64 {
	if w := weightOfState(s.TraceState); w > 0 {
		return w
	}
	if c.facts.weight > 0 {
		return c.facts.weight
	}
	return 1
}

// ServiceOf returns the service of a stream, which may be nil.
func ServiceOf(s *telemetry.Stream) string {
	if s == nil {
		return telemetry.UnknownService
	}
	return s.Service
}

func (c *classifier) service(s *telemetry.Stream) int32 {
	i, ok := c.services[s]
	if ok {
		return i
	}
	i = c.names.Intern(Node{ServiceOf(s), TypeService})
	c.services[s] = i
	if s != nil && c.names.Space(i) == "" {
		if space := s.Resource.Attrs.Text(telemetry.AttrServiceNamespace); space != "" && strings.HasPrefix(s.Service, space+"/") {
			c.names.SetSpace(i, space)
		}
	}
	return i
}

func (c *classifier) protocol(name string) int32 {
	i, ok := c.protocols[name]
	if !ok {
		i = c.names.Intern(Node{ID: strings.Clone(name)})
		c.protocols[strings.Clone(name)] = i
	}
	return i
}

// peer returns a peer's number, -1 where it has no name.
func (c *classifier) peer(p peer) int32 {
	i, ok := c.peers[p]
	if !ok {
		i = -1
		if id := p.id(); id != "" {
			i = c.names.Intern(Node{strings.Clone(id), p.kind})
		}
		p.a, p.b, p.c = strings.Clone(p.a), strings.Clone(p.b), strings.Clone(p.c)
		c.peers[p] = i
	}
	return i
}

// calls reports whether spans of kind k go out of their service. Those of
// databases do, too, whatever kind their instrumentation gives them.
func calls(k telemetry.SpanKind) bool {
	return k == telemetry.SpanKindClient || k == telemetry.SpanKindProducer
}
