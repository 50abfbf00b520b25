package calls

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// The types of nodes.
const (
	TypeService  = "service"
	TypeDatabase = "database"
	TypeQueue    = "queue"
	TypeExternal = "external"
	TypeUser     = "user"
)

// The protocols of calls. Those of remote procedure calls are named by their
// system.
const (
	ProtocolHTTP      = "http"
	ProtocolGRPC      = "grpc"
	ProtocolDB        = "db"
	ProtocolMessaging = "messaging"
	ProtocolUnknown   = "unknown"
)

// Node is what calls or is called. A protocol is one without a type.
type Node struct{ ID, Type string }

// Names numbers nodes, protocols and names.
type Names struct {
	list   []Node
	byName map[Node]int32
	spaces map[int32]string // namespaces of the services that have one
}

// NewNames returns an empty set.
func NewNames() *Names { return &Names{byName: map[Node]int32{}, spaces: map[int32]string{}} }

// Intern returns a node's number, a new one where it has none.
func (n *Names) Intern(of Node) int32 {
	if i, ok := n.byName[of]; ok {
		return i
	}
	i := int32(len(n.list))
	n.list = append(n.list, of)
	n.byName[of] = i
	return i
}

// Find returns a node's number.
func (n *Names) Find(of Node) (int32, bool) {
	i, ok := n.byName[of]
	return i, ok
}

// Node returns the node of a number.
func (n *Names) Node(i int32) Node { return n.list[i] }

// Len is how many there are.
func (n *Names) Len() int { return len(n.list) }

// Space returns the namespace of a service, "" for none.
func (n *Names) Space(i int32) string { return n.spaces[i] }

// SetSpace notes the namespace of a service.
func (n *Names) SetSpace(i int32, space string) { n.spaces[i] = space }

// Plain returns the service.name and the service.namespace of a node: what the
// rest of the world calls a service by. Other nodes have their ID alone.
func (n *Names) Plain(i int32) (name, namespace string) {
	namespace = n.spaces[i]
	if namespace == "" {
		return n.list[i].ID, ""
	}
	return strings.TrimPrefix(n.list[i].ID, namespace+"/"), namespace
}

// Row is what calls are told from, of one span.
type Row struct {
	Trace      telemetry.TraceID
	Span       telemetry.SpanID
	Parent     telemetry.SpanID
	Start, Dur int64
	Service    int32
	Peer       int32   // whom it names, -1 for none
	Protocol   int32   // into the names
	Name       int32   // the span's, -1 where it was not asked for
	Weight     float32 // how many spans it stands for
	Kind       telemetry.SpanKind
	Status     telemetry.StatusCode
	Receives   bool // messages come from the peer
	Outgoing   bool // it calls something outside its service
}

// Failed reports whether the span says so.
func (r *Row) Failed() bool { return r.Status == telemetry.StatusError }

// TraceHash is a trace ID in few bits, well mixed: IDs need not be random.
func TraceHash(id telemetry.TraceID) uint32 {
	x := binary.LittleEndian.Uint64(id[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(id[8:])
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return uint32(x >> 32)
}

// Rows gathers rows and the names they point to.
type Rows struct {
	Names *Names
	List  []Row
	in    classifier
}

// NewRows returns an empty set of rows over names.
func NewRows(names *Names) *Rows {
	return &Rows{Names: names, in: newClassifier(names)}
}

// Add appends a span's row. withName keeps the span's name too.
func (t *Rows) Add(s *telemetry.Span, withName bool) {
	t.List = append(t.List, Row{})
	r := &t.List[len(t.List)-1]
	t.in.row(r, s)
	if withName {
		r.Name = t.Names.Intern(Node{ID: s.Name})
	}
}

// Sort puts the rows of a trace together, and those of each in order.
func (t *Rows) Sort() { slices.SortFunc(t.List, t.compare) }

// compare orders rows by what they say, so that the order in which they came
// makes no difference, not even between two that claim to be the same span.
func (t *Rows) compare(a, b Row) int {
	if c := bytes.Compare(a.Trace[:], b.Trace[:]); c != 0 {
		return c
	}
	if a.Start != b.Start {
		return cmp.Compare(a.Start, b.Start)
	}
	if c := bytes.Compare(a.Span[:], b.Span[:]); c != 0 {
		return c
	}
	name := func(i int32) string {
		if i < 0 {
			return ""
		}
		return t.Names.Node(i).ID
	}
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(name(a.Service), name(b.Service)), bytes.Compare(a.Parent[:], b.Parent[:]),
		cmp.Compare(b.Dur, a.Dur), cmp.Compare(b.Status, a.Status), strings.Compare(name(b.Peer), name(a.Peer)),
		strings.Compare(name(b.Protocol), name(a.Protocol)), cmp.Compare(b.Weight, a.Weight))
}

// Traces yields the rows of one trace after the other; they must be sorted.
func (t *Rows) Traces(yield func([]Row) bool) {
	for i := 0; i < len(t.List); {
		end := i + 1
		for end < len(t.List) && t.List[end].Trace == t.List[i].Trace {
			end++
		}
		if !yield(t.List[i:end]) {
			return
		}
		i = end
	}
}

// Tell sorts the rows and tells v of every one of them that started in from..to
// what it means, as rules say.
func (t *Rows) Tell(rules Rules, from, to int64, v Visitor) {
	t.Sort()
	p := NewPairer(t.Names, rules)
	in := func(start int64) bool { return start >= from && start < to }
	for rows := range t.Traces {
		p.Trace(rows, in, v)
	}
}
