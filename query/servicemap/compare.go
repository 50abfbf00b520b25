package servicemap

import "github.com/clewhq/clew/telemetry/calls"

// compare notes in m what its nodes and edges were in before, and adds those
// that are there no more, without calls.
func (m *Map) compare(before *Map) {
	nodes := map[calls.Node]*Node{}
	for i := range before.Nodes {
		n := &before.Nodes[i]
		nodes[calls.Node{ID: n.ID, Type: n.Type}] = n
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		key := calls.Node{ID: n.ID, Type: n.Type}
		if b := nodes[key]; b != nil {
			n.Before = &Figures{b.Calls, b.Errors, b.P50, b.P95, b.P99}
			delete(nodes, key)
		} else {
			n.Change = ChangeAdded
		}
	}
	for _, b := range nodes {
		m.Nodes = append(m.Nodes, Node{ID: b.ID, Type: b.Type, Evidence: b.Evidence, Health: HealthUnknown, Change: ChangeRemoved, Before: &Figures{b.Calls, b.Errors, b.P50, b.P95, b.P99}})
	}
	type key struct{ source, target, protocol, evidence string }
	edges := map[key]*Edge{}
	for i := range before.Edges {
		e := &before.Edges[i]
		edges[key{e.Source, e.Target, e.Protocol, e.Evidence}] = e
	}
	for i := range m.Edges {
		e := &m.Edges[i]
		k := key{e.Source, e.Target, e.Protocol, e.Evidence}
		if b := edges[k]; b != nil {
			e.Before = &Figures{b.Calls, b.Errors, b.P50, b.P95, b.P99}
			delete(edges, k)
		} else {
			e.Change = ChangeAdded
		}
	}
	for _, b := range edges {
		m.Edges = append(m.Edges, Edge{Source: b.Source, Target: b.Target, Protocol: b.Protocol, Evidence: b.Evidence, Health: HealthUnknown, Change: ChangeRemoved,
			SampleTraceIDs: b.SampleTraceIDs, Before: &Figures{b.Calls, b.Errors, b.P50, b.P95, b.P99}})
	}
	if before.Partial {
		m.Partial = true
		for _, w := range before.Warnings {
			m.Warnings = append(m.Warnings, "in the range before: "+w)
		}
	}
	m.sort()
}
