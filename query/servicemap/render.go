package servicemap

import (
	"fmt"
	"strconv"
	"strings"
)

// shapes are Graphviz's shapes and Mermaid's brackets, by the type of a node.
var (
	dotShapes     = map[string]string{TypeService: "box", TypeDatabase: "cylinder", TypeQueue: "cds", TypeExternal: "ellipse", TypeUser: "house"}
	mermaidShapes = map[string][2]string{TypeService: {"[", "]"}, TypeDatabase: {"[(", ")]"}, TypeQueue: {"[[", "]]"}, TypeExternal: {"([", "])"}, TypeUser: {"((", "))"}}
)

// DOT renders the map for Graphviz.
func (m *Map) DOT() string {
	var b strings.Builder
	b.WriteString("digraph clew {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n")
	for _, n := range m.Nodes {
		shape := dotShapes[n.Type]
		if shape == "" {
			shape = dotShapes[TypeService]
		}
		fmt.Fprintf(&b, "  %s [shape=%s%s];\n", dotQuote(n.ID), shape, dotStyle(n.Change, n.Health == HealthDown || n.Health == HealthDegraded, false))
	}
	for _, e := range m.Edges {
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", dotQuote(e.Source), dotQuote(e.Target), dotQuote(e.label()), dotStyle(e.Change, e.Errors > 0, e.Evidence == EvidenceLogs))
	}
	b.WriteString("}\n")
	return b.String()
}

func dotStyle(change string, bad, fromLogs bool) string {
	switch {
	case change == ChangeRemoved:
		return ", color=gray, style=dotted"
	case bad && fromLogs:
		return ", color=red, style=dashed"
	case bad:
		return ", color=red"
	case change == ChangeAdded:
		return ", color=green"
	case fromLogs:
		return ", style=dashed"
	}
	return ""
}

// oneLine makes a name that senders chose harmless in a text of lines.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(oneLine(s)) + `"`
}

// Mermaid renders the map for Mermaid.
func (m *Map) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := map[string]string{}
	for i, n := range m.Nodes {
		ids[n.ID] = "n" + strconv.Itoa(i)
		shape, ok := mermaidShapes[n.Type]
		if !ok {
			shape = mermaidShapes[TypeService]
		}
		fmt.Fprintf(&b, "  %s%s%s%s\n", ids[n.ID], shape[0], mermaidQuote(n.ID), shape[1])
	}
	for _, e := range m.Edges {
		arrow := "-->"
		if e.Evidence == EvidenceLogs || e.Change == ChangeRemoved {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  %s %s|%s| %s\n", ids[e.Source], arrow, mermaidQuote(e.label()), ids[e.Target])
	}
	return b.String()
}

func mermaidQuote(s string) string {
	return `"` + strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(oneLine(s)) + `"`
}

// label says in a few words what goes over an edge.
func (e *Edge) label() string {
	text := e.Protocol + ", " + plural(e.Calls, "call")
	if e.Errors > 0 {
		text += ", " + plural(e.Errors, "error")
	}
	if e.Before != nil && e.Before.Calls != e.Calls {
		text += fmt.Sprintf(" (before: %d)", e.Before.Calls)
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// NodeGraph is the map as the two frames that Grafana's node graph panel reads.
type NodeGraph struct {
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`
}

// GraphNode is a row of the frame of nodes, by the names of the panel's fields.
type GraphNode struct {
	ID            string  `json:"id"`
	Title         string  `json:"title"`
	SubTitle      string  `json:"subtitle"`
	MainStat      string  `json:"mainstat"`
	SecondaryStat string  `json:"secondarystat"`
	ArcOK         float64 `json:"arc__ok"`
	ArcFailed     float64 `json:"arc__failed"`
	DetailHealth  string  `json:"detail__health"`
	DetailCalls   int     `json:"detail__calls"`
	DetailErrors  int     `json:"detail__errors"`
}

// GraphEdge is a row of the frame of edges.
type GraphEdge struct {
	ID             string `json:"id"`
	Source         string `json:"source"`
	Target         string `json:"target"`
	MainStat       string `json:"mainstat"`
	SecondaryStat  string `json:"secondarystat"`
	DetailProtocol string `json:"detail__protocol"`
	DetailEvidence string `json:"detail__evidence"`
	DetailTrace    string `json:"detail__trace_id"` // the one most worth looking at
}

// NodeGraph returns the frames of Grafana's node graph.
func (m *Map) NodeGraph() *NodeGraph {
	g := &NodeGraph{Nodes: []GraphNode{}, Edges: []GraphEdge{}}
	for _, n := range m.Nodes {
		failed := 0.0
		if n.Calls > 0 {
			failed = float64(n.Errors) / float64(n.Calls)
		}
		g.Nodes = append(g.Nodes, GraphNode{ID: n.ID, Title: n.ID, SubTitle: n.Type, MainStat: plural(n.Calls, "call"),
			SecondaryStat: milliseconds(n.P95), ArcOK: 1 - failed, ArcFailed: failed, DetailHealth: n.Health, DetailCalls: n.Calls, DetailErrors: n.Errors})
	}
	for _, e := range m.Edges {
		row := GraphEdge{ID: e.Source + " > " + e.Target + " > " + e.Protocol + " > " + e.Evidence, Source: e.Source, Target: e.Target, MainStat: e.label(),
			SecondaryStat: milliseconds(e.P95), DetailProtocol: e.Protocol, DetailEvidence: e.Evidence}
		if len(e.SampleTraceIDs) > 0 {
			row.DetailTrace = e.SampleTraceIDs[0]
		}
		g.Edges = append(g.Edges, row)
	}
	return g
}

func milliseconds(ms float64) string {
	if ms == 0 {
		return ""
	}
	return "p95 " + strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
}
