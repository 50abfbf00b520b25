package servicemap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// row is what the map needs of a span.
type row struct {
	trace      telemetry.TraceID
	span       telemetry.SpanID
	parent     telemetry.SpanID
	start, dur int64
	service    int32
	peer       int32   // into names, -1 for none
	protocol   int32   // into names
	name       int32   // into names, the span's; only for metrics
	weight     float32 // how many spans it stands for
	kind       telemetry.SpanKind
	status     telemetry.StatusCode
	receives   bool
	outgoing   bool // it calls something outside its service
	inRange    bool // else it is here for its other half
}

// node is a node's name and type.
type node struct{ id, kind string }

// table holds the rows of a read and the names they point to.
type table struct {
	rows     []row
	names    []node
	byName   map[node]int32
	spaces   map[int32]string // namespaces of the services that have one
	warnings []string
}

// plain returns the service.name and the service.namespace of a node: what
// the rest of the world calls a service by. Other nodes have their id alone.
func (t *table) plain(i int32) (name, namespace string) {
	namespace = t.spaces[i]
	if namespace == "" {
		return t.names[i].id, ""
	}
	return strings.TrimPrefix(t.names[i].id, namespace+"/"), namespace
}

// internService interns the service of a stream.
func (t *table) internService(s *telemetry.Stream) int32 {
	i := t.intern(node{serviceOf(s), TypeService})
	if s != nil && t.spaces[i] == "" {
		if space := s.Resource.Attrs.Text(telemetry.AttrServiceNamespace); space != "" && strings.HasPrefix(s.Service, space+"/") {
			t.spaces[i] = space
		}
	}
	return i
}

func (t *table) intern(n node) int32 {
	if i, ok := t.byName[n]; ok {
		return i
	}
	i := int32(len(t.names))
	t.names = append(t.names, n)
	t.byName[n] = i
	return i
}

// Query selects the spans of a map.
type Query struct {
	Tenant   string
	From, To int64 // Unix nanoseconds, From <= Start < To
	// BeforeFrom and BeforeTo are the range that the map is compared with,
	// none where BeforeTo is zero.
	BeforeFrom, BeforeTo int64
}

// read returns the rows of q's spans and of those around them, sorted by
// trace. withNames keeps the spans' names too.
func (e *Engine) read(ctx context.Context, q Query, withNames bool) (*table, error) {
	t := &table{byName: map[node]int32{}, spaces: map[int32]string{}}
	around := int64(time.Duration(e.cfg.Lookaround))
	var stats storage.ReadStats
	sq := storage.SpanQuery{Tenant: q.Tenant, From: max(q.From-around, 0), To: q.To + around, Columns: storage.ColSpan | storage.ColAttrs | storage.ColRest, Stats: &stats}
	for batch, err := range e.reader.Spans(ctx, sq) {
		if errors.Is(err, storage.ErrBudget) {
			t.warnings = append(t.warnings, err.Error())
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read spans: %w", err)
		}
		if len(t.rows)+len(batch) > e.cfg.MaxSpans {
			t.warnings = append(t.warnings, fmt.Sprintf("more than %d spans in the range: ask for a shorter one", e.cfg.MaxSpans))
			break
		}
		for i := range batch {
			t.add(&batch[i], q, withNames)
		}
	}
	t.warnings = append(t.warnings, stats.Warnings...)
	slices.SortFunc(t.rows, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.trace[:], b.trace[:]), cmp.Compare(a.start, b.start), bytes.Compare(a.span[:], b.span[:]))
	})
	return t, nil
}

func (t *table) add(s *telemetry.Span, q Query, withNames bool) {
	r := row{
		trace: s.TraceID, span: s.SpanID, parent: s.ParentID, start: s.Start, dur: int64(s.Duration()), peer: -1, name: -1,
		service: t.internService(s.Stream), protocol: t.intern(node{id: protocolOf(s)}),
		kind: s.Kind, status: s.Status, inRange: s.Start >= q.From && s.Start < q.To, weight: float32(weightOf(s)),
	}
	r.outgoing = calls(s.Kind) || s.Kind <= telemetry.SpanKindInternal && t.names[r.protocol].id == ProtocolDB
	if r.outgoing || s.Kind == telemetry.SpanKindConsumer {
		if p := peerOf(s); p.kind != "" && p.id != "" {
			r.peer, r.receives = t.intern(node{p.id, p.kind}), p.receives
		}
	}
	if withNames {
		r.name = t.intern(node{id: s.Name})
	}
	t.rows = append(t.rows, r)
}

func serviceOf(s *telemetry.Stream) string {
	if s == nil {
		return telemetry.UnknownService
	}
	return s.Service
}

// calls reports whether spans of kind k go out of their service. Those of
// databases do, too, whatever kind their instrumentation gives them.
func calls(k telemetry.SpanKind) bool {
	return k == telemetry.SpanKindClient || k == telemetry.SpanKindProducer
}

// traces yields the rows of one trace after the other.
func (t *table) traces(yield func([]row) bool) {
	for i := 0; i < len(t.rows); {
		end := i + 1
		for end < len(t.rows) && t.rows[end].trace == t.rows[i].trace {
			end++
		}
		if !yield(t.rows[i:end]) {
			return
		}
		i = end
	}
}
