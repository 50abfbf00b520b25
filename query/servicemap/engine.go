package servicemap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/query/servicemap/health"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Engine makes maps. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	reader storage.Reader
	health *health.Judge
}

// New returns an engine over reader.
func New(cfg Config, reader storage.Reader) *Engine {
	return &Engine{cfg: cfg, reader: reader, health: health.New(cfg.Health, reader, nil)}
}

// Config returns what the engine was made with.
func (e *Engine) Config() Config { return e.cfg }

// Map returns the map of q's spans.
func (e *Engine) Map(ctx context.Context, q Query) (*Map, error) {
	q.look = &storage.CallLook{}
	m, known, err := e.mapOf(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := e.judge(ctx, q, m, known); err != nil || q.BeforeTo == 0 {
		return m, err
	}
	before, _, err := e.mapOf(ctx, Query{Tenant: q.Tenant, From: q.BeforeFrom, To: q.BeforeTo, look: q.look})
	if err != nil {
		return nil, err
	}
	m.compare(before)
	return m, nil
}

// mapOf is Map of one range, without its nodes' health beyond their errors, and
// the services that log.
func (e *Engine) mapOf(ctx context.Context, q Query) (*Map, map[string]bool, error) {
	t, warnings, err := e.totals(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	b := newBuilder(t, e.cfg)
	b.warnings = warnings
	var stats storage.ReadStats
	logs, err := e.reader.Streams(ctx, q.Tenant, telemetry.Logs, q.From, q.To, &stats)
	if err != nil {
		return nil, nil, fmt.Errorf("list log streams: %w", err)
	}
	b.warnings = append(b.warnings, stats.Warnings...)
	for _, s := range logs {
		if !kubernetes.OnlyEvents(s.Stream) {
			b.known[calls.ServiceOf(s.Stream)] = true
		}
	}
	b.build()
	edges, err := e.logEdges(ctx, q, b)
	if err != nil {
		return nil, nil, err
	}
	return b.result(edges), b.known, nil
}

// Dependencies returns how often each service called each other one directly,
// under the names that traces give them: the protocols that ask know of no
// namespaces.
func (e *Engine) Dependencies(ctx context.Context, tenant string, from, to int64) ([]Dependency, error) {
	t, _, err := e.totals(ctx, Query{Tenant: tenant, From: from, To: to})
	if err != nil {
		return nil, err
	}
	direct := map[[2]string]uint64{}
	for k, n := range t.Calls {
		if k.Caller >= 0 {
			parent, _ := t.Names.Plain(k.Caller)
			child, _ := t.Names.Plain(k.Target)
			direct[[2]string{parent, child}] += uint64(n.Calls)
		}
	}
	out := make([]Dependency, 0, len(direct))
	for pair, n := range direct {
		out = append(out, Dependency{Parent: pair[0], Child: pair[1], CallCount: n})
	}
	slices.SortFunc(out, func(a, b Dependency) int {
		return cmp.Or(strings.Compare(a.Parent, b.Parent), strings.Compare(a.Child, b.Child))
	})
	return out, nil
}
