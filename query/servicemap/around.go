package servicemap

// Around returns the part of m that is at most depth calls away from a
// service, in either direction. It is empty where m does not have the service.
func (m *Map) Around(service string, depth int) *Map {
	near := map[string]int{}
	for _, n := range m.Nodes {
		if n.ID == service {
			near[service] = 0
		}
	}
	for d := range depth {
		for _, e := range m.Edges {
			if at, ok := near[e.Source]; ok && at == d {
				reach(near, e.Target, d+1)
			}
			if at, ok := near[e.Target]; ok && at == d {
				reach(near, e.Source, d+1)
			}
		}
	}
	return m.part(func(id string) bool { _, ok := near[id]; return ok }, func(e *Edge) bool {
		return min(near[e.Source], near[e.Target]) < depth
	})
}

// Between returns the part of m through which calls of source can lead to
// target. It is empty where none do.
func (m *Map) Between(source, target string) *Map {
	down := m.reachable(source, func(e *Edge) (from, to string) { return e.Source, e.Target })
	up := m.reachable(target, func(e *Edge) (from, to string) { return e.Target, e.Source })
	return m.part(func(id string) bool { return down[id] && up[id] }, func(*Edge) bool { return true })
}

// reachable returns the nodes that can be reached from one over edges taken as
// ends says.
func (m *Map) reachable(start string, ends func(*Edge) (from, to string)) map[string]bool {
	next := map[string][]string{}
	for i := range m.Edges {
		from, to := ends(&m.Edges[i])
		next[from] = append(next[from], to)
	}
	seen, open := map[string]bool{start: true}, []string{start}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		for _, to := range next[at] {
			if !seen[to] {
				seen[to] = true
				open = append(open, to)
			}
		}
	}
	return seen
}

// part returns the nodes that has wants, and of the edges between them those
// that keep wants.
func (m *Map) part(has func(id string) bool, keep func(*Edge) bool) *Map {
	out := &Map{Nodes: []Node{}, Edges: []Edge{}, Partial: m.Partial, Warnings: m.Warnings}
	for _, n := range m.Nodes {
		if has(n.ID) {
			out.Nodes = append(out.Nodes, n)
		}
	}
	for i := range m.Edges {
		if e := &m.Edges[i]; has(e.Source) && has(e.Target) && keep(e) {
			out.Edges = append(out.Edges, *e)
		}
	}
	for _, u := range m.Unpaired {
		if has(u.Service) {
			out.Unpaired = append(out.Unpaired, u)
		}
	}
	return out
}

func reach(near map[string]int, id string, depth int) {
	if _, ok := near[id]; !ok {
		near[id] = depth
	}
}
