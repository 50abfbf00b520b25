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
	out := &Map{Nodes: []Node{}, Edges: []Edge{}, Partial: m.Partial, Warnings: m.Warnings}
	for _, n := range m.Nodes {
		if _, ok := near[n.ID]; ok {
			out.Nodes = append(out.Nodes, n)
		}
	}
	for _, e := range m.Edges {
		from, ok := near[e.Source]
		to, ok2 := near[e.Target]
		if ok && ok2 && min(from, to) < depth {
			out.Edges = append(out.Edges, e)
		}
	}
	return out
}

func reach(near map[string]int, id string, depth int) {
	if _, ok := near[id]; !ok {
		near[id] = depth
	}
}
