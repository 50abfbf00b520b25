package servicemap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Engine makes maps. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	reader storage.Reader
}

// New returns an engine over reader.
func New(cfg Config, reader storage.Reader) *Engine { return &Engine{cfg: cfg, reader: reader} }

// Config returns what the engine was made with.
func (e *Engine) Config() Config { return e.cfg }

// Map returns the map of q's spans.
func (e *Engine) Map(ctx context.Context, q Query) (*Map, error) {
	m, err := e.mapOf(ctx, q)
	if err != nil || q.BeforeTo == 0 {
		return m, err
	}
	before, err := e.mapOf(ctx, Query{Tenant: q.Tenant, From: q.BeforeFrom, To: q.BeforeTo})
	if err != nil {
		return nil, err
	}
	m.compare(before)
	return m, nil
}

// mapOf is Map of one range.
func (e *Engine) mapOf(ctx context.Context, q Query) (*Map, error) {
	t, err := e.read(ctx, q, false)
	if err != nil {
		return nil, err
	}
	b := newBuilder(t, e.cfg)
	logs, err := e.reader.Streams(ctx, q.Tenant, telemetry.Logs, q.From, q.To)
	if err != nil {
		return nil, fmt.Errorf("list log streams: %w", err)
	}
	for _, s := range logs {
		b.known[serviceOf(s.Stream)] = true
	}
	t.run(b)
	edges, err := e.logEdges(ctx, q, b)
	if err != nil {
		return nil, err
	}
	return b.result(edges), nil
}

// Dependencies returns how often each service called each other one directly,
// under the names that traces give them: the protocols that ask know of no
// namespaces.
func (e *Engine) Dependencies(ctx context.Context, tenant string, from, to int64) ([]Dependency, error) {
	t, err := e.read(ctx, Query{Tenant: tenant, From: from, To: to}, false)
	if err != nil {
		return nil, err
	}
	d := directCalls{}
	t.run(d)
	calls := map[[2]string]uint64{}
	for pair, n := range d {
		parent, _ := t.plain(pair[0])
		child, _ := t.plain(pair[1])
		calls[[2]string{parent, child}] += n
	}
	out := make([]Dependency, 0, len(calls))
	for pair, n := range calls {
		out = append(out, Dependency{Parent: pair[0], Child: pair[1], CallCount: n})
	}
	slices.SortFunc(out, func(a, b Dependency) int {
		return cmp.Or(strings.Compare(a.Parent, b.Parent), strings.Compare(a.Child, b.Child))
	})
	return out, nil
}

// directCalls counts calls by the services of parent and child.
type directCalls map[[2]int32]uint64

func (d directCalls) entry(*row) {}

func (d directCalls) odd(*row, string) {}

func (d directCalls) call(c call) {
	if c.direct {
		d[[2]int32{c.caller.service, c.of.service}]++
	}
}
