package servicemap

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/clewhq/clew/query/servicemap/health"
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
		fmt.Fprintf(&b, "  %s [shape=%s%s%s];\n", dotQuote(n.ID), shape, dotStyle(n.Change, n.Health, n.Evidence == EvidenceMetrics), dotTip(n.Reasons))
	}
	for _, e := range m.Edges {
		state := e.Health
		if e.Errors > 0 {
			state = health.Worse(state, HealthDegraded)
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s%s];\n", dotQuote(e.Source), dotQuote(e.Target), dotQuote(e.label()), dotStyle(e.Change, state, e.Evidence == EvidenceLogs), dotTip(e.Reasons))
	}
	b.WriteString("}\n")
	return b.String()
}

// stateColours are those of what is not well.
var stateColours = map[string]string{HealthDown: "red", HealthDegraded: "orange"}

// dotStyle draws what is not known from spans dashed.
func dotStyle(change, state string, dashed bool) string {
	colour, line := stateColours[state], ""
	switch {
	case change == ChangeRemoved:
		colour, line = "gray", "dotted"
	case dashed:
		line = "dashed"
	}
	if colour == "" && change == ChangeAdded {
		colour = "green"
	}
	out := ""
	if colour != "" {
		out += ", color=" + colour
	}
	if line != "" {
		out += ", style=" + line
	}
	return out
}

// dotTip says why something is not well, where a picture can.
func dotTip(reasons []health.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	return ", tooltip=" + dotQuote(inWords(reasons))
}

// inWords joins the texts of reasons.
func inWords(reasons []health.Reason) string {
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = r.Text
	}
	return strings.Join(texts, "; ")
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
	for _, state := range []string{HealthDown, HealthDegraded} {
		var unwell []string
		for _, n := range m.Nodes {
			if n.Health == state {
				unwell = append(unwell, ids[n.ID])
			}
		}
		if len(unwell) > 0 {
			fmt.Fprintf(&b, "  classDef %s stroke:%s,stroke-width:3px\n  class %s %s\n", state, stateColours[state], strings.Join(unwell, ","), state)
		}
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
	ID            string `json:"id"`
	Title         string `json:"title"`
	SubTitle      string `json:"subtitle"`
	MainStat      string `json:"mainstat"`
	SecondaryStat string `json:"secondarystat"`
	// The arcs are parts of the circle: the share of calls that failed, and the
	// rest in the colour of the node's health, where one that is down is all
	// failed.
	ArcOK         float64 `json:"arc__ok"`
	ArcDegraded   float64 `json:"arc__degraded"`
	ArcFailed     float64 `json:"arc__failed"`
	ArcUnknown    float64 `json:"arc__unknown"`
	DetailHealth  string  `json:"detail__health"`
	DetailReasons string  `json:"detail__reasons"`
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
		row := GraphNode{ID: n.ID, Title: n.ID, SubTitle: n.Type, MainStat: plural(n.Calls, "call"),
			SecondaryStat: milliseconds(n.P95), DetailHealth: n.Health, DetailCalls: n.Calls, DetailErrors: n.Errors}
		row.DetailReasons = inWords(n.Reasons)
		row.arcs(n.Health, float64(n.Errors)/float64(max(n.Calls, 1)))
		g.Nodes = append(g.Nodes, row)
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

// arcs divides the circle.
func (n *GraphNode) arcs(state string, failed float64) {
	n.ArcFailed = failed
	switch rest := 1 - failed; state {
	case HealthDown:
		n.ArcFailed = 1
	case HealthDegraded:
		n.ArcDegraded = rest
	case HealthUnknown:
		n.ArcUnknown = rest
	default:
		n.ArcOK = rest
	}
}

func milliseconds(ms float64) string {
	if ms == 0 {
		return ""
	}
	return "p95 " + strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
}
