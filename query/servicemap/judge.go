package servicemap

import (
	"context"
	"net/url"
	"strings"

	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/query/servicemap/health"
)

// WithMetrics lets the engine read metrics, too: alerts, restarts, health
// checks, and services that nothing else tells of. It is to be called before
// the engine is used.
func (e *Engine) WithMetrics(metrics func(tenant string) (promstorage.Queryable, error)) *Engine {
	e.health = health.New(e.cfg.Health, e.reader, metrics)
	return e
}

// judge says how the map's nodes are and why, and adds the services that only
// metrics tell of.
func (e *Engine) judge(ctx context.Context, q Query, m *Map, known map[string]bool) error {
	reasons, err := e.judgeCalls(ctx, q, m, known)
	if err != nil {
		return err
	}
	found, err := e.health.Look(ctx, m.question(q))
	if err != nil {
		return err
	}
	for _, name := range found.Services {
		m.Nodes = append(m.Nodes, Node{ID: name, Type: TypeService, Evidence: EvidenceMetrics, Health: HealthUnknown})
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		n.Reasons = append(reasons[n.ID], found.Reasons[n.ID]...)
		health.Sort(n.Reasons)
		n.Dependencies = found.Dependencies[n.ID]
		if found.Well[n.ID] {
			n.Health = health.Worse(n.Health, HealthOK)
		}
		n.Health = worst(n.Health, n.Reasons)
	}
	for i := range m.Edges {
		edge := &m.Edges[i]
		edge.Health = e.cfg.health(edge.Calls, edge.Errors)
		edge.Reasons = found.Edges[[2]string{edge.Source, edge.Target}]
		edge.Health = worst(edge.Health, edge.Reasons)
	}
	for _, w := range found.Warnings { // the calls are whole all the same
		m.Warnings = append(m.Warnings, "health: "+w)
	}
	m.sort()
	return nil
}

// worst returns the worst of a state and what reasons make of it.
func worst(state string, reasons []health.Reason) string {
	for _, r := range reasons {
		state = health.Worse(state, r.Health)
	}
	return state
}

// question asks about the map's nodes.
func (m *Map) question(q Query) health.Question {
	out := health.Question{Tenant: q.Tenant, From: q.From, To: q.To, Calls: map[string][]string{}}
	for _, n := range m.Nodes {
		if n.Type != TypeUser {
			out.Nodes = append(out.Nodes, health.Subject{ID: n.ID, Service: n.Type == TypeService, Address: address(n.ID)})
		}
	}
	for i := range m.Edges {
		out.Calls[m.Edges[i].Source] = append(out.Calls[m.Edges[i].Source], m.Edges[i].Target)
	}
	return out
}

// address returns the host in the ID of a node that is no service:
// system:address/name, or the host itself.
func address(id string) string {
	if _, rest, found := strings.Cut(id, ":"); found {
		id = rest
	}
	host, _, _ := strings.Cut(id, "/")
	if u, err := url.Parse("//" + host); err == nil {
		return strings.ToLower(u.Hostname())
	}
	return strings.ToLower(host)
}
